// The stream of frames: in order, without gaps, or whole again.
//
// A frame says which one came before it (`prev`). When that is not the one we have, a full board is asked for,
// and our number stands still until it has come; the rows of the frames in between are right all the same.

import * as agents from "./agents.js";
import * as feeds from "./feeds.js";
import * as layout from "./layout.js";
import {drop, put} from "./patch.js";

const SLICE = 150; // rows in one go: keeps a full board of 1,000 under 50 ms a task
const ASK_MS = 2000;
const ACK_MS = 1000;

let stream = null;
let seq = -1;
let broken = false;
let asked = -Infinity;
let acked = -Infinity;
let send = () => {};

/** A new connection: nothing is known of its stream until its full board comes. `sender` says whether it could. */
export function connected(sender) {
  send = sender;
  [stream, seq] = [null, -1];
  asked = acked = -Infinity;
}

/** Applies one frame or tick. Resolves when the page shows it: true once this connection has brought a full board. */
export async function receive(frame) {
  try {
    await apply(frame);
  } catch (error) {
    broken = true; // whatever was half done, a full board puts right
    console.error(error);
  }
  if (broken) resync();
  acknowledge(frame.seq);
  return stream !== null;
}

async function apply(frame) {
  if (!frame.full) follow(frame);
  if (frame.full || frame.html || frame.gone?.length) await show(frame);
  if (frame.full) [stream, seq, broken] = [frame.stream, frame.seq, false];
  if (!broken) feeds.heard(frame.asof); // beyond a gap the rows are older than what this message speaks of
  feeds.refresh();
}

function follow(frame) {
  if (frame.stream !== undefined && frame.stream !== stream) broken = true;
  if (frame.prev > seq) broken = true;
  if (!broken && frame.seq > seq) seq = frame.seq;
}

/** Asks for the full board, at most once in two seconds. `always` also when no gap is known of. */
export function resync(always = false) {
  if (always) broken = true;
  if (!broken || performance.now() - asked < ASK_MS) return;
  if (send({resync: Math.max(seq, 0)})) asked = performance.now();
}

// Acks answer messages: in a hidden tab a timer runs once a minute, messages still arrive.
function acknowledge(number) {
  if (performance.now() - acked < ACK_MS) return;
  if (send({ack: number})) acked = performance.now();
}

async function show(frame) {
  const next = parse(frame.html ?? "");
  const named = frame.full && new Set(next.map((element) => element.id));
  await layout.change(async () => {
    for (const ref of frame.gone ?? []) dropRow(document.getElementById(`c-${ref}`));
    if (named) layout.all().filter((row) => !named.has(row.id)).forEach(drop);
    await putAll(next, frame.full);
    if (named) dropOthers(named);
    if (named) inOrder([...named]);
    agents.place();
  });
}

function dropRow(row) {
  if (row) drop(row);
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

// An account that is no longer the viewer's leaves its feed behind, and the day its agents.
function dropOthers(named) {
  for (const element of document.querySelectorAll(".feed, #banners > .banner, .agent, .queue")) {
    if (!named.has(element.id)) element.remove();
  }
}

// One that has just become the viewer's was put last; accounts stand as on a fresh page.
function inOrder(ids) {
  for (const home of document.querySelectorAll("#feeds, #banners")) {
    const wanted = [...home.children].sort((one, other) => ids.indexOf(one.id) - ids.indexOf(other.id));
    wanted.forEach((element, i) => element === home.children[i] || home.insertBefore(element, home.children[i]));
  }
}

async function putAll(elements, whole) {
  for (let i = 0; i < elements.length; i += SLICE) {
    if (i && !document.hidden) await breath();
    for (const element of elements.slice(i, i + SLICE)) {
      if (!put(element, whole)) broken = true;
    }
  }
}

// Lets the browser paint and answer the keyboard. A message is not slowed down in hidden tabs as a timer is.
function breath() {
  return new Promise((resolve) => {
    const {port1, port2} = new MessageChannel();
    port1.onmessage = () => { port1.close(); resolve(); };
    port2.postMessage(null);
  });
}

