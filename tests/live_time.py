"""Model time for the live path: event loops that never wait, and a clock that only the world moves.

Each process of the model has a loop of its own, turned by the world as long as something is due. A frozen process is
one whose loop is not turned: nothing in it runs, its timers included, and all of it is late when it wakes.
"""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from dashboard import clock as clock_module
from dashboard import fanout, lease, mirror, poll_desk, poller, station
from dashboard.models import TakeoverAttempt
from tests.makers import NOW

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TURNS = 20_000  # more in one instant is a loop that never comes to rest


class Clock:
    """The only time there is. `alarms` go off as it passes them."""

    def __init__(self) -> None:
        self.ms = NOW
        self._alarms: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0

    def seconds(self) -> float:
        return (self.ms - NOW) / 1000

    def at(self, ms: int, alarm: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._alarms, (max(ms, self.ms), self._count, alarm))

    def after(self, ms: int, alarm: Callable[[], object]) -> None:
        self.at(self.ms + ms, alarm)

    def due(self) -> int | None:
        return self._alarms[0][0] if self._alarms else None

    def ring(self) -> None:
        """All alarms of this moment."""
        while self._alarms and self._alarms[0][0] <= self.ms:
            heapq.heappop(self._alarms)[2]()


class ModelLoop(asyncio.SelectorEventLoop):
    """An event loop on model time. What goes wrong in it is kept in `broken`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.process: Any = None
        self.broken: list[str] = []
        self.set_exception_handler(lambda _loop, context: self.broken.append(repr(context)))

    def time(self) -> float:
        return self._clock.seconds()

    def due(self) -> int | None:
        """When it has something to do, epoch ms; None: never."""
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        if ready:
            return self._clock.ms
        return NOW + -int(-timers[0]._when * 1000 // 1) if timers else None

    def turn(self) -> None:
        """What is due now, once round."""
        self.call_soon(self.stop)
        self.run_forever()

    _timer_cancelled_count: int


class ModelDesk:
    """Stands in for `offloop.Desk`: the work is done in one instant of model time, after a short wait or a long one.

    It fails while the world has the database away, and for a process that is dead.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        self.name = name

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        process = asyncio.get_running_loop().process  # type: ignore[attr-defined]
        await asyncio.sleep(process.world.database_takes_s())
        if process.dead or process.world.database_away:
            raise OperationalError("the database is away")
        connections["default"] = process.world.database  # in an event loop Django would open another one
        return work(*args, **kwargs)

    def close(self) -> None:
        """Nothing is kept open."""


def set_up(patch: pytest.MonkeyPatch, world: Callable[[], Any]) -> None:
    """From here on every clock of the product is that of `world()`."""
    def now() -> datetime:
        return EPOCH + timedelta(milliseconds=world().clock.ms)

    def seconds() -> float:
        return float(world().clock.ms) / 1000

    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    patch.setattr(timezone, "now", now)
    for name in ("created_at", "changed_at"):  # a field keeps the function it was declared with
        patch.setattr(TakeoverAttempt._meta.get_field(name), "_get_default", now)
    patch.setattr(clock_module, "time", SimpleNamespace(time_ns=lambda: world().clock.ms * 1_000_000))
    times = SimpleNamespace(monotonic=lambda: world().clock.seconds() + 1000, time=seconds)
    for module in (fanout, lease, mirror, poller, station):
        patch.setattr(module, "time", times)
    for desk_user in (poll_desk, station):
        patch.setattr(desk_user, "Desk", ModelDesk)
    patch.setattr(poller, "random", SimpleNamespace(uniform=lambda low, high: world().chance.uniform(low, high)))
