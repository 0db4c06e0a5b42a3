"""One server process: wires poller, layer, database and screens together, and keeps its background tasks.

    poll desk --board--> publish ──> mirror of this process
                            └──────> layer ──> mirrors of the others
    screens, pages ──> watch of this process ──> its pollers, and over the layer those of the others
    every 3 s, or when the doorbell rings: read the database (snapshots, attempts, generations, sessions of all sockets)
    when the configuration changed: their rights, too; then, or every 15 s: walls, attempts of pollers that are off, and
    that the sessions of all sockets are in use; once a day: what has expired goes
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from django.conf import settings

from dashboard import lease, sessions, sign_ins
from dashboard.access import Scope
from dashboard.board import Board
from dashboard.fanout import Hub, hub
from dashboard.generation import CONFIG
from dashboard.layer import Layer, Message
from dashboard.member import SIGN_IN
from dashboard.mirror import Mirror, News, mirror, read_news
from dashboard.offloop import Desk
from dashboard.poll_desk import PollDesk
from dashboard.purge import Purge
from dashboard.reconcile import age_unpolled
from dashboard.said_once import SaidOnce
from dashboard.snapshots import pack, unpack
from dashboard.watching import NOTED_S, TOLD_S, Watch

logger = logging.getLogger(__name__)

READ_S = 3.0  # who signed out or lost a right is closed within 5 s, whatever the doorbell does
DEAF_READ_S = 2.0  # while the layer is away only the database tells, and lists must not look late
SOON_S = 0.03
SWEEP_S = 15.0
TIDY_S = 24 * 3600.0
TELL_S = 2.0  # no oftener is said that the same accounts are watched


class Station:
    """Everything of one process that is not a request. Module-level, since views and consumers must find it."""

    def __init__(self, source: Mirror, screens: Hub) -> None:
        self.mirror, self.hub = source, screens
        self.layer = Layer()
        self.holder = secrets.token_hex(8)
        self.draining = False
        self.watch = Watch(lambda: (audience.scope for audience in self.hub.streams))
        self.polls = PollDesk(self.publish, self.holder, self, self.watch.watched)
        screens.on_join = self._watched
        self.desk = Desk("station")
        self.said = SaidOnce(logger, "station")
        self.loop: asyncio.AbstractEventLoop | None = None
        self._bell = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._config_seen = -1
        self.judged = 0  # how often the rights of all sockets were read again
        self._again = False
        self._swept_at = 0.0
        self._tidied_at = -TIDY_S
        self._purge = Purge(TIDY_S)
        self._told: set[int] = set()  # accounts that the other processes were told are watched here
        self._told_at = 0.0
        self.read_at = time.monotonic()  # of the last reading that came to its end

    def tasks(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What `serve` must keep running: the end of any of them ends the process."""
        return [self.read_forever, lambda: self.layer.run(self.on_message), self.hub.run, self.hub.tick]

    # ── boards out ─────────────────────────────────────────────────────────────────────────────────
    async def publish(self, board: Board, news: bool) -> None:
        """To this process's mirror first: its own screens do not depend on the layer."""
        if not self.mirror.offer(board):
            self.mirror.beat(board.account, board.fence, board.seq, board.heard_at)
        message: Message = {"type": "board", "data": pack(board)} if news else {
            "type": "beat", "account": board.account, "fence": board.fence, "seq": board.seq,
            "heard_at": board.heard_at,
        }
        await self.layer.send(message | {"from": self.holder})

    # ── messages in ────────────────────────────────────────────────────────────────────────────────
    def on_message(self, message: Message) -> None:
        """Anything odd, also from another version, is as good as lost: the next reading repairs it."""
        if message.get("from") == self.holder:
            return
        try:
            self._take(message)
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
            self.said.failed("read a message", "another version is running?")
        else:
            self.said.works("read a message")

    def _take(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "board":
            self.mirror.offer(unpack(message["data"]))
        elif kind == "beat":
            if not self.mirror.beat(message["account"], message["fence"], message["seq"], message["heard_at"]):
                self._bell.set()
        elif kind == "bell":
            self._bell.set()
        elif kind == "watching":
            self.watch.heard(dict.fromkeys(self.mirror.cards.keys() & set(message["accounts"]), TOLD_S))
            self.polls.hurry()
        elif kind == "signed-out":
            self._close_session(message["session"])

    def ring(self, *, soon: bool = False) -> None:
        """The database has news. From any thread; never waits, a failure only delays the news.

        `soon`: in SOON_S, unless the bell is rung meanwhile. A takeover that is answered at once is then read once.
        """
        loop = self.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ring_soon if soon else self._ring_here)

    # ── who watches ────────────────────────────────────────────────────────────────────────────────
    def look(self, scope: Scope) -> None:
        """A page with these queues' numbers was asked for: the next list follows within the fast interval.

        From any thread.
        """
        loop = self.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._looked, scope)

    def _looked(self, scope: Scope) -> None:
        self.watch.look(scope, self.mirror.cards)
        self._watched()

    def _watched(self) -> None:
        """Somebody begins to watch: pauses are measured anew here, and where an account's poller is."""
        self.polls.hurry()
        here = self.watch.here(self.mirror.cards)
        if here - self._told or time.monotonic() - self._told_at > TELL_S:
            self._told, self._told_at = here, time.monotonic()
            if here and settings.REDIS_URL:  # alone there is nobody to tell
                self._telling_of_watch = asyncio.ensure_future(self._tell_of_watch(here))

    async def _tell_of_watch(self, here: set[int]) -> None:
        """On the layer, and in the database for when the layer says nothing."""
        await self.layer.send({"type": "watching", "accounts": sorted(here), "from": self.holder})
        if due := self.watch.due(here):
            try:
                await self.desk.run(lease.note_watched, due, NOTED_S)
                self.said.works("write down who watches")
            except Exception as error:  # noqa: BLE001 - the database is away: the layer has told, or the next time will
                self.said.failed("write down who watches", error)

    def _keep_watch(self, news: News) -> None:
        """With each reading: what a lost message would have told, and telling it again."""
        self.watch.heard({account: found.watched_s for account, found in news.standing.items()})
        self._watched()

    # What pollers ask and tell of takeovers (`poller.Takeovers`).
    def has_open(self, account: int) -> bool:
        return self.mirror.overlay.has_open(account)

    def changed(self) -> None:
        self.ring()

    def signed_out(self, session_key: str) -> None:
        """Closes the sockets of a session that has ended, here and in the other processes. From any thread."""
        loop = self.loop
        if session_key and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._signed_out_here, session_key)

    def _signed_out_here(self, session_key: str) -> None:
        self._close_session(session_key)
        message: Message = {"type": "signed-out", "session": session_key, "from": self.holder}
        self._telling = asyncio.ensure_future(self.layer.send(message))

    def _close_session(self, session_key: str) -> None:
        self.hub.close((m for m in self.hub.members if m.session_key == session_key), SIGN_IN)

    def _ring_soon(self) -> None:
        if self._later is None and self.loop is not None:
            self._later = self.loop.call_later(SOON_S, self._ring_here)

    def _ring_here(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._bell.set()
        self._telling = asyncio.ensure_future(self.layer.send({"type": "bell", "from": self.holder}))

    # ── the database ───────────────────────────────────────────────────────────────────────────────
    async def read_forever(self) -> None:
        self.loop = asyncio.get_running_loop()
        while True:
            await self.read_once()
            try:
                async with asyncio.timeout(READ_S if self.layer.reachable else DEAF_READ_S):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()

    async def read_once(self) -> None:
        """One reading: newer boards and attempts; pollers and rights after a change of configuration."""
        try:
            positions = {pk: board.position for pk, board in self.mirror.boards.items()}
            news = await self.desk.run(read_news, positions, self.mirror.overlay.version)
            self.mirror.take(news)
            self._keep_watch(news)
            changed = self.mirror.generations.get(CONFIG, 0) != self._config_seen
            if changed and not self.draining:
                await self.polls.update()
            again, self._again = self._again, False
            await self._judge(changed or again)
            if changed or time.monotonic() - self._swept_at >= SWEEP_S:
                await self._sweep()
            self._config_seen = self.mirror.generations.get(CONFIG, 0)
            self.read_at = time.monotonic()
            self.said.works("read the database")
        except Exception as error:  # noqa: BLE001 - the database is away: boards go on, the next reading catches up
            self.said.failed("read the database", f"{type(error).__name__}: {error}")

    def judge_again(self) -> None:
        """A socket joined with rights that may be of before the last change. On the server's loop."""
        self._again = True
        self._bell.set()

    async def _judge(self, rights_too: bool) -> None:
        self.judged += rights_too
        holders, languages = sessions.holders_of(self.hub)
        if holders:
            sessions.carry_out(self.hub, await self.desk.run(sessions.judge, holders, languages, rights_too))

    async def _sweep(self) -> None:
        self._swept_at = time.monotonic()
        if await self.desk.run(age_unpolled):
            self.ring()
        if keys := sessions.watched_keys(self.hub):
            await self.desk.run(sign_ins.seen, keys)
        if time.monotonic() - self._tidied_at >= TIDY_S:
            await self.desk.run(sign_ins.tidy)
            self._tidied_at = time.monotonic()
        await self.desk.run(self._purge.some, self.polls.leading(), set(self.mirror.cards))
        if walls := sessions.walls_of(self.hub):
            told = sessions.told_of(self.hub)
            sessions.carry_out_walls(self.hub, await self.desk.run(sessions.judge_walls, walls, told))


station = Station(mirror, hub)
