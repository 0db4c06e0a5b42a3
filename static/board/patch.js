// Brings the page up to the server's HTML, touching only what differs: focus, selection and scroll stay.

import * as agents from "./agents.js";
import {draw} from "./clock.js";
import * as feeds from "./feeds.js";
import * as find from "./find.js";
import * as layout from "./layout.js";
import {personal} from "./personal.js";
import * as queues from "./queues.js";

// Set by the page, unknown to the server.
const OURS = new Set([
  "style", "tabindex", "role", "aria-labelledby", "aria-describedby", "data-htmx-powered", "data-feed", "data-heard",
  "data-blank", "data-out",
]);

const TAKE = "button[data-action=takeover]";

// Where an element belongs that a full board brings and the page does not have.
const HOMES = {kpi: "kpis", "day-head": "day", "kpi day": "day", feed: "feeds", banner: "banners", trend: "trends", breaches: "out"};

/** Puts one element of a frame in its place, found by id; false when only a full board (`whole`) can help. */
export function put(next, whole) {
  const old = document.getElementById(next.id);
  if (next.classList.contains("row")) return old ? putRow(old, next) : addRow(next);
  if (next.classList.contains("queue")) return putQueue(old, next);
  if (!old && next.classList.contains("agent")) return addAgent(next);
  if (!old && !whole) return false;
  if (!old) return add(next);
  patch(old, next);
  draw(old);
  return true;
}

function add(element) {
  const home = document.getElementById(HOMES[element.className]);
  home?.append(element);
  draw(element);
  return Boolean(home);
}

function addAgent(agent) {
  feeds.mark(agent);
  agents.insert(agent);
  return true;
}

function putQueue(old, next) {
  if (!old) feeds.mark(next);
  const key = old?.dataset.key;
  if (old) patch(old, next);
  if (old) draw(old);
  if (key !== next.dataset.key) queues.insert(old ?? next);
  return true;
}

function addRow(row) {
  feeds.mark(row);
  draw(row);
  find.sift(row);
  layout.insert(row);
  htmx.process(row);
  personal(row);
  return true;
}

function putRow(old, next) {
  const key = old.dataset.key;
  patch(old, next);
  find.sift(old);
  if (old.dataset.key !== key) layout.reorder(old);
  personal(old);
  draw(old);
  return true;
}

/** Takes a row out. Left alone, the focus would fall to <body>: it goes to the same control in the next row. */
export function drop(row) {
  const held = row.contains(document.activeElement) && document.activeElement;
  const next = held && layout.neighbour(row);
  layout.remove(row);
  if (!held) return;
  const same = next?.querySelector(`button[data-action="${held.dataset.action}"]`) ?? next?.querySelector(TAKE);
  (same ?? document.getElementById("list")).focus({preventScroll: true});
}

function patch(old, next) {
  if (settled(old, next)) return;
  copyAttributes(next, old);
  if (old.hasAttribute("data-since") || old.hasAttribute("data-age")) return;
  if (!("whole" in old.dataset) && sameShape(old, next)) old.childNodes.forEach((child, i) => patchNode(child, next.childNodes[i]));
  else replace(old, next);
}

function patchNode(old, next) {
  if (old.nodeType === Node.ELEMENT_NODE) patch(old, next);
  else if (old.data !== next.data) old.data = next.data;
}

// A time's text is the clock's. Older news of a takeover never wins. htmx marks live buttons, so they never
// equal what the server sent: they are compared part by part.
function settled(old, next) {
  if (old.dataset.rev === undefined || next.dataset.rev === undefined) return old.isEqualNode(next);
  if (+old.dataset.rev !== +next.dataset.rev) return +old.dataset.rev > +next.dataset.rev;
  if ("asking" in old.dataset || buttonOf(old) === buttonOf(next)) return true;
  if (!("armed" in old.dataset)) return false;
  if (meansOther(old, next)) old.dataset.skipped = ""; // arming.js asks for it when it lets go
  return true;
}

function meansOther(old, next) {
  const [mine, theirs] = [old, next].map((cell) => cell.querySelector(TAKE));
  return !theirs || mine.lastElementChild.textContent !== theirs.lastElementChild.textContent;
}

// The same news for an audience with other rights: the button came, went, rings another phone or must be armed.
function buttonOf(cell) {
  const button = cell.querySelector(TAKE);
  return button && button.textContent.trim() + button.dataset.rings + button.dataset.arm;
}

function sameShape(old, next) {
  const [mine, theirs] = [old.childNodes, next.childNodes];
  if (mine.length !== theirs.length) return false;
  for (let i = 0; i < mine.length; i += 1) {
    if (mine[i].nodeName !== theirs[i].nodeName || mine[i].id !== theirs[i].id) return false;
  }
  return true;
}

function replace(old, next) {
  const held = old.contains(document.activeElement) && document.activeElement;
  old.replaceChildren(...next.childNodes);
  htmx.process(old);
  if (!held) return;
  const again = (held.id && document.getElementById(held.id)) || old.closest(".row")?.querySelector(TAKE);
  (again || document.getElementById("list")).focus({preventScroll: true}); // else it would fall to <body>
}

function copyAttributes(from, to) {
  for (const {name, value} of from.attributes) {
    if (to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  for (const {name} of [...to.attributes]) {
    if (!from.hasAttribute(name) && !OURS.has(name)) to.removeAttribute(name);
  }
}
