"""What the simulator was asked, newest last, for tests to read."""

from collections import deque
from typing import Any

import msgspec

KEPT = 10_000


class Entry(msgspec.Struct):
    """One request. `body` is the JSON as received (text when it was none), secrets and all: they are made up.

    `answered` stays false while the answer is held back and when the client left without one. `effect` says
    whether a takeover moved a call, whatever was answered; None for all other requests.
    """

    at_ms: int
    endpoint: str
    method: str
    path: str
    body: Any
    answered: bool = False
    status: int | None = None
    code: int | str | None = None
    effect: bool | None = None


class Journal:
    """The last `KEPT` requests."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def add(self, entry: Entry) -> Entry:
        self._entries.append(entry)
        return entry

    def entries(self, endpoint: str = "") -> list[Entry]:
        """All entries, or one endpoint's ("list", "takeover", "other")."""
        return [entry for entry in self._entries if endpoint in ("", entry.endpoint)]

    def clear(self) -> None:
        self._entries.clear()
