"""The real takeover service with its edges in a model's hands: the time, the wire, and the points where it may stop.

Nothing of the service is replaced but what would wait, ring a bell or limit clicks per minute. At each point of
`POINTS` an interruption may run: it dies there (`Crash`), or other things happen meanwhile.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.utils import timezone

from dashboard import answering, asking, audit, takeover
from dashboard import mirror as mirror_module
from dashboard.access import Viewer, viewer_of
from dashboard.answering import Answer
from dashboard.audit import Source
from dashboard.mirror import mirror, read_news
from dashboard.models import AuditEvent, Seat, TakeoverAttempt
from dashboard.takeover_states import State
from queue_api import tries
from queue_api.client import QueueClient
from queue_api.models import Account
from tests.conftest import person
from tests.flaky_deepcall import Click, Clock, DeepCall, Step

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OUTSIDE = ("before A", "after A", "after sent", "answer read", "after B")  # here other things may happen meanwhile
POINTS = (*OUTSIDE, "in A", "bytes written", "in B")
DANGEROUS = ("bytes written", "answer read", "in B")  # it has gone out, and no outcome is written down
LINES_OF_B = {f"takeover.{state}" for state in set(State) - {State.INTENT, State.SENT}}


class Crash(BaseException):
    """The process ends here: nothing after it runs, no `except Exception` included."""


class Run:
    """One click on its way through the service, and what interrupts it where."""

    def __init__(self, click: Click, point: str = "", interrupt: Callable[[], None] | None = None) -> None:
        self.click, self.point, self.interrupt = click, point, interrupt
        self.begun = self.settling = False

    def reach(self, point: str) -> None:
        if point == self.point and self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            interrupt()


class Bell:
    """Stands in for the station: it rings once after A and once after B."""

    def __init__(self, stage: "Stage") -> None:
        self.stage = stage

    def ring(self, *, soon: bool = False) -> None:
        run = self.stage.runs[-1]
        point, run.begun = ("after B" if run.begun else "after A"), True
        self.stage.reach(point)


class Stage:
    """The service for one model run after another: `opened()` is a fresh one, undone at its end."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.people = [_supervisor(account, name) for name in ("asha", "ben", "carla")]
        self.agent_of = {"account-ssid": "1100", "ssid-asha": "1101", "ssid-ben": "1102"}
        for user, ssid in zip(self.people, ("ssid-asha", "ssid-ben"), strict=False):
            seat = user.seats.get()
            seat.set_ssid(ssid)
            seat.save()
        self.viewers = {user.pk: _viewer(user) for user in self.people}

    @contextmanager
    def opened(self) -> Iterator[None]:
        with transaction.atomic(), connection.execute_wrapper(self._count):
            self.clock, self.runs = Clock(), list[Run]()
            self.deepcall = DeepCall(self.clock, self.agent_of, self._asked, lambda: self.reach("bytes written"))
            self.database = connections["default"]
            self.sent_at: dict[Click, int] = {}
            self.broken: list[str] = []
            self.writes = 0
            self.notice: Callable[[], None] = lambda: None  # called wherever the database is at rest
            self.depth = len(connection.savepoint_ids)
            self.restart()
            yield
            transaction.set_rollback(True)

    def restart(self) -> None:
        """A process begins: all it knows is what the database has."""
        self.runs = []
        mirror.__init__(mirror.on_change)  # type: ignore[misc]
        mirror.take(read_news({}, 0))

    def click(self, run: Run, steps: tuple[Step, ...]) -> Answer:
        """Raises Crash when that is what interrupts it."""
        self.runs.append(run)
        before, self.deepcall.playing = self.deepcall.playing, (run.click, list(steps))
        try:
            ref = f"{self.account.pk}-{run.click.call}"
            return asking.take_over(self.viewers[run.click.person], ref, run.click.key, Source("192.0.2.7", "0a1b2c3d"))
        finally:
            self.deepcall.playing = before
            self.runs = [other for other in self.runs if other is not run]

    def reach(self, point: str) -> None:
        if point not in ("in A", "in B"):
            self.notice()
        if self.runs:
            self.runs[-1].reach(point)

    def _count(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self.writes += sql.startswith(("INSERT", "UPDATE", "DELETE"))
        return execute(sql, *rest)

    def _asked(self, click: Click) -> None:
        """At the moment a request arrives: its row and its lines are committed, and nobody else's is open."""
        connections["default"] = self.database  # in an event loop Django would open another one
        rows = TakeoverAttempt.objects.filter(call_key=click.call, is_open=True)
        mine = [(row.actor_id, row.key, row.state) for row in rows]
        lines = list(AuditEvent.objects.filter(attempt_id__in=rows).order_by("seq").values_list("kind", flat=True))
        if mine != [(click.person, click.key, State.SENT)]:
            self.broken.append(f"{click} reached DeepCall while open was {mine}")
        if lines != ["takeover.intent", "takeover.sent"] or len(connection.savepoint_ids) != self.depth:
            self.broken.append(f"{click} reached DeepCall before its record was committed: {lines}")


def _supervisor(account: Account, name: str) -> User:
    user = person(name, ("take_over",))
    Seat.objects.create(user=user, account=account, all_queues=True)
    return user


def _viewer(user: User) -> Viewer:
    viewer = viewer_of(user)
    assert viewer is not None
    return viewer


# ── taking the edges over ──────────────────────────────────────────────────────────────────────────
def set_up(patch: pytest.MonkeyPatch, stage: Stage) -> None:
    """Once per test: clock, wire and points are the stage's from here on."""
    _time(patch, stage)
    patch.setattr(asking, "QueueClient", lambda upstream: QueueClient(upstream, transport=stage.deepcall))
    patch.setattr(asking, "station", Bell(stage))
    patch.setattr(tries, "BUSY_WAITS_S", (0.0, 0.0))
    patch.setattr(takeover, "_check_limits", lambda *_: None)
    patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the stage looks at the rows from inside the wire
    patch.setattr(takeover, "begin", _around(takeover.begin, before=lambda: stage.reach("before A")))
    patch.setattr(takeover, "mark_sent", _around(takeover.mark_sent, after=lambda: _sent(stage)))
    patch.setattr(takeover, "settle", _around(takeover.settle, before=lambda: _answered(stage)))
    patch.setattr(audit, "record", _record(stage, audit.record))


def _time(patch: pytest.MonkeyPatch, stage: Stage) -> None:
    def now() -> datetime:
        return EPOCH + timedelta(milliseconds=stage.clock.ms)

    patch.setattr(timezone, "now", now)
    for name in ("created_at", "changed_at"):  # a field keeps the function it was declared with
        patch.setattr(TakeoverAttempt._meta.get_field(name), "_get_default", now)
    for module in (answering, mirror_module):
        patch.setattr(module, "now_ms", lambda: stage.clock.ms)
    patch.setattr(asking, "time", SimpleNamespace(monotonic=lambda: stage.clock.ms / 1000))


def _around(work: Callable[..., Any], before: Callable[[], None] = lambda: None,
            after: Callable[[], None] = lambda: None) -> Callable[..., Any]:
    @functools.wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before()
        result = work(*args, **kwargs)
        after()
        return result

    return wrapped


def _sent(stage: Stage) -> None:
    stage.sent_at.setdefault(stage.runs[-1].click, stage.clock.ms)
    stage.reach("after sent")


def _answered(stage: Stage) -> None:
    stage.reach("answer read")
    stage.runs[-1].settling = True


def _record(stage: Stage, record: Callable[..., Any]) -> Callable[..., Any]:
    """Lines as ever; and between a line and its commit the process may die."""
    def recorded(kind: str, **fields: Any) -> Any:
        line = record(kind, **fields)
        if stage.runs and kind == "takeover.intent":
            stage.reach("in A")
        elif stage.runs and kind in LINES_OF_B and stage.runs[-1].settling:
            stage.reach("in B")
        return line

    return recorded
