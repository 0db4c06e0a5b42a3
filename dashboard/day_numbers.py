"""The numbers since midnight of some accounts' queues, added up. Pure.

    today(feeds, queues, scope, now) -> Today      what one audience may see of it, and what is missing from it
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add

import msgspec

from dashboard.access import Scope
from dashboard.board import Board
from dashboard.days import midnight_ms
from dashboard.mirror import Card, Feeds, Health
from dashboard.numbers import Day, Gap, Tally
from dashboard.queue_cards import QueueCard

Queues = Mapping[int, Mapping[str, QueueCard]]


class Noted(msgspec.Struct, frozen=True):
    """One account's part: when its day began (epoch ms) and where that is midnight, and when nobody looked."""

    name: str
    zone: str
    since: int
    gaps: tuple[Gap, ...]


class Today(msgspec.Struct, frozen=True):
    """`aimed`: the calls of queues that have a target, which the service level is about. `missing`: accounts of which
    nothing is known. `targets`: (percent, seconds) of the queues, without repetition."""

    every: Tally
    aimed: Tally
    noted: tuple[Noted, ...]
    missing: tuple[str, ...]
    targets: frozenset[tuple[int, int]]

    @property
    def known(self) -> bool:
        return bool(self.noted)


def today(feeds: Feeds, queues: Queues, scope: Scope, now: int) -> Today:
    """Of the feeds' accounts, the queues that `scope` covers, as known at `now` (epoch ms)."""
    days = [(card, day_of(card, board, health, now)) for card, board, health in feeds]
    parts = [(key in queues.get(card.pk, {}), tally) for card, day in days if day
             for key, tally in day.queues.items() if scope.covers(card.pk, key)]
    return Today(
        every=total(tally for _aimed, tally in parts), aimed=total(tally for aimed, tally in parts if aimed),
        noted=tuple(Noted(card.name, card.zone, day.since, day.gaps) for card, day in days if day),
        missing=tuple(card.name for card, day in days if not day),
        targets=frozenset((queue.target_percent, queue.target_s) for card, _day in days
                          for key, queue in queues.get(card.pk, {}).items() if scope.covers(card.pk, key)),
    )


def day_of(card: Card, board: Board | None, health: Health, now: int) -> Day | None:
    """The account's day so far; None when nothing of it was noted, or what was is too old to be shown.

    After midnight yesterday's numbers stand in the board until the day's first list has been noted.
    """
    if board is None or health.blank or not board.day.since:
        return None
    return board.day if board.day.since == midnight_ms(card.zone, now) else None


def total(tallies: Iterable[Tally]) -> Tally:
    return reduce(add, tallies, Tally())


def values(every: Tally, aimed: Tally) -> dict[str, float | None]:
    """By the number's name: counts, percent, and times in ms. None: there is no such call yet."""
    return {
        "offered": float(every.offered), "answered": float(every.answered), "left-unanswered": float(every.unanswered),
        "service-level": aimed.service_level, "average-wait": every.average_wait_ms,
        "worst-wait": float(every.wait_most_ms) if every.waits else None, "average-talk": every.average_talk_ms,
    }


def samples(every: Tally, aimed: Tally) -> dict[str, int]:
    """Of how many calls a number is that is not itself a count."""
    return {"service-level": aimed.decided, "average-wait": every.waits, "average-talk": every.talks}
