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
    """One entry of `dashboard/_breaches.html`. `since`: of the call whose time it is, epoch ms; None: a count."""

    ref: str
    level: str
    queue: str
    what: str
    limit: str
    title: str
    since: int | None = None
    at_least: bool = False
    eases: bool = False


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
    """For the audience's language, which the caller has switched to. `several`: accounts."""
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
    breach, queue = out.breach, out.queue
    name = shown_text(queue.name, audience)
    live = call_of(out)
    began = datetime.fromtimestamp(breach.since / 1000, ZoneInfo(out.card.zone))
    return BreachView(
        ref=f"{queue.pk}-{breach.measure}-{breach.since}", level=breach.level.word,
        queue=f"{out.card.name} · {name}" if several else name, what=_what(out), limit=_limit(breach, queue),
        title=_("%(level)s since %(time)s") % {"level": WORDS[breach.level], "time": f"{began:%H:%M}"},
        since=live.since if live else None, at_least=live is not None and live.at_least,
        eases=bool(breach.better_since))


def call_of(out: Out) -> LiveCall | None:
    """The call whose time is out of its limit."""
    state = STATE_OF.get(out.breach.measure)
    return out.now.oldest.get(state) if state is not None else None


def _what(out: Out) -> str:
    if out.breach.measure == WAITING:
        return ngettext("%(calls)s waiting", "%(calls)s waiting", out.now.unstuck) % {"calls": out.now.unstuck}
    if out.breach.measure == SERVICE_LEVEL:
        level = out.tally.service_level
        return _("service level %(level)s") % {"level": "–" if level is None else f"{int(level)}\u00a0%"}
    return str(WHAT[out.breach.measure])


def _limit(breach: Breach, queue: QueueCard) -> str:
    """Red says so in a word, too."""
    if breach.better_since:
        return _("easing")
    said = limit_said(breach.measure, queue.limits[breach.measure], breach.level)
    return ", ".join(filter(None, (str(WORDS[Level.RED]) if breach.level is Level.RED else "", said)))


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
