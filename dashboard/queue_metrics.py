"""The numbers of definitions.py for /metrics: by account and queue, both as numbers. No call, no person.

At most QUEUES queues are told apart, the oldest; the others add up under `other`, calls without a queue under `none`.
"""

from collections.abc import Iterable, Iterator

import msgspec
from django.utils import translation

from dashboard import day_numbers
from dashboard.definitions import DEFINITIONS, PERCENT, TIME, Definition
from dashboard.mirror import Card, Mirror
from dashboard.now_numbers import Now, together
from dashboard.numbers import Tally

QUEUES = 200
OTHER, NONE = "other", "none"
LABELS = ("account", "queue")
SUFFIXES = {TIME: "_seconds", PERCENT: "_percent"}
Labels = tuple[int, str]


class _Part(msgspec.Struct):
    """What is known of a queue. `calls`, `every` None: not known; `aimed`: what its service level is about."""

    calls: Now | None = None
    every: Tally | None = None
    aimed: Tally = Tally()


def queue_numbers(mirror: Mirror, now: int) -> Iterator[tuple[str, str, list[tuple[Labels, float]]]]:
    """Of each number its metric's name, what it means, and its values by account and queue; unknown ones are absent."""
    parts = _parts(mirror, now)
    values = {labels: _values(part, now) for labels, part in parts.items()}
    for one in DEFINITIONS:
        divisor = 1000 if one.unit == TIME else 1
        known = ((labels, of.get(one.name)) for labels, of in values.items())
        yield metric_name(one), meaning(one), [
            (labels, value / divisor) for labels, value in known if value is not None]


def metric_name(one: Definition) -> str:
    return f"queue_{one.name.replace('-', '_')}{SUFFIXES.get(one.unit, '')}"


def meaning(one: Definition) -> str:
    """In the language of the source, whoever asks."""
    with translation.override(None):
        left_out = f" Left out: {one.left_out}." if one.left_out else ""
        return f"{one.formula} Window: {one.window_words}.{left_out} Absent: not known."


def _parts(mirror: Mirror, now: int) -> dict[Labels, _Part]:
    """In a request's thread while the loop goes on: both maps are replaced whole, never changed."""
    cards, queues = mirror.cards, mirror.queues
    told = set(sorted(queue.pk for of in queues.values() for queue in of.values())[:QUEUES])
    parts: dict[Labels, _Part] = {}
    for card in cards.values():
        names = {key: str(queue.pk) if queue.pk in told else OTHER for key, queue in queues.get(card.pk, {}).items()}
        for key, calls, tally in _of_account(mirror, card, names, now):
            part = parts.setdefault((card.pk, names.get(key, NONE)), _Part())
            if calls is not None:
                part.calls = together([part.calls or Now(), calls])
            if tally is not None:
                part.every = (part.every or Tally()) + tally
                part.aimed += tally if key in names else Tally()
    return parts


def _of_account(mirror: Mirror, card: Card, queues: Iterable[str],
                now: int) -> Iterator[tuple[str, Now | None, Tally | None]]:
    """Each queue's live calls and day; None: not known."""
    board, health = mirror.boards.get(card.pk), mirror.health(card, now)
    day = day_numbers.day_of(card, board, health, now)
    calls = None if board is None or health.blank else mirror.now(board)
    for key in {*queues, *(calls or ()), *(day.queues if day else ())}:
        yield (key, None if calls is None else calls.get(key, Now()),
               None if day is None else day.queues.get(key, Tally()))


def _values(part: _Part, now: int) -> dict[str, float | None]:
    of_now = {} if part.calls is None else part.calls.values(now)
    return of_now | ({} if part.every is None else day_numbers.values(part.every, part.aimed))
