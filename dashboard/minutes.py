"""What lines and pages read out of the minutes that were counted (`history.py`). Blocking: run off the loop.

    trend_of(account, at) -> Trend                      the minutes before `at` that the lines beside the numbers need
    read_day(account, key, day, step, now) -> QueueDay  one queue's day, summed by `step` minutes

Epoch milliseconds, days and clocks in the account's zone.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import add
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dashboard.day_figures import Stretch
from dashboard.history import COUNTED, MINUTE_MS
from dashboard.models import CallMinute, Watched
from dashboard.numbers import Gap, Minutes, Tally, Trend
from dashboard.trends import RUN, SHOWN
from queue_api.models import Account

KEPT = SHOWN + RUN - 1  # the first minute that is shown has a run of its own behind it
STILL_MS = 60_000  # a last list that is younger is no gap yet: the feed's health tells of those
STEPS = (1, 15, 30)


class Bin(NamedTuple):
    """Some minutes of a day. `seen`: all, part, none, or later for what has not begun."""

    began: int
    ended: int
    seen: str
    tally: Tally
    waiting_most: int | None  # None: nobody looked

    @property
    def known(self) -> bool:
        """Whether there is anything to tell: DeepCall may say of a call that it came before somebody looked."""
        return self.seen in ("all", "part") or bool(self.tally.offered)

    @property
    def stretch(self) -> Stretch:
        return Stretch(self.tally, self.waiting_most, self.known)


class QueueDay(NamedTuple):
    """`until`: now, or the day's end."""

    began: int
    ended: int
    until: int
    bins: list[Bin]
    gaps: list[Gap]
    total: Tally
    waiting_most: int | None

    @property
    def watched(self) -> bool:
        return any(part.seen in ("all", "part") for part in self.bins)


# ── the last minutes ───────────────────────────────────────────────────────────────────────────────
def trend_of(account: Account, at: int) -> Trend:
    """The minute of `at` is not over and not among them."""
    until = at // MINUTE_MS
    first = until - KEPT
    rows: dict[str, dict[int, tuple[int, int, int]]] = {}
    found = CallMinute.objects.filter(account_id=account.pk, minute__gte=first, minute__lt=until).values_list(
        "queue_key", "minute", "waiting_most", "within", "answered", "unanswered")
    for key, minute, waiting, within, answered, unanswered in found:
        rows.setdefault(key, {})[minute] = (waiting, within, answered + unanswered)
    stretches = _stretches(account, first * MINUTE_MS, until * MINUTE_MS)
    watched = tuple(any(began < (minute + 1) * MINUTE_MS and last >= minute * MINUTE_MS for began, last in stretches)
                    for minute in range(first, until))
    return Trend(first=first, watched=watched, queues={
        key: Minutes(*zip(*(of.get(minute, (0, 0, 0)) for minute in range(first, until)), strict=True))
        for key, of in rows.items()})


def _stretches(account: Account, began: int, ended: int) -> list[tuple[int, int]]:
    return list(Watched.objects.filter(account_id=account.pk, until__gte=began, began_at__lt=ended).order_by(
        "began_at").values_list("began_at", "until"))


# ── a day ──────────────────────────────────────────────────────────────────────────────────────────
def bounds(zone: str, day: date) -> tuple[int, int]:
    """From midnight to midnight. Raises OverflowError or ValueError for days that no clock knows."""
    began, ended = (datetime.combine(one, time(), ZoneInfo(zone)).timestamp() for one in (day, day + timedelta(days=1)))
    return int(began * 1000), int(ended * 1000)


def read_day(account: Account, key: str, day: date, step: int, now: int) -> QueueDay:
    """Raises as `bounds`."""
    began, ended = bounds(account.time_zone, day)
    until = max(began, min(now, ended))
    gaps = list(_gaps(_stretches(account, began, until), began, until))
    counted = _counted(account, key, began // MINUTE_MS, ended // MINUTE_MS, step)
    length = step * MINUTE_MS
    bins = [_bin(at, min(at + length, ended), until, gaps, counted.get(at // MINUTE_MS))
            for at in range(began, ended, length)]
    most = [part.waiting_most for part in bins if part.waiting_most is not None]
    return QueueDay(began, ended, until, bins, gaps, reduce(add, (part.tally for part in bins), Tally()),
                    max(most, default=None))


def _counted(account: Account, key: str, first: int, until: int, step: int) -> dict[int, tuple[Tally, int]]:
    """First minute of each bin -> its calls, and how many waited at most."""
    rows = CallMinute.objects.filter(account_id=account.pk, queue_key=key, minute__gte=first, minute__lt=until)
    sums: dict[int, tuple[Tally, int]] = {}
    for minute, waiting, *values in rows.values_list("minute", "waiting_most", *COUNTED):
        at = minute - (minute - first) % step
        tally, most = sums.get(at, (Tally(), 0))
        sums[at] = tally + Tally(*values), max(most, waiting)
    return sums


def _bin(began: int, ended: int, until: int, gaps: list[Gap], found: tuple[Tally, int] | None) -> Bin:
    over = min(ended, until)
    unseen = sum(gap.ended - gap.began for gap in cut(gaps, began, over))
    seen = "later" if began >= until else "all" if not unseen else "none" if unseen >= over - began else "part"
    tally, most = found or (Tally(), 0)
    return Bin(began, ended, seen, tally, most if seen in ("all", "part") else None)


def cut(gaps: list[Gap], began: int, ended: int) -> list[Gap]:
    """What of the gaps lies in a stretch. A bad day has hundreds of them and 1,440 minutes: not each is looked at."""
    found = []
    for at in range(bisect_right(gaps, began, key=lambda gap: gap.ended), len(gaps)):
        if gaps[at].began >= ended:
            break
        found.append(Gap(max(gaps[at].began, began), min(gaps[at].ended, ended)))
    return found


def _gaps(stretches: Iterable[tuple[int, int]], began: int, until: int) -> Iterable[Gap]:
    """Between the stretches, and to both ends of the day."""
    seen_until = began
    for start, last in stretches:
        if start > seen_until:
            yield Gap(seen_until, start)
        seen_until = max(seen_until, last)
    if until - seen_until > STILL_MS:
        yield Gap(seen_until, until)
