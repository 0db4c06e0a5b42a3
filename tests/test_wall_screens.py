"""Screens in the admin: pairing them with all that was chosen, how each does, what each is told, and new secrets."""

import asyncio
import contextlib
import datetime
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from config.asgi import build
from dashboard import generation, pairing
from dashboard.access import viewer_of_display
from dashboard.fanout import hub
from dashboard.mirror import Card, News, mirror
from dashboard.models import Display, Queue
from dashboard.pairing import OVERLAP, PAGE_COOKIE, SOCKET_COOKIE, NotNow, display_of, hashed, make_link, renew
from dashboard.release import version
from dashboard.screens import Orders, Told, orders_for, told_by
from dashboard.sessions import carry_out_walls, judge_walls, told_of, walls_of
from dashboard.wall_states import data_age, state_of
from tests.makers import board, call
from tests.test_wall import ADD, CHOSEN, ORIGIN, shown_code

LIST = "/admin/dashboard/display/"
NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def administrator(admin: User, client: Client) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def display(sales: Queue) -> Display:
    display = Display.objects.create(name="Service desk", token_hash=hashed("secret"))
    display.queues.set([sales])
    return display


def pair(administrator: Client, sales: Queue, **chosen: Any) -> Any:
    return administrator.post(ADD, CHOSEN | {"name": "Hall", "queues": [sales.pk]} | chosen)


def ask(administrator: Client, action: str, *displays: Display) -> Any:
    return administrator.post(LIST, {"action": action, "_selected_action": [display.pk for display in displays]})


# ── pairing, with all that was chosen ──────────────────────────────────────────────────────────────
def test_a_screen_is_paired_with_all_that_was_chosen(administrator: Client, sales: Queue) -> None:
    assert pair(administrator, sales, code=shown_code(Client()), layout="queues", diagonal_in="65", distance_m="3",
                oled="on", time_zone="Asia/Kolkata", opens_at="09:00", closes_at="18:30", caller_names="on",
                expires_at_0="2036-01-01", expires_at_1="00:00").status_code == 302
    wall = Display.objects.get()
    assert (wall.layout, wall.diagonal_in, wall.distance_m) == ("queues", 65, 3)
    assert (wall.oled, wall.caller_names) == (True, True)
    assert (wall.opens_at, wall.closes_at) == (datetime.time(9), datetime.time(18, 30))
    assert (wall.time_zone, wall.language) == ("Asia/Kolkata", "en")
    assert wall.expires_at == datetime.datetime(2036, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(("chosen", "said"), [
    ({"distance_m": "12"}, "From 12 m the letters on 55 inches must be so large that only 0 rows fit; this layout"),
    ({"opens_at": "09:00"}, "Give both, when it opens and when it closes, or neither."),
    ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "That is past"),
    ({"language": "tlh"}, "Select a valid choice"),
    ({"diagonal_in": "0"}, "Ensure this value is greater than or equal to"),
    ({"distance_m": "nan"}, "Enter a number"),
])
def test_what_makes_no_wall_is_refused_with_a_reason(
    administrator: Client, sales: Queue, chosen: dict[str, str], said: str
) -> None:
    answer = pair(administrator, sales, code=shown_code(Client()), **chosen)
    assert said in answer.content.decode()
    assert not Display.objects.exists()


def test_a_layout_that_cannot_be_read_is_refused_when_a_wall_is_changed_too(
    administrator: Client, display: Display, sales: Queue
) -> None:
    answer = administrator.post(f"{LIST}{display.pk}/change/", CHOSEN | {
        "name": "Desk", "queues": [sales.pk], "diagonal_in": "32", "distance_m": "8"})
    assert re.search(r"only \d rows fit", answer.content.decode())
    display.refresh_from_db()
    assert display.diagonal_in == 55


