// How old each account's data is, which hop fails, and what that does to its rows.
//
// Of DeepCall and the poller the server tells. That the server itself is not heard any more only this page can know:
// `data-hop` is then "server", and `data-told` keeps what the server said last.

import * as agents from "./agents.js";
import {everySecond, minutes, now, write} from "./clock.js";
import * as layout from "./layout.js";
import * as queues from "./queues.js";
import {say} from "./words.js";

const root = document.documentElement;
const host = document.getElementById("feeds");
const OWED = new Set(["fresh", "incomplete"]); // while a feed is so, each list brings news of it
const MIN_LATE_MS = 5000;
const BLANK = "blank";
const SLACK_MS = 3000; // every list brings a frame, a slow answer or a busy network some delay
let marks = new Map(); // account -> health that its rows carry; absent: fresh

export function start() {
  everySecond(refresh);
  heard(JSON.parse(document.body.dataset.asof || "{}"));
  refresh();
}

/** Takes over the times of the newest good lists: {feed pk: epoch ms, null when there was none}. */
export function heard(asof = {}) {
  for (const [pk, ms] of Object.entries(asof)) {
    const feed = document.getElementById(`feed-${pk}`);
    if (feed) feed.dataset.heard = ms ?? "";
  }
}

/** Ages, the hop that fails as seen from here, and the marks of the rows. */
export function refresh() {
  const old = new Map();
  for (const feed of host.children) {
    age(feed);
    judge(feed);
    const {health, accountFeed} = feed.dataset;
    const blank = health !== "fresh" && isBlank(feed.dataset);
    if (health !== "fresh") old.set(accountFeed, blank ? `${health} ${BLANK}` : health);
  }
  root.dataset.fresh = {0: "all", [host.children.length]: "none"}[old.size] ?? "some";
  if (!sameMarks(old)) remark(old);
}

/** Whether the server should have said something of a feed by now, late or not, and has not. */
export function silent() {
  return [...host.children].some((feed) => isOverdue(feed.dataset));
}

function age(feed) {
  const {heard} = feed.dataset;
  write(feed.querySelector("[data-age]"), heard ? say("ago", {age: short(Math.max(0, now() - heard))}) : "");
}

function judge({dataset}) {
  const deaf = "cut" in root.dataset || isOverdue(dataset);
  if (deaf && dataset.hop !== "server") {
    dataset.told = `${dataset.health} ${dataset.hop}`;
    if (OWED.has(dataset.health)) dataset.health = "late";
    dataset.hop = "server";
  } else if (!deaf && "told" in dataset) {
    [dataset.health, dataset.hop] = dataset.told.split(" ");
    delete dataset.told;
  }
}

// A server that is alive says itself that a feed is late.
function isOverdue({told, health, heard, interval}) {
  const said = told?.split(" ")[0] ?? health;
  return OWED.has(said) && heard && now() - heard > Math.max(3000 * interval, MIN_LATE_MS) + SLACK_MS;
}

// So old that its times are not shown any more.
function isBlank({heard, blankAfter}) {
  return !heard || now() - heard > 1000 * blankAfter;
}

function short(ms) {
  return ms < 60000 ? say("seconds", {n: Math.floor(ms / 1000)}) : minutes(ms);
}

function sameMarks(next) {
  return next.size === marks.size && [...next].every(([account, health]) => marks.get(account) === health);
}

function remark(next) {
  marks = next;
  for (const row of layout.all()) mark(row);
  for (const beside of [...agents.all(), ...queues.all()]) mark(beside);
}

/** Gives a row the marks of its account; rows of a fresh account carry none. */
export function mark(row) {
  const [health, blank] = marks.get(row.dataset.account)?.split(" ") ?? [];
  set(row, "feed", health);
  set(row, "blank", blank && "yes");
}

function set(row, name, value) {
  if (value) row.dataset[name] = value;
  else if (name in row.dataset) delete row.dataset[name];
}
