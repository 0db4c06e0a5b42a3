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
}

function tidy() {
  for (const time of strip.querySelectorAll("time:empty")) {
    time.textContent = timeOfDay(Number(time.dataset.at) || now(), true);
  }
  dropRepeated();
  while (strip.children.length > KEPT) strip.firstElementChild.remove();
  label();
}

// The same news comes with the answer and over the socket; the first to arrive stays.
function dropRepeated() {
  const seen = new Set();
  for (const notice of [...strip.children]) {
    const key = notice.dataset.notice;
    if (key && seen.has(key)) notice.remove();
    seen.add(key);
  }
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
