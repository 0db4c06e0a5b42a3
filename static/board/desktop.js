// What is out of its limits, on the desktop for as long as it is out and this page is there to take it back.

const shown = new Map(); // tag -> Notification

// A name of a queue is not to stay on a desktop, perhaps a locked one, after its board has gone.
addEventListener("pagehide", () => keep(new Set()));

/** Whether the browser shows anything: “granted”, “default”, “denied”; “missing”: without https some have none, and
 * others say that it was denied. */
export const canShow = () => (isSecureContext && globalThis.Notification?.permission) || "missing";

/** Says whether it could. */
export function show(text, tag) {
  try {
    const note = new Notification("Callboard", {body: text, tag, icon: "/static/board/mark.svg"});
    note.addEventListener("click", () => { window.focus(); note.close(); });
    shown.set(tag, note);
    return true;
  } catch {
    return false; // Chrome on Android has the name and the permission, and refuses
  }
}

/** Takes back all but these. */
export function keep(tags) {
  for (const [tag, note] of shown) {
    if (tags.has(tag)) continue;
    shown.delete(tag);
    note.close();
  }
}
