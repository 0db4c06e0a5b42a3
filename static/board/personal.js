// What only this person is shown of a cell that everybody shares: that a call is with them, and the question what
// became of a takeover that was never known.

import {element, say} from "./words.js";

const {person, ownAgents = "", judges} = document.body.dataset;
const mine = new Set(ownAgents.split(" ").filter(Boolean));

/** Called with each row that came anew from the server. */
export function personal(row) {
  const cell = row.querySelector("[data-takeover]");
  if (!cell || "armed" in cell.dataset) return;
  if (mine.has(cell.dataset.with)) cell.querySelector(".outcome > b").textContent = say("with-you");
  if (cell.dataset.attempt && (judges === "yes" || cell.dataset.actor === person)) ask(cell);
}

function ask(cell) {
  if (cell.querySelector(".verdict")) return;
  const verdict = element("verdict");
  for (const button of verdict.querySelectorAll("button")) {
    button.setAttribute("hx-vals", JSON.stringify({attempt: Number(cell.dataset.attempt)}));
  }
  cell.querySelector(".outcome > b").after(" ", verdict);
  htmx.process(verdict);
}
