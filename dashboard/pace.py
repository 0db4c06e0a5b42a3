"""How long from one question to the next, and why. Pure: no I/O, no clock, no chance of its own.

    interval(bounds, floor)             -> Pace   while lists come; it travels with the board and rules what is late
    pace(bounds, floor, trouble, jitter) -> Pace  the same, or the pause after a failure

Every interval is in seconds, counted from question to question. Why these numbers: decision 010.
"""

from enum import StrEnum

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from queue_api.errors import BUSY_CODE, CREDENTIAL_CODES
from queue_api.models import Account

OPEN_INTERVAL_S = 2.0  # at least as often is asked while the outcome of a takeover waits for a list
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)
JITTER = 0.2
LONGEST_S = 8.8  # of a jittered 8 s: what is left of 10 s is for the list itself and its way to the screens
CREDENTIALS_WAIT_S = 60.0
LONGEST_ASKED_S = 60.0  # of what DeepCall may ask us to wait
QUIET_FACTOR, QUIET_S = 1.5, 5.0  # somebody watches an empty list: a new caller must not be late
IDLE_FACTOR, IDLE_S = 5.0, 10.0  # the slow bound of an account that names none
TOO_MANY_CODE = "429"


class Why(StrEnum):
    TAKEOVER = "takeover"
    WATCHED = "watched"
    QUIET = "quiet"
    UNWATCHED = "unwatched"
    IDLE = "idle"
    BUSY = "busy"
    BACK_OFF = "back-off"
    TOLD = "told"
    CREDENTIALS = "credentials"


SENTENCES: dict[str, Promise] = {
    Why.TAKEOVER: _("a takeover waits for a list to confirm it"),
    Why.WATCHED: _("there are calls, and somebody watches"),
    Why.QUIET: _("somebody watches, and there are no calls"),
    Why.UNWATCHED: _("there are calls, and nobody watches"),
    Why.IDLE: _("there are no calls, and nobody watches"),
    Why.BUSY: _("DeepCall is still working on a similar request (1501)"),
    Why.BACK_OFF: _("the last list failed"),
    Why.TOLD: _("DeepCall asked for a pause"),
    Why.CREDENTIALS: _("DeepCall refuses the credentials: saving this account asks again at once"),
}


class Bounds(msgspec.Struct, frozen=True):
    """An account's own limits, in seconds: `fast` while calls exist and somebody watches, `slow` without both."""

    fast_s: float
    slow_s: float


class Floor(msgspec.Struct, frozen=True):
    """What goes on: live calls, somebody who watches in any process, a takeover that waits for a list."""

    calls: bool
    watched: bool
    takeover: bool = False


class Trouble(msgspec.Struct, frozen=True):
    """`failures` in a row, the last one's code, and the pause DeepCall asked for with it."""

    failures: int = 0
    code: str = ""
    retry_after_s: int | None = None


class Pace(msgspec.Struct, frozen=True):
    seconds: float
    why: Why


def bounds_of(account: Account) -> Bounds:
    fast = account.poll_interval_s
    slow = account.idle_interval_s or min(IDLE_FACTOR * fast, IDLE_S)
    return Bounds(fast, max(fast, slow))


def interval(bounds: Bounds, floor: Floor) -> Pace:
    fast, slow = bounds.fast_s, bounds.slow_s
    if floor.takeover:
        return Pace(min(fast, OPEN_INTERVAL_S), Why.TAKEOVER)
    if floor.watched and floor.calls:
        return Pace(fast, Why.WATCHED)
    if floor.watched:
        return Pace(max(fast, min(QUIET_FACTOR * fast, QUIET_S, slow)), Why.QUIET)
    if floor.calls:
        return Pace(max(fast, slow / 2), Why.UNWATCHED)
    return Pace(slow, Why.IDLE)


def pace(bounds: Bounds, floor: Floor, trouble: Trouble, jitter: float = 1.0) -> Pace:
    """`jitter`: 1 ± JITTER, so that pollers that failed together do not come back together."""
    if not trouble.failures:
        return interval(bounds, floor)
    if trouble.code in CREDENTIAL_CODES:
        return Pace(CREDENTIALS_WAIT_S, Why.CREDENTIALS)
    step = min(BACK_OFF_S[min(trouble.failures, len(BACK_OFF_S)) - 1] * jitter, LONGEST_S)
    if trouble.retry_after_s and trouble.retry_after_s > step:
        return Pace(min(trouble.retry_after_s, LONGEST_ASKED_S), Why.TOLD)
    if trouble.code == TOO_MANY_CODE:
        return Pace(max(step, bounds.fast_s), Why.BACK_OFF)
    return Pace(step, Why.BUSY if trouble.code == BUSY_CODE else Why.BACK_OFF)
