// The socket: what state it is in, when to try again, and what the person is told.
//
// hx-ws opens it and opens it again; how long it waits, and whether at all, is decided here from the close code
// (docs/protocol.md). The `htmx:ws:close` event comes before hx-ws decides.

import * as clock from "./clock.js";
import * as feeds from "./feeds.js";
import * as frames from "./frames.js";
import * as notices from "./notices.js";
import * as store from "./store.js";
import {element} from "./words.js";

const SILENCE_MS = 24000; // looked at every second; the server ticks every 10 s
const SHORT_MS = 10000; // a connection that did not live this long counts as a failure
const LONGEST_MS = 7500; // between two tries: at most 12 a minute, and back soon after an outage of any length
const GRACE_MS = 3000; // a restart is over in less; no need to alarm anybody
const SLEPT_MS = 5000; // by so much the two clocks of a machine part only in its sleep, or when one is set
const WAKE_MS = 30000; // a clock that is set again and again does not cost a connection each time
const STOP = {4401: "signed-out", 4403: "revoked"};
const SLOW = {1013: ["full", 5000, 15000], 4408: ["too-slow", 15000, 60000]};
const BLANK_MS = 60000; // what a cut screen knew is not shown any longer than that
const RELOADED = "callboard-reloaded";

const root = document.documentElement;
const link = document.getElementById("link");
let socket = null;
let opened = 0;
let heard = performance.now();
let due = 0;
let failures = 0;
let stopped = false;
let wasLive = false;
let lastNews = 0; // the server's time of the last message, or of the page itself
let alarm = 0;
let apart = Date.now() - performance.now();
let woke = -Infinity;
let final = reloadOnce;

/** `whenFinal` is what a screen does with a close code that no new try can mend. */
export function start(whenFinal = reloadOnce) {
  final = whenFinal;
  lastNews = Number(document.body.dataset.serverNow);
  document.addEventListener("htmx:ws:after:connection", onOpen);
  document.addEventListener("htmx:ws:before:message:incoming", onMessage);
  document.addEventListener("htmx:ws:close", onClose);
  // htmx looks for hx-ws:connect once, perhaps before hx-ws has run. Asking again does no harm.
  document.addEventListener("DOMContentLoaded", () => htmx.process(link));
  setInterval(check, 1000);
  clock.everySecond(blank);
  for (const name of ["visibilitychange", "online"]) addEventListener(name, check, true);
  show("connecting");
}

function onOpen(event) {
  socket = event.detail.connection.socket;
  opened = heard = performance.now();
  clock.forget();
  frames.connected(send);
}

// Live is a screen that has been given the board, not one whose socket is open.
function onMessage(event) {
  event.preventDefault();
  heard = performance.now();
  const message = JSON.parse(event.detail.message.data);
  clock.heardAt(message.now, heard);
  lastNews = message.now ?? lastNews;
  if (message.notice) notices.add(message.notice);
  if (message.alarm) dispatchEvent(new CustomEvent("alarm-tested"));
  if (message.screen) dispatchEvent(new CustomEvent("screen-told", {detail: message.screen}));
  if (message.seq === undefined) return; // of no stream
  event.detail.waitUntil(frames.receive(message).then((whole) => whole && show("live")));
}

/** Sends now or never: nothing is kept for later. Says whether it could. */
export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

function onClose(event) {
  const {connection, code, reason} = event.detail;
  if (reason !== "closed") return; // our own rebuild
  connection.config.reconnectCodes = code in STOP ? [] : [code];
  if (code in STOP) return stop(STOP[code]);
  const wait = pause(code);
  connection.attempt = 0;
  Object.assign(connection.config, {reconnectDelay: wait, reconnectMaxDelay: wait, reconnectJitter: 0});
  due = performance.now() + wait;
  show(SLOW[code]?.[0] ?? "connecting");
}

function pause(code) {
  const short = !opened || performance.now() - opened < SHORT_MS;
  opened = 0;
  failures = short ? failures + 1 : 0;
  if (code in SLOW) {
    const [, low, high] = SLOW[code];
    return low + Math.random() * (high - low);
  }
  return Math.min(LONGEST_MS, (short ? 5000 : 500) * 2 ** Math.max(0, failures - 1)) * (0.7 + 0.6 * Math.random());
}

function stop(state) {
  stopped = true;
  clearTimeout(alarm);
  final(state);
}

// The person may have signed in again in another tab: one reload finds out.
function reloadOnce(state) {
  show(state);
  if (store.read("sessionStorage", RELOADED)) return;
  if (store.write("sessionStorage", RELOADED, state)) location.reload(); // else it would reload again and again
}

// A half-open socket never closes by itself, not even when told to: it is replaced.
function check() {
  forgetReload();
  if (stopped) return;
  if (slept() || performance.now() - Math.max(heard, due) >= SILENCE_MS) replace();
  else if (root.dataset.link === "live" && !root.dataset.cut && feeds.silent()) cut("silent");
}

function replace() {
  heard = performance.now();
  show("lost");
  htmx.process(link, true);
}

// The clock of performance.now() may stand still while the machine sleeps, the other one never does.
function slept() {
  const now = Date.now() - performance.now();
  const jump = now - apart;
  apart = now;
  if (jump > SLEPT_MS) woke -= jump; // it slept: that long ago was the last time
  if (Math.abs(jump) <= SLEPT_MS || performance.now() - woke < WAKE_MS) return false;
  woke = performance.now();
  return true;
}

function forgetReload() {
  if (root.dataset.link === "live" && performance.now() - opened > SHORT_MS) store.remove("sessionStorage", RELOADED);
}

function show(state) {
  if (state === "live" && root.dataset.cut && !feeds.silent()) mend();
  if (root.dataset.link === state && (state !== "connecting" || alarm)) return;
  root.dataset.link = state;
  clearTimeout(alarm);
  if (state === "live") return mend();
  const calm = state === "connecting" && !root.dataset.cut;
  alarm = setTimeout(() => cut(state), calm ? GRACE_MS : 0);
}

function mend() {
  wasLive = true;
  delete root.dataset.blank;
  delete root.dataset.cut;
  document.getElementById("cut").hidden = true;
  clock.hold(null);
  feeds.refresh();
}

// From here on what the page shows is the past, and it says so.
function cut(state) {
  const name = state !== "connecting" ? state : wasLive ? "lost" : "never-linked";
  const banner = document.getElementById("cut");
  const icon = Object.assign(document.createElement("i"), {className: "icon"});
  banner.replaceChildren(icon, element(name, {time: clock.timeOfDay(lastNews)}));
  banner.hidden = false;
  root.dataset.cut = "yes";
  clock.hold(lastNews);
  feeds.refresh();
}

// Old numbers with a hatching are still read as numbers from across the room.
function blank() {
  if (!root.dataset.cut || root.dataset.blank || clock.now() - lastNews < BLANK_MS) return;
  root.dataset.blank = "yes";
  for (const number of document.querySelectorAll("[data-kpi], .queue [data-number]")) {
    number.dataset.known = "no";
    delete number.dataset.since;
    clock.write(number, "–");
  }
  clock.hold(lastNews);
}