# ── a link for devices nobody can reach ────────────────────────────────────────────────────────────
def shown_link(answer: Any) -> str:
    found = re.search(r"data-wall-link>http://testserver(/wall/link/[\w-]{43})<", answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


def test_a_wall_can_be_added_without_a_code_and_its_link_is_shown_once(administrator: Client, sales: Queue) -> None:
    answer = pair(administrator, sales, by_link="on")
    link, screen = shown_link(answer), Client()
    assert "no-store" in answer["Cache-Control"]
    assert screen.get(link)["Location"] == "/wall/"
    assert "Hall" in screen.get("/wall/").content.decode()
    assert link not in administrator.get(LIST).content.decode()
    assert not Client().get(link).cookies


def test_the_list_makes_a_new_link_and_the_one_before_is_good_no_more(
    administrator: Client, display: Display
) -> None:
    first, second = (shown_link(ask(administrator, "link", display)) for _ in range(2))
    assert not Client().get(first).cookies
    assert PAGE_COOKIE in Client().get(second).cookies


def test_a_browser_that_only_looks_ahead_does_not_use_a_link_up(display: Display) -> None:
    link = f"/wall/link/{make_link(display)}"
    assert Client().get(link, headers={"Sec-Purpose": "prefetch;prerender"}).status_code == 503
    assert PAGE_COOKIE in Client().get(link).cookies


# ── how each does ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("fields", "state"), [
    ({"last_seen_at": NOW - datetime.timedelta(seconds=20)}, "connected"), ({"last_seen_at": NOW - MINUTE}, "silent"),
    ({}, "never seen"), ({"token_hash": None}, "not paired"), ({"revoked_at": NOW}, "revoked"),
    ({"token_hash": None, "link_hash": "x"}, "waits for its link to be opened"), ({"expires_at": NOW}, "expired"),
])
def test_a_walls_state_is_one_word(fields: dict[str, Any], state: str) -> None:
    assert state_of(Display(**{"token_hash": "x"} | fields), NOW) == state


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (3, "3 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h")])
def test_the_age_of_a_walls_data_is_what_it_was_when_it_was_last_in_touch(seconds: int, said: str) -> None:
    assert data_age(Display(last_seen_at=NOW, data_at=NOW - datetime.timedelta(seconds=seconds))) == said
    assert data_age(Display(last_seen_at=NOW)) == "–"


@pytest.mark.parametrize(("query", "told"), [
    ("version=0123456789ab&size=1920x1080", ("0123456789ab", "1920×1080")), ("", ("", "")),
    ("version=<b>&size=1x1", ("", "")), ("version=0123456789abcdef0&size=1920x1080x3", ("", "")),
    ("size=3840x2160&" + "x" * 200, ("", "")), ("a=1&b=2&c=3&d=4&size=1920x1080", ("", "")),
    ("version=%00&size=%ff", ("", "")), ("version=ab&version=cd", ("cd", "")),
])
def test_of_what_a_screen_tells_only_what_looks_like_it_is_kept(query: str, told: tuple[str, str]) -> None:
    said = told_by({"query_string": query.encode(), "headers": [], "client": ("10.1.2.3", 5)})
    assert (said.version, said.resolution, said.address) == (*told, "10.1.2.3")


def test_what_walls_tell_is_written_in_one_statement_and_changes_no_configuration(
    display: Display, django_assert_num_queries: Any
) -> None:
    secrets = {str(number): hashed(str(number)) for number in range(20)}
    for name, secret in secrets.items():
        Display.objects.create(name=name, token_hash=secret).queues.set(display.queues.all())
    told = {secret: Told("ab", "1920×1080", "10.0.0.1", 1_800_000_000_000) for secret in secrets.values()}
    before = generation.current()
    with django_assert_num_queries(5):
        judge_walls(set(secrets.values()), told)
    with django_assert_num_queries(4):
        judge_walls(set(secrets.values()), told)
    assert generation.current() == before
    wall = Display.objects.get(name="7")
    assert (wall.version, wall.resolution, wall.address) == ("ab", "1920×1080", "10.0.0.1")
    assert wall.data_at == datetime.datetime.fromtimestamp(1_800_000_000, datetime.UTC)


# ── what each is told ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("action", "changed"), [
    ("identify", {"identify": 1}), ("reload", {"reload": 1}), ("test_alert", {"test_alert": 1}),
    ("rotate", {"rotate": True}),
])
def test_what_an_administrator_asks_is_noticed_at_once(
    administrator: Client, display: Display, action: str, changed: dict[str, Any]
) -> None:
    before = generation.current().get(generation.CONFIG, 0)
    other = Display.objects.create(name="Other", revoked_at=timezone.now())
    assert "Service desk" in administrator.post(
        LIST, {"action": action, "_selected_action": [display.pk, other.pk]}, follow=True).content.decode()
    assert generation.current()[generation.CONFIG] > before
    for wall, fields in ((display, changed), (other, {})):
        wall.refresh_from_db()
        told = Orders(name=wall.name, **fields)
        assert orders_for(wall, wall.token_hash or "") == told


