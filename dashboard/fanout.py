"""One frame -> many sockets. Viewers of one audience share a stream: one picture, one encoding, one number.

A member that does not keep up is never waited for: past the limit its frames are dropped, and it gets one full board
when it has caught up, or is closed. A change goes out at once, later ones of the same 100 ms together.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterable

from dashboard import counts
from dashboard.access import WALL, Audience, Viewer
from dashboard.clock import now_ms
from dashboard.frames import Frame, Picture, change, everything, picture
from dashboard.member import TOO_SLOW, Member
from dashboard.mirror import Mirror, mirror
from dashboard.notices import notice_html
from dashboard.screens import orders_text
from dashboard.wall import wall_picture

COALESCE_S = 0.1
REFRESH_S = 1.0  # outcomes leave rows and feeds grow late without any message
TICK_S = 10.0
ANSWER_S = 1.5  # for the answer to the last tick that may go unanswered
FULL_S = 1.0  # a full board is made once for all who ask within it
BACKLOG = 256 * 1024  # characters
REMEMBERED = 100  # numbers of a wall's stream: ten seconds of the busiest board
QUOTED = 1.25  # characters of JSON to one of HTML


def notice_text(html: str) -> str:
    return json.dumps({"notice": html, "now": now_ms()}, separators=(",", ":"), ensure_ascii=False)


def alarm_text() -> str:
    return json.dumps({"alarm": "test", "now": now_ms()}, separators=(",", ":"))


class Stream:
    """All members of one audience, the picture they show and its number.

    Numbers begin anywhere: who acknowledges one has read it, and has not counted.
    """

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.id = secrets.token_hex(4)
        self.seq = secrets.randbelow(2**31)
        self._full = (0, 0, "")  # seq, epoch ms, text
        self._data_at: dict[int, int] = {}  # the last numbers of a wall's stream -> its oldest list, epoch ms
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
        if self.audience.screen == WALL and (known := [at for at in new.asof.values() if at is not None]):
            self._data_at[self.seq] = min(known)
            self._data_at.pop(self.seq - REMEMBERED, None)
        return frame

    def data_at(self, seq: int) -> int | None:
        """Of when the oldest list is that this number shows; None when that is not known any more."""
        return self._data_at.get(seq)

    def text(self, frame: Frame | None) -> str:
        """The envelope (docs/protocol.md). No frame: a tick."""
        body: dict[str, object] = {"stream": self.id, "seq": self.seq, "now": now_ms(), "asof": self.picture.asof}
        body["prev"] = self.seq - 1 if frame else self.seq
        if frame:
            body |= {"html": frame.html, "gone": frame.gone, "full": frame.full}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    def full(self) -> str:
        """The full board. Hundreds of screens that come back at once read the same one."""
        seq, made, text = self._full
        if seq != self.seq or not text or not 0 <= now_ms() - made <= FULL_S * 1000:
            text = self.text(everything(self.picture))
            self._full = (self.seq, now_ms(), text)
        return text

    def limit(self) -> int:
        """What may be under way to one member: two full boards, quoted as JSON; for short boards some changes more."""
        whole = sum(len(html) for of in (self.picture.rows, self.picture.parts) for html in of.values())
        return max(BACKLOG, int(2 * QUOTED * whole))


class Hub:
    """All sockets of this process. Everything here runs on the server's loop."""

    def __init__(self, source: Mirror) -> None:
        self.source = source
        self.streams: dict[Audience, Stream] = {}
        self.on_join: Callable[[], None] = lambda: None  # somebody begins to watch
        self._dirty = asyncio.Event()

    @property
    def members(self) -> list[Member]:
        """Also from other threads: what the loop changes meanwhile is copied first."""
        return [member for stream in list(self.streams.values()) for member in list(stream.members)]

    def wake(self) -> None:
        self._dirty.set()

    def join(self, member: Member) -> None:
        """The member's first frame is the full board of its audience: start is recovery."""
        audience = member.viewer.audience
        stream = self.streams.get(audience)
        if stream is None:
            stream = self.streams[audience] = Stream(audience)
            self._publish(stream)  # any other is at most REFRESH_S old, and what follows comes to all
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
        """A number that was never sent says nothing: it may be made up, or the old stream's of a page just moved."""
        stream = self.streams.get(member.viewer.audience)
        if stream is None or seq > stream.seq:
            return
        was_behind = member.behind
        member.acknowledge(seq)
        if member.told_of_itself is not None and (shown := stream.data_at(seq)) is not None:
            member.told_of_itself.data_at = shown
        if was_behind and not member.behind:
            self._again(stream, member)

    def resync(self, member: Member, seq: int) -> None:
        """A full board on request, at most one in 2 s. `seq`, the number the page is at, proves that it read the last
        one: who asks without reading would only be given more to hold.
        """
        stream = self.streams.get(member.viewer.audience)
        if stream is not None and (member.whole is None or member.whole <= seq <= stream.seq):
            self._again(stream, member)

    def test_alarm(self, member: Member) -> None:
        """The answer to a test of the alarm goes the way that frames go: what holds them up holds it up, too."""
        stream = self.streams.get(member.viewer.audience)
        if stream is not None:
            member.write(stream.seq, alarm_text(), stream.limit())

    def _again(self, stream: Stream, member: Member) -> None:
        if time.monotonic() - member.last_full >= 2:
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
            await asyncio.sleep(TICK_S - ANSWER_S)
            self.tick_once()
            await asyncio.sleep(ANSWER_S)
            self.close((member for member in self.members if member.too_slow), TOO_SLOW)

    def tick_once(self) -> None:
        for stream in list(self.streams.values()):
            text = stream.text(None)
            for member in stream.members:
                if not member.closing:
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
        if member.write(stream.seq, stream.full(), stream.limit()):
            member.whole = stream.seq
            counts.sockets.full += 1
        self._tell(stream, member)

    def _tell(self, stream: Stream, member: Member) -> None:
        """A person's own outcomes go to that person's screens only. What cannot be written now is told later."""
        overlay, viewer = self.source.overlay, member.viewer
        if viewer.orders is not None and viewer.orders != member.ordered and member.write(
                stream.seq, orders_text(viewer.orders), stream.limit()):
            member.ordered = viewer.orders
        if member.told == overlay.version or viewer.audience.screen == WALL:
            return
        for news in overlay.outcomes(viewer.user_id, member.told, now_ms()):
            if not member.write(stream.seq, notice_text(notice_html(news, viewer)), stream.limit()):
                return
            member.told = news.version
        member.told = overlay.version


hub = Hub(mirror)
mirror.on_change = hub.wake
