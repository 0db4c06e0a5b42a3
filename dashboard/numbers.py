"""Numbers of a day, as they travel with the board. Pure.

    Tally + Tally = Tally          queues add up to an account, accounts to a screen
"""

from typing import NamedTuple

import msgspec


class Tally(msgspec.Struct, frozen=True):
    """Calls offered to a queue in a stretch of time, and what became of them by now. Durations in ms.

    `unknown`: they went while nobody watched. `waits`, `talks`: of how many calls the duration is known.
    """

    offered: int = 0
    answered: int = 0
    unanswered: int = 0
    unknown: int = 0
    within: int = 0  # answered within the queue's target
    waits: int = 0
    wait_ms: int = 0
    wait_most_ms: int = 0
    talks: int = 0
    talk_ms: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.offered + other.offered, self.answered + other.answered, self.unanswered + other.unanswered,
            self.unknown + other.unknown, self.within + other.within, self.waits + other.waits,
            self.wait_ms + other.wait_ms, max(self.wait_most_ms, other.wait_most_ms), self.talks + other.talks,
            self.talk_ms + other.talk_ms)

    @property
    def decided(self) -> int:
        """The calls that a service level is about: their waiting is over, and we saw how."""
        return self.answered + self.unanswered

    @property
    def service_level(self) -> float | None:
        """Percent answered within the target; None when no call's waiting is over yet."""
        return 100 * self.within / self.decided if self.decided else None

    @property
    def average_wait_ms(self) -> float | None:
        return self.wait_ms / self.waits if self.waits else None

    @property
    def average_talk_ms(self) -> float | None:
        return self.talk_ms / self.talks if self.talks else None


class Gap(NamedTuple):
    """A stretch in which nobody could see: epoch ms."""

    began: int
    ended: int


class Day(msgspec.Struct, frozen=True):
    """One account's day so far, by queue. `since`: its midnight, epoch ms. `gaps`: the newest ones, oldest first."""

    since: int = 0
    gaps: tuple[Gap, ...] = ()
    queues: dict[str, Tally] = {}


class Minutes(msgspec.Struct, frozen=True):
    """One queue, minute by minute, oldest first. `within`, `decided`: of the calls offered in that minute."""

    waiting_most: tuple[int, ...] = ()
    within: tuple[int, ...] = ()
    decided: tuple[int, ...] = ()


class Trend(msgspec.Struct, frozen=True):
    """One account's last minutes by queue, each over. `first`: the oldest, epoch minutes; `watched`: whether a
    complete list came in it. Queues that nobody waited in and no call came to are left out."""

    first: int = 0
    watched: tuple[bool, ...] = ()
    queues: dict[str, Minutes] = {}

    @property
    def until(self) -> int:
        """The minute after the newest."""
        return self.first + len(self.watched)