def test_an_observer_who_may_look_at_walls_asks_nothing_of_them(observer: User, display: Display) -> None:
    observer.is_staff = True
    observer.save()
    browser = Client()
    browser.force_login(observer)
    for action in ("identify", "link", "rotate", "revoke"):
        assert ask(browser, action, display).status_code == 403
    display.refresh_from_db()
    assert (display.identify, display.link_hash, display.rotate, display.revoked_at) == (0, None, False, None)


def test_a_message_is_told_until_its_time_is_over(display: Display) -> None:
    display.message, display.message_until = "Fire drill", timezone.now() + MINUTE
    orders = orders_for(display)
    assert (orders.message, orders.until) == ("Fire drill", int(display.message_until.timestamp() * 1000))
    display.message_until = timezone.now()
    assert orders_for(display) == Orders(name="Service desk")


def test_a_change_in_the_admin_leaves_a_secret_that_was_renewed_meanwhile(
    administrator: Client, display: Display, sales: Queue
) -> None:
    Display.objects.update(rotate=True)
    old = Display.objects.get()
    new = renew("secret")
    assert new
    administrator.post(f"{LIST}{old.pk}/change/", CHOSEN | {"name": "Lobby", "queues": [sales.pk]})
    held = display_of(new)
    assert held is not None
    assert held.name == "Lobby"


# ── a new secret for the same screen ───────────────────────────────────────────────────────────────
@pytest.fixture
def rotated(display: Display) -> str:
    """The screen's new secret; its old one is "secret"."""
    Display.objects.update(rotate=True)
    new = renew("secret")
    assert new
    return new


def later(by: datetime.timedelta) -> None:
    wall = Display.objects.get()
    Display.objects.update(old_token_until=wall.old_token_until and wall.old_token_until - by)


def test_after_a_rotation_both_secrets_are_good_for_ten_minutes_and_then_the_new_one_alone(rotated: str) -> None:
    assert display_of("secret") == display_of(rotated) == Display.objects.get()
    judged = judge_walls({hashed("secret"), hashed(rotated)})
    tells = {key: viewer.orders.rotate for key, viewer in judged.items() if viewer and viewer.orders}
    assert tells == {hashed("secret"): True, hashed(rotated): False}
    later(OVERLAP)
    assert display_of("secret") is None
    assert judge_walls({hashed("secret")}) == {hashed("secret"): None}
    assert display_of(rotated) is not None


def test_a_screen_whose_new_secret_got_lost_on_the_way_gets_another(rotated: str) -> None:
    with pytest.raises(NotNow):  # the answer may still be on its way to another page of the same browser
        renew("secret")
    later(pairing.ASKED_TWICE)
    another = renew("secret")
    assert another not in (None, rotated)
    assert display_of(rotated) is None
    assert display_of("secret") is not None


def test_nobody_gets_a_secret_who_was_not_told_to_fetch_one(display: Display) -> None:
    assert (renew("secret"), renew(""), renew("wrong")) == (None, None, None)
    Display.objects.update(rotate=True, revoked_at=timezone.now())
    assert renew("secret") is None


def test_the_page_that_brings_the_new_secret_sets_both_cookies_and_the_old_one_never_comes_back(
    display: Display
) -> None:
    Display.objects.update(rotate=True)
    screen, slow = Client(), Client()
    screen.cookies[PAGE_COOKIE] = slow.cookies[PAGE_COOKIE] = "secret"
    answer = screen.get("/wall/renew/")
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (204, True)
    new = screen.cookies[PAGE_COOKIE].value
    assert screen.cookies[SOCKET_COOKIE].value == new != "secret"
    assert screen.get("/wall/renew/").status_code == 204
    assert screen.cookies[PAGE_COOKIE].value == new
    page = slow.get("/wall/")
    assert "Service desk" in page.content.decode()
    assert not page.cookies
    assert slow.get("/wall/renew/").status_code == 409


