// The board's page. Must be the first deferred script: it only listens, and what it listens for starts at once.

import * as agents from "./agents.js";
import * as alarmPanel from "./alarm_panel.js";
import * as alarms from "./alarms.js";
import * as arming from "./arming.js";
import * as clock from "./clock.js";
import * as explain from "./explain.js";
import * as feeds from "./feeds.js";
import * as find from "./find.js";
import * as layout from "./layout.js";
import * as link from "./link.js";
import * as notices from "./notices.js";
import {personal} from "./personal.js";
import * as queues from "./queues.js";
import * as reveal from "./reveal.js";
import * as takeover from "./takeover.js";
import {say} from "./words.js";

for (const part of [layout, clock, feeds, notices, agents, queues, explain, arming, takeover, reveal, find, alarms, alarmPanel, link]) part.start();

addEventListener("DOMContentLoaded", () => layout.all().forEach(personal)); // htmx is there by then

// What a click will do, in a sentence, before it is made.
for (const event of ["pointerover", "focusin"]) {
  document.getElementById("rows").addEventListener(event, ({target}) => {
    const button = target.closest("button[data-action=takeover]:not([aria-disabled])");
    if (button) button.title = say(`rings-${button.dataset.rings ?? "line"}`, {line: button.lastElementChild.textContent});
  });
}

// A text that is cut off can be read by pointing at it.
document.getElementById("list").addEventListener("pointerover", ({target}) => {
  const cell = target.closest("small, [data-field], .outcome");
  if (cell && (cell.scrollWidth > cell.clientWidth || cell.scrollHeight > cell.clientHeight)) cell.title = cell.textContent;
});
