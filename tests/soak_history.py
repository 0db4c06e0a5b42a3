"""What a soak did, met and found: one JSON object a line, bounded in size."""

import json
import statistics
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

MOST_BYTES = 200_000_000


class History:
    """`found` holds the differences: with any, the soak has failed. From any thread."""

    def __init__(self, file: Path, seed: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file, self._out = file, file.open("w")
        self._lock, self._written = threading.Lock(), 0
        self._began = time.monotonic()
        self.found: list[str] = []
        self.counts: Counter[str] = Counter()
        self.note("begin", seed=seed)

    def note(self, kind: str, **what: Any) -> None:
        """`kind`: begin, action, fault, observation, calm, difference or end."""
        entry = {"at_s": round(time.monotonic() - self._began, 3), "kind": kind, **what}
        text = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        with self._lock:
            self.counts[kind] += 1
            if self._written < MOST_BYTES:
                self._out.write(text)
                self._out.flush()
                self._written += len(text)

    def wrong(self, what: str) -> None:
        self.found.append(what)
        self.note("difference", what=what)

    def close(self) -> None:
        self.note("end", found=self.found, counts=dict(self.counts))
        self._out.close()


class Gauge:
    """Something that must not grow: the median of the last third of its values against that of the first."""

    WARM_UP = 0.2  # of all values, left out
    FEWEST = 3

    def __init__(self, what: str, unit: str, slack: float, part: float) -> None:
        """`slack` in `unit`s and `part` of the first third's median are allowed on top of it."""
        self.what, self.unit, self.slack, self.part = what, unit, slack, part
        self.values: list[float] = []

    def verdict(self) -> tuple[str, bool]:
        """A sentence, and whether it is flat. With too few values nothing is said against it."""
        kept = self.values[int(len(self.values) * self.WARM_UP):]
        if len(kept) < self.FEWEST:
            return f"{self.what}: only {len(kept)} values, not judged", True
        third = len(kept) // 3
        first, last = statistics.median(kept[:third]), statistics.median(kept[-third:])
        limit = first * (1 + self.part) + self.slack
        return f"{self.what}: {first:.0f} -> {last:.0f} {self.unit} (at most {limit:.0f})", last <= limit
