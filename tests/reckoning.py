"""What a history must hold, reckoned from a simulator's truth and from when lists were looked at, and in no other way.

    reckoned(lives, looks, rules) -> {call id: Due}     each call that a list could show, and what must be kept of it
    in_all(dues, rules) -> {(date, queue): {number: …}}  the numbers of each day and queue
    blind_spots(lives, looks, rules) -> BlindSpots       what no list could tell, and how far off the durations are

It shares no code with `dashboard`. All times and durations in epoch milliseconds.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from queue_api.simulator.truth import Life

OFFERED = ("IBD",)


class Look(NamedTuple):
    """A list as it came. `ids`: of the calls in it when some were left out. `noted`: else its process died too soon.

    `anew`: when it is known that nobody had watched for too long before it, or that somebody had.
    """

    at: int
    ids: frozenset[str] | None = None
    noted: bool = True
    anew: bool | None = None


class Rules(NamedTuple):
    gap_ms: int
    zone: str
    whole_seconds: bool  # how DeepCall writes times
    target_s: dict[str, int]
    misses: int = 2

    def told(self, at: int) -> int:
        return at // 1000 * 1000 if self.whole_seconds else at


class Due(NamedTuple):
    """What is due to be kept of a call."""

    queue: str
    kind: str
    offered_at: int
    outcome: str
    wait_ms: int | None
    talk_ms: int | None


class Sights(NamedTuple):
    """When a call was looked at: the last list with it, the first complete one without, whether it is over then."""

    shown: list[int]
    gone: int | None
    over: bool
    watched: bool


class BlindSpots(NamedTuple):
    """Calls offered in truth; of them never in a list; answered and over between two lists, so kept as unanswered; gone
    while nobody watched. Mean errors, in ms: of unanswered waits, of talks."""

    offered: int
    never_shown: int
    answer_missed: int
    unknown: int
    wait_error_ms: float
    talk_error_ms: float
    wait_bias_ms: float
    talk_bias_ms: float


class Looks:
    def __init__(self, looks: Sequence[Look], rules: Rules) -> None:
        self.all, self.rules = looks, rules
        self.times = [look.at for look in looks]
        self.complete = [look.at for look in looks if look.ids is None and look.noted]
        self.stretches: list[list[int]] = []
        for look in looks:
            if look.ids is not None or not look.noted:
                continue
            silent = not self.stretches or look.at - self.stretches[-1][1] > rules.gap_ms
            if silent if look.anew is None else look.anew:
                self.stretches.append([look.at, look.at])
            self.stretches[-1][1] = look.at

    def of(self, life: Life) -> Sights | None:
        """None: no list could show it."""
        until = len(self.times) if life.ended_ms is None else bisect_left(self.times, life.ended_ms)
        ids = [(look.at, look.ids) for look in self.all[bisect_left(self.times, life.shown_ms):until]]
        shown = [at for at, listed in ids if listed is None or life.call_id in listed]
        if not shown:
            return None
        place = bisect_right(self.complete, shown[-1])
        gone = self.complete[place] if place < len(self.complete) else None
        over = len(self.complete) - place >= self.rules.misses
        return Sights(shown, gone, over, gone is not None and self._together(shown[-1], gone))

    def _together(self, one: int, other: int) -> bool:
        return any(began <= one and other <= until for began, until in self.stretches)


def due(life: Life, sights: Sights, rules: Rules) -> Due:
    offered_at = rules.told(life.entered_ms)
    answers = [one.at_ms for one in life.connected]
    seen = next((at for at in sights.shown if answers and answers[0] <= at), None)
    outcome, wait, talk = "live", None, None
    if seen is not None:
        answered_at = rules.told(max(at for at in answers if at <= seen))
        outcome, wait = "answered", answered_at - offered_at
        if sights.over and sights.watched and sights.gone is not None:
            talk = max(0, (sights.shown[-1] + sights.gone) // 2 - answered_at)
    elif sights.over and sights.gone is not None:
        outcome = "unanswered" if sights.watched else "unknown"
        wait = (sights.shown[-1] + sights.gone) // 2 - offered_at if sights.watched else None
    return Due(life.queue_id, life.kind, offered_at, outcome, wait, talk)


def reckoned(lives: Sequence[Life], looks: Sequence[Look], rules: Rules) -> dict[str, Due]:
    known = Looks(looks, rules)
    return {life.call_id: due(life, sights, rules) for life in lives if (sights := known.of(life)) is not None}


def in_all(dues: Sequence[Due], rules: Rules) -> dict[tuple[str, str], dict[str, int]]:
    """The numbers of each day (in the zone) and queue."""
    days: dict[tuple[str, str], Counter[str]] = {}
    for one in dues:
        if one.kind in OFFERED:
            date = datetime.fromtimestamp(one.offered_at / 1000, ZoneInfo(rules.zone)).date().isoformat()
            _count(days.setdefault((date, one.queue), Counter()), one, rules)
    return {key: dict(counter) for key, counter in days.items()}


def _count(sums: Counter[str], one: Due, rules: Rules) -> None:
    wait, talk = one.wait_ms, one.talk_ms
    sums["offered"] += 1
    for outcome in ("answered", "unanswered", "unknown"):
        sums[outcome] += one.outcome == outcome
    sums["within"] += one.outcome == "answered" and wait is not None and wait <= rules.target_s[one.queue] * 1000
    sums["waits"] += wait is not None
    sums["wait_ms"] += wait or 0
    sums["wait_most_ms"] = max(sums["wait_most_ms"], wait or 0)
    sums["talks"] += talk is not None
    sums["talk_ms"] += talk or 0


def blind_spots(lives: Sequence[Life], looks: Sequence[Look], rules: Rules) -> BlindSpots:
    """Of the calls that came and went between the first and the last look."""
    known, counts, waits, talks = Looks(looks, rules), Counter[str](), list[int](), list[int]()
    for life in lives:
        if life.kind not in OFFERED or life.shown_ms < looks[0].at or (life.ended_ms or looks[-1].at) >= looks[-3].at:
            continue
        counts["offered"] += 1
        sights = known.of(life)
        if sights is None:
            counts["never"] += 1
            continue
        kept, ended = due(life, sights, rules), life.ended_ms or 0
        counts["missed"] += kept.outcome == "unanswered" and bool(life.connected)
        counts["unknown"] += kept.outcome == "unknown"
        if kept.outcome == "unanswered" and not life.connected:
            waits.append((kept.wait_ms or 0) - (ended - life.entered_ms))
        if kept.talk_ms is not None:
            talks.append(kept.talk_ms - (ended - life.connected[0].at_ms))
    return BlindSpots(counts["offered"], counts["never"], counts["missed"], counts["unknown"],
                      _mean([abs(error) for error in waits]), _mean([abs(error) for error in talks]),
                      _mean(waits), _mean(talks))


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def without_zeros(numbers: Any) -> dict[str, int]:
    """A tally's numbers as a dict, so that what is nowhere and what is 0 are the same."""
    return {name: number for name, number in dict(numbers).items() if number}
