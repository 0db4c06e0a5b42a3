"""The lower part of a wall: its queues by name, and the calls that wait longest. As many as can be seen, no more.

Which of them are in sight the browser decides (static/wall/rotation.js): all pages are in the frame.
"""

from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.utils import translation

from dashboard.access import Audience, shown_number, shown_text
from dashboard.board import LiveCall
from dashboard.breach_views import Out, levels
from dashboard.limits import Level
from dashboard.mirror import Card, Feeds, Mirror
from dashboard.number_boxes import Queues
from dashboard.queue_rows import MARKED, QueueView, queue_views
from dashboard.rows import NONE
from dashboard.thresholds import over
from dashboard.wall_type import letter_px, most_rows
from queue_api.calls import CallState

QUEUES = 60  # more of them would take half an hour to pass by; those out of their limits come first
USUAL = letter_px(55, 4)  # of an audience that names no letter
Seen = list[tuple[Card, LiveCall]]


class WaitingView(msgspec.Struct, frozen=True):
    """One line of `dashboard/_wall_waiting.html`. `old`: out of a list that is not fresh, or no longer in it.

    `blank`: out of one so old that its time is not shown any more. `name`: of the caller, where a wall may show it.
    """

    since: int
    at_least: bool
    queue: str
    caller: str
    old: bool
    blank: bool
    level: str = ""
    name: str = ""


class QueueLine(msgspec.Struct, frozen=True):
    """One line of `dashboard/_wall_queue.html`. `worst`: of all that is critical on this wall, the worst."""

    queue: QueueView
    level: str = ""
    worst: bool = False


# ── queues ─────────────────────────────────────────────────────────────────────────────────────────
def queue_part(mirror: Mirror, feeds: Feeds, queues: Queues, found: list[Out], audience: Audience,
               now: int) -> tuple[dict[str, str], int]:
    """Element id -> HTML of each queue in the order in which the page puts them; and how many queues there are."""
    views = queue_views(mirror, feeds, queues, levels(found), audience, now)
    shown = sorted(sorted(views, key=lambda view: not _level(view))[:QUEUES], key=lambda view: view.sort_key)
    worst = next((str(out.queue.pk) for out in found
                  if out.breach.level is Level.RED and out.breach.measure in MARKED), None)
    return {f"q-{view.ref}": _queue_html(QueueLine(view, _level(view), view.ref == worst), audience.language)
            for view in shown}, len(views)


def _level(view: QueueView) -> str:
    return next((level.word for level in (Level.RED, Level.AMBER) if level.word in view.levels), "")


@lru_cache(maxsize=10_000)
def _queue_html(line: QueueLine, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_wall_queue.html").render({"line": line, "queue": line.queue}).strip()


# ── calls ──────────────────────────────────────────────────────────────────────────────────────────
def waiting_part(mirror: Mirror, feeds: Feeds, seen: Seen, audience: Audience, now: int) -> str:
    stale = {card.pk for card, _board, health in feeds if health.state != "fresh"}
    blank = {card.pk for card, _board, health in feeds if health.blank}
    waiting = sorted((item for item in seen if item[1].call.state is CallState.WAITING and not item[1].stuck),
                     key=lambda item: (item[1].since, item[0].pk, item[1].call.key))
    lines = [_line(live, card.pk in stale, card.pk in blank, audience, _call_level(mirror, card, live, now, stale))
             for card, live in waiting[:most_rows(audience.layout or "calls", audience.letter or USUAL)]]
    return get_template("dashboard/_wall_waiting.html").render({
        "lines": lines, "all": len(waiting), "known": not stale}).strip()


def _call_level(mirror: Mirror, card: Card, live: LiveCall, now: int, stale: set[int]) -> str:
    """Of how long the call has waited; what is old has none."""
    found = None if card.pk in stale else over(live, mirror.limits(card.pk, live.call.queue_key), now)
    return found.level.word if found else ""


def _line(live: LiveCall, stale: bool, blank: bool, audience: Audience, level: str) -> WaitingView:
    call = live.call
    return WaitingView(
        since=live.since, at_least=live.at_least,
        queue=shown_text(call.queue_name or call.queue_id, audience) or NONE,
        caller=shown_number(call.caller, audience) or NONE, old=stale or live.missed > 0, blank=blank,
        level=level, name=shown_text(call.caller_name, audience) if audience.caller_names else "",
    )
