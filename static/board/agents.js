// The agents beside the calls, by name. Few come and go, so the list is simply kept in order.
//
// As in layout.js a transform gives each its place: somebody new pushes nobody, as far as the browser counts.

import {draw, everySecond} from "./clock.js";

const ROW_PX = 38;
const host = document.getElementById("agents") ?? document.createElement("ul"); // a wall has none

export function start() {
  everySecond(() => draw(host));
  host.classList.add("placed");
  place();
}

export const all = () => [...host.children];

/** Puts a new agent before the first one with a larger key. */
export function insert(agent) {
  const after = all().find((other) => other.dataset.key > agent.dataset.key);
  host.insertBefore(agent, after ?? null);
  draw(host);
}

/** Brings every agent to its place, after some came or went. */
export function place() {
  all().forEach((agent, index) => {
    const transform = `translateY(${index * ROW_PX}px)`;
    if (agent.style.transform !== transform) agent.style.transform = transform;
  });
  host.style.blockSize = `${host.children.length * ROW_PX}px`;
}
