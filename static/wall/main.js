// The wall's page: the board's clock, feeds and link, its own letters and turning pages, and nothing to click. Must be
// the first deferred script.

import * as clock from "../board/clock.js";
import * as feeds from "../board/feeds.js";
import * as link from "../board/link.js";
import * as queues from "../board/queues.js";
import {element} from "../board/words.js";
import {again} from "./again.js";
import * as panel from "./panel.js";
import * as rotation from "./rotation.js";
import * as screen from "./screen.js";
import * as type from "./type.js";
import {wait} from "./waits.js";

const root = document.documentElement;
const face = document.getElementById("clock");
const look = document.getElementById("look");
const {layout, letter} = look.dataset;
let stopped = null; // by old data; a lost server stops the clock by itself (link.js)

clock.everySecond(stopWithData);
clock.everySecond(() => clock.write(face, clock.timeOfDay(clock.shownNow())));
clock.start();
feeds.start();
queues.start();
panel.start();
type.start(rotation.draw);
rotation.start();
new MutationObserver(loadAnew).observe(look, {attributes: true});
link.start(forget);
screen.start();

// A clock that goes on beside numbers that stand still makes them look alive.
function stopWithData() {
  if ("cut" in root.dataset) return void (stopped = null);
  const heard = [...document.querySelectorAll(".feed[data-heard]")].map((feed) => Number(feed.dataset.heard));
  const at = root.dataset.fresh === "none" && Math.max(0, ...heard) || null;
  if (at === null ? stopped === null : clock.shownNow() === at) return;
  stopped = at;
  clock.hold(at);
}

// Laid out otherwise, or for another distance: the server has just spoken, so the page is there to be had.
function loadAnew() {
  if (look.dataset.layout !== layout || look.dataset.letter !== letter) again();
}

// Withdrawn: nothing that was shown stays in the page. What stands there instead asks for a new code.
function forget(state) {
  root.dataset.link = state;
  delete root.dataset.cut;
  document.title = "Callboard";
  document.body.replaceChildren(element("revoked"));
  wait(document.querySelector("[data-wait]"));
}
