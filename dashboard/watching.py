"""Who looks at which account's numbers: screens of this process, pages it served, and what other processes say.

    socket joins, page is loaded ──> Watch ──> the poller here remeasures its pause
                                       └─"watching" on the layer, every few s while it lasts─> Watch of the others
                                       └─Lease.watched_until, for a layer that says nothing──┘

Nothing says that somebody left: what is not said again runs out.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from dashboard.access import Scope

LOOKED_S = 30.0  # a page without a socket counts for so long after it was served
TOLD_S = 12.0  # another process says so with each reading; two messages may be lost
NOTED_S, NOTE_EVERY_S = 20.0, 10.0


class Watch:
    """On the server's loop. `scopes`: of the screens that are connected here."""

    def __init__(self, scopes: Callable[[], Iterable[Scope]]) -> None:
        self._scopes = scopes
        self._looked: dict[int, float] = {}  # account -> until, monotonic seconds; so are the next two
        self._elsewhere: dict[int, float] = {}
        self._noted: dict[int, float] = {}

    def look(self, scope: Scope, accounts: Iterable[int]) -> None:
        """A page with these queues' numbers was served."""
        until = time.monotonic() + LOOKED_S
        self._looked |= {account: until for account in accounts if scope.touches(account)}

    def heard(self, left_s: Mapping[int, float]) -> None:
        """Another process, or the database, says who is watched: account -> for how many seconds yet."""
        now = time.monotonic()
        for account, seconds in left_s.items():
            if seconds > 0:
                self._elsewhere[account] = max(self._elsewhere.get(account, 0.0), now + min(seconds, NOTED_S))

    def here(self, accounts: Collection[int]) -> set[int]:
        """Which of the accounts this process's people look at. Forgets accounts that are gone."""
        scopes, now = set(self._scopes()), time.monotonic()
        for kept in (self._looked, self._elsewhere, self._noted):
            for gone in kept.keys() - set(accounts):
                del kept[gone]
        return {account for account in accounts
                if self._looked.get(account, 0.0) > now or any(scope.touches(account) for scope in scopes)}

    def watched(self, account: int) -> bool:
        """Whether anybody looks, in any process."""
        now = time.monotonic()
        return (self._elsewhere.get(account, 0.0) > now or self._looked.get(account, 0.0) > now
                or any(scope.touches(account) for scope in self._scopes()))

    def due(self, here: Iterable[int]) -> set[int]:
        """Those that must be written down again; they count as written."""
        now = time.monotonic()
        due = {account for account in here if now - self._noted.get(account, -NOTE_EVERY_S) >= NOTE_EVERY_S}
        self._noted |= dict.fromkeys(due, now)
        return due

