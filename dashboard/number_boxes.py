"""The numbers over the list -> HTML for one audience: those of now, and those since midnight.

What a number means stands once in the page (definitions.py); a box carries what changes with it.
"""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dashboard import day_numbers
from dashboard.access import Audience, Scope, shown_text
from dashboard.breach_views import WORDS, Out
from dashboard.day_numbers import Noted, Today
from dashboard.definitions import BY_NAME, NOW, PERCENT, TIME, TODAY, of_window
from dashboard.limits import SERVICE_LEVEL, WAIT, WAITING, Level
from dashboard.mirror import Feeds, Mirror
from dashboard.now_numbers import Now, together
from dashboard.numbers import Gap
from dashboard.rows import elapsed

Queues = dict[tuple[int, str], Now]  # account and key of each queue with calls
NUMBER_OF = {WAITING: "waiting", WAIT: "longest-wait", SERVICE_LEVEL: "service-level"}  # by what has a limit
GAPS = 3  # told one by one, the newest; the others by their number


class Kpi(msgspec.Struct, frozen=True):
    """What `dashboard/_kpi.html` shows of one number. `known` False: a dash, never a zero. `of`: how many calls it is
    drawn from."""

    name: str
    known: bool
    value: str = ""
    since: int | None = None
    at_least: bool = False
    note: str = ""
    of: int | None = None
    level: str = ""  # as `data-level` says it; `word`: the same for the eye, when it is critical
    word: str = ""

    @property
    def label(self) -> Promise:
        return BY_NAME[self.name].label

    @property
    def is_of_day(self) -> bool:
        return BY_NAME[self.name].window == TODAY


class DayHead(msgspec.Struct, frozen=True):
    """What `dashboard/_day_head.html` shows: since when, and when nobody looked. `several`: midnights."""

    known: bool
    window: str
    several: bool = False
    gaps: str = ""
    unknown: str = ""


def number_parts(feeds: Feeds, queues: Queues, today: Today, found: list[Out], audience: Audience) -> dict[str, str]:
    """Element id -> HTML, in the order in which the page puts them. `found`: what is out of its limits."""
    language = audience.language
    parts = {f"kpi-box-{kpi.name}": kpi_html(kpi, language) for kpi in shown_kpis(kpis(feeds, queues), found, audience)}
    parts["day-head"] = _head_html(day_head(today), language)
    return parts | {f"day-box-{kpi.name}": kpi_html(kpi, language)
                    for kpi in shown_kpis(day_kpis(today), found, audience)}


def shown_kpis(boxes: list[Kpi], found: list[Out], audience: Audience) -> list[Kpi]:
    """With their levels, and with what this audience may read: a queue may be called by a number.

    A number of several queues is as bad as the worst of them.
    """
    worst = {NUMBER_OF[out.breach.measure]: out.breach.level for out in reversed(found)
             if out.breach.measure in NUMBER_OF}
    return [msgspec.structs.replace(
        box, note=shown_text(box.note, audience), level=worst[box.name].word if box.name in worst else "",
        word=str(WORDS[Level.RED]) if worst.get(box.name) is Level.RED else "") for box in boxes]


