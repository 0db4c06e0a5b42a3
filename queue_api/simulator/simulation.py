"""One simulated DeepCall: its world, its faults, its journal, and what is switched."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from queue_api.simulator.dialects import DIALECTS
from queue_api.simulator.faults import FaultQueue
from queue_api.simulator.journal import Journal
from queue_api.simulator.story import StoryWorld
from queue_api.simulator.world import World

WHAT_THIS_IS = (
    "This is a simulator of DeepCall's queue API for demo, training and tests. It is not DeepCall: "
    "no real call is shown or moved."
)


def epoch_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Simulation:
    """Everything the simulator knows.

    `clock` gives epoch milliseconds; the world is run up to it whenever somebody asks. At a `speed` the simulator's own
    clock runs so many times as fast as that one from the start on: its calls, the times in rows and `Date`.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        calls: int = 24,
        churn: float | None = None,
        dialect: str = "default",
        story: bool = False,
        speed: float = 1,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self.seed, self._calls, self._churn, self._dialect = seed, calls, churn, dialect
        self._world_type = StoryWorld if story else World
        self.speed, self.began_ms = speed, clock()
        self.clock = clock if speed == 1 else self._hastened(clock)
        self.faults = FaultQueue()
        self.journal = Journal()
        self.reset()

    def reset(self) -> None:
        """Begin again as started: new calls, no faults, an empty journal."""
        self.faults.clear()
        self.journal.clear()
        self.dialect = DIALECTS[self._dialect]
        self.clock_offset_s = 0.0
        self.being_taken: set[str] = set()
        self.listing: Counter[str] = Counter()  # who asks -> lists in flight
        self.lists_at_once = 0  # the most of one account
        self.one_list_at_a_time = False
        self.world = self._world_type(
            seed=self.seed, calls=self._calls, churn=self._churn, start_ms=self.clock()
        )

    def _hastened(self, clock: Callable[[], int]) -> Callable[[], int]:
        return lambda: self.began_ms + int((clock() - self.began_ms) * self.speed)

    def catch_up(self) -> World:
        """The world as of now."""
        self.world.advance(self.clock())
        return self.world

    def vendor_s(self) -> float:
        """What the vendor's own clock shows, epoch seconds."""
        return self.clock() / 1000 + self.clock_offset_s

    def state(self) -> dict[str, Any]:
        """What `GET /_simulator` tells."""
        world = self.catch_up()
        counts = dict.fromkeys(("waiting", "ringing", "talking", "hold"), 0)
        for call in world.calls.values():
            counts[call.state] += 1
        return {
            "simulator": True,
            "about": WHAT_THIS_IS,
            "now_ms": world.now_ms,
            "began_ms": self.began_ms,
            "speed": self.speed,
            "seed": self.seed,
            "calls": world.target,
            "live": counts,
            "churn": world.churn,
            "frozen": world.frozen,
            "story": world.happening(),
            "dialect": self.dialect.name,
            "clock_offset_s": self.clock_offset_s,
            "one_list_at_a_time": self.one_list_at_a_time,
            "lists_at_once": self.lists_at_once,
            "faults": self.faults.switched_on(),
            "asked": {name: len(self.journal.entries(name)) for name in ("list", "takeover", "other")},
        }
