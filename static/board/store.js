// What a browser or a tab remembers. Storage may be forbidden, full, or missing: then it lasts as long as the page.

const meanwhile = new Map();

/** `storage`: "localStorage" or "sessionStorage". null: nothing is known under that name. */
export function read(storage, name) {
  if (meanwhile.has(name)) return meanwhile.get(name);
  try {
    return globalThis[storage].getItem(name);
  } catch {
    return null; // some browsers throw where others have none
  }
}

/** Says whether it will outlast the page. */
export function write(storage, name, text) {
  try {
    globalThis[storage].setItem(name, text);
    meanwhile.delete(name);
    return true;
  } catch {
    meanwhile.set(name, text);
    return false;
  }
}

export function remove(storage, name) {
  meanwhile.delete(name);
  try {
    globalThis[storage].removeItem(name);
  } catch {
    // nothing is kept there
  }
}
