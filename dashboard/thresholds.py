"""Which numbers of which queues are out of their limits. Pure.

    breaches_of(board, limits) -> breaches     with each board, by who polls: from those that the board brings along
    over(live, limits, now) -> Over | None     of one call, by its own time

A level rises with the list that shows it, and falls when the number has been well enough out of it for CALM_MS.
Numbers of one list alone decide, so the next leader goes on where this one ended.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from dashboard.board import Board, LiveCall
from dashboard.limits import HOLD, MEASURES, SERVICE_LEVEL, TALK, WAIT, WAITING, Breach, Level, Limit, Limits
from dashboard.now_numbers import Now, by_queue
from dashboard.numbers import Tally
from queue_api.calls import CallState

CALM_MS = 10_000
ENOUGH = 10  # calls: the service level of fewer says nothing yet
STATE_OF = {WAIT: CallState.WAITING, TALK: CallState.TALKING, HOLD: CallState.HOLD}
MEASURE_OF = {state: measure for measure, state in STATE_OF.items()}
Breaches = dict[str, tuple[Breach, ...]]


def breaches_of(board: Board, limits: Mapping[str, Limits]) -> Breaches:
    """Queue key -> its breaches, as of the board's list. What a board without a list brings along stays."""
    if board.heard_at is None or not any(limits.values()):
        return {}
    nows, found = by_queue(board.account, board.calls.values()), {}
    for key, of in limits.items():
        before = {breach.measure: breach for breach in board.breaches.get(key, ())}
        values = values_of(nows.get(key, Now()), board.day.queues.get(key, Tally()), board.heard_at)
        after = tuple(_judged_all(before, of, values, board.heard_at))
        if after:
            found[key] = after
    return found


def values_of(now: Now, tally: Tally, at: int) -> dict[str, float | None]:
    """What is held against the limits, as of `at` (epoch ms): seconds, calls, percent. None: there is nothing."""
    level = tally.service_level if tally.decided >= ENOUGH else None
    times = {measure: seconds_in(now.oldest.get(state), at) for measure, state in STATE_OF.items()}
    return {**times, WAITING: float(now.unstuck), SERVICE_LEVEL: level}


def seconds_in(live: LiveCall | None, at: int) -> float | None:
    """For how long the call has been in its state."""
    return None if live is None else max(0, at - live.since) / 1000


class Over(NamedTuple):
    """A call that has been in its state for longer than its queue's limit, in seconds."""

    level: Level
    limit: int


def over(live: LiveCall, limits: Limits | None, now: int) -> Over | None:
    """Of a call at `now` (epoch ms); None: it is within its limits. One that may be stuck is out of nothing."""
    measure = MEASURE_OF.get(live.call.state)
    if limits is None or measure is None or live.stuck:
        return None
    level = limits[measure].reached(max(0, now - live.since) / 1000)
    return Over(level, limits[measure].of(level) or 0) if level else None


def _judged_all(before: Mapping[str, Breach], limits: Limits, values: Mapping[str, float | None],
                at: int) -> Iterator[Breach]:
    for measure in MEASURES:
        breach = judged(before.get(measure), measure, limits[measure], values[measure], at)
        if breach is not None:
            yield breach


def judged(before: Breach | None, measure: str, limit: Limit, value: float | None, at: int) -> Breach | None:
    """What is so of one number at `at`; None: it is within its limits."""
    had = before.level if before else Level.NEUTRAL
    reached, held = (Level.NEUTRAL, Level.NEUTRAL) if value is None else (limit.reached(value), limit.held(value))
    if reached > had:
        return Breach(measure=measure, level=reached, since=at)
    if before is None:
        return None
    if held >= had:
        return msgspec.structs.replace(before, better_since=0)
    return _easing(before, held, at)


def _easing(before: Breach, held: Level, at: int) -> Breach | None:
    """A clock that was set back begins the calm anew."""
    better_since = before.better_since if 0 < before.better_since <= at else at
    if at - better_since < CALM_MS:
        return msgspec.structs.replace(before, better_since=better_since)
    return Breach(measure=before.measure, level=held, since=at) if held else None
