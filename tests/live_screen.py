"""A screen of the live model: a page (`live_page.Script`), its socket, and the network between it and a process.

The network keeps order and loses nothing while a connection lives, but it may be blocked for a while; an answer may
take long. What reaches the screen is held against what must never reach it.
"""

import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from dashboard.access import WALL, Audience, Viewer
from dashboard.frames import picture
from dashboard.member import REVOKED, Member
from dashboard.wall import wall_picture
from tests.live_page import Script
from tests.live_upstream import allowed, canary

DRAW = {WALL: wall_picture}
CONNECTS_MS = 40


def drawn(source: Any, viewer: Viewer, now: int) -> Any:
    return DRAW.get(viewer.audience.screen, picture)(source, viewer.audience, now)


class Screen:
    """`authorise` reads the viewer as the database has them now; `log` is all that befell the page, by time."""

    def __init__(self, world: Any, name: str, session_key: str, authorise: Callable[[], Viewer]) -> None:
        self.world, self.name, self.session_key, self.authorise = world, name, session_key, authorise
        self.clock, self.chance = world.clock, random.Random(world.chance.random())
        self.process: Any = None
        self.member: Member | None = None
        self.connection = 0
        self.blocked_until = self.disturbed = 0
        self.says_after_ms = 10
        self.log: list[tuple[int, str, Any]] = []
        self.numbers: dict[str, int] = {}  # stream -> the newest number
        self.frames = self.connections = 0
        self.page: Script
        self._inbox: deque[tuple[int, str | int]] = deque()
        self.gone = False
        self.load()

    def load(self) -> None:
        """Opens the page at a process of the site, as its browser would, and its socket a moment later."""
        process = self.world.balanced()
        viewer = self.authorise()
        self.painted = self.world.paint(process.station.mirror, viewer) if self.world.paint else ""
        self.loaded = self.clock.ms
        self.page = Script(drawn(process.station.mirror, viewer, self.clock.ms), self.clock.ms)
        self.clock.after(1000, self._second)
        self._connects(0)

    # ── the connection ─────────────────────────────────────────────────────────────────────────────
    def _connects(self, after_ms: int) -> None:
        self.connection += 1
        number = self.connection
        self.clock.after(after_ms + CONNECTS_MS, lambda: self._opens(number))

    def _opens(self, number: int) -> None:
        if number != self.connection or self.gone:
            return
        process = self.world.balanced()
        if process is None:
            self._lost(1006)
            return
        self.process, self._inbox = process, deque()
        self.log.append((self.clock.ms, "open", None))
        self.connections += 1
        self.page.connected(self.clock.ms)
        process.do(lambda: self._joins(number))

    def _joins(self, number: int) -> None:
        """On the process's loop, as its consumer does."""
        async def send(text: str) -> None:
            self._arrives_later(number, text)

        async def close(code: int) -> None:
            self._arrives_later(number, code)

        viewer = self.authorise()
        if not viewer.audience.scope:
            self._arrives_later(number, REVOKED)
            return
        self.member = Member(viewer, self.session_key, send, close)
        self.process.station.hub.join(self.member)

    def _leaves(self) -> None:
        member, process, self.member = self.member, self.process, None
        self._inbox.clear()
        if member is not None and not process.dead:
            process.do(lambda: process.station.hub.leave(member))

    def _lost(self, code: int) -> None:
        """The connection is over, and the page decides when it comes back."""
        self._leaves()
        self.log.append((self.clock.ms, "close", code))
        self.disturbed = self.clock.ms
        wait_ms = self.page.closed(code, self.clock.ms)
        if wait_ms is not None:
            self._connects(wait_ms)

    def drops(self, code: int = 1006) -> None:
        """The network, or the death of its process, ends it."""
        if self.member is not None and not self.gone:
            self._lost(code)

    def leaves_for_good(self) -> None:
        self.gone = True
        self._leaves()

    def _second(self) -> None:
        if self.gone:
            return
        self.clock.after(1000, self._second)
        if self.page.silent(self.clock.ms):
            self._leaves()
            self.disturbed = self.clock.ms
            self._connects(0)
        if self.world.watching:
            self._watch()

    # ── messages ───────────────────────────────────────────────────────────────────────────────────
    def blocks(self, until: int) -> None:
        self.blocked_until = self.disturbed = until

    def unblocks(self) -> None:
        self.blocked_until = min(self.blocked_until, self.clock.ms)
        self._read(self.connection)

    def _arrives_later(self, number: int, item: str | int) -> None:
        if number != self.connection:
            return
        due = max(self.clock.ms + self.chance.randint(2, 30), self._inbox[-1][0] if self._inbox else 0)
        self._inbox.append((due, item))
        self.clock.at(due, lambda: self._read(number))

    def _read(self, number: int) -> None:
        while number == self.connection and self._inbox and self._inbox[0][0] <= self.clock.ms:
            if self.clock.ms < self.blocked_until:
                self.clock.at(self.blocked_until, lambda: self._read(number))
                return
            item = self._inbox.popleft()[1]
            if isinstance(item, int):
                self._lost(item)
            else:
                self._hears(item)

    def _hears(self, text: str) -> None:
        self._check(text)
        self.log.append((self.clock.ms, "text", text))
        for said in self.page.receive(text, self.clock.ms):
            self.log.append((self.clock.ms, "said", said))
            self.clock.after(self.says_after_ms, self._saying(self.connection, said))

    def _saying(self, number: int, said: dict[str, int]) -> Callable[[], None]:
        def say() -> None:
            member = self.member
            if number == self.connection and member is not None and not self.process.dead:
                self.process.do(lambda: self._reaches(member, said))

        return say

    def _reaches(self, member: Member, said: dict[str, int]) -> None:
        hub = self.process.station.hub
        if "ack" in said:
            hub.acknowledge(member, said["ack"])
        else:
            hub.resync(member, said["resync"])

    # ── what must never be ─────────────────────────────────────────────────────────────────────────
    def _check(self, text: str) -> None:
        message = json.loads(text)
        if "seq" not in message:  # a notice, or what a wall is told to do
            return
        stream, seq = message["stream"], message["seq"]
        if seq < self.numbers.get(stream, 0):
            self.world.wrong(f"{self.name}: a number went back: {stream} {self.numbers[stream]} -> {seq}")
        if "html" in message and not message["full"] and seq <= self.numbers.get(stream, 0):
            self.world.wrong(f"{self.name}: a frame without a number of its own: {stream} {seq}")
        self.numbers[stream] = seq
        self.frames += 1
        self._check_rights(text, self.world.audiences[stream])

    def _check_rights(self, text: str, audience: Audience) -> None:
        for account, queue in self.world.queues():
            if not allowed(audience.scope, account, queue) and canary(queue) in text:
                self.world.wrong(f"{self.name} was sent a call of queue {queue!r}, which is not theirs")
        if not audience.full_numbers and "+9198" in text:
            self.world.wrong(f"{self.name} was sent a full number")

    def _watch(self) -> None:
        """What it shows as fresh is what a list said, and no older than it may be."""
        now = self.clock.ms
        if self.process is not None:
            self.process.looks()
        for pk in self.page.claims_fresh(now):
            asof = self.page.heard_of[pk]
            limit = self.page.late_after_ms(pk) + 3000 + 1500
            if asof is not None and now - asof > limit and now - self.disturbed > 20_000:
                self.world.wrong(f"{self.name}: shown as fresh {now - asof} ms after the list was asked for")
            if asof is not None and self.member is not None:
                self.world.check_shown(self, int(pk), asof)
