"""Between processes: boards, beats and bells, and what a layer that fails may cost. In memory and on Redis."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer
from pytest_django import Settings

from dashboard import layer as layers
from dashboard.board import Board
from dashboard.fanout import Hub
from dashboard.layer import SEND_LIMIT_S, Layer, Message
from dashboard.mirror import Mirror
from dashboard.snapshots import pack, unpack
from dashboard.station import Station
from tests.conftest import needs
from tests.makers import NOW, board, call, mirror_of, soon

REDIS = os.environ.get("CALLBOARD_TEST_REDIS", "redis://127.0.0.1:6379/5")


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def use_redis(settings: Settings, address: str) -> None:
    """The product's layer, under a name that no running server listens to."""
    host = {"address": address, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15}
    settings.CHANNEL_LAYERS = {"default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [host], "prefix": f"test-{secrets.token_hex(4)}"}}}


@pytest.fixture(params=["in memory", "on Redis"])
def any_layer(request: pytest.FixtureRequest, settings: Settings) -> None:
    if request.param == "on Redis":
        needs(listens(6379), "Redis on 127.0.0.1:6379", "apt install redis-server, and start it")
        use_redis(settings, REDIS)
    else:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(autouse=True)
async def _closed_connections(settings: Settings) -> AsyncIterator[None]:
    yield
    await get_channel_layer().flush()


class Inbox:
    """A layer that receives on a task of its own."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.layer = Layer()
        self.task = asyncio.ensure_future(self.layer.run(self.messages.put_nowait))

    async def subscribed(self, sender: Layer) -> None:
        """Rings until it hears the bell: a subscription begins at a moment nobody is told."""
        for _ in range(100):
            await sender.send({"type": "bell"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.messages.get()
                    return
        raise AssertionError("the subscription never began")

    async def next(self, kind: str) -> Message:
        async with asyncio.timeout(5):
            while (message := await self.messages.get())["type"] != kind:
                pass
        return message

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def inbox() -> AsyncIterator[Callable[[], Inbox]]:
    """Makes inboxes; all are stopped at the end."""
    made: list[Inbox] = []

    def make() -> Inbox:
        made.append(Inbox())
        return made[-1]

    yield make
    for one in made:
        await one.stop()


# ── what is sent arrives ───────────────────────────────────────────────────────────────────────────
async def test_a_board_sent_by_one_layer_arrives_whole_at_the_others(
    any_layer: None, inbox: Callable[[], Inbox]
) -> None:
    sender, first, second = Layer(), inbox(), inbox()
    for receiver in (first, second):
        await receiver.subscribed(sender)
    sent = board(*(call(f"c{number}") for number in range(1000)), fence=3, seq=7)
    assert await sender.send({"type": "board", "data": pack(sent), "from": "me"})
    for receiver in (first, second):
        message = await receiver.next("board")
        assert unpack(message["data"]) == sent
        assert message["from"] == "me"


async def test_messages_arrive_in_the_order_they_were_sent(any_layer: None, inbox: Callable[[], Inbox]) -> None:
    sender, receiver = Layer(), inbox()
    await receiver.subscribed(sender)
    for seq in range(50):
        await sender.send({"type": "beat", "seq": seq})
    assert [(await receiver.next("beat"))["seq"] for _ in range(50)] == list(range(50))


# ── failing costs time, once, and nothing else ─────────────────────────────────────────────────────
@pytest.fixture
async def frozen_redis() -> AsyncIterator[str]:
    """Takes connections and never answers; its address."""
    over = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    over.set()
    server.close()
    await server.wait_closed()


async def test_sending_to_a_frozen_redis_fails_in_time(settings: Settings, frozen_redis: str) -> None:
    use_redis(settings, frozen_redis)
    layer, began = Layer(), time.monotonic()
    assert not await layer.send({"type": "bell"})
    assert time.monotonic() - began < SEND_LIMIT_S + 0.5
    assert (layer.reachable, layer.failures) == (False, 1)


async def test_sending_to_a_redis_that_is_gone_fails_at_once(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        use_redis(settings, f"redis://127.0.0.1:{probe.getsockname()[1]}/0")
        began = time.monotonic()
        assert not await Layer().send({"type": "bell"})
        assert time.monotonic() - began < 2.5


class Fake:
    """A layer that fails as often as it is told to, then works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.real = InMemoryChannelLayer()
        self.joined = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def group_send(self, group: str, message: Message) -> None:
        self._maybe_fail()
        await self.real.group_send(group, message)

    async def group_add(self, group: str, channel: str) -> None:
        self._maybe_fail()
        await self.real.group_add(group, channel)
        self.joined.set()

    def _maybe_fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no Redis")


def use(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> Fake:
    monkeypatch.setattr(layers, "get_channel_layer", lambda: fake)
    return fake


async def test_a_layer_that_fails_is_said_once_and_its_return_as_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(monkeypatch, Fake(3))
    layer = Layer()
    with caplog.at_level(logging.WARNING):
        assert [await layer.send({"type": "bell"}) for _ in range(5)] == [False, False, False, True, True]
    assert (layer.reachable, layer.failures) == (True, 3)
    assert [record.getMessage().split(" after ")[0][:40] for record in caplog.records] == [
        "channel layer: cannot be used: sending f", "channel layer: can be used again"]


async def test_a_process_that_only_listens_knows_when_the_layer_is_back(
    monkeypatch: pytest.MonkeyPatch, inbox: Callable[[], Inbox]
) -> None:
    """It sends nothing that could tell, and /readyz would say "not ready" for ever."""
    fake = use(monkeypatch, Fake(1))
    receiver = inbox()
    await soon(fake.joined.wait())
    await fake.group_send(layers.GROUP, {"type": "beat"})
    await receiver.next("beat")
    assert (receiver.layer.reachable, receiver.layer.failures) == (True, 1)


async def test_a_process_whose_only_message_was_lost_knows_by_what_it_hears_that_the_layer_is_back(
    monkeypatch: pytest.MonkeyPatch, inbox: Callable[[], Inbox]
) -> None:
    """It leads no account: after the one bell that failed it may have nothing to send for hours."""
    fake = use(monkeypatch, Fake(0))
    receiver = inbox()
    await receiver.subscribed(Layer())
    fake.failures = 1
    assert not await receiver.layer.send({"type": "bell"})
    assert not receiver.layer.reachable
    await Layer().send({"type": "beat"})
    await receiver.next("beat")
    assert receiver.layer.reachable


async def test_a_handler_that_fails_does_not_end_the_receiving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake, heard = use(monkeypatch, Fake(0)), asyncio.Queue[str]()

    def on_message(message: Message) -> None:
        heard.put_nowait(message["type"])
        if message["type"] == "odd":
            raise KeyError("data")

    task = asyncio.ensure_future(Layer().run(on_message))
    await soon(fake.joined.wait())
    fake.joined.clear()
    await fake.group_send(layers.GROUP, {"type": "odd"})
    await soon(fake.joined.wait())  # it subscribed again
    await fake.group_send(layers.GROUP, {"type": "beat"})
    assert [await soon(heard.get()) for _ in range(2)] == ["odd", "beat"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# ── a membership that was lost ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("lost", ["a message expired unread", "group_expiry is over"])
async def test_a_membership_that_the_layer_forgot_comes_back_by_itself(
    monkeypatch: pytest.MonkeyPatch, inbox: Callable[[], Inbox], lost: str
) -> None:
    """The in-memory layer itself forgets, by its own rules; nobody raises, and the socket stays open."""
    monkeypatch.setattr(layers, "REJOIN_S", 0.2)
    fake = use(monkeypatch, Fake(0))
    receiver, sender = inbox(), Layer()
    await receiver.subscribed(sender)
    [channel] = fake.real.groups[layers.GROUP]
    while channel not in fake.real.channels:  # noqa: ASYNC110 - until it receives again
        await asyncio.sleep(0)
    if lost == "a message expired unread":
        fake.real.channels[channel]._queue.append((0, {"type": "old"}))  # nobody was woken, and its time is over
    else:
        fake.real.groups[layers.GROUP][channel] = 1
    fake.real._clean_expired()
    assert channel not in fake.real.groups[layers.GROUP]
    await receiver.subscribed(sender)


async def test_a_layer_that_cannot_take_us_back_is_listened_to_all_the_same(
    monkeypatch: pytest.MonkeyPatch, inbox: Callable[[], Inbox]
) -> None:
    monkeypatch.setattr(layers, "REJOIN_S", 0.05)
    fake = use(monkeypatch, Fake(0))
    receiver = inbox()
    await soon(fake.joined.wait())
    fake.failures, before = 1_000_000, receiver.layer.failures
    while receiver.layer.failures < before + 2:  # noqa: ASYNC110 - it counts, and tells nobody
        await asyncio.sleep(0.02)
    await fake.real.group_send(layers.GROUP, {"type": "beat"})
    await receiver.next("beat")


# ── doorbells from elsewhere ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("elsewhere", ["a thread", "another loop"])
async def test_a_bell_rung_elsewhere_is_heard_on_our_loop(monkeypatch: pytest.MonkeyPatch, elsewhere: str) -> None:
    one = station()
    one.loop = asyncio.get_running_loop()
    wire = Wire(one, monkeypatch)

    async def ring() -> None:
        one.ring()

    work = (lambda: asyncio.run(ring())) if elsewhere == "another loop" else one.ring
    await asyncio.to_thread(work)
    await soon(one._bell.wait())
    while not wire.sent:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    assert wire.sent[0]["type"] == "bell"


# ── what a station makes of messages ───────────────────────────────────────────────────────────────
def station(mirror: Mirror | None = None) -> Station:
    mirror = mirror or Mirror()
    return Station(mirror, Hub(mirror))


class Wire:
    """Catches what a station sends, and hands it to others."""

    def __init__(self, sender: Station, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[Message] = []
        monkeypatch.setattr(sender.layer, "send", self._send)

    async def _send(self, message: Message) -> bool:
        self.sent.append(message)
        return True


async def test_news_travel_as_the_whole_board_and_the_rest_as_a_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = station(), station()
    wire = Wire(leader, monkeypatch)
    first = board(call("a"))
    await leader.publish(first, True)
    await leader.publish(board(call("a"), heard_at=NOW + 2000), False)
    assert [message["type"] for message in wire.sent] == ["board", "beat"]
    for message in wire.sent:
        follower.on_message(message)
    assert leader.mirror.boards == follower.mirror.boards
    assert follower.mirror.boards[1].heard_at == NOW + 2000


async def test_ones_own_messages_are_not_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    leader = station()
    wire = Wire(leader, monkeypatch)
    await leader.publish(board(fence=2), True)
    leader.mirror.boards.clear()
    leader.on_message(wire.sent[0])
    assert leader.mirror.boards == {}


async def test_a_deposed_leaders_board_is_refused_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    deposed, follower = station(), station(mirror_of(board(fence=2)))
    wire = Wire(deposed, monkeypatch)
    await deposed.publish(board(call("old"), fence=1, seq=99), True)
    follower.on_message(wire.sent[0])
    assert follower.mirror.boards[1] == board(fence=2)
    assert follower.mirror.refused == 1


@pytest.mark.parametrize("message", [
    {"type": "bell"}, {"type": "beat", "account": 1, "fence": 5, "seq": 9, "heard_at": NOW},
])
async def test_a_bell_and_a_beat_of_a_board_not_had_call_for_the_database(message: Message) -> None:
    follower = station(mirror_of(board()))
    follower.on_message(message | {"from": "another"})
    assert follower._bell.is_set()


@pytest.mark.parametrize("message", [
    {"type": "board", "data": b"of another version"}, {"type": "board", "data": b""}, {"type": "board", "data": "text"},
    {"type": "board"}, {"type": "beat"}, {"type": "beat", "account": [], "fence": "1", "seq": None, "heard_at": 0},
    {"type": "beat", "account": 1, "fence": "1", "seq": None, "heard_at": 0}, {"type": "signed-out"},
    {"type": "of a later version"}, {},
])
async def test_messages_of_another_version_are_as_good_as_lost(message: Message) -> None:
    follower = station(mirror_of(board()))
    follower.on_message(message | {"from": "another"})
    assert follower.mirror.boards == {1: board()}


def test_a_packed_board_is_small_and_comes_back_equal() -> None:
    packed = pack(board(*(call(f"c{number}") for number in range(1000))))
    assert len(packed) < 400_000
    assert unpack(packed) == board(*(call(f"c{number}") for number in range(1000)))
    assert isinstance(unpack(pack(Board(account=1))), Board)
