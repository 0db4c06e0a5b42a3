"""The large figures of a wall: each with its limit or target, and with what is missing from it.

A note is made of parts, the most important first: a part that has no room is left out whole.
"""

from collections.abc import Iterator
from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.access import Audience, shown_text
from dashboard.breach_views import Out, limit_said
from dashboard.day_numbers import Today, today
from dashboard.limits import WAIT, WAITING, Level, Limit
from dashboard.mirror import Feeds, Mirror
from dashboard.number_boxes import NUMBER_OF, Kpi, Queues, day_kpis, kpis, shown_kpis, without
from dashboard.rows import elapsed

STRIP = ("waiting", "longest-wait", "service-level", "left-unanswered")
NUMBERS = ("waiting", "longest-wait", "service-level", "talking", "left-unanswered", "hold")
SHORT: dict[str, Promise] = {"longest-wait": gettext_lazy("Longest"), "service-level": gettext_lazy("Level"),
                             "left-unanswered": gettext_lazy("Left")}  # where there is no room for the whole label
LIMITED = {"waiting": WAITING, "longest-wait": WAIT}


class Figure(msgspec.Struct, frozen=True):
    """What `dashboard/_wall_kpi.html` shows."""

    kpi: Kpi
    parts: tuple[str, ...] = ()

    @property
    def short(self) -> Promise:
        return SHORT.get(self.kpi.name, self.kpi.label)


def figure_parts(mirror: Mirror, feeds: Feeds, queues: Queues, found: list[Out], audience: Audience,
                 now: int) -> dict[str, str]:
    """Element id -> HTML, of the figures of the audience's layout. For its language, which the caller has set."""
    day = today(feeds, mirror.queues, audience.scope, now)
    boxes = {box.name: box for box in shown_kpis([*kpis(feeds, queues), *day_kpis(day)], found, audience)}
    names = NUMBERS if audience.layout == "numbers" else STRIP
    return {f"kpi-box-{name}": _drawn(
        Figure(kpi=boxes[name], parts=tuple(filter(None, _notes(mirror, boxes[name], day, found, audience)))),
        audience.language) for name in names}


@lru_cache(maxsize=10_000)
def _drawn(figure: Figure, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_wall_kpi.html").render({"kpi": figure.kpi, "figure": figure}).strip()


def _notes(mirror: Mirror, box: Kpi, day: Today, found: list[Out], audience: Audience) -> Iterator[str]:
    """What is missing comes first: with it the figure would be another."""
    if box.is_of_day:
        yield shown_text(without(day.missing) if day.known else "", audience)
    elif box.name != "longest-wait":
        yield box.note
    out = next((out for out in found if NUMBER_OF.get(out.breach.measure) == box.name), None)
    if out is not None:
        yield limit_said(out.breach.measure, out.queue.limits[out.breach.measure], out.breach.level)
        yield shown_text(out.queue.name, audience)
    elif box.name == "service-level":
        yield _target(day)
    elif box.name == "left-unanswered":
        yield _("today")
    elif box.name in LIMITED and box.known:
        yield _limit(mirror, LIMITED[box.name], audience)
    if box.name == "longest-wait" and out is None:
        yield box.note


def _target(day: Today) -> str:
    percents = {percent for percent, _seconds in day.targets}
    if len(percents) != 1:
        return _("own targets") if percents else ""
    return _("target %(percent)s %%") % {"percent": percents.pop()}


def _limit(mirror: Mirror, measure: str, audience: Audience) -> str:
    """The first limit of all queues of the screen; nothing where they differ."""
    limits = {queue.limits[measure] for account, queues in mirror.queues.items() for key, queue in queues.items()
              if audience.scope.covers(account, key)}
    return _limit_said(measure, limits.pop()) if len(limits) == 1 else ""


def _limit_said(measure: str, limit: Limit) -> str:
    value = limit.of(Level.AMBER) if limit.amber is not None else limit.red
    if value is None:
        return ""
    return _("limit %(value)s") % {"value": elapsed(1000 * value) if measure == WAIT else value}


