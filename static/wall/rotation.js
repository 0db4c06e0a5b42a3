// The lower part of a wall: as many rows as fit, and the others by turns.
//
// All rows are in the page; one page of them is in sight. What is out of its limits and critical stops the turning,
// on the page that shows the worst. Calls do not turn: the longest waiting are shown, and how many more there are.

import {everySecond} from "../board/clock.js";
import {say} from "../board/words.js";

const PAGE_MS = 25000;
const root = document.documentElement;
const lower = document.getElementById("lower");
const queues = document.getElementById("queues");
let page = 0;
let turned = performance.now();
let held = 0; // until then an alarm that is only tried out stops the turning, by performance.now()

export function start() {
  new MutationObserver(draw).observe(lower, {subtree: true, childList: true, attributeFilter: ["data-level", "data-worst"]});
  new ResizeObserver(draw).observe(lower);
  addEventListener("wall-alert", ({detail}) => { held = performance.now() + detail.ms; });
  everySecond(turn);
  draw();
}

function turn() {
  if (worst() !== null || held > performance.now()) turned = performance.now();
  if (performance.now() - turned < PAGE_MS) return;
  page += 1;
  turned = performance.now();
  draw();
}

/** Shows the page whose turn it is, or the one with the worst. */
export function draw() {
  const rows = fit();
  if (!rows) return;
  const pages = listed(rows);
  page = (worst(rows) ?? page) % pages.length;
  const {list, from} = pages[page];
  set(lower, "list", list);
  lower.style.setProperty("--rows", rows);
  lower.style.setProperty("--from", from);
  tellRest(list, from, rows);
}

/** How many rows there is room for. */
function fit() {
  const [head, row] = ["--heading", "--row"].map((name) => probe(name));
  return row ? Math.max(1, Math.floor((lower.getBoundingClientRect().height - head) / row + 1e-3)) : 0;
}

function probe(name) {
  return parseFloat(getComputedStyle(root).getPropertyValue("--letter")) * parseFloat(
    getComputedStyle(root).getPropertyValue(name));
}

function listed(rows) {
  const pages = [];
  const has = (list) => root.dataset.layout === "mixed" || root.dataset.layout === list;
  if (has("queues")) {
    for (let from = 0; from < Math.max(1, queues.children.length); from += rows) pages.push({list: "queues", from});
  }
  if (has("calls")) pages.push({list: "calls", from: 0});
  return pages.length ? pages : [{list: "calls", from: 0}];
}

// The page with the worst of what is critical; null when nothing is. Old numbers alarm nobody.
function worst(rows = fit()) {
  if (!rows || "cut" in root.dataset) return null;
  const pages = listed(rows);
  const at = [...queues.children].findIndex((queue) => "worst" in queue.dataset);
  const shown = pages.findIndex(({list, from}) => list === "queues" && from <= at && at < from + rows);
  if (at >= 0 && shown >= 0) return shown;
  const call = document.querySelector("#waiting [data-level=red]");
  const calls = pages.findIndex(({list}) => list === "calls");
  return call && calls >= 0 ? calls : null;
}

function tellRest(list, from, rows) {
  const shown = list === "queues" ? queues.children.length : document.querySelectorAll("#waiting li").length;
  const all = Math.max(shown, list === "queues" ? told("look", "queues") : told("waiting", "all"));
  const to = Math.min(from + rows, shown);
  const paged = list === "queues" && all > rows;
  const part = to > from + 1 ? `${from + 1}–${to}` : to;
  text("part", paged ? say(lower.clientWidth < probe("--narrow") ? "part-short" : "part", {part, all}) : "");
  text("more", list === "calls" && all > to ? say("more", {n: all - to}) : "");
}

// More queues or calls than the server sends are told by their number alone.
function told(id, name) {
  return Number(document.getElementById(id)?.dataset[name]) || 0;
}

function text(id, said) {
  const element = document.getElementById(id);
  if (element && element.textContent !== said) element.textContent = said;
}

function set(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}
