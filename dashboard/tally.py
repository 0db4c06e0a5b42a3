"""What a poller counts of itself: requests of the last minute, errors by code of the last hour and since it began.

Bounded whatever happens: moments of one minute, sixty minutes of counts, and CODES codes in each.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable

from queue_api.errors import NotSent, QueueApiError, RequestInvalid

MINUTE_S, MINUTES = 60.0, 60
CODES = 20
MOMENTS = 1000  # far more than a minute can have: one list at a time, and a pause after each
NOT_SENT, NOT_ASKED, NO_ANSWER, OTHER = "not-sent", "not-asked", "no-answer", "other"


def kind_of(error: QueueApiError) -> str:
    """DeepCall's code or the HTTP status; without one what happened, in a word."""
    if error.code:
        return error.code
    if isinstance(error, RequestInvalid):
        return NOT_ASKED
    return NOT_SENT if isinstance(error, NotSent) else NO_ANSWER


class Tally:
    """Counts of one poller, on the server's loop. `total` and `errors` only grow."""

    def __init__(self) -> None:
        self.total = 0
        self.errors: Counter[str] = Counter()
        self._asked: deque[float] = deque(maxlen=MOMENTS)
        self._hour: deque[tuple[int, Counter[str]]] = deque(maxlen=MINUTES + 1)

    def asked(self) -> None:
        self.total += 1
        self._asked.append(time.monotonic())

    def failed(self, error: QueueApiError) -> None:
        kind, minute = kind_of(error), int(time.monotonic() // MINUTE_S)
        if not self._hour or self._hour[-1][0] != minute:
            self._hour.append((minute, Counter()))
        for counter in (self.errors, self._hour[-1][1]):
            counter[kind if kind in counter or len(counter) < CODES else OTHER] += 1

    def last_minute(self) -> int:
        since = time.monotonic() - MINUTE_S
        return sum(moment > since for moment in self._asked)

    def last_hour(self) -> dict[str, int]:
        """code -> how often, the most frequent first."""
        since = int(time.monotonic() // MINUTE_S) - MINUTES
        return _most(counts for minute, counts in self._hour if minute > since)

    def ever(self) -> dict[str, int]:
        return _most([self.errors])


def _most(counters: Iterable[Counter[str]]) -> dict[str, int]:
    together: Counter[str] = Counter()
    for counts in counters:
        together.update(counts)
    return dict(together.most_common(CODES))
