// Elapsed times, by the server's clock: wall PCs have wrong ones, so Date.now() is never asked.

import {rowsInView} from "./layout.js";

const SAMPLES = 6;
const NO_DELAY_MS = 30000; // a link that is slower is replaced
const offsets = [];
const listeners = [];
let offset = 0;
let held = null;

/** Every message carries the server's clock. The largest offset is that of the message with the least delay. */
export function heardAt(serverMs, arrived = performance.now()) {
  if (!Number.isFinite(serverMs)) return;
  if (serverMs - arrived < offset - NO_DELAY_MS) forget(); // the server's clock was set back, or ours ran ahead
  offsets.push(serverMs - arrived);
  if (offsets.length > SAMPLES) offsets.shift();
  offset = Math.max(...offsets);
}

/** A new connection: the machine may have slept since the last message, and this clock with it. */
export function forget() {
  offsets.length = 0;
}

/** The server's time now, in epoch milliseconds. */
export function now() {
  return offset + performance.now();
}

/** Calls `listener` at each full second of the server's clock. */
export function everySecond(listener) {
  listeners.push(listener);
}

export function timeOfDay(ms, withSeconds = false) {
  const seconds = withSeconds ? {second: "2-digit"} : {};
  const {lang, dataset: {zone: timeZone}} = document.documentElement; // without a zone: the browser's own
  return new Date(ms).toLocaleTimeString(lang, {hour: "2-digit", minute: "2-digit", hour12: false, timeZone, ...seconds});
}

export function minutes(ms) {
  const total = Math.floor(Math.max(0, ms) / 1000);
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Stops the shown times at `ms`: once the link is gone they would only pretend. null lets them go on. */
export function hold(ms) {
  held = ms;
  beat();
}

/** The time that is shown: the server's now, or when it was stopped. */
export const shownNow = () => held ?? now();

/** Writes the times inside `host`, and only those whose text differs: an untouched text keeps its selection. */
export function draw(host) {
  for (const cell of host.querySelectorAll("[data-since]")) write(cell, elapsed(cell));
}

function elapsed(cell) {
  const {since, atLeast, clock} = cell.dataset;
  if (clock !== undefined) return timeOfDay(Number(since)); // since when, not for how long
  if (!since || cell.closest("[data-blank]")) return "–"; // not known, or known too long ago
  const shown = held === null || cell.closest("#banners") ? now() : held; // a banner says how old what stands still is
  return (atLeast ? "≥ " : "") + minutes(shown - since);
}

export function write(cell, text) {
  const node = cell.firstChild;
  if (!node) cell.append(text);
  else if (node.data !== text) node.data = text;
}

function drawInView() {
  for (const row of rowsInView()) draw(row);
}

function beat() {
  for (const host of document.querySelectorAll("#kpis, #banners, #waiting, #breaches")) draw(host);
  drawInView();
  for (const listener of listeners) listener();
}

function tick() {
  beat();
  setTimeout(tick, 1000 - (now() % 1000));
}

export function start() {
  // The page was rendered no later than its first byte came; the script may run much later.
  const page = performance.getEntriesByType("navigation")[0];
  heardAt(Number(document.body.dataset.serverNow), page?.responseStart ?? performance.now());
  addEventListener("scroll", drawInView, {capture: true, passive: true});
  addEventListener("resize", drawInView, {passive: true});
  document.addEventListener("visibilitychange", () => document.hidden || beat());
  tick();
}
