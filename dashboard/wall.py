"""What a wall shows: four numbers, the calls that wait longest, and how far all of it can be trusted.

A picture of parts only, made for an audience as the board's is: two walls with the same queues share every byte.
Numbers are masked here, before anything is a frame; names of callers and DeepCall's own sentences are never in it.
"""

import msgspec
from django.template.loader import get_template
from django.utils import translation

from dashboard import words
from dashboard.access import Audience, shown_number, shown_text
from dashboard.board import LiveCall
from dashboard.frames import Picture, asof, feed_view, scene
from dashboard.mirror import Card, Feeds, Mirror
from dashboard.number_boxes import kpi_html, kpis, masked, queues_of
from dashboard.rows import NONE
from queue_api.calls import CallState

NUMBERS = ("waiting", "longest-wait", "talking", "hold")
LONGEST = 6
Seen = list[tuple[Card, LiveCall]]


class WaitingView(msgspec.Struct, frozen=True):
    """One line of `dashboard/_wall_waiting.html`. `old`: out of a list that is not fresh, or no longer in it.

    `blank`: out of one so old that its time is not shown any more.
    """

    since: int
    at_least: bool
    queue: str
    caller: str
    old: bool
    blank: bool


def wall_picture(mirror: Mirror, audience: Audience, now: int) -> Picture:
    """What a wall of this audience should show at `now` (epoch ms)."""
    feeds, seen = scene(mirror, audience, now)
    with translation.override(audience.language):
        parts = _numbers(mirror, feeds, audience) | {"waiting": _waiting(feeds, seen, audience)}
        parts |= _feeds(feeds, audience)
    return Picture(parts=parts, asof=asof(feeds))


def _numbers(mirror: Mirror, feeds: Feeds, audience: Audience) -> dict[str, str]:
    queues = queues_of(mirror, feeds, audience.scope)
    chosen = {kpi.name: masked(kpi, audience) for kpi in kpis(feeds, queues)}
    return {f"kpi-box-{name}": kpi_html(chosen[name], audience.language) for name in NUMBERS}


def _waiting(feeds: Feeds, seen: Seen, audience: Audience) -> str:
    stale = {card.pk for card, _board, health in feeds if health.state != "fresh"}
    blank = {card.pk for card, _board, health in feeds if health.blank}
    waiting = sorted((item for item in seen if item[1].call.state is CallState.WAITING and not item[1].stuck),
                     key=lambda item: (item[1].since, item[0].pk, item[1].call.key))
    lines = [_line(live, card.pk in stale, card.pk in blank, audience) for card, live in waiting[:LONGEST]]
    return get_template("dashboard/_wall_waiting.html").render({
        "lines": lines, "more": len(waiting) - len(lines), "known": not stale,
        "has_queues": bool(audience.scope)}).strip()


def _line(live: LiveCall, stale: bool, blank: bool, audience: Audience) -> WaitingView:
    call = live.call
    return WaitingView(
        since=live.since, at_least=live.at_least,
        queue=shown_text(call.queue_name or call.queue_id, audience) or NONE,
        caller=shown_number(call.caller, audience) or NONE, old=stale or live.missed > 0, blank=blank,
    )


def _feeds(feeds: Feeds, audience: Audience) -> dict[str, str]:
    feed_box, banner = get_template("dashboard/_feed.html"), get_template("dashboard/_banner.html")
    parts = {}
    for card, board, health in feeds:
        view = feed_view(card, board, health)
        said = words.wall_trouble(board, health.state, health.hop)
        said = msgspec.structs.replace(said, detail=shown_text(str(said.detail), audience))  # a code may be a number
        short = msgspec.structs.replace(view, trouble=said)
        parts[f"feed-{card.pk}"] = feed_box.render({"feed": view}).strip()
        parts[f"banner-{card.pk}"] = banner.render({"feed": short}).strip()
    return parts
