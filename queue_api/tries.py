"""When a takeover is asked again: after 1501, and once after an error that proves that nothing was sent. Never else.

Everything else may already have moved the call. Each try is noted with its code, DeepCall's words and its duration.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from queue_api.errors import (
    BUSY_CODE,
    GONE_CODE,
    TAKEOVER,
    Busy,
    NotSent,
    NoUsableAnswer,
    QueueApiError,
    Refused,
    Try,
    Untrusted,
)

BUSY_WAITS_S, BUSY_LIMIT_S = (0.5, 1.0), 8.0


class Tries:
    """The tries of one takeover so far. `log` holds those that have ended."""

    def __init__(self) -> None:
        self.count = 0
        self.log: list[Try] = []
        self.was_busy = False
        self._connected_again = False
        self._waits = iter([wait * random.uniform(0.5, 1.5) for wait in BUSY_WAITS_S])  # noqa: S311 - jitter
        self._began_all = self._began = time.monotonic()

    def begin(self) -> None:
        self.count += 1
        self._began = time.monotonic()

    def ended(self, code: str, message: str) -> None:
        """Notes how the running try ended; once, since the deadline may end one that has just ended by itself."""
        if len(self.log) < self.count:
            self.log.append(Try(code, message, int((time.monotonic() - self._began) * 1000)))

    def pause_s(self, error: QueueApiError) -> float | None:
        """How long to wait before asking once more; None: not again."""
        if isinstance(error, Busy):
            self.was_busy = True
            wait = next(self._waits, None)
            return None if wait is None or time.monotonic() - self._began_all + wait > BUSY_LIMIT_S else wait
        if not isinstance(error, NotSent) or isinstance(error, Untrusted) or self._connected_again or self.was_busy:
            return None
        self._connected_again = True
        return 0

    def seen_whole(self, error: QueueApiError) -> QueueApiError:
        """The last error in the light of the earlier tries: after a 1501 our own first one may be what is working."""
        if self.was_busy and isinstance(error, NotSent):
            return Busy(TAKEOVER, code=BUSY_CODE, message=error.message)
        if self.was_busy and isinstance(error, Refused) and error.code == GONE_CODE:
            return NoUsableAnswer(TAKEOVER, message=error.message, code=error.code, http_status=error.http_status)
        return error


async def ask(post: Callable[[], Awaitable[str]], tries: Tries) -> str:
    """DeepCall's words for a success. `post` asks once; raises the QueueApiError that says how it ended."""
    while True:
        tries.begin()
        try:
            message = await post()
        except QueueApiError as error:
            tries.ended(error.code, error.message)
            wait_s = tries.pause_s(error)
            if wait_s is None:
                raise tries.seen_whole(error) from error
            await asyncio.sleep(wait_s)
        else:
            tries.ended("", message)
            return message
