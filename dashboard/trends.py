"""The last hour as small lines beside the numbers, drawn as SVG for one audience. Pure.

    trend_parts(feeds, queues, audience) -> {element id: HTML}

Minutes in which nobody looked are breaks in a line. With several accounts a minute counts when all of them were
watched; one whose numbers are too old to be shown is left out, as in the numbers. So are, of the service level, calls
without a queue: they have no target.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.access import Audience
from dashboard.day_numbers import Queues
from dashboard.mirror import Feeds
from dashboard.numbers import Minutes, Trend

SHOWN = 60  # minutes
RUN = 15  # minutes whose calls make up one point of the service level: those of one minute are too few
WIDTH, HEIGHT, EDGE = 2 * (SHOWN - 1), 24, 2  # of the picture; `EDGE` keeps the line's own thickness inside
Points = tuple[float | None, ...]
LABELS = {"waiting": gettext_lazy("Waiting at most"), "service-level": gettext_lazy("Service level")}


class Line(msgspec.Struct, frozen=True):
    """What `dashboard/_trend.html` shows. `path`, `end`: SVG path data; `said`: the picture in words."""

    name: str
    label: Promise
    value: str
    said: str
    path: str = ""
    end: str = ""


def trend_parts(feeds: Feeds, queues: Queues, audience: Audience) -> dict[str, str]:
    """Element id -> HTML."""
    trends = [(card.pk, board.trend if board else Trend()) for card, board, health in feeds if not health.blank]
    waiting, level = hour(trends, queues, audience)
    return {f"trend-{name}": _drawn(name, points, audience.language)
            for name, points in (("waiting", waiting), ("service-level", level))}


def hour(trends: list[tuple[int, Trend]], queues: Queues, audience: Audience) -> tuple[Points, Points]:
    """How many waited at once at most, and percent answered in time, minute by minute; None: not known.

    `queues`: those that have a target.
    """
    until = max((trend.until for _account, trend in trends), default=0)
    first = until - SHOWN - RUN + 1
    watched = [bool(trends) and all(seen) for seen in zip(
        *(_placed(trend.watched, trend.first, first, until) for _account, trend in trends), strict=True)]
    parts = [(key in queues.get(account, {}), (trend.first, minutes)) for account, trend in trends
             for key, minutes in trend.queues.items() if audience.scope.covers(account, key)]
    every, aimed = [part for _aimed, part in parts], [part for has_target, part in parts if has_target]
    waiting = _summed(every, "waiting_most", first, until)
    within, decided = (_summed(aimed, name, first, until) for name in ("within", "decided"))
    shown = range(RUN - 1, len(watched))
    return (tuple(waiting[at] if watched[at] else None for at in shown),
            tuple(_level(within, decided, at) if watched[at] else None for at in shown))


def _placed(values: Sequence[int], begun: int, first: int, until: int) -> list[int]:
    """The values from `first` to `until`, whose own first is at `begun`; 0 where there is none."""
    padded = [0] * (begun - first) + list(values[max(0, first - begun):])
    return padded[:until - first] + [0] * (until - first - len(padded))


def _summed(queues: list[tuple[int, Minutes]], name: str, first: int, until: int) -> list[int]:
    none = [0] * (until - first)
    return [sum(at) for at in zip(
        none, *(_placed(getattr(minutes, name), begun, first, until) for begun, minutes in queues), strict=True)]


def _level(within: list[int], decided: list[int], at: int) -> float | None:
    calls = sum(decided[at - RUN + 1:at + 1])
    return 100 * sum(within[at - RUN + 1:at + 1]) / calls if calls else None


# ── the picture ────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=1000)
def _drawn(name: str, points: Points, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_trend.html").render({"line": _line(name, points)}).strip()


def _line(name: str, points: Points) -> Line:
    known, unit = [point for point in points if point is not None], " %" if name == "service-level" else ""
    if not known:
        return Line(name=name, label=LABELS[name], value="–",
                    said=_("%(label)s, last hour: not known") % {"label": LABELS[name]})
    top = 100.0 if unit else max(1.0, *known)
    last = points[-1]
    value = "–" if last is None else f"{int(last)}{unit}"  # never rounded up, as in the numbers
    said = _("%(label)s, last hour: lowest %(low)s, highest %(high)s, at last %(last)s") % {
        "label": LABELS[name], "low": f"{int(min(known))}{unit}", "high": f"{int(max(known))}{unit}", "last": value}
    if missing := len(points) - len(known):
        said = _("%(said)s; not known in %(minutes)s of %(all)s minutes") % {
            "said": said, "minutes": missing, "all": len(points)}
    return Line(name=name, label=LABELS[name], value=value, said=said, path=path(points, top),
                end="" if last is None else f"M{_place(len(points) - 1, last, top)}h0")


def path(points: Iterable[float | None], top: float) -> str:
    """SVG path data: a stroke for each stretch that is known; one that is a single point is a dot."""
    drawn, before = [], None
    for at, point in enumerate(points):
        if point is not None:
            drawn.append(f"{'M' if before is None else 'L'}{_place(at, point, top)}")
        elif before is not None:
            drawn.append("h0")
        before = point
    return "".join(drawn) + ("h0" if before is not None else "")


def _place(at: int, point: float, top: float) -> str:
    return f"{2 * at} {HEIGHT - EDGE - point / top * (HEIGHT - 2 * EDGE):.4g}"
