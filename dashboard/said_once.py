"""A trouble that lasts is said when it begins, at most once a minute while it lasts, and when it is over.

What repeats, every poll or every beat, reports each success and each failure here instead of to its logger.
"""

import logging
import time
from collections import deque
from collections.abc import Callable

AGAIN_S = 60.0
OVER_S = 120.0  # without a failure: where nobody reports what works, the next one is news
BEGINNINGS = 5  # that are said in AGAIN_S: what comes and goes all the time is counted, not told


class Bound:
    """At most `most` in AGAIN_S. `untold` counts those that were too many since the last one that was not."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._times, self._clock = deque[float](maxlen=most), clock
        self.untold = 0

    def allows(self) -> bool:
        now = self._clock()
        if len(self._times) == self._times.maxlen and now - self._times[0] < AGAIN_S:
            self.untold += 1
            return False
        self._times.append(now)
        return True

    def told(self) -> int:
        """How many were untold; from now on none."""
        untold, self.untold = self.untold, 0
        return untold


class Trouble:
    """One that lasts. `said` is when it was last spoken of, `failures` how many there were, `quiet` since then."""

    def __init__(self, now: float, spoken: bool) -> None:
        self.began = self.last = self.said = now
        self.spoken, self.failures, self.quiet = spoken, 1, 0


class SaidOnce:
    """For one owner, `who`; what it was `doing` when it failed tells its troubles apart. Used from one thread."""

    def __init__(self, logger: logging.Logger, who: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._who, self._clock = logger, who, clock
        self._troubles: dict[str, Trouble] = {}
        self._beginnings: dict[str, Bound] = {}

    def failed(self, doing: str, why: object, *, traceback: bool = False) -> None:
        """It failed (again). `traceback`: with the exception under way, when the trouble begins."""
        now, trouble = self._clock(), self._troubles.get(doing)
        if trouble is None or now - trouble.last > OVER_S:
            spoken = self._beginnings.setdefault(doing, Bound(BEGINNINGS, self._clock)).allows()
            self._troubles[doing] = Trouble(now, spoken)
            if spoken:
                self._logger.warning("%s: cannot %s: %s", self._who, doing, why, exc_info=traceback)
            return
        trouble.last = now
        trouble.failures += 1
        trouble.quiet += 1
        if now - trouble.said >= AGAIN_S:
            self._logger.warning("%s: still cannot %s: %s (%s more in %.0f s)", self._who, doing, why, trouble.quiet,
                                 now - trouble.said)
            trouble.said, trouble.quiet, trouble.spoken = now, 0, True

    def works(self, doing: str) -> None:
        """It went well; the end of the trouble, if there was one."""
        trouble = self._troubles.pop(doing, None)
        if trouble is not None and trouble.spoken:
            self._logger.warning("%s: can %s again after %.0f s, failures: %s", self._who, doing,
                                 self._clock() - trouble.began, trouble.failures)


class OnceAMinute(logging.Filter):
    """For a library that repeats a traceback while its server is away: one line without it, then one a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._said, self._quiet = clock, float("-inf"), 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, "said_once", False):
            return True  # Django sets logging up twice in a server, and loggers keep the filters of the first time
        now = self._clock()
        if now - self._said < AGAIN_S:
            self._quiet += 1
            return False
        error = record.exc_info[1] if record.exc_info else None
        why = f": {type(error).__name__}: {error}" if error else ""
        record.msg, record.args = "%s%s (%s more before)", (record.getMessage(), why, self._quiet)
        record.exc_info = record.exc_text = None
        record.said_once = True
        self._said, self._quiet = now, 0
        return True
