"""Two lists of one account are never in flight: whoever asks outside the poller takes a turn first.

How turns are taken is the dashboard's business, which has the poller; it sets `take` when it is installed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from queue_api.models import Account


class Occupied(Exception):
    """Another list stayed in flight; nothing was asked."""


def _alone(account: Account) -> AbstractContextManager[None]:
    return nullcontext()


take: Callable[[Account], AbstractContextManager[None]] = _alone
