// The strip at the bottom edge: what became of one's own takeovers, newest in sight, over no row.

import {timeOfDay, now} from "./clock.js";
import {say} from "./words.js";

const KEPT = 50;
const strip = document.getElementById("notices");
const earlier = document.getElementById("earlier");

export function start() {
  // htmx appends here as well, so the strip watches itself.
  new MutationObserver(tidy).observe(strip, {childList: true});
  earlier.addEventListener("click", () => open(strip.dataset.open !== "yes"));
  addEventListener("keydown", (event) => event.key === "Escape" && open(false));
}

/** Adds a notice given as the server's HTML or as an element. */
export function add(notice) {
  if (typeof notice === "string") strip.insertAdjacentHTML("beforeend", notice);
  else strip.append(notice);
  htmx.process(strip.lastElementChild); // it may ask what became of the call
}

function tidy() {
  for (const time of strip.querySelectorAll("time:empty")) {
    time.textContent = timeOfDay(Number(time.dataset.at) || now(), true);
  }
  dropRepeated();
  while (strip.children.length > KEPT) strip.firstElementChild.remove();
  label();
}

// News of one takeover comes with the answer and over the socket, in any order: the newest stays, once.
function dropRepeated() {
  const newest = new Map();
  for (const notice of [...strip.children]) {
    const {notice: key, rev = 0} = notice.dataset;
    if (!key) continue;
    const other = newest.get(key);
    const older = other && +rev <= +other.dataset.rev ? notice : other;
    if (older !== notice) newest.set(key, notice);
    if (older) drop(older, newest.get(key));
  }
}

// Who has just answered in the older one goes on from the newer.
function drop(older, newer) {
  if (older.contains(document.activeElement)) {
    newer.tabIndex = -1;
    newer.focus({preventScroll: true});
  }
  older.remove();
}

function open(yes) {
  strip.dataset.open = yes ? "yes" : "no";
  if (yes) strip.scrollTop = strip.scrollHeight;
  label();
}

function label() {
  const count = strip.children.length - 1;
  const shown = strip.dataset.open === "yes";
  earlier.hidden = count < 1;
  earlier.setAttribute("aria-expanded", String(shown));
  earlier.textContent = shown ? say("fewer") : say("earlier", {n: count});
}
