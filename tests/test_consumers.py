"""The socket's door: who is let in, what may be said, and that the database is left alone afterwards."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper
from django.test import Client
from pytest_django import Settings

from config.asgi import build
from dashboard import consumers, server
from dashboard.access import Audience, Scope, Viewer
from dashboard.allowance import Allowances
from dashboard.consumers import BURST, MESSAGES_PER_S, SOCKETS_PER_PERSON, STRANGERS_PER_S, BoardConsumer
from dashboard.fanout import hub
from dashboard.mirror import Card, News, mirror
from dashboard.models import Queue, Seat
from dashboard.station import station
from queue_api.models import Account
from tests.conftest import person
from tests.makers import NUMBER, Screen, board, call

ORIGIN = "https://board.example"

pytestmark = pytest.mark.django_db(transaction=True)


class Socket:
    """A browser's socket, from the handshake on."""

    def __init__(self, cookie: str = "", origin: str | None = ORIGIN, path: str = "/ws/board/",
                 address: str = "192.0.2.7") -> None:
        headers = [(b"host", b"board.example")]
        headers += [(b"origin", origin.encode())] if origin is not None else []
        headers += [(b"cookie", f"sessionid={cookie}".encode())] if cookie else []
        self.wire = WebsocketCommunicator(build([ORIGIN]), path, headers=headers)
        self.wire.scope["client"] = [address, 40_000]

    async def opens(self) -> bool:
        accepted, _ = await self.wire.connect(timeout=5)
        return bool(accepted)

    async def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.wire.receive_from(timeout=5))
        return message

    async def close_code(self) -> int:
        """The code it is closed with; frames that come before are skipped."""
        while (event := await self.wire.receive_output(timeout=5))["type"] != "websocket.close":
            pass
        code: int = event["code"]
        return code

    async def say(self, text: str | bytes) -> None:
        await self.wire.send_to(**{"text_data" if isinstance(text, str) else "bytes_data": text})


@pytest.fixture
async def sockets() -> AsyncIterator[Callable[..., Socket]]:
    """Makes sockets; all of them are hung up at the end."""
    made: list[Socket] = []

    def make(*args: Any, **more: Any) -> Socket:
        made.append(Socket(*args, **more))
        return made[-1]

    yield make
    for socket in made:
        with contextlib.suppress(asyncio.CancelledError):
            await socket.wire.disconnect()
    assert hub.streams == {}, "a member stayed behind"


@pytest.fixture
def live_board(account: Account, sales: Queue, billing: Queue) -> Account:
    """Two calls of two queues in this process's mirror."""
    card = Card(pk=account.pk, name=account.name, interval_s=2)
    mirror.take(News(cards={account.pk: card}, boards=[], attempts=[], generations={}))
    mirror.offer(board(call("s-1"), call("b-1", queue_id="303", queue_name="Billing"), account=account.pk))
    return account


def signed_in(user: User) -> str:
    """The session cookie of a new sign-in."""
    browser = Client()
    browser.force_login(user)
    return browser.cookies["sessionid"].value


@pytest.fixture
def cookie(live_board: Account, supervisor: User) -> str:
    return signed_in(supervisor)


# ── who is let in ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("origin", [
    None, "", "null", "https://evil.example", "http://board.example", "https://board.example:8443",
    "https://board.example.evil.example", "https://sub.board.example",
])
async def test_a_foreign_or_missing_origin_is_refused(
    cookie: str, sockets: Callable[..., Socket], origin: str | None
) -> None:
    assert not await sockets(cookie, origin=origin).opens()


