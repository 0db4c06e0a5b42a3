// The click: one POST, and whatever comes of it is said on the row and in the strip.
//
// The cell is the server's. `data-rev` grows with every change of it, and older news never replaces newer,
// whether it comes as an answer or in a frame.

import * as arming from "./arming.js";
import {resync} from "./frames.js";
import {movedAt} from "./layout.js";
import * as notices from "./notices.js";
import {element, say} from "./words.js";

const TAKE = "button[data-action=takeover]";
const WAIT_LIMIT_S = 60;
const TIMEOUT_MS = 20000; // the server is done after 12 s, whatever happens upstream
const MEANT_MS = 600; // about the time to see that something else is there now
let pointed = -Infinity; // when the pointer last moved
const keys = new WeakMap(); // button -> the key of its last click
const clicks = new WeakMap(); // button -> what its row said when it was pressed

export function start() {
  addEventListener("pointermove", () => { pointed = performance.now(); }, {capture: true, passive: true});
  document.addEventListener("click", guard, true);
  document.addEventListener("keydown", once, true);
  document.addEventListener("htmx:config:request", prepare);
  document.addEventListener("htmx:before:request", ({detail: {ctx}}) => isOurs(ctx) && asking(ctx));
  document.addEventListener("htmx:after:request", (event) => answered(event.detail.ctx));
  document.addEventListener("htmx:response:error", (event) => refused(event.detail.ctx));
  document.addEventListener("htmx:before:swap", keepNewer);
  document.addEventListener("htmx:error", (event) => event.detail.ctx && noAnswer(event.detail.ctx));
  document.addEventListener("submit", refreshToken, true);
}

function guard(event) {
  const button = event.target.closest?.(TAKE);
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  const slid = hasSlid(event, button);
  if (slid) notices.add(element("notice-slid"));
  if (!slid && event.detail < 2 && arming.passes(event, button)) return; // a double click is one click
  event.preventDefault();
  event.stopImmediatePropagation();
}

// A key that is held down repeats its click; the person pressed it once.
function once(event) {
  if (event.repeat && event.target.matches?.(TAKE)) event.preventDefault();
}

// A row that slid under a resting pointer a moment ago is not the one that was meant. The keyboard (detail 0) means it.
function hasSlid(event, button) {
  const slid = movedAt(button.closest(".row"));
  return event.detail > 0 && slid >= pointed && performance.now() - slid <= MEANT_MS;
}

// Signing in in another tab rotates the token, so it is read now and not when the page was made.
export function token() {
  return document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]*)/)?.[1] ?? "";
}

function refreshToken({target}) {
  const field = target.elements?.csrfmiddlewaretoken;
  if (field) field.value = token() || field.value;
}

// One key per click: the server makes one attempt of however often it arrives.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function prepare(event) {
  const {request, sourceElement: button} = event.detail.ctx;
  request.headers["X-CSRFToken"] = token();
  if (button.dataset.action !== "takeover") return;
  if (button.getAttribute("aria-disabled") === "true") return event.preventDefault();
  const key = newKey();
  keys.set(button, key);
  request.body.set("key", key);
  request.timeout = TIMEOUT_MS;
}

// aria-disabled, never disabled: a disabled button loses the focus.
function asking({sourceElement: button}) {
  const label = button.firstElementChild;
  clicks.set(button, {label: label.textContent, rev: revision(button), caller: callerOf(button)});
  button.setAttribute("aria-disabled", "true");
  button.closest("[data-rev]").dataset.asking = ""; // no frame of the same news gives the button back
  label.textContent = say("asking");
}

function giveBack(button) {
  const click = clicks.get(button);
  if (!click || revision(button) !== click.rev) return; // the server has spoken since
  button.removeAttribute("aria-disabled");
  delete button.closest("[data-rev]").dataset.asking;
  button.firstElementChild.textContent = click.label;
}

function revision(button) {
  return button.closest("[data-rev]")?.dataset.rev;
}

function callerOf(button) {
  return button.closest(".row")?.querySelector("[data-field=caller]").textContent ?? "";
}

// htmx drops an answer, notices included, when the cell it is meant for has left the page.
function answered(ctx) {
  const wait_s = Number(ctx.response?.raw?.headers.get("Retry-After"));
  if (isOurs(ctx) && wait_s) setTimeout(forget, 1000 * Math.min(wait_s, WAIT_LIMIT_S), ctx.sourceElement.id);
  if (ctx.target?.isConnected !== false) return;
  ctx.target = document.getElementById("notices");
  ctx.swap = "none";
}

// An answer of ours without a cell (a stale page, a draining server, a call that is gone): nothing was sent.
function refused(ctx) {
  if (isOurs(ctx) && !hasCell(ctx.text) && /<hx-partial/.test(ctx.text)) giveBack(ctx.sourceElement);
}

// "Try again in 7 s" is this screen's alone: nobody else's news would ever take it away.
function forget(id) {
  const cell = document.getElementById(id)?.closest("[data-takeover=not-sent]");
  if (!cell) return;
  cell.dataset.rev = "-1";
  resync(true);
}

function hasCell(html) {
  return /data-takeover=/.test(html);
}

function keepNewer(event) {
  const {ctx, tasks} = event.detail;
  if (!isOurs(ctx)) return;
  if (ctx.response && !hasCell(ctx.text) && !tasks.some((task) => task.type === "partial")) return strange(event);
  for (let i = tasks.length - 1; i >= 0; i -= 1) {
    if (!isOlder(tasks[i])) continue;
    tasks.splice(i, 1);
    giveBack(ctx.sourceElement); // unless the newer news is of this very click
  }
}

function isOurs(ctx) {
  return ctx.sourceElement?.dataset?.action === "takeover" || ctx.request?.action === "/takeover/";
}

function isOlder({target, fragment}) {
  const [old, fresh] = [target?.dataset, fragment.firstElementChild?.dataset];
  return Boolean(old?.rev && fresh?.rev && +fresh.rev < +old.rev);
}

// Not an answer of ours: a proxy's error page, or the sign-in page after a redirect. It goes nowhere near the row.
function strange(event) {
  const {ctx} = event.detail;
  event.preventDefault();
  if (!ctx.response.raw.redirected && ctx.response.status !== 403) return noAnswer(ctx);
  giveBack(ctx.sourceElement);
  tell("notice-not-sent", ctx.sourceElement);
}

// Sent, and nobody here knows what came of it. Never sent again; the full board brings what the server knows.
function noAnswer({sourceElement: button}) {
  if (button?.closest?.(".verdict")) notices.add(element("notice-verdict"));
  if (!clicks.has(button)) return;
  tell("notice-unknown", button);
  if (button.isConnected && revision(button) === clicks.get(button).rev) doubt(button.closest("[data-takeover]"));
  resync(true);
}

function doubt(cell) {
  cell.dataset.takeover = "unknown";
  delete cell.dataset.asking;
  cell.dataset.rev = "-1"; // below any real one, so that the next news wins
  cell.querySelector(".outcome").replaceChildren(...element("outcome-unknown").childNodes);
}

function tell(name, button) {
  const notice = element(name);
  notice.querySelector(".who").textContent = clicks.get(button)?.caller ?? "";
  Object.assign(notice.dataset, {notice: keys.get(button) ?? "", rev: 0}); // what the server knows replaces it
  notices.add(notice);
}
