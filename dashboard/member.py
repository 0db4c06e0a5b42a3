"""One socket: what is under way to it, how far it is behind, and how it ends.

Three things bound it. What is queued or not acknowledged is at most a limit of bytes (`write`). What must be answered
is answered within three ticks, by numbers that only who reads can know. And nothing lives longer than a working day.
Frames are shared between sockets, so a queue costs next to nothing until `send` takes a frame; `send` takes the next
one when the line has taken the last.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from django.conf import settings

from dashboard.access import Viewer
from dashboard.screens import Orders, Told

RESTART, FULL, TOO_SLOW, SIGN_IN, REVOKED = 1012, 1013, 4408, 4401, 4403
MISSED_TICKS = 3
LAST_WORDS_S = 1.0  # for what is queued, before a socket is closed
LIFE_SPREAD = 0.2  # of its length: screens that came together do not go together

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int], Awaitable[None]]


class Sent(NamedTuple):
    """Something that must still be acknowledged."""

    seq: int
    size: int  # characters
    is_tick: bool


class Member:
    """Made on the server's loop. `behind`: past its limit, its frames are dropped until it has caught up."""

    def __init__(self, viewer: Viewer, session_key: str, send: Send, close: Close) -> None:
        self.viewer, self.session_key = viewer, session_key
        self._send, self._close = send, close
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queued = self._unanswered = 0  # characters
        self._unacknowledged: deque[Sent] = deque()
        self.missed_ticks = 0  # sent and not acknowledged
        self.behind = False
        self._ticks_behind = 0
        self.last_full = 0.0
        self.whole: int | None = None  # the number of a full board that nobody has proved to have read yet
        self.closing = False
        self.ordered: Orders | None = None  # what a wall was told to do
        self.told_of_itself: Told | None = None  # by a wall
        self.told = 0  # the overlay's version up to which the person was told of their own takeovers
        self._task: asyncio.Future[None] = asyncio.ensure_future(self._write())
        self._end: asyncio.Future[None] | None = None
        life_s = settings.SOCKET_LIFE_S * random.uniform(1 - LIFE_SPREAD, 1 + LIFE_SPREAD)  # noqa: S311 - no secret
        self._life = asyncio.get_running_loop().call_later(life_s, self.close, RESTART)

    @property
    def backlog(self) -> int:
        """Characters under way: an acknowledgement does not count for what has not left us yet."""
        return max(self._queued, self._unanswered)

    @property
    def too_slow(self) -> bool:
        return max(self.missed_ticks, self._ticks_behind) >= MISSED_TICKS

    def write(self, seq: int, text: str, limit: int) -> bool:
        """Queues a frame; False (and `behind`) when with it more than `limit` characters would be under way."""
        if self.behind or self.closing or (self.backlog and self.backlog + len(text) > limit):
            self.behind = True
            return False
        self._put(Sent(seq, len(text), False), text)
        return True

    def tick(self, seq: int, text: str) -> None:
        """Queues a sign of life, also when behind: its answer is how we learn that the page has caught up."""
        self.missed_ticks += 1
        self._ticks_behind = self._ticks_behind + 1 if self.behind else 0
        self._put(Sent(seq, len(text), True), text)

    def start_over(self) -> None:
        """Before another stream, whose numbers say nothing about this one's. What is still queued is not sent."""
        while not self._queue.empty():
            self._queued -= len(self._queue.get_nowait() or "")
        self._unacknowledged.clear()
        self._unanswered = self.missed_ticks = 0
        self.behind = False
        self.whole = None

    def acknowledge(self, seq: int) -> None:
        """All up to `seq` was read. What acknowledges nothing says nothing."""
        while self._unacknowledged and self._unacknowledged[0].seq <= seq:
            sent = self._unacknowledged.popleft()
            self._unanswered -= sent.size
            self.missed_ticks -= sent.is_tick
        if self.whole is not None and seq >= self.whole:
            self.whole = None
        if self.behind and not self.backlog:
            self.behind = False
            self.last_full = 0.0

    def close(self, code: int) -> None:
        """Closes once, after what is queued; who does not read is not waited for."""
        if not self.closing:
            self.closing = True
            self._life.cancel()
            self._end = asyncio.ensure_future(self._finish(code))

    def gone(self) -> None:
        self.closing = True
        self._life.cancel()
        for task in filter(None, (self._task, self._end)):
            task.cancel()

    def _put(self, sent: Sent, text: str) -> None:
        self._unacknowledged.append(sent)
        self._unanswered += sent.size
        self._queued += sent.size
        self._queue.put_nowait(text)

    async def _write(self) -> None:
        while (text := await self._queue.get()) is not None:
            await self._send(text)
            self._queued -= len(text)

    async def _finish(self, code: int) -> None:
        self._queue.put_nowait(None)
        await asyncio.wait({self._task}, timeout=0 if code == TOO_SLOW else LAST_WORDS_S)
        self._task.cancel()
        await self._close(code)
