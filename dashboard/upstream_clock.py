"""How far DeepCall's clock is from ours, by the `Date` of its answers. Pure; all times in epoch milliseconds.

Each answer only says that their clock showed some moment of one second while ours went from asking to hearing: an
interval of possible offsets. Every later answer narrows it; one that contradicts it begins anew (a clock was set).
"""

import msgspec

SLACK_MS = 250  # what is held moves only when it is proven wrong by more than this: each move redraws every time


class UpstreamClock(msgspec.Struct, frozen=True):
    """`offset`: theirs minus ours, as used; the truth lies between `low` and `high` (None: nothing is known)."""

    offset: int = 0
    low: int | None = None
    high: int | None = None

    def heard(self, date: int | None, asked_at: int, now: int) -> "UpstreamClock":
        """What is known after an answer that was asked for at `asked_at`, came by `now` and carried `date`."""
        if date is None:
            return self
        low, high = date - now, date + 1000 - asked_at
        if self.low is not None and self.high is not None and self.low <= high and low <= self.high:
            low, high = max(low, self.low), min(high, self.high)
        fits = low - SLACK_MS <= self.offset <= high + SLACK_MS
        return UpstreamClock(offset=self.offset if fits else (low + high) // 2, low=low, high=high)

    def ours(self, theirs: int | None) -> int | None:
        """One of their times by our clock."""
        return None if theirs is None else theirs - self.offset
