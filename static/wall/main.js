// The wall's page: the board's clock, feeds and link, and nothing to click. Must be the first deferred script.

import * as clock from "../board/clock.js";
import * as feeds from "../board/feeds.js";
import * as link from "../board/link.js";
import {element} from "../board/words.js";
import * as screen from "./screen.js";
import {wait} from "./waits.js";

const face = document.getElementById("clock");

clock.everySecond(() => clock.write(face, clock.timeOfDay(clock.now())));
clock.start();
feeds.start();
link.start(forget);
screen.start();

// Withdrawn: nothing that was shown stays in the page. What stands there instead asks for a new code.
function forget(state) {
  document.documentElement.dataset.link = state;
  delete document.documentElement.dataset.cut;
  document.title = "Callboard";
  document.body.replaceChildren(element("revoked"));
  wait(document.querySelector("[data-wait]"));
}
