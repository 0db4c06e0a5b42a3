// The bell in the head: what may alarm this person, for how long it must not, and a test of the whole way.

import * as alarms from "./alarms.js";
import * as chime from "./chime.js";
import {canShow} from "./desktop.js";
import {everySecond, now, timeOfDay} from "./clock.js";
import {send} from "./link.js";
import {say} from "./words.js";

const ANSWER_MS = 5000;
const bell = document.getElementById("bell");
const panel = document.getElementById("alarms");
const said = panel.querySelector("[role=status]");
const boxes = [...panel.querySelectorAll("input[type=checkbox]")];
const ended = panel.querySelector("[data-minutes='0']");

export function start() {
  for (const box of boxes) box.addEventListener("change", () => change(box));
  for (const button of panel.querySelectorAll("[data-minutes]")) button.addEventListener("click", () => beQuiet(button));
  panel.querySelector("[data-action=test-alarm]").addEventListener("click", test);
  panel.addEventListener("toggle", ({newState}) => newState === "open" && open());
  addEventListener("storage", draw); // another tab changed it
  everySecond(draw);
  draw();
}

async function open() {
  said.textContent = "";
  draw();
  await alarms.quiet();
  draw();
}

async function change({name, checked}) {
  alarms.wish({[name]: checked});
  if (name === "sound" && checked) await chime.play(true); // so that it is known how it sounds
  if (name === "desktop" && checked && canShow() === "default") await Notification.requestPermission();
  draw();
}

async function beQuiet({dataset: {minutes}}) {
  said.textContent = "";
  if (!await alarms.beQuiet(minutes)) said.textContent = say("quiet-failed");
  draw();
}

// ── what is so ──
function draw() {
  const [wishes, quiet] = [alarms.wishes(), alarms.quietNow()];
  const time = quiet ? timeOfDay(quiet) : "";
  for (const box of boxes) box.checked = Boolean(wishes[box.name]);
  write(panel.querySelector("[data-say=sound]"), wishes.sound && !chime.ready() ? say("sound-waits") : "");
  write(panel.querySelector("[data-say=desktop]"), wishes.desktop ? refusal() : "");
  ended.hidden = !quiet;
  write(ended, say("quiet-ends", {time}));
  bell.dataset.bell = stateOf(wishes, quiet);
  write(bell.lastElementChild, say(`bell-${bell.dataset.bell}`, {time}));
}

function stateOf(wishes, quiet) {
  if (!wishes.sound && !wishes.desktop) return "off";
  if (quiet) return "quiet";
  return (wishes.sound && !chime.ready()) || (wishes.desktop && refusal()) ? "waits" : "on";
}

/** Why the desktop is told nothing, though it is wished; empty: it is. */
function refusal() {
  const state = canShow();
  return state === "granted" ? "" : say(`desktop-${state}`);
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ── the test: to the server and back, then as an alarm would ──
async function test() {
  said.textContent = say("asking");
  const [asked, answered] = [performance.now(), new Promise((done) => { addEventListener("alarm-tested", () => done(true), {once: true}); })];
  const heard = send({test: 0}) && await Promise.race([answered, new Promise((done) => { setTimeout(done, ANSWER_MS); })]);
  if (!heard) return void (said.textContent = say("test-unheard"));
  const took = Math.round(performance.now() - asked);
  const {sound, desktop} = await alarms.tryOut(say("test-text"));
  const wishes = alarms.wishes();
  said.textContent = [
    say("test-heard", {n: took}),
    wishes.sound ? say(sound ? "test-rang" : "sound-waits") : say("test-silent"),
    wishes.desktop ? (desktop ? say("test-shown") : refusal() || say("desktop-failed")) : "",
    alarms.quietNow() ? say("test-quiet", {time: timeOfDay(alarms.quietNow())}) : "",
  ].filter(Boolean).join("\n");
}