@lru_cache(maxsize=10_000)
def kpi_html(kpi: Kpi, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_kpi.html").render({"kpi": kpi}).strip()


@lru_cache(maxsize=1000)
def _head_html(head: DayHead, language: str) -> str:
    with translation.override(language):
        return get_template("dashboard/_day_head.html").render({"head": head}).strip()


def queues_of(mirror: Mirror, feeds: Feeds, scope: Scope) -> Queues:
    """The numbers of now of each queue in `scope` that has calls."""
    return {(card.pk, key): now for card, board, _health in feeds if board is not None
            for key, now in mirror.now(board).items() if scope.covers(card.pk, key)}


# ── now ────────────────────────────────────────────────────────────────────────────────────────────
def kpis(feeds: Feeds, queues: Queues) -> list[Kpi]:
    """The numbers of now. Accounts without a list, or with one that is too old, are left out and named."""
    blank = {card.pk for card, _board, health in feeds if health.blank}
    missing = [card.name for card, _board, _health in feeds if card.pk in blank]
    now = together(of for (account, _key), of in queues.items() if account not in blank)
    known, values = len(missing) < len(feeds), now.values(0)
    note = without(missing) if known else ""
    plain = {one.name: Kpi(name=one.name, known=known, value=shown(one.name, values[one.name]), note=note)
             for one in of_window(NOW) if one.name != "longest-wait"}
    plain["agents-on-calls"] = msgspec.structs.replace(
        plain["agents-on-calls"], note=_joined(note, _nameless(now.unnamed) if known and now.unnamed else ""))
    return [_longest(now, known) if one.name == "longest-wait" else plain[one.name] for one in of_window(NOW)]


def without(names: list[str] | tuple[str, ...]) -> str:
    return str(_("without %(names)s") % {"names": ", ".join(names)}) if names else ""


def _nameless(calls: int) -> str:
    return ngettext("%(calls)s call names none", "%(calls)s calls name none", calls) % {"calls": calls}


def _longest(now: Now, known: bool) -> Kpi:
    name = "longest-wait"
    if not known:
        return Kpi(name=name, known=False)
    left_out = str(_("without %(count)s that may be stuck") % {"count": now.stuck}) if now.stuck else ""
    if now.longest is None:
        return Kpi(name=name, known=True, value=str(_("none")), note=left_out)
    live = now.longest
    return Kpi(name=name, known=True, since=live.since, at_least=live.at_least,
               note=_joined(live.call.queue_name or live.call.queue_id, left_out))


def _joined(*notes: str) -> str:
    return " · ".join(filter(None, notes))


# ── since midnight ─────────────────────────────────────────────────────────────────────────────────
def day_kpis(today: Today) -> list[Kpi]:
    """What is known of no account is a dash, and so is what no call tells yet: neither is a zero."""
    values = day_numbers.values(today.every, today.aimed)
    samples = day_numbers.samples(today.every, today.aimed)
    note = without(today.missing) if today.known else ""
    return [_day_kpi(one.name, values[one.name] if today.known else None, samples.get(one.name),
                     _joined(target(today) if one.name == "service-level" else "", note))
            for one in of_window(TODAY)]


def _day_kpi(name: str, value: float | None, of: int | None, note: str) -> Kpi:
    return Kpi(name=name, known=value is not None, value=shown(name, value), note=note,
               of=of if value is not None else None)


def target(today: Today) -> str:
    """The one target of all queues; where they differ each has its own beside its name."""
    if len(today.targets) != 1:
        return str(_("each queue’s own target")) if today.targets else ""
    [(percent, seconds)] = today.targets
    return aim(percent, seconds)


def aim(percent: int, seconds: int) -> str:
    return str(_("aim %(percent)s %% in %(seconds)s s") % {"percent": percent, "seconds": seconds})


def shown(name: str, value: float | None) -> str:
    return "" if value is None else in_unit(BY_NAME[name].unit, value)


def in_unit(unit: str, value: float) -> str:
    """A number as it is read. A percentage is rounded down: what missed its target must not look as if it met it."""
    if unit == TIME:
        return elapsed(int(value))
    return f"{int(value)}\u00a0%" if unit == PERCENT else str(int(value))


def day_head(today: Today) -> DayHead:
    if not today.known:
        return DayHead(known=False, window=str(_("nothing is noted of today yet")))
    several = len({(one.since, one.zone) for one in today.noted}) > 1
    begins = " · ".join(f"{one.name}: {_begin(one)}" for one in today.noted)
    return DayHead(
        known=True, several=several,
        window=str(_("since midnight, each in its zone: %(begins)s") % {"begins": begins}) if several else _begin(
            today.noted[0]),
        gaps=" · ".join(filter(None, (_gaps(one, several=len(today.noted) > 1) for one in today.noted))),
        unknown=_unknown(today.every.unknown))


def _begin(noted: Noted) -> str:
    began = _local(noted.since, noted.zone)
    return str(_("since %(time)s on %(day)s (%(zone)s)") % {
        "time": f"{began:%H:%M}", "day": date_format(began, "j F"), "zone": noted.zone})


def _gaps(noted: Noted, *, several: bool) -> str:
    if not noted.gaps:
        return ""
    told = ", ".join(_stretch(gap, noted.zone) for gap in noted.gaps[-GAPS:])
    more = len(noted.gaps) - GAPS
    if more > 0:
        told = str(_("%(gaps)s and %(more)s more") % {"gaps": told, "more": more})
    text = str(_("without %(gaps)s") % {"gaps": told})
    return f"{noted.name}: {text}" if several else text


def _stretch(gap: Gap, zone: str) -> str:
    began, ended = (f"{_local(at, zone):%H:%M}" for at in gap)
    return f"{began}–{ended}" if began != ended else str(_("%(seconds)s s at %(time)s") % {
        "seconds": max(1, (gap.ended - gap.began) // 1000), "time": began})


def _unknown(calls: int) -> str:
    return ngettext("what became of %(calls)s call is not known", "what became of %(calls)s calls is not known",
                    calls) % {"calls": calls} if calls else ""


def _local(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
