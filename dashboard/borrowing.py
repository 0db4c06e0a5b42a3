"""An administrator's own list borrows the account's lease, so that no poller asks meanwhile, in any process.

    want ──> the poller is refused its next renewal (2 s at most), gives up its list and lets go
    acquire ──> ask DeepCall once ──> release ──> the poller acquires anew, under the next fence

Blocking: for a request's thread or a command.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard import lease
from queue_api.models import Account
from queue_api.turns import Occupied

LOOK_S = 0.1
PATIENCE_S = 8.0  # a lease whose holder is frozen or dead has ended by then


@contextmanager
def borrowed(account: Account) -> Iterator[None]:
    """Holds the account's lease, long enough for one list. Raises Occupied."""
    if account.pk is None:  # nobody polls it yet
        yield
        return
    name, guest = lease.account_lease(account.pk), f"guest-{secrets.token_hex(8)}"
    fence = _acquired(name, guest)
    try:
        yield
    finally:
        lease.release(name, guest, fence)
        lease.want_no_more(name, guest)


def _acquired(name: str, guest: str) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lease.want(name, guest)
        fence = lease.acquire(name, guest)
        if fence is not None:
            return fence
        if time.monotonic() > deadline:
            lease.want_no_more(name, guest)
            raise Occupied
        time.sleep(LOOK_S)  # the lease's end is a moment in the database, not an event