@pytest.mark.parametrize("path", ["/ws/", "/ws/board", "/ws/other/", "/"])
async def test_an_unknown_path_is_refused_quietly(
    cookie: str, sockets: Callable[..., Socket], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await sockets(cookie, path=path).opens()
    assert all(record.name == "callboard.sockets" for record in caplog.records)


@pytest.mark.parametrize("session", ["", "no-such-session"])
async def test_who_is_not_signed_in_is_told_so_after_the_handshake(
    sockets: Callable[..., Socket], session: str
) -> None:
    """A refused handshake would look like a broken line, and the page would try for ever."""
    socket = sockets(session)
    assert await socket.opens()
    assert await socket.close_code() == 4401


async def test_a_deactivated_person_is_not_let_in(
    cookie: str, supervisor: User, sockets: Callable[..., Socket]
) -> None:
    await sync_to_async(User.objects.filter(pk=supervisor.pk).update)(is_active=False)
    socket = sockets(cookie)
    assert await socket.opens()
    assert await socket.close_code() == 4401


async def test_a_person_without_queues_is_told_that_nothing_is_theirs(
    cookie: str, sockets: Callable[..., Socket]
) -> None:
    await sync_to_async(Seat.objects.all().delete)()
    socket = sockets(cookie)
    assert await socket.opens()
    assert await socket.close_code() == 4403


async def test_the_first_message_is_the_full_board_of_ones_own_queues(
    cookie: str, live_board: Account, sockets: Callable[..., Socket]
) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    first = await socket.message()
    screen = Screen()
    screen.show(first["html"], first["gone"], first["full"])
    assert first["full"]
    assert set(screen.rows) == {f"{live_board.pk}-s-1"}
    assert NUMBER not in first["html"]


async def test_s28_strangers_have_twenty_handshakes_a_network_and_a_households_addresses_are_one(
    cookie: str, sockets: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of IPv6 everybody has 2⁶⁴ addresses: counted one by one, no number of handshakes would be too many."""
    monkeypatch.setattr(consumers, "strangers", Allowances(0, STRANGERS_PER_S))
    opened = [await sockets(address=f"2001:db8:1:2::{number:x}").opens() for number in range(STRANGERS_PER_S + 2)]
    assert opened == [True] * STRANGERS_PER_S + [False] * 2
    assert await sockets(address="2001:db8:1:3::1").opens(), "another network"
    known = sockets(cookie, address="2001:db8:1:2::1")
    assert await known.opens()
    assert (await known.message())["full"], "who is known is not counted"


def test_s28_the_caps_are_those_of_the_checklist(settings: Settings) -> None:
    assert (SOCKETS_PER_PERSON, consumers.SOCKETS_PER_WALL, STRANGERS_PER_S) == (10, 3, 20)
    assert (MESSAGES_PER_S, consumers.MESSAGE_BYTES, settings.MAX_SOCKETS) == (5, 4096, 2000)
    options = server.OPTIONS
    assert (options["websocket_max_message_size"], options["websocket_max_frame_size"]) == (4096, 4096)


async def test_the_eleventh_socket_of_one_person_finds_no_room(cookie: str, sockets: Callable[..., Socket]) -> None:
    for _ in range(SOCKETS_PER_PERSON):
        socket = sockets(cookie)
        assert await socket.opens()
        await socket.message()
    eleventh = sockets(cookie)
    assert await eleventh.opens()
    assert await eleventh.close_code() == 1013
    await socket.wire.disconnect()
    again = sockets(cookie)
    assert await again.opens()
    assert (await again.message())["full"]


# ── what may be said ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("said", ['{"takeover": 1}', "not json", b"binary"])
async def test_odd_messages_close_the_socket_without_a_traceback(
    cookie: str, sockets: Callable[..., Socket], said: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    await socket.say(said)
    assert await socket.close_code() == 1008
    assert all(record.name == "callboard.sockets" for record in caplog.records)


async def test_too_many_messages_close_the_socket(cookie: str, sockets: Callable[..., Socket]) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    for number in range(BURST + 2):
        await socket.say(json.dumps({"ack": number}))
    assert await socket.close_code() == 1008


async def test_what_is_said_before_the_door_is_open_changes_nothing(sockets: Callable[..., Socket]) -> None:
    socket = sockets()
    assert await socket.opens()
    await socket.say('{"resync": 0}')
    assert await socket.close_code() == 4401


async def test_an_ack_is_taken_and_a_resync_is_answered_with_the_full_board(
    cookie: str, sockets: Callable[..., Socket]
) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    first = await socket.message()
    [member] = hub.members
    hub.tick_once()
    await socket.message()
    member.last_full = 0.0
    await socket.say(json.dumps({"ack": first["seq"]}))
    await socket.say(json.dumps({"resync": first["seq"]}))
    assert (await socket.message())["full"]
    assert member.missed_ticks == 0


async def test_a_test_of_the_alarm_is_answered_on_that_socket_alone(
    cookie: str, sockets: Callable[..., Socket]
) -> None:
    asks, other = sockets(cookie), sockets(cookie)
    assert await asks.opens()
    assert await other.opens()
    await asks.message()
    await other.message()
    await asks.say(json.dumps({"test": 0}))
    assert (await asks.message())["alarm"] == "test"
    hub.tick_once()
    assert "alarm" not in await other.message()


# ── afterwards ─────────────────────────────────────────────────────────────────────────────────────
async def test_after_the_handshake_no_socket_touches_the_database(
    cookie: str, live_board: Account, sockets: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []
    socket = sockets(cookie)
    assert await socket.opens()
    first = await socket.message()
    monkeypatch.setattr(CursorWrapper, "execute", lambda self, sql, params=None: queries.append(sql))
    await socket.say(json.dumps({"ack": first["seq"]}))
    mirror.offer(board(call("s-2"), account=live_board.pk, seq=2))
    hub._publish(next(iter(hub.streams.values())))
    assert "s-2" in (await socket.message())["html"]
    await socket.wire.disconnect()
    monkeypatch.undo()
    assert queries == []


async def test_hanging_up_leaves_nothing_behind(cookie: str, sockets: Callable[..., Socket]) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    [member] = hub.members
    await socket.wire.disconnect()
    await asyncio.gather(member._task, return_exceptions=True)
    assert (hub.members, member._task.cancelled()) == ([], True)


async def test_ending_the_membership_ends_the_socket_with_its_code(cookie: str, sockets: Callable[..., Socket]) -> None:
    socket = sockets(cookie)
    assert await socket.opens()
    hub.close(hub.members, 1012)
    assert await socket.close_code() == 1012


async def test_two_people_of_one_audience_share_a_stream_and_another_right_makes_another(
    cookie: str, sales: Queue, sockets: Callable[..., Socket]
) -> None:
    twin = await sync_to_async(person)("twin", ("take_over",), (sales,))
    watcher = await sync_to_async(person)("watcher", (), (sales,))
    messages = []
    for session in (cookie, await sync_to_async(signed_in)(twin), await sync_to_async(signed_in)(watcher)):
        socket = sockets(session)
        assert await socket.opens()
        messages.append(await socket.message())
    assert messages[0]["stream"] == messages[1]["stream"] != messages[2]["stream"]
    assert "<button" in messages[0]["html"]
    assert "<button" not in messages[2]["html"]
    scope = Scope(queues=frozenset({(sales.account_id, "302")}))
    assert set(hub.streams) == {Audience(scope=scope, may_take_over=True), Audience(scope=scope)}


async def test_a_socket_whose_consumer_fails_leaves_no_member_behind(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = Socket(cookie)
    assert await socket.opens()
    await socket.message()
    monkeypatch.setattr(hub, "acknowledge", lambda *_args: 1 / 0)
    await socket.say('{"ack": 1}')
    with pytest.raises(ZeroDivisionError):
        await socket.wire.receive_output(timeout=5)
    assert hub.members == []


async def test_rights_that_changed_during_the_handshake_are_judged_again(
    cookie: str, sockets: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(station, "judge_again", lambda: asked.append(True))
    authorise = BoardConsumer.authorise

    async def meanwhile(self: BoardConsumer) -> Viewer | None:
        viewer = await authorise(self)
        await station._judge(rights_too=True)
        return viewer

    assert await sockets(cookie).opens()
    assert asked == []
    monkeypatch.setattr(BoardConsumer, "authorise", meanwhile)
    assert await sockets(cookie).opens()
    assert asked == [True]
