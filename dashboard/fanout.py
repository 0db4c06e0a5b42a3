"""One frame -> many sockets. Viewers of one audience share a stream: one picture, one encoding, one number.

A member that does not keep up is never waited for: past the limit its frames are dropped, and it gets one full board
when it has caught up, or is closed. A change goes out at once, later ones of the same 100 ms together.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable

from dashboard import counts
from dashboard.access import WALL, Audience, Viewer
from dashboard.clock import now_ms
from dashboard.frames import Frame, Picture, change, everything, picture
from dashboard.mirror import Mirror, mirror
from dashboard.notices import notice_html
from dashboard.wall import wall_picture

logger = logging.getLogger(__name__)

COALESCE_S = 0.1
REFRESH_S = 1.0  # outcomes leave rows and feeds grow late without any message
TICK_S = 10.0
MISSED_TICKS = 3
BACKLOG_BYTES = 256 * 1024
RESTART, FULL, TOO_SLOW, SIGN_IN, REVOKED = 1012, 1013, 4408, 4401, 4403

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int], Awaitable[None]]


def notice_text(html: str) -> str:
    return json.dumps({"notice": html, "now": now_ms()}, separators=(",", ":"), ensure_ascii=False)


class Member:
    """One socket. `send` may wait or not; what is queued or not yet acknowledged is bounded either way."""

    def __init__(self, viewer: Viewer, session_key: str, send: Send, close: Close) -> None:
        self.viewer, self.session_key = viewer, session_key
        self._send, self._close = send, close
        self._queue: asyncio.Queue[str | int] = asyncio.Queue()
        self._unacknowledged: list[tuple[int, int]] = []  # (seq, bytes) sent and not acked
        self.missed_ticks = 0
        self.behind = False
        self.last_full = 0.0
        self.closing = False
        self.told = 0  # the overlay's version up to which the person was told of their own takeovers
        self._task = asyncio.ensure_future(self._write())

    @property
    def backlog(self) -> int:
        return sum(size for _seq, size in self._unacknowledged)

    def write(self, seq: int, text: str, limit: int) -> bool:
        """Queues a frame; False (and `behind`) when more than `limit` bytes are under way already."""
        if self.behind or self.closing or self.backlog > limit:
            self.behind = True
            return False
        self._unacknowledged.append((seq, len(text)))
        self._queue.put_nowait(text)
        return True

    def tick(self, seq: int, text: str) -> None:
        """Queues a sign of life, also when behind: its answer is how we learn that the page has caught up."""
        self._unacknowledged.append((seq, len(text)))
        self._queue.put_nowait(text)

    def start_over(self) -> None:
        """Before another stream, whose numbers say nothing about this one's."""
        self._unacknowledged.clear()
        self.behind = False

    def acknowledge(self, seq: int) -> None:
        self.missed_ticks = 0
        self._unacknowledged = [entry for entry in self._unacknowledged if entry[0] > seq]
        if self.behind and not self._unacknowledged:
            self.behind = False
            self.last_full = 0.0

    def close(self, code: int) -> None:
        """Closes once, after what is queued."""
        if not self.closing:
            self.closing = True
            self._queue.put_nowait(code)

    def gone(self) -> None:
        self.closing = True
        self._task.cancel()

    async def _write(self) -> None:
        while True:
            item = await self._queue.get()
            if isinstance(item, int):
                return await self._close(item)
            await self._send(item)


