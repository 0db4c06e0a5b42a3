"""What this process has counted since it began: plain numbers, read by `dashboard/metrics.py` when somebody asks.

Where every frame passes, counting is one addition on the server's loop; what several threads count has a lock.
"""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from queue_api.errors import ANY, CODES, LIST, NotSent, QueueApiError, RequestInvalid

K = TypeVar("K", bound=Hashable)

LIST_CODES = frozenset(code for endpoint, code in CODES if endpoint in (LIST, ANY))
CLOSE_CODES = frozenset({1000, 1001, 1002, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4401, 4403, 4408})


class Counted(Generic[K]):
    """A count for each label, from any thread. `known` labels stand at 0 from the start: a rate needs a beginning."""

    def __init__(self, *known: K) -> None:
        self._counts = Counter(dict.fromkeys(known, 0))
        self._lock = threading.Lock()

    def add(self, label: K, more: int = 1) -> None:
        with self._lock:
            self._counts[label] += more

    def __getitem__(self, label: K) -> int:
        return self._counts[label]

    def all(self) -> list[tuple[K, int]]:
        with self._lock:
            return list(self._counts.items())


class Durations:
    """How long something took: a count for each upper bound in seconds, and the sum. From any thread."""

    def __init__(self, *bounds_s: float) -> None:
        self.bounds_s = bounds_s
        self.sum_s = 0.0
        self._counts = [0] * (len(bounds_s) + 1)
        self._lock = threading.Lock()

    def add(self, took_s: float) -> None:
        with self._lock:
            self._counts[bisect_left(self.bounds_s, took_s)] += 1
            self.sum_s += took_s

    @contextmanager
    def timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(time.monotonic() - began)

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """(upper bound, how many took at most that long) in order, "+Inf" last; and the sum in seconds."""
        with self._lock:
            counts, sum_s = list(self._counts), self.sum_s
        totals = [sum(counts[:end]) for end in range(1, len(counts) + 1)]
        return list(zip([*map(str, self.bounds_s), "+Inf"], map(float, totals), strict=True)), sum_s


class Sockets:
    """What passed through this process's sockets. Written on the server's loop alone."""

    def __init__(self) -> None:
        self.frames = self.bytes = self.full = self.resyncs = self.messages = self.unknown_paths = self.busy = 0
        self.closed = Counted(0, *sorted(CLOSE_CODES))


sockets = Sockets()
polls = Counted[tuple[int, str]]()  # (account, result)
poll_s: dict[int, Durations] = {}
takeovers = Counted[str]()
takeover_answers = Counted[int]()
takeover_s = Durations(0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 15)
requests = Counted("2xx", "3xx", "4xx", "5xx")


@contextmanager
def polled(account: int) -> Iterator[None]:
    """Around one question to DeepCall: what came of it, and how long it took if it was sent. Cancelled, it is none."""
    began, result = time.monotonic(), "ok"
    try:
        yield
    except QueueApiError as error:
        result = poll_result(error)
        raise
    except BaseException:
        result = ""
        raise
    finally:
        if result:
            polls.add((account, result))
        if result not in ("", "not_sent"):
            _durations_of(account).add(time.monotonic() - began)


def _durations_of(account: int) -> Durations:
    return poll_s.setdefault(account, Durations(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5))


def poll_result(error: QueueApiError) -> str:
    """A code from a bounded set: DeepCall's documented ones, HTTP's, or a word. What DeepCall makes up is "other"."""
    code = error.code
    if code in LIST_CODES or (len(code) == 3 and code.isascii() and code.isdigit()):
        return code
    if code:
        return "other"
    return "not_sent" if isinstance(error, NotSent | RequestInvalid) else "no_usable_answer"


def socket_closed(code: int) -> None:
    sockets.closed.add(code if code in CLOSE_CODES else 0)
