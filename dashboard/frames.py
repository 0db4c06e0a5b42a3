"""What changed -> one frame per audience. Pure: a picture is what an audience should see, a frame the way there.

    picture(mirror, audience, now) -> Picture      rows and parts (numbers, queues, agents, …) as HTML
    change(old, new) -> Frame | None               only what differs; apply(old, frame) == new
    everything(picture) -> Frame                   the full board: a screen's first frame and every repair
"""

from collections.abc import Iterator

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise

from dashboard import words
from dashboard.access import Audience
from dashboard.agent_rows import agent_parts
from dashboard.board import Board, LiveCall
from dashboard.breach_views import BELIEVED, breach_part, levels, outs
from dashboard.day_numbers import today
from dashboard.mirror import Card, Feeds, Health, Mirror, in_force_s
from dashboard.number_boxes import number_parts, queues_of
from dashboard.queue_rows import queue_parts
from dashboard.refs import call_ref
from dashboard.rows import flags_for, row_html, sort_key
from dashboard.thresholds import over
from dashboard.trends import trend_parts

Seen = list[tuple[Card, LiveCall]]


class Picture(msgspec.Struct, frozen=True):
    """`rows`: reference -> HTML in the list's order; `parts`: element id -> HTML; `asof`: account -> epoch ms."""

    rows: dict[str, str] = {}
    parts: dict[str, str] = {}
    asof: dict[str, int | None] = {}


class Frame(msgspec.Struct, frozen=True):
    """What goes to a screen; `full` replaces everything, else `gone` rows go and `html` elements are patched."""

    html: str = ""
    gone: list[str] = []
    full: bool = False


class FeedView(msgspec.Struct, frozen=True):
    """What `dashboard/_feed.html` and `_banner.html` show. `trouble` is empty when all is well.

    `since`: how old what is shown has been since it went stale (the newest good list); `began`: since when it fails.
    Both epoch ms.
    """

    pk: int
    account: str
    health: str
    hop: str
    since: int | None
    began: int | None
    blank_after: int
    interval: float
    label: Promise | str
    trouble: words.Trouble


def picture(mirror: Mirror, audience: Audience, now: int) -> Picture:
    """What this audience should see at `now` (epoch ms), out of its scope only."""
    feeds, seen = scene(mirror, audience, now)
    with translation.override(audience.language):
        rows = _rows(mirror, feeds, seen, audience, now)
        queues = queues_of(mirror, feeds, audience.scope)
        day = today(feeds, mirror.queues, audience.scope, now)
        found = outs(mirror, feeds, audience.scope)
        parts = number_parts(feeds, queues, day, found, audience) | _feed_parts(feeds)
        parts |= queue_parts(mirror, feeds, queues, levels(found), audience, now) | agent_parts(feeds, seen, audience)
        parts |= trend_parts(feeds, mirror.queues, audience) | {
            "breaches": breach_part(found, audience, several=len(feeds) > 1)}
    return Picture(rows=rows, parts=parts, asof=asof(feeds))


def scene(mirror: Mirror, audience: Audience, now: int) -> tuple[Feeds, Seen]:
    """The feeds and the live calls of an audience's scope, as known at `now` (epoch ms)."""
    feeds = [(card, board, mirror.health(card, now)) for card, board in mirror.known()
             if audience.scope.touches(card.pk)]
    return feeds, [(card, live) for card, board, _health in feeds if board is not None
                   for live in _in_scope(board, audience)]


def asof(feeds: Feeds) -> dict[str, int | None]:
    return {str(card.pk): board.heard_at if board else None for card, board, _health in feeds}


def change(old: Picture, new: Picture) -> Frame | None:
    """The frame from `old` to `new`; None when a screen that shows `old` already shows `new` (ages apart)."""
    put = [html for ref, html in new.rows.items() if old.rows.get(ref) != html]
    put += [html for name, html in new.parts.items() if old.parts.get(name) != html]
    gone = [ref for ref in old.rows if ref not in new.rows]
    if old.parts.keys() - new.parts.keys():  # an account went: its feed and banner must leave the page, too
        return everything(new)
    return Frame(html="".join(put), gone=gone) if put or gone else None


def everything(new: Picture) -> Frame:
    return Frame(html="".join([*new.rows.values(), *new.parts.values()]), full=True)


def _in_scope(board: Board, audience: Audience) -> Iterator[LiveCall]:
    return (live for live in board.calls.values() if audience.scope.covers(board.account, live.call.queue_key))


def _rows(mirror: Mirror, feeds: Feeds, seen: Seen, audience: Audience, now: int) -> dict[str, str]:
    flags = {card.pk: flags_for(audience, card.pk) for card in mirror.cards.values()}
    believed = {card.pk for card, _board, health in feeds if health.state in BELIEVED}
    keyed = sorted((sort_key(live, ref := call_ref(card.pk, live.call)), ref, card, live) for card, live in seen)
    return {
        ref: row_html(card, live, mirror.attempt(card.pk, live.call.key), flags[card.pk], now,
                      over(live, mirror.limits(card.pk, live.call.queue_key), now) if card.pk in believed else None)
        for _key, ref, card, live in keyed
    }


def _feed_parts(feeds: Feeds) -> dict[str, str]:
    feed_box, banner = get_template("dashboard/_feed.html"), get_template("dashboard/_banner.html")
    parts = {}
    for card, board, health in feeds:
        context = {"feed": feed_view(card, board, health)}
        parts[f"feed-{card.pk}"] = feed_box.render(context).strip()
        parts[f"banner-{card.pk}"] = banner.render(context).strip()
    return parts


def feed_view(card: Card, board: Board | None, health: Health) -> FeedView:
    return FeedView(
        pk=card.pk, account=card.name, health=health.state, hop=health.hop,
        since=board.heard_at if board and health.state in ("late", "failing") else None,
        began=health.since if health.state in ("late", "failing", "incomplete") else None,
        blank_after=card.blank_after_s, interval=in_force_s(card, board), label=words.HEALTH[health.state],
        trouble=words.feed_trouble(board, health.state, health.hop),
    )
