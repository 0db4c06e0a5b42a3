"""The live path as a whole, in model time: DeepCall, processes, what lies between them, and screens.

Real are poller, lease, snapshots, station, layer wrapper, mirror, overlay, reconcile, sweep, access, frames, fan-out
and every row in the database. The model's own are time, the list that a client brings, the channel layer's
carelessness, the network, and the page (`live_page`; in Chromium the shipped scripts).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import connections

from dashboard.access import Audience, Viewer
from dashboard.fanout import Hub, Stream
from dashboard.mirror import Mirror, read_news
from dashboard.models import Lease
from dashboard.station import Station
from queue_api.models import Account
from tests import live_time
from tests.live_cast import Cast
from tests.live_clicks import Clicks
from tests.live_layer import LossyLayer
from tests.live_page import Script
from tests.live_screen import Screen, drawn
from tests.live_time import Clock, ModelLoop
from tests.live_upstream import QUEUES, Exchange, Heard

HEALED_S = 11.0  # a tick (10 s) and the frame that follows from its answer
RECOVERY_S = 60.0  # till the first good list after the last fault: leases and back-off; and till screens are back
WATCH_S = 0.2


class Wrong(AssertionError):
    """Something the live path must never do."""


class Process:
    """One `serve` of the model: a real Station on a loop of its own."""

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.dead = self.frozen = False
        self.stopping: asyncio.Task[None] | None = None
        self.positions: dict[int, tuple[int, int]] = {}
        self.loop = ModelLoop(world.clock)
        self.loop.process = self
        source = Mirror()
        self.station = Station(source, Hub(source))
        source.on_change = self.station.hub.wake
        self._tasks = [self.loop.create_task(task()) for task in self.station.tasks()]

    def do(self, work: Callable[[], object]) -> None:
        """On its loop; when it is frozen, once it wakes."""
        def here() -> None:
            connections["default"] = self.world.database  # in an event loop Django would open another one
            work()

        self.loop.call_soon(here)

    def ring(self) -> None:
        """As a request of this process does after a change."""
        if not self.dead:
            self.station.ring()

    def looks(self) -> None:
        """Its boards only ever become newer."""
        for pk, board in self.station.mirror.boards.items():
            if board.position < self.positions.get(pk, (0, 0)):
                self.world.wrong(f"{self.name}: the board went back: {self.positions[pk]} -> {board.position}")
            self.positions[pk] = board.position

    def kill(self) -> None:
        """It ends between two instructions: nothing of what it still does reaches anybody."""
        self.dead = True
        self.world.layer.forget(self.loop)
        for _ in range(20):
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.turn()
        assert not asyncio.all_tasks(self.loop), asyncio.all_tasks(self.loop)
        self.loop.close()

    @property
    def serves(self) -> bool:
        return not self.dead and not self.frozen


class World:
    """One story. `paint(mirror, viewer)`: the page's HTML at load, for those who want to show it in a browser.

    `fresh`: that HTML at the end, by session; `oracle`: the mirror it comes from, which knows all there is to know.
    """

    def __init__(self, cast: Cast, seed: int, paint: Callable[..., str] | None = None) -> None:
        self.cast, self.chance, self.paint = cast, random.Random(seed), paint
        self.clock = Clock()
        self.layer = LossyLayer(self.clock, self.chance)
        self.database = connections["default"]
        self.database_away = False
        self.database_slow_s = 0.01
        self.exchanges = {number: Exchange(number, self.chance) for number in QUEUES}
        self.heard = Heard()
        self.processes: list[Process] = []
        self.screens: list[Screen] = []
        self.watching = True
        self.audiences: dict[str, Audience] = {}  # of every stream there ever was
        self.found: list[str] = []
        self.deaths = 0
        self.oracle = Mirror()
        self.fresh: dict[str, str] = {}
        self.clicks = Clicks(self)
        self.took_s = 0.0  # from the first good list after the last fault till every screen was right

    # ── time ───────────────────────────────────────────────────────────────────────────────────────
    def wait(self, seconds: float) -> None:
        end = self.clock.ms + int(seconds * 1000)
        while True:
            self._settle()
            due = min(filter(None, (self.clock.due(), *(one.loop.due() for one in self._awake()))), default=end + 1)
            if due > end:
                break
            self.clock.ms = max(due, self.clock.ms)
            self.clock.ring()
        self.clock.ms = end

    def _settle(self) -> None:
        """Everything that is due now is done."""
        for _ in range(live_time.TURNS):
            busy = [one for one in self._awake() if (due := one.loop.due()) is not None and due <= self.clock.ms]
            for one in busy:
                one.loop.turn()
                self.found += one.loop.broken
            if self.found:
                raise Wrong("; ".join(self.found))
            if not busy:
                return
        raise Wrong("a loop never comes to rest")

    def _awake(self) -> list[Process]:
        return [one for one in self.processes if one.serves]

    def database_takes_s(self) -> float:
        return self.chance.uniform(0, 2 * self.database_slow_s)

    def wrong(self, what: str) -> None:
        self.found.append(what)

    # ── the site ───────────────────────────────────────────────────────────────────────────────────
    def starts(self) -> Process:
        self.processes.append(Process(self, f"process {len(self.processes) + 1}"))
        return self.processes[-1]

    def balanced(self) -> Any:
        """A process that answers, as a load balancer finds it; None when there is none."""
        able = [one for one in self._awake() if one.station.mirror.cards]
        return self.chance.choice(able) if able else None

    def counted(self) -> Counter[str]:
        """What the story was made of."""
        mirrors = [one.station.mirror for one in self.processes]
        return Counter(
            carried=self.layer.carried, lost=self.layer.lost, deaths=self.deaths,
            lists=len(self.heard.boards), attempts=self.clicks.begun, frames=sum(one.frames for one in self.screens),
            changes=sum(exchange.changed for exchange in self.exchanges.values()),
            resyncs=sum(one.page.resyncs for one in self.screens), refused=sum(one.refused for one in mirrors),
            moves=sum(len(one.numbers) - one.connections for one in self.screens),
            screens=len(self.screens))

    def dies(self, process: Process, code: int = 1006) -> None:
        """Its screens' connections end with `code`."""
        self.deaths += 1
        process.kill()
        for screen in self.screens:
            if screen.process is process:
                screen.drops(code)

    def opens_screen(self) -> None:
        who = self.chance.choice(self.cast.holders)
        self.screens.append(Screen(self, f"{who[0]} {len(self.screens) + 1}", who[1], who[2]))

    def knows(self, stream: Stream) -> Stream:
        self.audiences[stream.id] = stream.audience
        return stream

    def queues(self) -> list[tuple[int, str]]:
        return [(self.cast.accounts[number].pk, queue) for number, queues in QUEUES.items() for queue in queues]

    def leader(self, account: Account) -> Any:
        """The poller that holds the account's lease now, if it is there and awake."""
        row = Lease.objects.filter(name=f"account:{account.pk}", expires_at__gte=self.clock.ms / 1000).first()
        for one in self._awake():
            found = one.station.polls._pollers.get(account.pk)
            if row is not None and found is not None and (one.station.holder, found.board.fence) == (
                    row.holder, row.fence):
                return found
        return None

    # ── what must hold ─────────────────────────────────────────────────────────────────────────────
    def check_shown(self, screen: Screen, account: int, asof: int) -> None:
        if screen.member is None or screen.member.viewer.audience.screen != "board":
            return
        audience = self.audiences.get(screen.page.stream or "")
        name = self.cast.by_pk[account].name
        if audience is not None and not self.heard.was(account, asof, audience.scope, screen.page.shown(name)):
            self.wrong(f"{screen.name}: rows of {name} shown as fresh are not those of the list they claim to be")

    def heals(self) -> None:
        """Every fault ends; what was begun is finished."""
        self.layer.lossy = self.layer.down = self.layer.stuck = self.database_away = False
        self.database_slow_s = 0.01
        for exchange in self.exchanges.values():
            exchange.heals()
        for process in self.processes:
            process.frozen = False
        if not self._awake():
            self.starts()
        self.clicks.finish()
        for account in self.cast.accounts.values():
            if Account.objects.filter(pk=account.pk).exists():
                account.save()  # renewed credentials count at once
        for process in self._awake():
            process.ring()
        for screen in self.screens:
            screen.says_after_ms = 10
            screen.unblocks()

    def converges(self) -> None:
        """Raises Wrong when a screen still differs from a fresh render HEALED_S after the site is itself again."""
        healed = self.clock.ms
        while not self._is_itself(healed):
            self.wait(WATCH_S)
            if self.clock.ms > healed + RECOVERY_S * 1000:
                raise Wrong("the site did not come to itself: no good list, or a screen that stays away")
        began = self.clock.ms
        viewers = {one.session_key: one.authorise() for one in self.screens}
        while different := self.differences(viewers):
            self.wait(WATCH_S)
            if self.clock.ms > began + HEALED_S * 1000:
                raise Wrong(f"{HEALED_S} s after the last fault: {different[0]}")
        self.took_s = (self.clock.ms - began) / 1000
        if self.paint is not None:
            self.fresh = {key: self.paint(self.oracle, viewer) for key, viewer in viewers.items()}

    def _is_itself(self, healed: int) -> bool:
        """There is a new good list of each account, and every screen has a socket."""
        boards = [found.board for account in self.cast.accounts.values() if (found := self.leader(account))]
        listed = all((board.heard_at or 0) >= healed and board.feed.health == "fresh" for board in boards)
        return listed and len(boards) == len(QUEUES) and all(
            one.page.stopped or one.member is not None for one in self.screens if not one.gone)

    def differences(self, viewers: dict[str, Viewer]) -> list[str]:
        """Of the first screen that has any. `viewers`: by session."""
        oracle, found = Mirror(), list[str]()
        self.oracle = oracle
        oracle.take(read_news({}, 0))
        for number, account in self.cast.accounts.items():
            leading = self.leader(account)
            if leading is None:
                return [f"nobody polls {account.name}"]
            oracle.offer(leading.board)
            found += _unlike(self.exchanges[number], leading.board.calls)
        fresh = {key: Script(drawn(oracle, viewer, self.clock.ms), self.clock.ms) for key, viewer in viewers.items()}
        for screen in self.screens:
            if not found and not screen.gone:
                key = screen.session_key
                found += self._different(screen, viewers[key], fresh[key], oracle)
        return found

    def _different(self, screen: Screen, viewer: Viewer, fresh: Script, oracle: Mirror) -> list[str]:
        if screen.page.stopped or screen.member is None or not screen.page.live:
            return [f"{screen.name} is not live"]
        told = [(news.key, news.rev(self.clock.ms) & ~1)
                for news in oracle.overlay.outcomes(viewer.user_id, 0, self.clock.ms)] if viewer.user_id else []
        missing = [key for key, rev in told if screen.page.notices.get(key, -1) & ~1 != rev]
        late = [pk for pk in fresh.heard_of if pk not in screen.page.claims_fresh(self.clock.ms)]
        return [*unlike(screen.name, fresh, screen.page),
                *(f"{screen.name} was not told of {key}" for key in missing),
                *(f"{screen.name} does not show account {pk} as fresh" for pk in late)]


def unlike(name: str, fresh: Script, shown: Script) -> list[str]:
    """Where a page differs from a fresh one: every element, every attribute, every text, and the order of rows."""
    found = []
    for kind, expected, got in (("row", fresh.rows, shown.rows), ("part", fresh.parts, shown.parts)):
        found += [f"{name} lacks the {kind} {one}" for one in expected.keys() - got.keys()]
        found += [f"{name} still has the {kind} {one}" for one in got.keys() - expected.keys()]
        found += [f"{name} has another {kind} {one}: {got[one]} instead of {expected[one]}"
                  for one in expected.keys() & got.keys() if expected[one] != got[one]]
    return found if found or fresh.listed() == shown.listed() else [f"{name} has its rows in another order"]


def _unlike(exchange: Exchange, calls: Any) -> list[str]:
    there = {key: (call.state, call.agent_id, call.queue_id) for key, call in exchange.calls.items()}
    known = {key: (live.call.state, live.call.agent_id, live.call.queue_id) for key, live in calls.items()}
    return [] if there == known else [f"the board of account {exchange.number} is not what DeepCall lists"]
