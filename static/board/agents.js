// The agents beside the calls, by name. Few come and go, so the list is simply kept in order.

import {draw, everySecond} from "./clock.js";

const host = document.getElementById("agents");

export function start() {
  everySecond(() => draw(host));
}

export const all = () => [...host.children];

/** Puts a new agent before the first one with a larger key. */
export function insert(agent) {
  const after = all().find((other) => other.dataset.key > agent.dataset.key);
  host.insertBefore(agent, after ?? null);
  draw(host);
}
