// The queues beside the calls, by name. A queue comes or goes when an administrator or DeepCall makes or renames one.

import {draw, everySecond} from "./clock.js";

const host = document.getElementById("queues") ?? document.createElement("ul"); // a wall has none

export function start() {
  everySecond(() => draw(host));
}

export const all = () => [...host.children];

/** Puts a queue, new or renamed, before the first one with a larger key. */
export function insert(queue) {
  const after = all().find((other) => other !== queue && other.dataset.key > queue.dataset.key);
  host.insertBefore(queue, after ?? null);
  draw(queue);
}
