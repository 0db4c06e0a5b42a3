"""How often something may happen: so many at once, and after that so many a second."""

import time
from collections import OrderedDict


class Allowance:
    """A bucket that holds `burst` and is filled with `per_s` a second. Monotonic: clocks that jump change nothing."""

    def __init__(self, per_s: float, burst: int) -> None:
        self.per_s, self.burst = per_s, burst
        self._left, self._at = float(burst), time.monotonic()

    def take(self) -> bool:
        """Whether once more is allowed now; a refusal costs nothing."""
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Allowances:
    """One for each of the `most` names that were heard last."""

    def __init__(self, per_s: float, burst: int, most: int = 10_000) -> None:
        self.per_s, self.burst, self.most = per_s, burst, most
        self._known: OrderedDict[str, Allowance] = OrderedDict()

    def take(self, name: str) -> bool:
        one = self._known.pop(name, None) or Allowance(self.per_s, self.burst)
        self._known[name] = one
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return one.take()
