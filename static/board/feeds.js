// How old each account's data is, and what that does to its rows.

import * as agents from "./agents.js";
import {everySecond, minutes, now, write} from "./clock.js";
import * as layout from "./layout.js";
import {say} from "./words.js";

const host = document.getElementById("feeds");
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

/** Ages, lateness as seen from here, and the marks of the rows. */
export function refresh() {
  const old = new Map();
  for (const feed of host.children) {
    age(feed);
    const health = feed.dataset.health === "fresh" && feed.dataset.late ? "late" : feed.dataset.health;
    const blank = health !== "fresh" && isBlank(feed.dataset);
    if (health !== "fresh") old.set(feed.dataset.accountFeed, blank ? `${health} ${BLANK}` : health);
  }
  document.documentElement.dataset.fresh = {0: "all", [host.children.length]: "none"}[old.size] ?? "some";
  if (!sameMarks(old)) remark(old);
}

// The server says when a feed is late. Should it fall silent itself, the page still knows.
function age(feed) {
  const {heard, interval} = feed.dataset;
  const ms = heard ? Math.max(0, now() - heard) : null;
  const late = ms !== null && ms > Math.max(3000 * interval, MIN_LATE_MS) + SLACK_MS;
  if (late) feed.dataset.late = "yes";
  else delete feed.dataset.late;
  write(feed.querySelector("[data-age]"), ms === null ? "" : say("ago", {age: short(ms)}));
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
  for (const agent of agents.all()) mark(agent);
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
