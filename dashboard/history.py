"""What we observed, in the database: calls, the minutes they came in, and when we looked. Blocking: run off the loop.

    note_board(noted, board, account) -> Day    after each list, by the lease holder: its calls, then their minutes
    day_of(account, at) -> Day                  the numbers since the account's midnight, out of the minutes

Everything can be written twice: a call's record only grows, a minute is counted from its calls, a stretch only gets
longer. So a list noted once more, or by the next leader, changes nothing. A new leader begins from the database: it
tells all that its first list shows, and ends what is kept as live and shown no more. Leaders take turns at the kept
board: whose fence is older than that board's writes nothing.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q, Sum

from dashboard.board import Board
from dashboard.days import midnight_ms
from dashboard.models import BoardSnapshot, CallMinute, ObservedCall, Queue, Watched
from dashboard.numbers import Day, Gap, Tally
from dashboard.observing import (
    OUTGOING,
    Outcome,
    Record,
    Sighting,
    Stretch,
    another,
    begins_anew,
    lost,
    merged,
    sightings,
)
from dashboard.upsert import upsert
from queue_api.calls import CallState
from queue_api.models import Account

MINUTE_MS = 60_000
BATCH = 500
DAY_MINUTES = 1440
GAPS = 50  # of a day that are told one by one
STRETCHES = 5  # the newest that a call may have gone in
COUNTED = Tally.__struct_fields__
RECORDED = tuple("call_key" if field == "key" else field for field in Record.__struct_fields__)
CALL, CALL_IS = (*RECORDED, "account_id", "life", "minute"), ("account_id", "call_key", "life")
MINUTE_IS = ("account_id", "minute", "queue_key")
MINUTE = (*MINUTE_IS, *COUNTED, "waiting_most")
NOTHING = (0,) * len(COUNTED)


def note_board(noted: Board, board: Board, account: Account) -> Day | None:
    """Writes down what `board` tells beyond `noted`: the day's numbers then; None when no list came between.

    `noted` is the newest board that was written down: what could not be written is told once more with the next list.
    """
    if board.heard_at is None or write_board(noted, board, account) is None:
        return None
    return day_of(account, board.heard_at)


def write_board(noted: Board, board: Board, account: Account) -> set[int] | None:
    """As `note_board`, without the day's numbers: the minutes that were counted anew, epoch minutes."""
    if board.heard_at is None or board.heard_at == noted.heard_at:
        return None
    with transaction.atomic():
        if _overtaken(board):
            return None
        seen_until, stretches = _note_watched(board, gap_of(noted, board, account))
        seen = list(sightings(noted, board, settings.SECRET_KEY.encode(), seen_until))
        minutes = _note_calls(account.pk, seen, stretches)
        if begins_anew(noted, board) and board.feed.health == "fresh":
            minutes |= _end_lost(board, {one.key for one in seen}, seen_until, stretches)
        count_anew(account.pk, minutes)
        _note_waiting(board)
    return minutes


def _overtaken(board: Board) -> bool:
    """Whether a later leader has kept a board: this one woke too late. Until the end of the transaction it waits for us
    with its next one."""
    kept = BoardSnapshot.objects.select_for_update().filter(account_id=board.account).values_list("fence", flat=True)
    return any(fence > board.fence for fence in kept)


def gap_of(noted: Board, board: Board, account: Account) -> int:
    """After how many ms without a list it counts as not watched: three times what was between lists then."""
    return int(max(3 * max(noted.interval_s, board.interval_s, account.poll_interval_s), 5) * 1000)


# ── calls ──────────────────────────────────────────────────────────────────────────────────────────
def _note_calls(account: int, seen: list[Sighting], stretches: list[Stretch]) -> set[int]:
    """The minutes whose calls have changed."""
    kept, changed = _kept(account, [sighting.key for sighting in seen]), []
    for sighting in seen:
        life, before = kept.get(sighting.key, (0, None))
        if before is not None and another(before, sighting):
            life, before = life + 1, None
        after = merged(before, sighting, stretches)
        if after != before:
            kept[sighting.key] = life, after
            changed.append((life, before, after))
    return _keep(account, changed)


