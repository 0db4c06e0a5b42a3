"""Limits of a queue's numbers, and how far a number is out of them. Pure.

A level is reached at its limit. It is left only when the number is better by a tenth, and the service level by
POINTS: so a number that trembles around its limit does not alarm again and again.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum

import msgspec

WAIT, TALK, HOLD, WAITING, SERVICE_LEVEL = MEASURES = ("wait", "talk", "hold", "waiting", "service-level")
LIMITED = ("wait_warn_s", "wait_crit_s", "talk_warn_s", "talk_crit_s", "hold_warn_s", "hold_crit_s", "waiting_warn",
           "waiting_crit", "level_warn", "level_crit")  # fields of `Queue`: amber and red of each measure, in its order
PART = 0.1
POINTS = 2


class Level(IntEnum):
    NEUTRAL = 0
    AMBER = 1
    RED = 2

    @property
    def word(self) -> str:
        """As `data-level` says it; empty for neutral."""
        return self.name.lower() if self else ""


class Limit(msgspec.Struct, frozen=True):
    """From which value on a number is amber, and red; None: never. Seconds, calls or percent.

    `below`: the less the worse, as with a service level: then amber and red are what it must not fall below.
    """

    amber: int | None = None
    red: int | None = None
    below: bool = False

    def __bool__(self) -> bool:
        return self.amber is not None or self.red is not None

    def reached(self, value: float) -> Level:
        return self._worst(lambda limit: value < limit if self.below else value >= limit)

    def held(self, value: float) -> Level:
        """The level that `value` is not yet well enough out of."""
        return self._worst(lambda limit: value < min(limit + POINTS, 100) if self.below else value > limit * (1 - PART))

    def of(self, level: Level) -> int | None:
        return {Level.AMBER: self.amber, Level.RED: self.red}.get(level)

    def _worst(self, is_out: Callable[[int], bool]) -> Level:
        if self.red is not None and is_out(self.red):
            return Level.RED
        return Level.AMBER if self.amber is not None and is_out(self.amber) else Level.NEUTRAL


NONE = Limit()


class Limits(msgspec.Struct, frozen=True):
    """One queue's limits. Times in seconds."""

    wait: Limit = NONE
    talk: Limit = NONE
    hold: Limit = NONE
    waiting: Limit = NONE
    service_level: Limit = Limit(below=True)

    def __bool__(self) -> bool:
        return any(self[measure] for measure in MEASURES)

    def __getitem__(self, measure: str) -> Limit:
        limit: Limit = getattr(self, measure.replace("-", "_"))
        return limit


def limits_from(values: Sequence[int | None]) -> Limits:
    """From the values of `LIMITED`."""
    pairs = zip(MEASURES, values[::2], values[1::2], strict=True)
    return Limits(*(Limit(amber, red, below=measure == SERVICE_LEVEL) for measure, amber, red in pairs))


def misordered(values: Sequence[int | None]) -> list[str]:
    """The names of the red limits among `LIMITED` that are no worse than their amber ones."""
    limits = limits_from(values)
    found = zip(LIMITED[1::2], (limits[measure] for measure in MEASURES), strict=True)
    return [name for name, limit in found if limit.amber is not None and limit.red is not None
            and (limit.red >= limit.amber if limit.below else limit.red <= limit.amber)]


class Breach(msgspec.Struct, frozen=True):
    """A number of a queue that is out of its limit. `since`: for how long at this level; `better_since`: for how long
    it has been well enough out of it, 0: it is not. Both epoch ms."""

    measure: str
    level: Level
    since: int
    better_since: int = 0
