// A masked number that is held shows the whole one, beside its cell and no longer than it is held.
//
// The server writes it down before it answers. A frame may patch, move or take away the row meanwhile: the number
// stands in an element of its own, and is in the page nowhere else.

import {token} from "./takeover.js";
import {say} from "./words.js";

const HELD = "button[data-action=reveal]";
const HOLD_MS = 350; // a tap is shorter
const LONGEST_MS = 10000;
const SAID_MS = 4000;
const GAP_PX = 6;
const card = document.getElementById("number");
let holding = null; // {button, timer, asks}: until it is let go
let clearing = 0;

export function start() {
  const rows = document.getElementById("rows");
  rows.addEventListener("pointerdown", pressed);
  rows.addEventListener("keydown", keyed);
  rows.addEventListener("click", ({target, detail}) => detail === 0 && !holding && hint(target.closest(HELD)));
  rows.addEventListener("contextmenu", (event) => event.target.closest(HELD) && event.preventDefault());
  rows.addEventListener("focusout", () => queueMicrotask(left));
  for (const event of ["pointerup", "pointercancel"]) addEventListener(event, letGo, true);
  addEventListener("keyup", unkeyed, true);
  addEventListener("keydown", ({key}) => (key === "Escape" || !holding) && end(), true); // a hint has been read by then
  addEventListener("pointerdown", end, true);
  for (const event of ["blur", "pagehide", "resize"]) addEventListener(event, end);
  document.addEventListener("visibilitychange", end);
  new MutationObserver(end).observe(document.documentElement, {attributeFilter: ["data-link", "data-cut"]});
  for (const event of ["pointerover", "focusin"]) rows.addEventListener(event, explain);
}

const isPress = (key) => key === "Enter" || key === " ";

function explain({target}) {
  const button = target.closest(HELD);
  if (button) button.title = say("hold");
}

function pressed(event) {
  const button = event.target.closest(HELD);
  if (!button || !event.isPrimary || event.button !== 0) return;
  begin(button, true);
}

function keyed(event) {
  const button = isPress(event.key) && event.target.closest(HELD);
  if (!button) return;
  event.preventDefault(); // neither a click nor a scroll
  if (!event.repeat) begin(button, false);
}

function unkeyed(event) {
  if (!isPress(event.key)) return;
  if (event.target.closest?.(HELD)) event.preventDefault();
  letGo();
}

// A row that is only moved has the focus back by now.
function left() {
  if (holding && !holding.pointer && document.activeElement !== holding.button) end();
}

function begin(button, pointer) {
  end();
  holding = {button, pointer, asks: new AbortController(), timer: setTimeout(ask, HOLD_MS)};
}

/** The end of a press: what was too short to be one is told how it is done. */
function letGo() {
  const {button, asked} = holding ?? {};
  if (!holding) return;
  end();
  if (!asked) hint(button);
}

function end() {
  clearTimeout(holding?.timer);
  holding?.asks.abort();
  holding = null;
  clear();
}

function clear() {
  clearTimeout(clearing);
  card.replaceChildren();
}

async function ask() {
  const held = holding;
  held.asked = true;
  held.timer = setTimeout(end, LONGEST_MS);
  const call = held.button.closest(".row")?.dataset.callRef ?? "";
  show(held.button, say("asking"));
  const told = await answer(call, held.asks.signal);
  if (held !== holding) return; // let go: whatever has come is not shown
  if (told.number) return show(held.button, told.number, say("held"));
  holding = null;
  clearTimeout(held.timer);
  tell(held.button, told.said ?? say("not-shown"));
}

async function answer(call, signal) {
  const request = {method: "POST", body: new URLSearchParams({call}), headers: {"X-CSRFToken": token()}, signal};
  try {
    return await (await fetch("/reveal/", {...request, cache: "no-store", redirect: "error"})).json();
  } catch {
    return {}; // no answer, or none of ours
  }
}

function hint(button) {
  if (button) tell(button, say("hold"));
}

function tell(button, text) {
  show(button, text);
  clearing = setTimeout(clear, SAID_MS);
}

function show(button, text, note = "") {
  clear();
  const [strong, small] = [document.createElement("b"), document.createElement("small")];
  [strong.textContent, small.textContent] = [text, note];
  card.append(strong, " ", small);
  place(button.getBoundingClientRect());
}

// Above the cell, where no finger is; below it where there is no room.
function place({left, top, bottom}) {
  const {offsetWidth: width, offsetHeight: height} = card;
  const above = top - height - GAP_PX;
  const x = Math.max(GAP_PX, Math.min(left, document.documentElement.clientWidth - width - GAP_PX));
  card.style.transform = `translate(${Math.round(x)}px, ${Math.round(above > GAP_PX ? above : bottom + GAP_PX)}px)`;
}
