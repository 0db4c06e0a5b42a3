// The board's page. Must be the first deferred script: it only listens, and what it listens for starts at once.

import * as agents from "./agents.js";
import * as clock from "./clock.js";
import * as feeds from "./feeds.js";
import * as layout from "./layout.js";
import * as link from "./link.js";
import * as notices from "./notices.js";
import * as takeover from "./takeover.js";

for (const part of [layout, clock, feeds, notices, agents, takeover, link]) part.start();

// A text that is cut off can be read by pointing at it.
document.getElementById("list").addEventListener("pointerover", ({target}) => {
  const cell = target.closest("small, [data-field], .outcome");
  if (cell && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent;
});
