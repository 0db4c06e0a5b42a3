// This screen: what the administrator asks of it, what it tells of itself, and how it keeps itself alive.

import * as clock from "../board/clock.js";
import {element} from "../board/words.js";
import {again, holdStill, pause} from "./again.js";

const NAME_MS = 10000;
const ALERT_MS = 20000;
const SPREAD_MS = 60000; // in which all screens load a new version, each at a moment of its own
const ASKED_SPREAD_MS = 3000; // the same for those an administrator told to
const ONCE_MS = 600000; // between two loads for one version: while two versions run side by side none can be reached
const MEND_MS = 20000;
const STUCK_MS = 300000; // whatever keeps a page from being live for so long: a fresh one may not have it
const RENEW_MS = 30000;
const LOADED = "callboard-wall-loaded";

const root = document.documentElement;
let known = null; // what was told first, and what was acted on since
let renewing = false;
let lock = null;
let leaving = 0;
let dark = 0; // since when it is not live, by performance.now()

export function start() {
  describe();
  addEventListener("resize", describe);
  addEventListener("screen-told", (event) => take(event.detail));
  addEventListener("error", (event) => event.target instanceof HTMLScriptElement && leave(MEND_MS), true);
  addEventListener("load", () => styled() || leave(MEND_MS));
  clock.everySecond(look);
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
  holdStill();
}

// A page that came without one of its scripts or sheets does not mend by itself.
function styled() {
  return [...document.querySelectorAll("link[rel=stylesheet]")].every((link) => link.sheet?.cssRules.length);
}

// Told with each connection: this page's version and its size.
function describe() {
  const link = document.getElementById("link");
  link?.setAttribute("hx-ws:connect", `/ws/wall/?version=${root.dataset.version}&size=${innerWidth}x${innerHeight}`);
}

function take(told) {
  const first = known === null;
  const grown = (name) => !first && told[name] > known[name];
  if (grown("identify")) show(element("identify", {name: told.name}), NAME_MS);
  if (grown("test_alert")) alert();
  if (grown("reload")) leave(ASKED_SPREAD_MS);
  if (told.version !== root.dataset.version) newVersion(told.version);
  if (told.rotate) renew();
  known = told;
  message();
}

// ---- what an administrator asks ----

function show(what, ms) {
  document.getElementById(what.id)?.remove();
  home(what).append(what);
  if (ms) setTimeout(() => what.remove(), ms);
}

// What is said stands at the bottom, under the rows, one thing above the other.
function home(what) {
  if (what.id === "screen-name") return document.body;
  const said = document.getElementById("screen-said");
  if (said) return said;
  const made = Object.assign(document.createElement("div"), {id: "screen-said"});
  document.body.append(made);
  return made;
}

function alert() {
  show(element("test-alert"), ALERT_MS);
  dispatchEvent(new CustomEvent("wall-alert", {detail: {ms: ALERT_MS}})); // what turns pages stops for it
}

function message() {
  const shown = document.getElementById("screen-message");
  const wanted = known.message && !(known.until && known.until <= clock.now());
  if (!wanted) return shown?.remove();
  if (shown?.textContent.trim() !== known.message.trim()) show(element("message", {text: known.message}));
}

// The end of a message or of the pairing needs no server to be noticed.
function look() {
  if (!document.getElementById("link")) return; // the wall was taken away, and its page emptied
  if (root.dataset.link === "live") dark = performance.now();
  else if (performance.now() - dark > STUCK_MS) again();
  if (known === null) return;
  message();
  if (known.expires && known.expires <= clock.now()) withdraw();
}

// As the server would say it: the link ends, and the page forgets what it showed.
function withdraw() {
  const detail = {connection: {config: {}}, code: 4403, reason: "closed"};
  document.dispatchEvent(new CustomEvent("htmx:ws:close", {detail}));
}

// ---- a new version, a new secret ----

function newVersion(version) {
  const [last, at] = (sessionStorage.getItem(LOADED) ?? "").split(" ");
  if (last === version && clock.now() - at < ONCE_MS) return;
  leave(SPREAD_MS, () => sessionStorage.setItem(LOADED, `${version} ${Math.round(clock.now())}`));
}

function leave(spreadMs, before = () => {}) {
  const due = performance.now() + Math.random() * spreadMs;
  if (leaving && leaving <= due) return;
  leaving = due;
  pause(due - performance.now()).then(() => leaving === due && (before(), again()));
}

// The answer brings the cookie. Should it get lost, the old one is good for ten minutes more; then it is asked again.
async function renew() {
  if (renewing) return;
  renewing = true;
  while (!await renewed()) await pause(RENEW_MS * (0.2 + Math.random()));
  again();
}

async function renewed() {
  try {
    const answer = await fetch(root.dataset.renew, {cache: "no-store", signal: AbortSignal.timeout(RENEW_MS)});
    return answer.ok;
  } catch {
    return false; // the server is away
  }
}

// ---- the panel must not go dark ----

async function stayAwake() {
  if (document.hidden || !navigator.wakeLock || (lock && !lock.released)) return;
  try {
    lock = await navigator.wakeLock.request("screen");
  } catch {
    lock = null; // on battery, or forbidden: asked again when the page is seen again
  }
}
