// Arm first: where a centre or a person wants it, one click arms a takeover button and a second asks DeepCall.
//
// The armed cell is the browser's alone. News of the call (a newer `data-rev`) takes it away, and so do Escape, another
// button and four seconds.

import {resync} from "./frames.js";
import {element, say} from "./words.js";

const ARMED_MS = 4000;
const spoken = document.getElementById("spoken"); // for those who hear the page
let armed = null; // {button, cell, label, outcome, state, timer}

export function start() {
  addEventListener("keydown", (event) => event.key === "Escape" && disarm(), true);
}

/** Whether this click may ask DeepCall; when it may not, it has armed the button instead. */
export function passes(event, button) {
  if (!wanted(button)) return true;
  if (armed?.button === button && isArmed()) return disarm();
  disarm();
  arm(button);
  return false;
}

function wanted(button) {
  return button.dataset.arm === "yes" || document.body.dataset.arm === "yes";
}

const isArmed = () => armed.cell.isConnected && "armed" in armed.cell.dataset;

function arm(button) {
  const cell = button.closest("[data-takeover]");
  const [label, outcome] = [button.firstElementChild, cell.querySelector(".outcome")];
  armed = {button, cell, label: label.textContent, outcome: [...outcome.childNodes], state: cell.dataset.takeover,
    timer: setTimeout(disarm, ARMED_MS)};
  cell.dataset.armed = "";
  cell.dataset.takeover = "armed";
  label.textContent = say("confirm");
  outcome.replaceChildren(...element("armed").childNodes);
  spoken.textContent = outcome.textContent;
}

/** Gives the cell back as it was, unless there is news in it; true, so that a click can go on. */
function disarm() {
  if (armed && isArmed()) {
    const {button, cell, label, outcome, state} = armed;
    delete cell.dataset.armed;
    cell.dataset.takeover = state;
    button.firstElementChild.textContent = label;
    cell.querySelector(".outcome").replaceChildren(...outcome);
    if ("skipped" in cell.dataset) catchUp(cell);
  }
  spoken.textContent = "";
  clearTimeout(armed?.timer);
  armed = null;
  return true;
}

// A frame had other things to say of the button meanwhile (patch.js).
function catchUp(cell) {
  delete cell.dataset.skipped;
  cell.dataset.rev = "-1";
  resync(true);
}
