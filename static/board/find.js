// The search over the list: rows that do not fit what is typed are out of sight, here and nowhere else.
//
// It looks at what this page was sent. Of a masked number that is the end, so digits are looked for there: more of them
// than are known fit when their end does, and it is said that no more is known. What is typed never leaves the page.

import {draw} from "./clock.js";
import * as layout from "./layout.js";
import {element, say} from "./words.js";

const TYPED_MS = 100;
const COUNTED_MS = 1000; // no oftener is the count said anew while the board changes
const SHORT = 6; // a number of so few digits is masked to two of them
const list = document.getElementById("list");
const field = document.getElementById("find");
const [found, known] = document.getElementById("found")?.children ?? []; // a wall has none, and no rows to search
const none = document.getElementById("found-none");
const texts = new WeakMap(); // row -> what is looked at in it
let wanted = null; // {digits: [{text, as}], words: []}; null: everything
let before = null; // what had the focus before the field
let timer = 0;
let counted = -Infinity;
let counting = 0;
let numbers = [0, 0];

export function start() {
  field.closest(".find").hidden = false;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, TYPED_MS);
  });
  field.addEventListener("focus", ({relatedTarget}) => { before = relatedTarget; });
  field.addEventListener("keydown", typed);
  addEventListener("keydown", slash);
  list.addEventListener("click", ({target}) => target.closest("[data-action=find-all]") && leave());
  document.getElementById("rows").addEventListener("focusout", ({target}) => wanted && queueMicrotask(() => left(target)));
  layout.onPlaced(place);
  if (field.value) apply(); // the browser filled it in again
}

function slash(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  field.focus();
  field.select();
}

function typed(event) {
  if (event.isComposing || !["Escape", "Enter"].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.key === "Escape") leave();
  else apply();
}

/** Clears the field and gives the focus back to where it came from. */
function leave() {
  field.value = "";
  apply();
  const back = before?.isConnected && before !== document.body ? before : list;
  back.focus({preventScroll: true});
}

// ── what is asked for, and what fits ───────────────────────────────────────────────────────────────
function apply() {
  clearTimeout(timer);
  const next = read(field.value);
  if (JSON.stringify(next) === JSON.stringify(wanted)) return;
  wanted = next;
  counted = -Infinity;
  counting = clearTimeout(counting);
  layout.change(() => layout.all().forEach(judge)).then(() => {
    if (wanted) layout.toTop();
    layout.rowsInView().forEach(draw);
  });
}

/** The groups of digits in a query, however they are written, and its words; null when there is nothing in it. */
function read(query) {
  const digits = [];
  const rest = fold(query).replace(/\+?\d[\d\s().+/-]*/g, (as) => {
    digits.push({text: as.replace(/\D/g, ""), as: as.trim().split(/\s+/)});
    return " ";
  });
  const words = rest.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return digits.length || words.length ? {digits, words} : null;
}

const fold = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

/** Matches one row anew, after it came or changed. */
export function sift(row) {
  texts.delete(row);
  if (wanted) judge(row);
}

// One that has the focus stays until the focus leaves it.
function judge(row) {
  layout.sieve(row, !fits(row) && !row.contains(document.activeElement));
}

function fits(row) {
  if (wanted === null) return true;
  const {text, number, masked} = textOf(row);
  return wanted.words.every((word) => text.includes(word))
    && wanted.digits.every((digits) => isIn(digits.text, number, masked) || digits.as.every((part) => text.includes(part)));
}

function isIn(typed, number, masked) {
  if (number.includes(typed)) return true;
  if (!masked || !number || typed.length < number.length) return false;
  return typed.endsWith(number) && (number.length > 2 || typed.length <= SHORT);
}

function textOf(row) {
  if (!texts.has(row)) texts.set(row, readRow(row));
  return texts.get(row);
}

function readRow(row) {
  const cell = row.querySelector("[data-field=caller]");
  const number = cell.firstChild?.textContent ?? "";
  const fields = row.querySelectorAll("[data-field=state], [data-field=queue], [data-field=kind], [data-field=agent]");
  const name = cell.querySelector("small")?.textContent ?? "";
  return {
    text: fold([name, ...[...fields].map((one) => one.textContent)].join(" \n ")),
    number: number.replace(/\D/g, ""), masked: number.startsWith("•"),
  };
}

// ── what is said of it ─────────────────────────────────────────────────────────────────────────────
function left(target) {
  const row = target.closest(".row");
  if (row?.isConnected && !row.contains(document.activeElement)) layout.change(() => judge(row));
}

function place(shown, all) {
  numbers = [shown, all];
  list.dataset.found = wanted && all && !shown ? "none" : "all";
  if (list.dataset.found === "none") none.replaceChildren(...reason(all));
  if (counting) return;
  counting = setTimeout(count, Math.max(0, COUNTED_MS - (performance.now() - counted)));
}

const reason = (all) => element("found-none", {all, what: field.value.trim()}).childNodes;

function count() {
  counting = 0;
  counted = performance.now();
  const [shown, all] = numbers;
  const ends = wanted?.digits.some(({text}) => text.length > 4) && layout.all().some((row) => textOf(row).masked);
  write(found, wanted ? say("found", {n: shown, all}) : "");
  write(known, ends ? say("last-digits") : ""); // of its own, so that it is said once and not with each count
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
