"""A made-up call centre for measuring the history: days that are written straight down, and a day that is polled.

    furnish() -> Account                            queues, people
    write_day(account, midnight, calls, hours)      calls, minutes and watched stretches, without a list between
    live_day(account, midnight, calls, hours)       the same in small steps: each call when it came, spoke and went
    Polled(account, at, seed)                       calls that come, wait, are answered and go, list by list
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from django.contrib.auth.models import Permission, User
from django.db import transaction

from dashboard import history
from dashboard.board import Board, heard
from dashboard.days import midnight_ms
from dashboard.models import CallMinute, ObservedCall, Queue, Seat, Watched
from dashboard.noting import Noted, note_history
from dashboard.observing import Outcome, Record
from dashboard.upsert import upsert
from queue_api.calls import Call, CallState
from queue_api.client import Listing
from queue_api.models import Account

QUEUES = 10
WAIT_MS, TALK_MS, HOUR_MS = 25_000, 200_000, 3_600_000
STRETCH_MS, GAP_MS = 300_000, 20_000  # a bad day: nobody looked for 20 s in every five minutes
AT_ONCE, STEP_MS = 2000, 60_000  # rows that are written in one go; of a day that is lived through: so often


def furnish() -> Account:
    account = Account(name="Northgate", base_url="https://deepcall.example", time_zone=late_zone())
    account.set_ssid("bench")
    account.save()
    queues = [Queue.objects.create(account=account, key=str(300 + at), name=f"Queue {at}") for at in range(QUEUES)]
    User.objects.create_superuser("admin")
    sita = User.objects.create_user("sita")
    sita.user_permissions.set(Permission.objects.filter(content_type__app_label="dashboard"))
    Seat.objects.create(user=sita, account=account).queues.set(queues)
    return account


def late_zone() -> str:
    """Where it is ten in the evening: else a day of so many calls would be as short as the time since midnight is."""
    ahead = (22 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"  # POSIX counts them the other way round


def write_day(account: Account, midnight: int, calls: int, hours: float, until: int | None = None) -> None:
    """`calls` over `hours` from nine on, or so that the last came at `until` (epoch ms)."""
    opened = midnight + 9 * HOUR_MS if until is None else max(midnight, until - int(hours * HOUR_MS))
    ended = until or opened + int(hours * HOUR_MS)
    records = _records(opened, ended, calls)
    for start in range(0, calls, AT_ONCE):
        _write(account, records[start:start + AT_ONCE])
    history.count_anew(account.pk, {record.offered_at // history.MINUTE_MS for record in records})
    Watched.objects.bulk_create(
        Watched(account=account, began_at=began, until=min(began + STRETCH_MS - GAP_MS, ended))
        for began in range(opened, ended, STRETCH_MS))


def live_day(account: Account, midnight: int, calls: int, hours: float) -> None:
    opened = midnight + 9 * HOUR_MS
    ended = opened + int(hours * HOUR_MS)
    records = _records(opened, ended, calls)
    steps: dict[int, dict[str, Record]] = {}
    for record in records:
        for at, stage in _stages(record):
            steps.setdefault(at // STEP_MS, {})[record.key] = stage
    for _at, step in sorted(steps.items()):
        with transaction.atomic():
            _write(account, list(step.values()))
            history.count_anew(account.pk, {record.offered_at // history.MINUTE_MS for record in step.values()})
            _note_waiting(account, [record for record in step.values() if record.outcome is Outcome.LIVE])
    Watched.objects.create(account=account, began_at=opened, until=ended)


def _stages(record: Record) -> Iterator[tuple[int, Record]]:
    yield record.offered_at, _waiting(record)
    if record.answered_at is not None:
        yield record.answered_at, _spoken(record)
    yield record.ended_at or record.offered_at, record


def _note_waiting(account: Account, waiting: list[Record]) -> None:
    upsert(CallMinute, history.MINUTE, history.MINUTE_IS, ("waiting_most",), (
        (account.pk, minute, record.queue_key, *history.NOTHING, 1 + minute % 3)
        for record in waiting for minute in _minutes_waited(record)))


def _records(opened: int, ended: int, calls: int) -> list[Record]:
    chance = random.Random(opened)
    return [_over(f"dc-{opened // HOUR_MS}-{at:07d}", opened + int((ended - opened) * at / calls), chance)
            for at in range(calls)]


def _write(account: Account, records: list[Record]) -> None:
    with transaction.atomic():
        upsert(ObservedCall, history.CALL, history.CALL_IS, history.CALL,
               (history._row(account.pk, 0, record) for record in records))


def _minutes_waited(record: Record) -> range:
    first, last = (at // history.MINUTE_MS for at in (record.offered_at, record.offered_at + (record.wait_ms or 0)))
    return range(first, last + 1)


def _waiting(record: Record) -> Record:
    return msgspec.structs.replace(
        _spoken(record), agent_id="", answered=False, answered_at=None, outcome=Outcome.LIVE, wait_ms=None)


def _spoken(record: Record) -> Record:
    return msgspec.structs.replace(record, gone_at=None, ended_at=None, talk_ms=None,
                                   outcome=Outcome.ANSWERED if record.answered else Outcome.LIVE)


def _over(key: str, came: int, chance: random.Random) -> Record:
    wait, talk, answered = _times(chance)
    ended = came + wait + (talk if answered else 0)
    return Record(
        key=key, queue_key=str(300 + chance.randrange(QUEUES)), kind="IBD", offered_at=came, at_least=False,
        agent_id=str(1100 + chance.randrange(200)) if answered else "", agent_name="", last_seen_at=ended - 1000,
        answered=answered, answered_at=came + wait if answered else None, gone_at=ended + 1000, ended_at=ended,
        outcome=Outcome.ANSWERED if answered else Outcome.UNANSWERED, wait_ms=wait,
        talk_ms=talk if answered else None)


def _times(chance: random.Random) -> tuple[int, int, bool]:
    return int(chance.expovariate(1 / WAIT_MS)), int(chance.expovariate(1 / TALK_MS)), chance.random() < 0.93


class Polled:
    """A floor that is looked at. `rate`: calls that come in a second."""

    def __init__(self, account: Account, at: int, rate: float, seed: int = 16) -> None:
        self.account, self.at, self.rate = account, at, rate
        self.board = Board(account=account.pk)
        self.noted = Noted(board=self.board)
        self._chance, self._number, self._due = random.Random(seed), 0, float(at)
        self._floor: list[tuple[Call, int, int]] = []  # as it waits, answered at, ends at

    def looks(self, at: int) -> None:
        """A list of that moment (epoch ms): everything but the writing."""
        while self._due <= at:
            self._comes(int(self._due))
            self._due += 1000 * self._chance.expovariate(self.rate)
        self._floor = [one for one in self._floor if one[2] > at]
        listing = Listing(calls=tuple(self._shown(at)), received=len(self._floor))
        self.board = heard(self.board, listing, asked_at=at, now=at + 50, misses=2, gap_ms=30_000,
                           midnight=midnight_ms(self.account.time_zone, at))

    def notes(self) -> None:
        """What a lease holder does after it, in the database."""
        self.noted = note_history(self.noted, self.board, self.account) or self.noted
        self.board = self.noted.onto(self.board)

    def _comes(self, came: int) -> None:
        self._number += 1
        wait, talk, answered = _times(self._chance)
        queue = 300 + self._chance.randrange(QUEUES)
        call = Call(key=f"dc-{came // HOUR_MS}-{self._number:07d}", call_id=f"dc-{came // HOUR_MS}-{self._number:07d}",
                    state=CallState.WAITING, queue_id=str(queue), queue_name=f"Queue {queue - 300}", kind="IBD",
                    caller="919812345678", entered_at=came)
        answered_at = came + wait if answered else 2**60
        self._floor.append((call, answered_at, came + wait + (talk if answered else 0)))

    def _shown(self, at: int) -> Iterator[Call]:
        for call, answered_at, _ends in self._floor:
            yield call if at < answered_at else Call(
                key=call.key, call_id=call.call_id, state=CallState.TALKING, queue_id=call.queue_id,
                queue_name=call.queue_name, kind=call.kind, caller=call.caller, entered_at=call.entered_at,
                answered_at=answered_at, agent_id=str(1100 + answered_at % 200))
