// A screen that is not a wall: it asks whether it is one by now, or whether the server is well again.

import {again, holdStill, pause} from "./again.js";

const ASK_MS = 2000;

/** Asks every two seconds until the server says that the page must be loaded anew. */
export async function wait(element) {
  if (element.dataset.waits) return;
  element.dataset.waits = "yes";
  while (!await mustLoad(element)) await pause(ASK_MS);
  again();
}

async function mustLoad(element) {
  try {
    const answer = await fetch(element.dataset.wait, {cache: "no-store", signal: AbortSignal.timeout(5 * ASK_MS)});
    if (answer.headers.get("HX-Refresh")) return true;
    if (answer.status === 200) element.textContent = await answer.text(); // no cookies, no wall: it says so
  } catch {
    // The server is away: asked again in a moment.
  }
  return false;
}

const waiting = document.querySelector("[data-wait]");
const away = document.querySelector("[data-away]");
if (waiting || away) holdStill();
if (waiting) wait(waiting);
if (away) pause(1000 * (away.dataset.away || 1) * (1 + Math.random())).then(again);