def _keep(account: int, changed: list[tuple[int, Record | None, Record]]) -> set[int]:
    """The minutes they were and are in: a call may turn out to have come before we saw it."""
    upsert(ObservedCall, CALL, CALL_IS, CALL, (_row(account, life, after) for life, _before, after in changed))
    return {record.offered_at // MINUTE_MS for _life, *records in changed for record in records if record is not None}


def _end_lost(board: Board, shown: set[str], seen_until: int, stretches: list[Stretch]) -> set[int]:
    """Calls of the last day that are kept as live, and that neither the kept board nor this list has."""
    at = board.heard_at or 0
    rows = ObservedCall.objects.filter(
        account_id=board.account, minute__gte=at // MINUTE_MS - DAY_MINUTES, ended_at=None)
    still = [(life, _record(values)) for life, *values in rows.values_list("life", *RECORDED)]
    return _keep(board.account, [(life, record, lost(record, at, seen_until, stretches))
                                 for life, record in still if record.key not in shown])


def _kept(account: int, keys: list[str]) -> dict[str, tuple[int, Record | None]]:
    found: dict[str, tuple[int, Record | None]] = {}
    for start in range(0, len(keys), BATCH):
        batch = ObservedCall.objects.filter(account_id=account, call_key__in=keys[start:start + BATCH])
        for life, *values in batch.order_by("life").values_list("life", *RECORDED):
            record = _record(values)
            found[record.key] = life, record
    return found


def _record(values: Iterable[Any]) -> Record:
    record = Record(*values)
    return msgspec.structs.replace(record, outcome=Outcome(record.outcome))


def _row(account: int, life: int, record: Record) -> tuple[Any, ...]:
    kept = msgspec.structs.replace(record, agent_name="") if record.agent_id else record
    return *msgspec.structs.astuple(kept), account, life, record.offered_at // MINUTE_MS


# ── minutes ────────────────────────────────────────────────────────────────────────────────────────
def count_anew(account: int, minutes: Iterable[int]) -> None:
    """These minutes' rows, from their calls; what has not changed is not written. Calls that agents made are not
    offered to a queue."""
    wanted = sorted(set(minutes))
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start:start + BATCH]
        calls = ObservedCall.objects.filter(account_id=account, minute__in=batch)
        found = {(row["minute"], row["queue_key"]): _sums(row) for row in _grouped(calls, _targets(account))}
        kept = {(minute, key): tuple(values) for minute, key, *values in CallMinute.objects.filter(
            account_id=account, minute__in=batch).values_list("minute", "queue_key", *COUNTED)}
        counted = {at: found.get(at, NOTHING) for at in found.keys() | kept.keys()}  # a call may change its queue
        upsert(CallMinute, MINUTE, MINUTE_IS, COUNTED, (
            (account, *at, *sums, 0) for at, sums in counted.items() if sums != kept.get(at, NOTHING)))


def _grouped(calls: Any, within: Q) -> Any:
    answered, unanswered = Q(answered=True), Q(outcome=Outcome.UNANSWERED)
    return calls.exclude(kind__in=OUTGOING).order_by().values("minute", "queue_key").annotate(
        all_offered=Count("minute"), all_answered=Count("minute", filter=answered),
        all_unanswered=Count("minute", filter=unanswered),
        all_unknown=Count("minute", filter=Q(outcome=Outcome.UNKNOWN)),
        all_within=Count("minute", filter=answered & within), all_waits=Count("wait_ms"), all_wait_ms=Sum("wait_ms"),
        all_wait_most_ms=Max("wait_ms"), all_talks=Count("talk_ms"), all_talk_ms=Sum("talk_ms"))


def _sums(row: Any) -> tuple[int, ...]:
    """In the order of `COUNTED`. An aggregate must not be named as its column is; of no values the sum is none."""
    return tuple(row[f"all_{name}"] or 0 for name in COUNTED)


def _targets(account: int) -> Q:
    """Whether a call was answered in time: each queue has a target of its own."""
    keys: dict[int, list[str]] = {}
    for key, seconds in Queue.objects.filter(account_id=account).order_by().values_list("key", "target_s"):
        keys.setdefault(seconds, []).append(key)
    return reduce(or_, (Q(queue_key__in=of, wait_ms__lte=1000 * seconds) for seconds, of in keys.items()),
                  Q(minute=None))


def _note_waiting(board: Board) -> None:
    """How many waited at once, at most, in this minute, as lists show it."""
    now: dict[str, int] = {}
    for live in board.calls.values():
        if live.call.state is CallState.WAITING and live.listed and not live.stuck:
            now[live.call.queue_key] = now.get(live.call.queue_key, 0) + 1
    minute = (board.heard_at or 0) // MINUTE_MS
    had = dict(CallMinute.objects.filter(account_id=board.account, minute=minute).values_list(
        "queue_key", "waiting_most")) if now else {}
    upsert(CallMinute, MINUTE, MINUTE_IS, ("waiting_most",), (
        (board.account, minute, key, *NOTHING, count) for key, count in now.items() if count > had.get(key, 0)))


# ── when we looked ─────────────────────────────────────────────────────────────────────────────────
def _note_watched(board: Board, gap_ms: int) -> tuple[int, list[Stretch]]:
    """The newest complete list before this one, by whichever leader, and the newest stretches after it.

    An incomplete list may leave anything out, and so makes no stretch longer.
    """
    at, mine = board.heard_at or 0, Watched.objects.filter(account_id=board.account)
    stretches = list(mine.order_by("-until").values_list("began_at", "until")[:STRETCHES])
    began, until = stretches[0] if stretches else (0, 0)
    if board.feed.health == "fresh" and until < at:
        if stretches and at - until <= gap_ms:
            mine.filter(until=until).update(until=at)
            stretches[0] = began, at
        else:
            Watched.objects.create(account_id=board.account, began_at=at, until=at)
            stretches.insert(0, (at, at))
    return until, stretches


# ── the day ────────────────────────────────────────────────────────────────────────────────────────
def day_of(account: Account, at: int) -> Day:
    """The numbers since the account's midnight before `at` (epoch ms), per queue."""
    since = midnight_ms(account.time_zone, at)
    return Day(since=since, gaps=gaps_of(account, since), queues=sums_of(account.pk, since // MINUTE_MS))


def sums_of(account: int, first: int, until: int | None = None) -> dict[str, Tally]:
    """Queue -> what its minutes add up to, from `first` on and before `until`; epoch minutes."""
    sums = {name: Max(name) if name == "wait_most_ms" else Sum(name) for name in COUNTED}
    minutes = CallMinute.objects.filter(account_id=account, minute__gte=first)
    if until is not None:
        minutes = minutes.filter(minute__lt=until)
    rows = minutes.order_by().values("queue_key").annotate(**{f"all_{name}": how for name, how in sums.items()})
    return {row["queue_key"]: Tally(*_sums(row)) for row in rows}


def gaps_of(account: Account, since: int) -> tuple[Gap, ...]:
    """The newest ones since then (epoch ms), oldest first."""
    stretches = list(Watched.objects.filter(account_id=account.pk, until__gt=since).order_by("began_at").values_list(
        "began_at", "until"))
    return tuple(_gaps(stretches, since))[-GAPS:]


def _gaps(stretches: list[tuple[int, int]], since: int) -> Iterable[Gap]:
    """Before each stretch, back to midnight. Whether somebody looks now is what the feed's health says."""
    seen_until = since
    for began, until in stretches:
        if began > seen_until:
            yield Gap(seen_until, began)
        seen_until = until