# ── the end of its time ────────────────────────────────────────────────────────────────────────────
def test_an_expired_wall_is_none_anywhere(display: Display) -> None:
    link, screen = make_link(display), Client()
    screen.cookies[PAGE_COOKIE] = "secret"
    assert "Service desk" in screen.get("/wall/").content.decode()
    Display.objects.update(expires_at=timezone.now())
    assert display_of("secret") is None
    assert judge_walls({hashed("secret")}) == {hashed("secret"): None}
    assert not Client().get(f"/wall/link/{link}").cookies
    assert shown_code(screen)


def test_an_exception_on_a_wall_is_a_page_that_tries_again_and_elsewhere_the_one_it_was(
    display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise OSError("no room on the disk")

    monkeypatch.setattr("dashboard.wall_views.display_of", broken)
    answer = Client(raise_request_exception=False).get("/wall/")
    assert answer.status_code == 500
    assert "tries again by itself" in answer.content.decode()
    assert "data-away" in answer.content.decode()
    assert "login" not in answer.content.decode()


# ── over the socket ────────────────────────────────────────────────────────────────────────────────
Open = Callable[..., Any]


async def message(wire: WebsocketCommunicator, kind: str) -> dict[str, Any]:
    while kind not in (body := json.loads(await wire.receive_from(timeout=5))):
        pass
    return dict(body)


@pytest.fixture
async def wire(transactional_db: None, display: Display) -> AsyncIterator[WebsocketCommunicator]:
    headers = [(b"host", b"board.example"), (b"origin", ORIGIN.encode()),
               (b"cookie", f"{SOCKET_COOKIE}=secret".encode())]
    wire = WebsocketCommunicator(build([ORIGIN]), "/ws/wall/?version=ab&size=1920x1080", headers=headers)
    accepted, _ = await wire.connect(timeout=5)
    assert accepted
    yield wire
    with contextlib.suppress(asyncio.CancelledError):
        await wire.disconnect()


async def swept() -> None:
    carry_out_walls(hub, await sync_to_async(judge_walls)(walls_of(hub), told_of(hub)))
    for stream in list(hub.streams.values()):
        hub._publish(stream)


async def test_a_wall_is_told_its_orders_when_it_connects_and_again_only_when_they_change(
    wire: WebsocketCommunicator, display: Display
) -> None:
    first = (await message(wire, "screen"))["screen"]
    assert (first["name"], first["identify"], first["version"]) == ("Service desk", 0, version())
    await swept()
    assert await wire.receive_nothing()
    await sync_to_async(Display.objects.update)(identify=3)
    await swept()
    assert (await message(wire, "screen"))["screen"] == first | {"identify": 3}


async def test_what_a_wall_acknowledged_last_says_how_old_what_it_shows_is(
    wire: WebsocketCommunicator, display: Display, sales: Queue
) -> None:
    heard = int(timezone.now().timestamp()) * 1000 - 7000
    mirror.take(News(cards={sales.account_id: Card(pk=sales.account_id, name="Northgate", interval_s=2)}, boards=[],
                     attempts=[], generations={}))
    mirror.offer(board(call(), account=sales.account_id, heard_at=heard))
    await swept()
    while (frame := await message(wire, "seq"))["asof"] != {str(sales.account_id): heard}:
        pass
    await swept()
    await sync_to_async(display.refresh_from_db)()
    assert (display.data_at, display.resolution, display.version) == (None, "1920×1080", "ab")
    await wire.send_to(text_data=json.dumps({"ack": frame["seq"]}))
    assert await wire.receive_nothing()
    await swept()
    await sync_to_async(display.refresh_from_db)()
    assert display.data_at == datetime.datetime.fromtimestamp(heard / 1000, datetime.UTC)


async def test_orders_that_find_no_room_on_the_line_come_when_there_is_some(
    wire: WebsocketCommunicator, display: Display
) -> None:
    await message(wire, "screen")
    [member] = hub.members
    member.behind = True
    await sync_to_async(Display.objects.update)(reload=1)
    await swept()
    assert await wire.receive_nothing()
    member.behind = False
    await swept()
    assert (await message(wire, "screen"))["screen"]["reload"] == 1


def test_two_walls_of_one_audience_have_orders_of_their_own(display: Display) -> None:
    twin = Display.objects.create(name="Twin", identify=4)
    twin.queues.set(display.queues.all())
    one, other = viewer_of_display(display), viewer_of_display(twin)
    assert one.audience == other.audience
    assert one.orders != other.orders
