// What a number means: a small panel beside it, for pointer, keyboard and touch. Escape closes it.
//
// The sentences stand once in the page (templates/dashboard/_explanations.html). What changes is read off the number,
// its box and the day's heading when the panel opens, and whenever a number changes while it is open.

import {element, say} from "./words.js";

const BOXES = ".kpi, .day-head, .queue";
const STRIP = ".kpi, .day-head";
const NUMBER = "[data-kpi], [data-number]";
const OPEN_MS = 350; // a pointer that passes by opens nothing
const CLOSE_MS = 250; // time to go from the number to its panel
const EDGE_PX = 8;
const WHATEVER = {subtree: true, childList: true, characterData: true, attributes: true};
const panel = document.getElementById("explain");
const narrow = matchMedia("(max-width: 899.98px)");
let shown = null; // what the panel explains: a box, or a number inside a queue's row
let dismissed = null; // closed by Escape: it stays closed until the pointer has gone elsewhere
let timer = 0;
const changed = new MutationObserver(() => (shown.isConnected ? fill(shown) : close()));

export function start() {
  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", ({target}) => target.matches(":focus-visible") && focus(target));
  document.addEventListener("focusout", ({target}) => target.closest(BOXES) && close());
  document.addEventListener("click", touch);
  document.addEventListener("keydown", key);
  document.addEventListener("scroll", scrolled, {capture: true, passive: true});
  document.documentElement.addEventListener("pointerleave", ({pointerType}) => pointerType === "touch" || later(leave, CLOSE_MS));
  stops().forEach((box, index) => { box.tabIndex = index ? -1 : 0; });
  for (const box of stops()) name(box);
}

const stops = () => [...document.querySelectorAll(STRIP)];

// A box is read out with its number; patch.js leaves both alone.
function name(box) {
  box.setAttribute("role", "group");
  box.setAttribute("aria-labelledby", box.id);
}

// In a queue's row each number explains itself, and its name explains them all.
function anchorOf(target) {
  const box = target.closest?.(BOXES);
  return box?.matches(".queue") ? target.closest("[data-number]") ?? box : box;
}

function point({target, pointerType}) {
  if (pointerType === "touch" || panel.contains(target)) return void (pointerType !== "touch" && clearTimeout(timer));
  const anchor = anchorOf(target);
  if (anchor && anchor === dismissed) return;
  dismissed = null;
  if (anchor === shown) return clearTimeout(timer);
  later(anchor ? () => open(anchor) : leave, anchor && !shown ? OPEN_MS : CLOSE_MS);
}

// What the keyboard is at stays explained.
function leave() {
  if (!shown?.contains(document.activeElement)) close();
}

// It would stand beside something else then.
function scrolled({target}) {
  if (shown && target.contains(shown)) close();
}

function later(work, after) {
  clearTimeout(timer);
  timer = setTimeout(work, after);
}

function focus(target) {
  const anchor = anchorOf(target);
  if (!anchor) return;
  if (anchor.matches(STRIP)) stops().forEach((box) => { box.tabIndex = box === anchor ? 0 : -1; });
  target.setAttribute("aria-describedby", panel.id);
  open(anchor);
}

// A tap is no hover: it opens, and elsewhere it closes. A queue's name stays a link.
function touch(event) {
  const touched = event.pointerType ? event.pointerType === "touch" : matchMedia("(hover: none)").matches;
  if (!touched || panel.contains(event.target)) return;
  const anchor = event.target.closest("a") ? null : anchorOf(event.target);
  if (anchor && anchor !== shown) open(anchor);
  else close();
}

function key(event) {
  if (event.key === "Escape") return dismiss();
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  const at = step && event.target.matches(STRIP) ? stops().indexOf(event.target) : -1;
  if (at < 0) return;
  event.preventDefault();
  stops()[at + step]?.focus({focusVisible: true});
}

function open(anchor) {
  clearTimeout(timer);
  shown = anchor;
  fill(anchor);
  changed.disconnect();
  changed.observe(anchor.closest(".numbers, #queues"), WHATEVER);
  if (!panel.matches(":popover-open")) panel.showPopover();
  place(anchor);
}

function close() {
  clearTimeout(timer);
  changed.disconnect();
  shown = null;
  if (panel.matches(":popover-open")) panel.hidePopover();
}

function dismiss() {
  dismissed = shown;
  close();
}

// Under all the numbers over the list, or before the queues: so that it covers none of them. On narrow screens at the
// lower edge.
function place(anchor) {
  if (narrow.matches) return panel.removeAttribute("style");
  const strip = anchor.closest(".numbers");
  const around = (strip ?? anchor.closest(".queues")).getBoundingClientRect();
  const {left, top} = anchor.getBoundingClientRect();
  const {offsetWidth: width, offsetHeight: height} = panel;
  panel.style.left = `${within(strip ? left : around.left - EDGE_PX - width, innerWidth - width)}px`;
  panel.style.top = `${within(strip ? around.bottom + EDGE_PX : top, innerHeight - height)}px`;
}

const within = (place, most) => Math.max(EDGE_PX, Math.min(place, most - EDGE_PX));

function fill(anchor) {
  const numbers = anchor.matches(NUMBER) ? [anchor] : [...anchor.querySelectorAll(NUMBER)];
  const next = numbers.map(explained);
  if (next.length === panel.children.length && next.every((one, i) => one.isEqualNode(panel.children[i]))) return;
  panel.replaceChildren(...next);
  panel.toggleAttribute("data-brief", next.length > 1);
}

function explained(number) {
  const word = `explain-${number.dataset.kpi ?? number.dataset.number}`;
  const said = saidOf(number, number.closest(BOXES), element(word).dataset.sample);
  const part = element(word, said);
  for (const line of part.querySelectorAll("[data-line]")) {
    if (said[line.dataset.line] === "") line.remove();
  }
  return part;
}

function saidOf(number, box, sample) {
  const strip = box.matches(".kpi");
  const {within, limits = ""} = number.dataset;
  const told = (name) => document.querySelector(`#day-head [data-say=${name}]`)?.textContent ?? "";
  return {
    value: number.textContent || say("none"), // in a queue's row a time that is none is left out
    of: number.dataset.of ?? (strip && sample ? sizeOf(document.getElementById(`kpi-${sample}`)) : ""),
    note: within ? say("within", {within}) : strip ? box.querySelector(":scope > small")?.textContent ?? "" : "",
    limits, since: told("since"), gaps: told("gaps"), unknown: told("unknown"),
  };
}

// How many calls another number counts, or is itself drawn from.
function sizeOf({dataset, textContent}) {
  return dataset.known === "yes" ? dataset.of ?? textContent : "";
}
