"""The queues of a screen -> HTML for one audience, beside the calls and out of the same boards.

By name, which does not change: no queue moves when its numbers do.
"""

from collections.abc import Iterator
from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.translation import gettext as _

from dashboard.access import Audience, shown_text
from dashboard.breach_views import limits_said
from dashboard.day_numbers import day_of
from dashboard.limits import SERVICE_LEVEL, WAIT, WAITING, Limits
from dashboard.mirror import Card, Feeds, Mirror
from dashboard.now_numbers import Now
from dashboard.number_boxes import Queues, shown
from dashboard.numbers import Day, Tally
from dashboard.queue_cards import QueueCard

NOBODY = Now()
MARKED = (WAITING, WAIT, SERVICE_LEVEL)
Levels = dict[tuple[int, str], dict[str, str]]
NO_QUEUE = ""  # the key of calls without one


class QueueView(msgspec.Struct, frozen=True):
    """What `dashboard/_queue.html` shows. `waiting`, `on_calls` None: not known; "": the same of the day's numbers.

    `account` is shown where there are several. `of`: how many calls the service level is about; its target is `aim`,
    `within` so many seconds.
    """

    ref: str
    account: str
    with_account: bool
    name: str
    address: str
    sort_key: str
    waiting: int | None = None
    since: int | None = None
    at_least: bool = False
    on_calls: int | None = None
    level: str = ""
    aim: str = ""
    within: int = 0
    of: int = 0
    left: str = ""
    levels: tuple[str, ...] = ("",) * len(MARKED)
    limits: Limits = Limits()

    @property
    def mark(self) -> dict[str, dict[str, str]]:
        """Of each measure its level, and its limits in words: these are made when it is drawn, not with each look."""
        return {measure.replace("-", "_"): {"level": level, "limits": limits_said(measure, self.limits[measure])}
                for measure, level in zip(MARKED, self.levels, strict=True)}


def queue_parts(mirror: Mirror, feeds: Feeds, queues: Queues, levels: Levels, audience: Audience,
                now: int) -> dict[str, str]:
    """Element id -> HTML of each queue in the audience's scope, in the order in which the page puts them."""
    return {f"q-{view.ref}": _queue_html(view, audience.language)
            for view in queue_views(mirror, feeds, queues, levels, audience, now)}


def queue_views(mirror: Mirror, feeds: Feeds, queues: Queues, levels: Levels, audience: Audience,
                now: int) -> list[QueueView]:
    """Of each queue in the audience's scope, by name."""
    views = []
    for card, board, health in feeds:
        day = day_of(card, board, health, now)
        for key, queue in _queues(mirror, card, queues, day, audience):
            view = _named(card, queue, levels.get((card.pk, key), {}), audience, several=len(feeds) > 1)
            if not health.blank:
                view = _with_now(view, queues.get((card.pk, key), NOBODY))
            views.append(view if day is None else _with_day(view, day.queues.get(key, Tally()), queue))
    return sorted(views, key=lambda view: view.sort_key)


def _queues(mirror: Mirror, card: Card, with_calls: Queues, day: Day | None,
            audience: Audience) -> Iterator[tuple[str, QueueCard | None]]:
    """The queues of the scope; and calls without one, where there are any."""
    for key, queue in mirror.queues.get(card.pk, {}).items():
        if audience.scope.covers(card.pk, key):
            yield key, queue
    if audience.scope.covers(card.pk, NO_QUEUE) and (
            (card.pk, NO_QUEUE) in with_calls or (day is not None and NO_QUEUE in day.queues)):
        yield NO_QUEUE, None


def _named(card: Card, queue: QueueCard | None, levels: dict[str, str], audience: Audience, *,
           several: bool) -> QueueView:
    """By the name as it is shown: a queue may be called by a number, and its place must not tell it either."""
    ref = f"0-{card.pk}" if queue is None else str(queue.pk)
    name = _("Without a queue") if queue is None else shown_text(queue.name, audience)
    return QueueView(
        ref=ref, account=card.name, with_account=several, name=name, address=day_page(queue.pk) if queue else "",
        sort_key=f"{int(queue is None)}-{name.casefold()}-{card.pk}-{ref}",
        levels=tuple(levels.get(measure, "") for measure in MARKED), limits=queue.limits if queue else Limits())


@lru_cache(maxsize=10_000)
def day_page(queue: int) -> str:
    """The address of the queue's day; empty where there is none."""
    try:
        return reverse("queue-day", args=[queue])
    except NoReverseMatch:
        return ""


def _with_now(view: QueueView, now: Now) -> QueueView:
    longest = now.longest
    return msgspec.structs.replace(
        view, waiting=now.waiting, on_calls=len(now.agents), since=longest.since if longest else None,
        at_least=longest is not None and longest.at_least)


def _with_day(view: QueueView, tally: Tally, queue: QueueCard | None) -> QueueView:
    """Without a queue there is no target, and so no service level. Below its target it says so by its sign, too."""
    level = tally.service_level if queue else None
    view = msgspec.structs.replace(view, left=str(tally.unanswered))
    if queue is None or level is None:
        return view
    met = level >= queue.target_percent
    return msgspec.structs.replace(
        view, level=shown("service-level", level), of=tally.decided,
        aim=f"{'≥' if met else '<'}\u00a0{queue.target_percent}", within=queue.target_s)


@lru_cache(maxsize=10_000)
def _queue_html(view: QueueView, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_queue.html").render({"queue": view}).strip()
