"""What changed -> one frame per audience. Pure: a picture is what an audience should see, a frame the way there.

    picture(mirror, audience, now) -> Picture      rows and parts (KPIs, feeds, banners) as HTML by element
    change(old, new) -> Frame | None               only what differs; apply(old, frame) == new
    everything(picture) -> Frame                   the full board: a screen's first frame and every repair
"""

from collections.abc import Iterator

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard import words
from dashboard.access import Audience, shown_text
from dashboard.agent_rows import Feeds, agent_parts
from dashboard.board import Board, LiveCall
from dashboard.mirror import Card, Health, Mirror, in_force_s
from dashboard.refs import call_ref
from dashboard.rows import flags_for, row_html, sort_key
from queue_api.calls import CallState


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


class Kpi(msgspec.Struct, frozen=True):
    """What `dashboard/_kpis.html` shows of one number. `known` False: a dash, never a zero."""

    name: str
    label: Promise
    known: bool
    value: str = ""
    since: int | None = None
    at_least: bool = False
    note: Promise | str = ""


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
        rows = _rows(mirror, seen, audience, now)
        parts = _parts(feeds, seen, audience) | agent_parts(feeds, seen, audience)
    return Picture(rows=rows, parts=parts, asof=asof(feeds))


def scene(mirror: Mirror, audience: Audience, now: int) -> tuple[Feeds, list[tuple[Card, LiveCall]]]:
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


def _rows(mirror: Mirror, seen: list[tuple[Card, LiveCall]], audience: Audience, now: int) -> dict[str, str]:
    flags = {card.pk: flags_for(audience, card.pk) for card in mirror.cards.values()}
    keyed = sorted((sort_key(live, ref := call_ref(card.pk, live.call)), ref, card, live) for card, live in seen)
    return {
        ref: row_html(card, live, mirror.attempt(card.pk, live.call.key), flags[card.pk], now)
        for _key, ref, card, live in keyed
    }


def _parts(feeds: Feeds, seen: list[tuple[Card, LiveCall]], audience: Audience) -> dict[str, str]:
    kpi_box = get_template("dashboard/_kpi.html")
    feed_box, banner = get_template("dashboard/_feed.html"), get_template("dashboard/_banner.html")
    parts = {f"kpi-box-{kpi.name}": kpi_box.render({"kpi": kpi}).strip() for kpi in kpis(feeds, seen, audience)}
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


def kpis(feeds: Feeds, seen: list[tuple[Card, LiveCall]], audience: Audience) -> list[Kpi]:
    """The numbers over the list. Accounts without a list, or with one that is too old, are left out and named.

    In their notes, too, numbers are masked: a queue may be called by one.
    """
    found = _counted(feeds, seen)
    return [msgspec.structs.replace(kpi, note=shown_text(str(kpi.note), audience)) for kpi in found]


def _counted(feeds: Feeds, seen: list[tuple[Card, LiveCall]]) -> list[Kpi]:
    blank = {card.pk for card, _board, health in feeds if health.blank}
    missing = [card.name for card, _board, _health in feeds if card.pk in blank]
    seen = [(card, live) for card, live in seen if card.pk not in blank]
    known = len(missing) < len(feeds)
    note = _("without %(names)s") % {"names": ", ".join(missing)} if missing and known else ""
    by_state: dict[CallState, list[tuple[Card, LiveCall]]] = {state: [] for state in CallState}
    for card, live in seen:
        by_state[live.call.state].append((card, live))

    def number(name: str, label: Promise, count: int) -> Kpi:
        return Kpi(name=name, label=label, known=known, value=str(count), note=note)

    return [
        number("waiting", _("Waiting"), len(by_state[CallState.WAITING])),
        _longest(by_state[CallState.WAITING], known),
        number("ringing", _("Ringing"), len(by_state[CallState.RINGING])),
        number("talking", _("Talking"), len(by_state[CallState.TALKING])),
        number("hold", _("On hold"), len(by_state[CallState.HOLD])),
        number("live", _("Live calls"), len(seen)),
    ]


def _longest(waiting: list[tuple[Card, LiveCall]], known: bool) -> Kpi:
    name, label = "longest-wait", _("Longest wait")
    if not known:
        return Kpi(name=name, label=label, known=False)
    real = [live for _card, live in waiting if not live.stuck]
    without = _("without %(count)s that may be stuck") % {"count": len(waiting) - len(real)}
    left_out = without if len(real) < len(waiting) else ""
    if not real:
        return Kpi(name=name, label=label, known=True, value=str(_("none")), note=left_out)
    live = min(real, key=lambda one: one.since)
    where = live.call.queue_name or live.call.queue_id
    return Kpi(name=name, label=label, known=True, since=live.since, at_least=live.at_least,
               note=" · ".join(filter(None, [where, left_out])))
