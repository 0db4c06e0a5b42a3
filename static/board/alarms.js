// Alarms: what has come out of its limits rings and is told on the desktop, as far as this person allowed it, and
// counts in the tab's title.
//
// The frames bring what is out: the entries of #breaches. What this page has seen before is not told again, nor what
// got better. Of several tabs one rings. Quiet is the person's, on every screen of theirs: the server is asked.

import * as chime from "./chime.js";
import {now} from "./clock.js";
import {canShow, keep, show} from "./desktop.js";
import * as store from "./store.js";
import {token} from "./takeover.js";
import {say} from "./words.js";

const KEPT = 500; // more than a page shows
const ASKED_MS = 3000; // who does not answer by then silences nothing
const SEEN = "callboard-breaches-seen"; // of this tab, through reloads
const RUNG = "callboard-alarms-rung"; // of all tabs of this browser
const WISHES = "callboard-alarms";
const RANK = {amber: 1, red: 2};
const root = document.documentElement;
const list = document.getElementById("breaches");
const spoken = document.getElementById("spoken"); // for those who hear the page
const title = document.title;
let worst = new Map(); // what is out now: queue and number -> rank
let quietUntil = Number(document.body.dataset.quietUntil); // epoch ms by the server; 0: not quiet

export function start() {
  const known = store.read("sessionStorage", SEEN) !== null;
  worst = known ? new Map() : ranks(entries());
  if (!known) remember(entries());
  new MutationObserver(look).observe(list, {childList: true, subtree: true, attributeFilter: ["data-breach", "data-level", "data-red"]});
  new MutationObserver(count).observe(root, {attributeFilter: ["data-cut"]});
  chime.start(() => wishes().sound);
  look();
}

/** What is wished of this browser: {sound, desktop, amber}, each true, or not. */
export const wishes = () => stored("localStorage", WISHES, {});

export function wish(changed) {
  store.write("localStorage", WISHES, JSON.stringify({...wishes(), ...changed}));
}

/** Rings and shows as it would for something new. Says what it did: {sound, desktop}, each true or false. */
export async function tryOut(text) {
  const {sound} = wishes();
  return {sound: Boolean(sound) && await chime.play(true), desktop: mayShow() && show(text, "test")};
}

/** Until when the person wants quiet, epoch ms by the server; 0: not. What was known last, when it does not answer. */
export async function quiet() {
  await askQuiet({});
  return quietUntil;
}

/** Wishes for quiet from now on; 0 ends it. Says whether the server took it. */
export const beQuiet = (minutes) => askQuiet({method: "POST", body: new URLSearchParams({minutes})});

async function askQuiet(request) {
  try {
    const answer = await fetch("/me/quiet/", {
      ...request, headers: {"X-CSRFToken": token()}, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(ASKED_MS),
    });
    quietUntil = (await answer.json()).until ?? quietUntil;
    return answer.ok;
  } catch {
    return false; // no answer, or none of ours
  }
}

/** As known without asking: epoch ms, 0: not quiet. */
export const quietNow = () => (quietUntil > now() ? quietUntil : 0);

// ── what is new ──
const entries = () => [...list.querySelectorAll("[data-breach]")].map(({dataset, textContent}) => ({
  id: `${dataset.breach}-${dataset.level}`, number: dataset.breach.replace(/-\d+$/, ""), rank: RANK[dataset.level],
  eases: "eases" in dataset, // it is getting better: no reason to call anybody
  text: textContent.trim().replace(/\s+/g, " "),
}));

const ranks = (out) => new Map(out.map(({number, rank}) => [number, rank]));

function look() {
  const [out, seen] = [entries(), new Set(stored("sessionStorage", SEEN, []))];
  const news = out.filter(({id, number, rank, eases}) => !eases && !seen.has(id) && rank > (worst.get(number) ?? 0));
  worst = ranks(out);
  remember(out);
  count();
  keep(new Set(out.map(({id}) => id)));
  if (news.length) announce(news);
}

async function announce(news) {
  const {sound, desktop, amber} = wishes();
  const loud = news.filter(({rank}) => rank >= (amber ? RANK.amber : RANK.red));
  if (!loud.length || !(sound || desktop) || await quiet() > now()) return; // of hundreds of screens few need ask
  spoken.textContent = loud.map(({text}) => text).join("; ");
  let ring = Boolean(sound);
  if (ring) await chime.unlock(); // the browser may have held the loudspeaker for something else
  for (const {id, text, rank} of loud) {
    if (ring && chime.ready() && await claimed(`${id} sound`)) ring = !await chime.play(rank === RANK.red); // once for all
    if (mayShow() && await claimed(`${id} desktop`)) show(text, id);
  }
}

// Whichever tab comes first has it. Without https there are no locks, and each tab rings.
async function claimed(what) {
  return navigator.locks?.request(RUNG, () => {
    const rung = stored("localStorage", RUNG, []);
    if (rung.includes(what)) return false;
    store.write("localStorage", RUNG, JSON.stringify([...rung, what].slice(-KEPT)));
    return true;
  }) ?? true;
}

function remember(out) {
  const ids = out.map(({id}) => id);
  const before = stored("sessionStorage", SEEN, []).filter((id) => !ids.includes(id));
  store.write("sessionStorage", SEEN, JSON.stringify([...before, ...ids].slice(-KEPT))); // what is out now goes last
}

function stored(storage, name, otherwise) {
  try {
    return JSON.parse(store.read(storage, name)) ?? otherwise;
  } catch {
    return otherwise; // somebody else's
  }
}

const mayShow = () => Boolean(wishes().desktop) && canShow() === "granted";

function count() {
  const red = Number(list.dataset.red ?? 0); // also of those that have no place in the line
  const text = "cut" in root.dataset ? `⚠ ${say("not-live")} · Callboard` : red ? `(${red}) ${title}` : title;
  if (document.title !== text) document.title = text;
}
