"""One call -> its row's HTML, one attempt -> its takeover cell. Pure; the same bytes serve page, frame and answer.

Rendered rows are cached by everything they depend on, so a call that did not change costs a look-up.
Elapsed times are not in them: cells carry `data-since` and the browser ticks (`with_elapsed` fills in first paint).
"""

import re
from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from dashboard import words
from dashboard.access import Audience, shown_number, shown_text
from dashboard.agents import agent_ref
from dashboard.board import LiveCall
from dashboard.mirror import Card
from dashboard.overlay import AttemptNews
from dashboard.refs import call_ref, tells_number
from dashboard.takeover_states import CELLS
from dashboard.thresholds import Over
from queue_api.calls import CallState

NONE = "–"
STATES: dict[CallState, tuple[int, Promise]] = {  # place in the list, label
    CallState.WAITING: (0, _("Waiting")),
    CallState.RINGING: (1, _("Ringing")),
    CallState.HOLD: (2, _("On hold")),
    CallState.TALKING: (3, _("Talking")),
    CallState.UNKNOWN: (4, _("Unknown")),
}


def sort_key(live: LiveCall, ref: str) -> str:
    """Waiting first, longest first; compared as text here and in the browser."""
    return f"{STATES[live.call.state][0]}-{live.since:014d}-{ref}"


class Flags(msgspec.Struct, frozen=True):
    """The part of an audience that a row depends on."""

    full_numbers: bool
    may_take_over: bool
    own_session: bool
    language: str
    own_agent: bool = False
    may_reveal: bool = False


class RowView(msgspec.Struct, frozen=True):
    """What `dashboard/_row.html` shows. Times in epoch ms; None: not known. `held`: may be held to show the number.

    `level`: the time in this state is out of its `limit`; empty: within.
    """

    ref: str
    call_id: str
    account: str
    state: str
    state_label: Promise
    state_since: int
    state_at_least: bool
    total_since: int
    total_at_least: bool
    caller: str
    caller_name: str
    queue: str
    kind: str
    agent: str
    sort_key: str
    missed: bool
    stuck: bool
    held: bool = False
    level: str = ""
    limit: str = ""


class CellView(msgspec.Struct, frozen=True):
    """What `dashboard/_takeover.html` shows. `button`: none (no right), ready, or off (aria-disabled).

    `rings`: whose phone it will be: "you", "line" (named by `line`), or "session" (an own one is missing). `since`:
    for how long it has been asked or looked for, epoch ms. `agent_ref`: who has the call now. `attempt`: waits for a
    verdict.
    """

    ref: str
    state: str
    rev: int
    button: str
    line: str = ""
    rings: str = "line"
    arm: bool = False
    code: str = ""
    title: Promise | str = ""
    vendor_message: str = ""
    advice: Promise | str = ""
    actor: str = ""
    since: int | None = None
    agent_ref: str = ""
    attempt: int | None = None
    actor_id: int | None = None


def flags_for(audience: Audience, account: int) -> Flags:
    return Flags(
        full_numbers=audience.full_numbers, may_take_over=audience.may_take_over,
        own_session=account in audience.own_sessions, own_agent=account in audience.own_agents,
        language=audience.language, may_reveal=audience.may_reveal,
    )


def row_html(card: Card, live: LiveCall, news: AttemptNews | None, flags: Flags, now: int,
             over: Over | None = None) -> str:
    """The row as this audience may see it at `now` (epoch ms; it decides only whether an outcome is still shown)."""
    shown = news.shown(now) if news else False
    return _row_html(card, live, news, shown, flags, over)


@lru_cache(maxsize=40_000)
def _row_html(card: Card, live: LiveCall, news: AttemptNews | None, shown: bool, flags: Flags,
              over: Over | None) -> str:
    ref = call_ref(card.pk, live.call)
    with translation.override(flags.language):
        context = {"row": _row_view(card, live, ref, flags, over), "cell": _cell(card, ref, news, shown, flags)}
        return get_template("dashboard/_row.html").render(context).strip()


