// Kindness to the panel: dimmed outside opening hours, and never for hours the same picture in the same place.

import {everySecond, now} from "../board/clock.js";

const SHIFT_MS = 180000;
const RING = [[0, 0], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]]; // each in its turn
const root = document.documentElement;
let clock = null;

export function start() {
  const timeZone = root.dataset.zone; // without: the browser's own
  clock = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone});
  everySecond(look);
  look();
}

function look() {
  const dim = isClosed();
  if (root.hasAttribute("data-dim") !== dim) root.toggleAttribute("data-dim", dim);
  const place = Math.floor(now() / SHIFT_MS) % RING.length;
  if (root.dataset.shift !== String(place)) shift(place);
}

function shift(place) {
  const [x, y] = RING[place];
  root.dataset.shift = place;
  root.style.setProperty("--shift-x", x);
  root.style.setProperty("--shift-y", y);
}

// By the server's clock: a screen's own may be hours wrong.
function isClosed() {
  const {opens, closes} = root.dataset;
  if (opens === undefined || closes === undefined || opens === closes) return false;
  const [hours, minutes] = clock.format(now()).split(":").map(Number);
  const at = 60 * hours + minutes;
  const [from, to] = [Number(opens), Number(closes)];
  return from < to ? at < from || at >= to : at < from && at >= to;
}
