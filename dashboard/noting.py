"""What an account's lease holder knows of its history, and how one more list changes that. Blocking: off the loop.

    noted = of_board(kept, limits_of(account))             at the beginning
    note_history(noted, board, account) -> Noted | None    after each list; None when no list came between
"""

import msgspec
from django.db import transaction

from dashboard.board import Board
from dashboard.days import midnight_ms
from dashboard.history import MINUTE_MS, count_anew, gaps_of, sums_of, write_board
from dashboard.limits import LIMITED, Limits, limits_from
from dashboard.minutes import trend_of
from dashboard.models import Queue
from dashboard.numbers import Day, Tally, Trend
from dashboard.thresholds import breaches_of
from queue_api.models import Account

LATELY, AT_MOST = 60, 120  # minutes that are added up with each list: what changes lies nearly always in them


class Settled(msgspec.Struct, frozen=True):
    """What a day's minutes before `until` add up to, from `first` on: nothing has changed in them since."""

    first: int = 0
    until: int = 0
    queues: dict[str, Tally] = {}

    def holds(self, first: int, newest: int, changed: set[int]) -> bool:
        return first == self.first and newest - self.until <= AT_MOST and min(changed, default=newest) >= self.until


class Noted(msgspec.Struct, frozen=True):
    """`board`: the newest that is written down. `day` and `trend` go out with the next one: writing takes its time.

    `targets`: queue key -> seconds, with which today's minutes are counted; None: not known, another may have led.
    `limits`: queue key -> what its numbers are held against; None: not known yet.
    """

    board: Board
    day: Day = Day()
    trend: Trend = Trend()
    targets: dict[str, int] | None = None
    settled: Settled = Settled()
    limits: dict[str, Limits] | None = None

    def onto(self, board: Board, midnight: int = 0) -> Board:
        """The board with the day's numbers, and with what they and its calls are out of. What was noted of a day
        before `midnight` (epoch ms) is over: nothing is held against yesterday's service level."""
        day = self.day if self.day.since >= midnight else Day()
        board = msgspec.structs.replace(board, day=day, trend=self.trend)
        if self.limits is None:
            return board
        return msgspec.structs.replace(board, breaches=breaches_of(board, self.limits))


def of_board(kept: Board, limits: dict[str, Limits] | None = None) -> Noted:
    return Noted(board=kept, day=kept.day, trend=kept.trend, limits=limits)


def limits_of(account: Account) -> dict[str, Limits]:
    """For a new leader: its first list is judged like any other, and what the kept board was out of alarms nobody."""
    return _wanted(account)[1]


def note_history(before: Noted, board: Board, account: Account) -> Noted | None:
    """Writes down what `board` tells. A target that was changed since, anywhere, counts for the whole of today."""
    if board.heard_at is None or board.heard_at == before.board.heard_at:
        return None
    targets, limits = _wanted(account)
    known = targets == before.targets
    if not known:
        recount(account, board.heard_at)
    changed = write_board(before.board, board, account) or set()
    settled, day = _day(account, board.heard_at, before.settled if known else Settled(), changed)
    trend = before.trend
    if trend.until != board.heard_at // MINUTE_MS:
        trend = trend_of(account, board.heard_at)
    return Noted(board=board, day=day, trend=trend, targets=targets, settled=settled, limits=limits)


def _wanted(account: Account) -> tuple[dict[str, int], dict[str, Limits]]:
    """Queue key -> seconds of its target, and -> its limits, where it has any."""
    rows = Queue.objects.filter(account_id=account.pk).order_by().values_list("key", "target_s", *LIMITED)
    targets, limits = {}, {}
    for key, seconds, *pairs in rows:
        targets[key] = seconds
        if of := limits_from(pairs):
            limits[key] = of
    return targets, limits


def _day(account: Account, at: int, settled: Settled, changed: set[int]) -> tuple[Settled, Day]:
    """As `history.day_of`, without adding up the whole day with each list."""
    since, newest = midnight_ms(account.time_zone, at), at // MINUTE_MS
    first = since // MINUTE_MS
    changed = {minute for minute in changed if minute >= first}
    if not settled.holds(first, newest, changed):
        until = max(first, min({newest - LATELY} | changed))
        settled = Settled(first, until, sums_of(account.pk, first, until))
    queues = dict(settled.queues)
    for key, tally in sums_of(account.pk, settled.until).items():
        queues[key] = queues.get(key, Tally()) + tally
    return settled, Day(since=since, gaps=gaps_of(account, since), queues=queues)


def recount(account: Account, at: int) -> None:
    """All minutes since the account's midnight before `at`, from their calls. By the lease holder alone: of two who
    count a minute at once, the one that looked first may write last."""
    with transaction.atomic():
        count_anew(account.pk, range(midnight_ms(account.time_zone, at) // MINUTE_MS, at // MINUTE_MS + 1))