class Stream:
    """All members of one audience, the picture they show and its number."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.id = secrets.token_hex(4)
        self.seq = 0
        self.picture = Picture()
        self.members: set[Member] = set()

    def refresh(self, source: Mirror) -> Frame | None:
        """Takes the newest picture; the frame to it, or None when nothing changed. Ages alone are a small frame."""
        draw = wall_picture if self.audience.screen == WALL else picture
        new = draw(source, self.audience, now_ms())
        frame = change(self.picture, new)
        if frame is None and new.asof != self.picture.asof:
            frame = Frame()
        self.picture = new
        self.seq += 1 if frame else 0
        return frame

    def text(self, frame: Frame | None) -> str:
        """The envelope (docs/protocol.md). No frame: a tick."""
        body: dict[str, object] = {"stream": self.id, "seq": self.seq, "now": now_ms(), "asof": self.picture.asof}
        body["prev"] = self.seq - 1 if frame else self.seq
        if frame:
            body |= {"html": frame.html, "gone": frame.gone, "full": frame.full}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    def limit(self) -> int:
        """More than a full board, agents and all: else each one would leave its reader behind at once."""
        whole = sum(len(html) for of in (self.picture.rows, self.picture.parts) for html in of.values())
        return max(BACKLOG_BYTES, 2 * whole)


class Hub:
    """All sockets of this process. Everything here runs on the server's loop."""

    def __init__(self, source: Mirror) -> None:
        self.source = source
        self.streams: dict[Audience, Stream] = {}
        self.on_join: Callable[[], None] = lambda: None  # somebody begins to watch
        self._dirty = asyncio.Event()

    @property
    def members(self) -> list[Member]:
        return [member for stream in self.streams.values() for member in stream.members]

    def wake(self) -> None:
        self._dirty.set()

    def join(self, member: Member) -> None:
        """The member's first frame is the full board of its audience: start is recovery."""
        audience = member.viewer.audience
        stream = self.streams.get(audience)
        if stream is None:
            stream = self.streams[audience] = Stream(audience)
        self._publish(stream)
        stream.members.add(member)
        self._full(stream, member)
        self.on_join()

    def leave(self, member: Member) -> None:
        self._part(member)
        member.gone()

    def move(self, member: Member, viewer: Viewer) -> None:
        """The person's rights or queues changed: another stream, beginning with its full board."""
        self._part(member)
        member.viewer = viewer
        member.start_over()
        self.join(member)

    def _part(self, member: Member) -> None:
        stream = self.streams.get(member.viewer.audience)
        if stream is not None:
            stream.members.discard(member)
            if not stream.members:
                del self.streams[member.viewer.audience]

    def acknowledge(self, member: Member, seq: int) -> None:
        """A number that was never sent says nothing."""
        stream = self.streams.get(member.viewer.audience)
        if stream is None or seq > stream.seq:
            return
        was_behind = member.behind
        member.acknowledge(seq)
        if was_behind and not member.behind:
            self.resync(member)

    def resync(self, member: Member) -> None:
        """A full board on request, at most one in 2 s."""
        stream = self.streams.get(member.viewer.audience)
        if stream is not None and time.monotonic() - member.last_full >= 2:
            self._full(stream, member)

    def close(self, members: Iterable[Member], code: int) -> None:
        for member in list(members):
            member.close(code)

    async def run(self) -> None:
        """Publishes changes: the first at once, then at most every COALESCE_S; at least every REFRESH_S."""
        while True:
            try:
                async with asyncio.timeout(REFRESH_S):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            self._dirty.clear()
            for stream in list(self.streams.values()):
                self._publish(stream)
            await asyncio.sleep(COALESCE_S)

    async def tick(self) -> None:
        """A sign of life every TICK_S. Unanswered ones are counted, not timed: after a pause sockets are healthy."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick_once()

    def tick_once(self) -> None:
        for stream in list(self.streams.values()):
            text = stream.text(None)
            for member in list(stream.members):
                member.missed_ticks += 1
                if member.missed_ticks > MISSED_TICKS:
                    member.close(TOO_SLOW)
                elif not member.closing:
                    member.tick(stream.seq, text)

    def _publish(self, stream: Stream) -> None:
        frame = stream.refresh(self.source)
        if frame is not None and stream.members:
            text, limit = stream.text(frame), stream.limit()
            for member in stream.members:
                member.write(stream.seq, text, limit)
        for member in stream.members:
            self._tell(stream, member)

    def _full(self, stream: Stream, member: Member) -> None:
        member.last_full = time.monotonic()
        counts.sockets.full += member.write(stream.seq, stream.text(everything(stream.picture)), stream.limit())
        self._tell(stream, member)

    def _tell(self, stream: Stream, member: Member) -> None:
        """A person's own outcomes go to that person's screens only. What cannot be written now is told later."""
        overlay, viewer = self.source.overlay, member.viewer
        if member.told == overlay.version or viewer.audience.screen == WALL:
            return
        for news in overlay.outcomes(viewer.user_id, member.told, now_ms()):
            if not member.write(stream.seq, notice_text(notice_html(news, viewer)), stream.limit()):
                return
            member.told = news.version
        member.told = overlay.version


hub = Hub(mirror)
mirror.on_change = hub.wake
