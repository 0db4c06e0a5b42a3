// Loading the page anew on a screen that nobody can touch: only when the server is sure to give one.
//
// A browser that finds no server shows a page of its own, on which no script runs and which stays.

const ANSWER_MS = 10000;
const LEAST_MS = 3000; // between two tries, and up to as much again: screens that failed together do not come together

let under = null;

/** Loads the page anew as soon as the server gives it whole; until then what is shown stays. */
export function again() {
  under ??= tryUntilItWorks();
  return under;
}

async function tryUntilItWorks() {
  while (!await answers()) await pause(LEAST_MS * (1 + Math.random()));
  location.reload();
}

// The very page, and a script of it: both must come for it to live.
async function answers() {
  try {
    const [page, script] = await Promise.all([ask("/wall/"), ask(import.meta.url)]);
    return script.ok && page.ok && /<html[^>]* class="wall"/.test(await page.text());
  } catch {
    return false; // no server, no answer in time, or somebody else's
  }
}

function ask(address) {
  return fetch(address, {cache: "no-store", redirect: "error", signal: AbortSignal.timeout(ANSWER_MS)});
}

export function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/** Our scripts run: the page need not load itself anew by its <meta>, which would do so without asking first. */
export function holdStill() {
  if (document.readyState === "complete") setTimeout(() => window.stop());
  else addEventListener("load", () => setTimeout(() => window.stop()));
}