def _row_view(card: Card, live: LiveCall, ref: str, flags: Flags, over: Over | None) -> RowView:
    call = live.call
    label = STATES[call.state][1]
    audience = Audience(full_numbers=flags.full_numbers)
    hides_id = not flags.full_numbers and tells_number(call.call_id, call.caller)
    return RowView(
        ref=ref, call_id=ref if hides_id else call.call_id or ref, account=card.name, state=call.state.value,
        state_label=label,
        state_since=live.since, state_at_least=live.at_least,
        total_since=call.entered_at or live.first_seen, total_at_least=live.total_at_least,
        caller=shown_number(call.caller, audience) or NONE, caller_name=shown_text(call.caller_name, audience),
        queue=shown_text(call.queue_name or call.queue_id, audience) or NONE,
        kind=shown_text(call.kind, audience) or NONE,
        agent=shown_text(call.agent_name or call.agent_id, audience) or NONE,
        sort_key=sort_key(live, ref), missed=live.missed > 0, stuck=live.stuck,
        held=flags.may_reveal and bool(call.caller),
        level=over.level.word if over else "", limit=elapsed(1000 * over.limit) if over else "",
    )


def cell_view(card: Card, ref: str, news: AttemptNews | None, flags: Flags, now: int) -> CellView:
    """The takeover cell alone, for the answer to a click."""
    return _cell(card, ref, news, news.shown(now) if news else False, flags)


def idle_cell(card: Card, ref: str, rev: int, flags: Flags) -> CellView:
    """The cell with nothing to tell, and what the button will do."""
    return CellView(
        ref=ref, state="idle", rev=rev, button="ready" if flags.may_take_over else "none",
        line=card.line or card.name, rings=_rings(card, flags), arm=card.arm_first,
    )


def _rings(card: Card, flags: Flags) -> str:
    if card.own_session_required and not flags.own_session:
        return "session"
    return "you" if flags.own_session or (card.taking and flags.own_agent) else "line"


def _cell(card: Card, ref: str, news: AttemptNews | None, shown: bool, flags: Flags) -> CellView:
    idle = idle_cell(card, ref, 0 if news is None else 2 * news.version + 1, flags)
    if news is None or not shown:
        return idle
    news = as_shown(news, Audience(full_numbers=flags.full_numbers))
    said = words.outcome(news)
    return msgspec.structs.replace(
        idle, state=CELLS[news.state], rev=2 * news.version, title=said.title, advice=said.advice,
        code=news.code if said.show_message else "",
        button="off" if news.is_open and flags.may_take_over else idle.button,
        actor=news.actor_name if news.actor_name != news.agent else "",  # “Now with Asha” by Asha says it twice
        vendor_message=news.message if said.show_message else "", since=news.began if news.is_open else None,
        agent_ref=agent_ref(card.pk, news.agent_id) if news.agent_id else "", actor_id=news.actor_id,
        attempt=news.id if news.state == "abandoned" and not news.verdict else None,
    )


def as_shown(news: AttemptNews, audience: Audience) -> AttemptNews:
    """An attempt with what DeepCall wrote as this audience may read it. Numbers that are not the caller's stay."""
    if audience.full_numbers:
        return news
    message, code = (shown_text(text, audience, news.caller_last4) for text in (news.message, news.code))
    return msgspec.structs.replace(news, message=message, code=code, agent=shown_text(news.agent, audience))


_BLANK_TIME = re.compile(r'(data-since="(\d+)"[^>]*>)(?=</)')


def with_elapsed(html: str, now: int) -> SafeString:
    """First paint: writes the elapsed time into each empty element that has a `data-since`."""
    filled = _BLANK_TIME.sub(lambda found: found[1] + _elapsed_text(found[1], now - int(found[2])), html)
    return mark_safe(filled)  # noqa: S308 - rendered and escaped by our own templates; only digits were added


def _elapsed_text(tag: str, elapsed_ms: int) -> str:
    if "data-clock" in tag:  # a time of day: only the browser knows its zone
        return ""
    return ("≥ " if 'data-at-least="yes"' in tag else "") + elapsed(elapsed_ms)


def elapsed(milliseconds: int) -> str:
    """m:ss, from one hour on h:mm:ss; never negative."""
    seconds = max(0, milliseconds) // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
