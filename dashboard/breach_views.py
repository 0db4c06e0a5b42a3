"""What is out of its limits -> HTML for one audience: the line over the list, and the marks of numbers.

    outs(mirror, feeds, scope) -> [Out]        worst first, then the longest
    breach_part(outs, audience) -> HTML        all of them; what does not fit is shown on hover and focus

An account whose list is not fresh has none: old numbers look old, and alarm nobody.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.access import Audience, Scope, shown_text
from dashboard.board import LiveCall
from dashboard.limits import SERVICE_LEVEL, WAIT, WAITING, Breach, Level, Limit
from dashboard.mirror import Card, Feeds, Mirror
from dashboard.now_numbers import Now
from dashboard.numbers import Tally
from dashboard.queue_cards import QueueCard
from dashboard.rows import elapsed
from dashboard.thresholds import STATE_OF

BELIEVED = ("fresh", "incomplete")
SHOWN = 100  # more queues out of their limits than that are one sentence: their number
WHAT: dict[str, Promise] = {
    WAIT: gettext_lazy("longest wait"), "talk": gettext_lazy("longest talk"), "hold": gettext_lazy("longest hold")}
WORDS: dict[Level, Promise] = {Level.AMBER: gettext_lazy("warning"), Level.RED: gettext_lazy("critical")}


class Out(NamedTuple):
    """One number of one queue that is out of its limit, and the numbers it is read off."""

    card: Card
    key: str
    queue: QueueCard
    breach: Breach
    now: Now
    tally: Tally


class BreachView(msgspec.Struct, frozen=True):
    """One entry of `dashboard/_breaches.html`. Facts alone: their words are made when it is drawn, not with each look.

    `value`: calls or percent, for the measures that are not times; None: not known. `since`: of the call whose time it
    is, epoch ms; None: there is none.
    """

    pk: int
    queue: str
    zone: str
    breach: Breach
    allowed: Limit
    value: int | None = None
    since: int | None = None
    at_least: bool = False

    @property
    def ref(self) -> str:
        return f"{self.pk}-{self.breach.measure}-{self.breach.since}"

    @property
    def level(self) -> str:
        return self.breach.level.word

    @property
    def eases(self) -> bool:
        return bool(self.breach.better_since)

    @property
    def title(self) -> str:
        began = datetime.fromtimestamp(self.breach.since / 1000, ZoneInfo(self.zone))
        return _("%(level)s since %(time)s") % {"level": WORDS[self.breach.level], "time": f"{began:%H:%M}"}

    @property
    def what(self) -> str:
        if self.breach.measure == WAITING:
            return ngettext("%(calls)s waiting", "%(calls)s waiting", self.value or 0) % {"calls": self.value}
        if self.breach.measure == SERVICE_LEVEL:
            return _("service level %(level)s") % {"level": "–" if self.value is None else f"{self.value}\u00a0%"}
        return str(WHAT[self.breach.measure])

    @property
    def limit(self) -> str:
        """Red says so in a word, too."""
        if self.eases:
            return _("easing")
        said = limit_said(self.breach.measure, self.allowed, self.breach.level)
        return ", ".join(filter(None, (str(WORDS[Level.RED]) if self.breach.level is Level.RED else "", said)))


def outs(mirror: Mirror, feeds: Feeds, scope: Scope) -> list[Out]:
    found = []
    for card, board, health in feeds:
        if board is None or health.state not in BELIEVED or not board.breaches:
            continue
        nows, queues = mirror.now(board), mirror.queues.get(card.pk, {})
        found += [Out(card, key, queues[key], breach, nows.get(key, Now()), board.day.queues.get(key, Tally()))
                  for key, breaches in board.breaches.items() if key in queues and scope.covers(card.pk, key)
                  for breach in breaches]
    return sorted(found, key=lambda out: (-out.breach.level, out.breach.since, out.queue.name, out.breach.measure))


def levels(found: Iterable[Out]) -> dict[tuple[int, str], dict[str, str]]:
    """Account and key of a queue -> number -> its level, as `data-level` says it."""
    marked: dict[tuple[int, str], dict[str, str]] = {}
    for out in found:
        marked.setdefault((out.card.pk, out.key), {})[out.breach.measure] = out.breach.level.word
    return marked


def breach_part(found: list[Out], audience: Audience, *, several: bool = False) -> str:
    """`several`: accounts."""
    views = tuple(_view(out, audience, several=several) for out in _fitting(found))
    red = sum(out.breach.level is Level.RED for out in found)
    return _drawn(views, red, len(found) - red, audience.language)


def _fitting(found: list[Out]) -> list[Out]:
    """Of too many the worst that last longest, and as many new ones: what a page does not show, it cannot ring for."""
    if len(found) <= SHOWN:
        return found
    places = range(len(found))
    newest = set(sorted(places, key=lambda at: (found[at].breach.level, found[at].breach.since))[-SHOWN // 2:])
    others = [at for at in places if at not in newest][:SHOWN - len(newest)]
    return [found[at] for at in sorted(newest.union(others))]


@lru_cache(maxsize=1000)
def _drawn(views: tuple[BreachView, ...], red: int, amber: int, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_breaches.html").render({"views": views, "red": red, "amber": amber}).strip()


def _view(out: Out, audience: Audience, *, several: bool) -> BreachView:
    name, live = shown_text(out.queue.name, audience), call_of(out)
    return BreachView(
        pk=out.queue.pk, queue=f"{out.card.name} · {name}" if several else name, zone=out.card.zone,
        breach=out.breach, allowed=out.queue.limits[out.breach.measure], value=_value(out),
        since=live.since if live else None, at_least=live is not None and live.at_least)


def call_of(out: Out) -> LiveCall | None:
    """The call whose time is out of its limit."""
    state = STATE_OF.get(out.breach.measure)
    return out.now.oldest.get(state) if state is not None else None


def _value(out: Out) -> int | None:
    if out.breach.measure == WAITING:
        return out.now.unstuck
    level = out.tally.service_level if out.breach.measure == SERVICE_LEVEL else None
    return None if level is None else int(level)


def limits_said(measure: str, limit: Limit) -> str:
    """“warning from 3, critical from 6”; empty where there is none."""
    return ", ".join(f"{WORDS[level]} {limit_said(measure, limit, level)}" for level in WORDS
                     if limit.of(level) is not None)


def limit_said(measure: str, limit: Limit, level: Level) -> str:
    """“over 2:00”, “from 5”, “below 70 %”; empty when the limit was taken away meanwhile."""
    value = limit.of(level)
    if value is None:
        return ""
    if measure == WAITING:
        return _("from %(calls)s") % {"calls": value}
    if measure == SERVICE_LEVEL:
        return _("below %(percent)s %%") % {"percent": value}
    return _("over %(time)s") % {"time": elapsed(1000 * value)}
