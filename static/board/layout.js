// Where the rows stand. `order` mirrors the DOM: sorted by data-key, smallest first. `visible` are those of them that
// a search leaves in: all of them without one.
//
// On wide screens each row is moved to its place by a transform, which the browser does not count as a
// layout shift and which costs no layout of the rows below. On narrow ones rows differ in height and flow.

const ROW_PX = 38;
const AHEAD = 15; // rows above and below the screen that are placed at once; the rest may wait for a quiet moment
const LATER_MS = 2000;
const NOWHERE = -Infinity; // the place of a row that is out of sight
const wide = matchMedia("(min-width: 900px)");
const list = document.getElementById("list") ?? document.createElement("div"); // a wall has no rows: these stay empty
const rows = document.getElementById("rows") ?? document.createElement("div");
const places = new WeakMap(); // row -> index that its transform stands for
const moves = new WeakMap(); // row -> when that was written
let started = false;
let order = [];
let visible = order;
const outs = new Set(); // rows that a search leaves out
let placed = () => {};
let sieved = 0; // how often a search has changed what is visible
let later = 0;
let scrolled = 0; // kept, because asking the browser in the middle of a frame makes it lay out twice
let height = 0;

export function start() {
  order = [...rows.children];
  wide.addEventListener("change", place);
  list.addEventListener("scroll", look, {passive: true});
  new ResizeObserver(look).observe(list);
  place();
  look();
  started = true;
}

export const all = () => order;

/** Puts a new row before the first one with a larger key. */
export function insert(row) {
  const at = slot(row.dataset.key);
  rows.insertBefore(row, order[at] ?? null);
  order.splice(at, 0, row);
}

export function remove(row) {
  order.splice(order.indexOf(row), 1);
  outs.delete(row);
  row.remove();
}

/** Puts a row whose key has changed where it belongs. */
export function reorder(row) {
  const from = order.indexOf(row);
  order.splice(from, 1);
  const at = slot(row.dataset.key);
  order.splice(at, 0, row);
  if (at !== from) move(row, order[at + 1] ?? null);
}

/** The row to go on from when `row` goes: the next visible one, else the one before. */
export function neighbour(row) {
  const at = order.indexOf(row);
  return order.slice(at + 1).find(isVisible) ?? order.slice(0, at).findLast(isVisible);
}

const isVisible = (row) => !outs.has(row);

/** Leaves a row out, or lets it in again; `change` then shows it. */
export function sieve(row, out) {
  if (out) outs.add(row);
  else outs.delete(row);
}

/** Calls `listener` with (visible, all) whenever the rows have their places. */
export function onPlaced(listener) {
  placed = listener;
}

/** A search shows its rows from the first one on. */
export function toTop() {
  sieved += 1;
  list.scrollTop = 0;
  look();
}

function slot(key) {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order[middle].dataset.key > key) high = middle;
    else low = middle + 1;
  }
  return low;
}

function move(row, before) {
  const held = row.contains(document.activeElement) && document.activeElement;
  // moveBefore keeps selection and focus, but Chromium then scrolls to what has the focus
  if (!held && rows.moveBefore) return rows.moveBefore(row, before);
  rows.insertBefore(row, before);
  if (held) held.focus({preventScroll: true}); // a node that is taken out and put back loses the focus
}

/** Runs `work`, then brings rows and height up to date, keeping what the reader looks at where it is. */
export async function change(work) {
  const anchor = topmost();
  await work();
  place();
  if (anchor) keep(anchor);
}

function place() {
  if (list.classList.contains("placed") !== wide.matches) list.classList.toggle("placed");
  list.dataset.empty = order.length ? "no" : "yes";
  visible = outs.size ? order.filter(isVisible) : order;
  placed(visible.length, order.length);
  if (!wide.matches) return flow();
  rows.style.height = `${visible.length * ROW_PX}px`;
  placeNear();
  if (!later) later = setTimeout(placeRest, LATER_MS);
}

// One row more at the top moves a thousand; restyling them all in every frame would cost more than all the rest.
// A row is written when it comes near the screen, or would otherwise be left standing there. So with what a search leaves
// out: hidden at once is what stands near the screen.
function placeNear() {
  if (!wide.matches) return;
  const [first, last] = shown();
  const near = (index) => index >= first - AHEAD && index <= last + AHEAD;
  visible.forEach((row, index) => {
    const old = places.get(row);
    if (old !== index && (old === undefined || near(index) || near(old))) write(row, index);
  });
  for (const row of outs) {
    const old = places.get(row);
    if (old === undefined || near(old)) hide(row);
  }
}

function look() {
  [scrolled, height] = [list.scrollTop, list.clientHeight];
  placeNear();
}

function placeRest() {
  later = 0;
  if (!wide.matches) return;
  let left = 120; // a slice of it, so that no task gets long
  for (let index = 0; index < visible.length; index += 1) {
    if (places.get(visible[index]) === index) continue;
    if (!left--) return void (later = setTimeout(placeRest));
    write(visible[index], index);
  }
  for (const row of outs) {
    if (places.get(row) === NOWHERE) continue;
    if (!left--) return void (later = setTimeout(placeRest));
    hide(row);
  }
}

function hide(row) {
  places.set(row, NOWHERE);
  row.dataset.out = "";
}

/** When the row last came to another place, in performance.now() terms. */
export const movedAt = (row) => moves.get(row) ?? -Infinity;

function write(row, index) {
  if (places.get(row) === NOWHERE) delete row.dataset.out;
  places.set(row, index);
  if (started) moves.set(row, performance.now()); // the first placing moves nothing that anybody saw
  row.style.transform = `translateY(${index * ROW_PX}px)`;
}

// First and last index on the screen.
function shown() {
  const first = Math.floor(scrolled / ROW_PX);
  return [first, first + Math.ceil(height / ROW_PX)];
}

function flow() {
  for (const row of order) {
    if (isVisible(row) === ("out" in row.dataset)) row.toggleAttribute("data-out");
  }
  if (!rows.style.height) return;
  rows.style.height = "";
  for (const row of order) {
    row.style.transform = "";
    places.delete(row);
  }
}

// The browser's own scroll anchoring does not see transforms.
function topmost() {
  if (!wide.matches || scrolled < 1) return null;
  const [index] = shown();
  return {index, sieved, rows: visible.slice(index, index + 100)};
}

function keep(anchor) {
  const skipped = anchor.rows.findIndex((row) => row.isConnected && isVisible(row));
  if (skipped < 0 || anchor.sieved !== sieved) return;
  const moved = visible.indexOf(anchor.rows[skipped]) - anchor.index - skipped;
  if (moved) list.scrollTop += moved * ROW_PX;
  if (moved) look();
}

/** The rows on the screen; found by position, which is cheaper than watching each of a thousand rows. */
export function rowsInView() {
  if (wide.matches) {
    const [first, last] = shown();
    return visible.slice(first, last + 1);
  }
  let low = 0;
  let high = visible.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (visible[middle].getBoundingClientRect().bottom <= 0) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < visible.length && visible[end].getBoundingClientRect().top < innerHeight) end += 1;
  return visible.slice(low, end);
}
