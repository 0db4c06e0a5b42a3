"""A wall: how a screen becomes one, what it may be shown, and how it stops being one, in that order."""

import asyncio
import contextlib
import datetime
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config.asgi import build
from dashboard import generation, pairing
from dashboard.access import WALL, Audience, Scope, viewer_of_display
from dashboard.consumers import SOCKETS_PER_WALL
from dashboard.fanout import Hub, Stream, hub
from dashboard.member import FULL, REVOKED
from dashboard.mirror import Card, Mirror, News, mirror
from dashboard.models import Display, Pairing, Queue, TakeoverAttempt, WrongCode
from dashboard.pairing import ALIVE, ALPHABET, PAGE_COOKIE, SOCKET_COOKIE, WRONG_CODES, hashed, make_link
from dashboard.sessions import carry_out_walls, judge_walls, walls_of
from dashboard.wall import wall_picture
from dashboard.wall_figures import STRIP
from dashboard.wall_lists import USUAL
from dashboard.wall_type import most_rows
from queue_api.calls import CallState
from queue_api.models import Account
from tests.makers import NOW, NUMBER, Screen, board, call, live, mirror_of

ADD = "/admin/dashboard/display/add/"
ORIGIN = "https://board.example"
CHOSEN = {"layout": "calls", "diagonal_in": "55", "distance_m": "4", "language": "en"}
SALES_WALL = Audience(scope=Scope(queues=frozenset({(1, "302")})), screen=WALL)
CANARY = "919988776655"


def shown_code(screen: Client) -> str:
    """The code on the screen, without the gap in its middle."""
    page = screen.get("/wall/").content.decode()
    letters = re.search(r"data-pairing-code><span>(\w{3})</span><span>(\w{3})</span>", page)
    assert letters, page
    return letters[1] + letters[2]


def secret_of(screen: Client) -> str:
    return screen.cookies[PAGE_COOKIE].value


def age(**by: int) -> None:
    """Lets time pass for everything that waits or was counted."""
    passed = datetime.timedelta(**by)
    for row in Pairing.objects.all():
        Pairing.objects.filter(pk=row.pk).update(expires_at=row.expires_at - passed)
    for wrong in WrongCode.objects.all():
        WrongCode.objects.filter(pk=wrong.pk).update(at=wrong.at - passed)


@pytest.fixture
def administrator(admin: User, client: Client) -> Client:
    client.force_login(admin)
    return client


def enter(administrator: Client, code: str, *queues: Queue, name: str = "Service desk") -> Any:
    return administrator.post(ADD, CHOSEN | {"code": code, "name": name, "queues": [queue.pk for queue in queues]})


def error(response: Any) -> str:
    [said] = response.context["adminform"].form.errors["code"]
    return str(said)


@pytest.fixture
def display(sales: Queue) -> Display:
    display = Display.objects.create(name="Service desk", token_hash=hashed("secret"))
    display.queues.set([sales])
    return display


@pytest.fixture
def paired(display: Display) -> Client:
    """A screen that is that display."""
    screen = Client()
    screen.cookies[PAGE_COOKIE] = "secret"
    return screen


# ── a screen that is not a wall yet ────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_an_unknown_screen_gets_a_code_and_never_a_login_page(client: Client) -> None:
    page = client.get("/wall/")
    assert page.status_code == 200
    assert len(shown_code(client)) == 6
    assert "Wall displays → Add" in page.content.decode()
    assert "http://testserver/admin/" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]


@pytest.mark.django_db
def test_a_code_has_no_letter_that_looks_like_another(client: Client) -> None:
    assert not set(ALPHABET) & set("01OILSZBUDTN")
    assert set(shown_code(client)) <= set(ALPHABET)
    assert len({pairing.begin("").code for _ in range(20)}) == 20


@pytest.mark.django_db
def test_the_secret_is_in_two_cookies_that_no_script_and_no_other_path_can_see(
    client: Client, settings: Any
) -> None:
    for behind_proxy in (False, True):
        settings.BEHIND_PROXY = behind_proxy
        cookies = Client().get("/wall/").cookies
        page, socket = cookies[PAGE_COOKIE], cookies[SOCKET_COOKIE]
        assert (page["path"], socket["path"]) == ("/wall/", "/ws/wall/")
        assert len(page.value) == 43
        assert page.value == socket.value
        for cookie in (page, socket):
            assert (cookie["httponly"], cookie["samesite"], bool(cookie["secure"])) == (True, "Strict", behind_proxy)


@pytest.mark.django_db
def test_a_reload_keeps_the_code_and_takes_no_second_place(client: Client) -> None:
    assert shown_code(client) == shown_code(client)
    assert Pairing.objects.count() == 1


@pytest.mark.django_db
def test_a_screen_that_waits_is_told_nothing_until_its_code_has_expired(client: Client) -> None:
    code = shown_code(client)
    waiting = client.get("/wall/status/")
    assert (waiting.status_code, waiting.content, "HX-Refresh" in waiting) == (204, b"", False)
    age(minutes=10)
    assert client.get("/wall/status/")["HX-Refresh"] == "true"
    assert shown_code(client) != code
    assert Pairing.objects.count() == 1


@pytest.mark.django_db
def test_a_browser_without_cookies_is_told_so_instead_of_reloading_for_ever() -> None:
    answer = Client().get("/wall/status/")
    assert "cookies" in answer.content.decode()
    assert answer["HX-Reswap"] == "innerHTML"
    assert "HX-Refresh" not in answer


@pytest.mark.django_db
def test_only_fifty_screens_can_wait_and_the_next_is_told_so() -> None:
    for _ in range(ALIVE):
        pairing.begin("")
    refused = Client().get("/wall/")
    assert refused.status_code == 503
    assert "Too many screens" in refused.content.decode()
    assert PAGE_COOKIE not in refused.cookies
    age(minutes=10)
    assert Client().get("/wall/").status_code == 200
    assert Pairing.objects.count() == 1


@pytest.mark.django_db
def test_a_screen_opened_by_a_foreign_link_comes_again_with_its_cookies(paired: Client) -> None:
    """Strict cookies do not come with such a request: a new code would throw a good wall's secret away."""
    bare = Client(headers={"Sec-Fetch-Site": "cross-site"})
    detour = bare.get("/wall/")
    assert 'content="0;url=/wall/?here"' in detour.content.decode()
    assert not detour.cookies
    assert not Pairing.objects.exists()
    assert b"data-pairing-code" in bare.get("/wall/?here").content
    assert b"data-pairing-code" not in paired.get("/wall/", headers={"Sec-Fetch-Site": "cross-site"}).content


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/wall/", "/wall/status/", "/wall/link/secret"])
@pytest.mark.parametrize("method", ["head", "post", "put", "delete", "options"])
def test_a_walls_pages_can_only_be_read(client: Client, path: str, method: str) -> None:
    assert getattr(client, method)(path).status_code == 405
    assert not Pairing.objects.exists()


# ── an administrator enters the code ───────────────────────────────────────────────────────────────
def test_the_right_code_makes_the_screen_a_wall_with_the_chosen_queues(administrator: Client, sales: Queue) -> None:
    screen = Client()
    assert enter(administrator, shown_code(screen), sales).status_code == 302
    assert screen.get("/wall/status/")["HX-Refresh"] == "true"
    wall = screen.get("/wall/").content.decode()
    assert "Service desk" in wall
    assert "data-pairing-code" not in wall
    display = Display.objects.get()
    assert (list(display.queues.all()), display.token_hash) == ([sales], hashed(secret_of(screen)))
    assert not Pairing.objects.exists()


def test_a_code_may_be_typed_small_and_with_a_gap(administrator: Client, sales: Queue) -> None:
    code = shown_code(Client())
    assert enter(administrator, f" {code[:3].lower()}-{code[3:].lower()} ", sales).status_code == 302


def test_neither_code_nor_secret_is_in_the_database(administrator: Client, sales: Queue) -> None:
    screen = Client()
    code = shown_code(screen)
    for when in ("waiting", "paired"):
        dump = io.StringIO()
        call_command("dumpdata", stdout=dump)
        assert hashed(secret_of(screen)) in dump.getvalue(), when
        assert secret_of(screen) not in dump.getvalue(), when
        assert code not in dump.getvalue(), when
        assert hashed(code) not in dump.getvalue(), when  # a plain hash of so short a code could be reversed
        enter(administrator, code, sales)


@pytest.mark.parametrize("code", ["222222", "", "2", "ÄÄÄÄÄÄ", "x" * 20])
def test_a_wrong_code_is_a_clear_error_and_makes_no_display(administrator: Client, sales: Queue, code: str) -> None:
    Client().get("/wall/")
    response = enter(administrator, code, sales)
    assert re.search("No screen shows this code now|This field is required", error(response))
    assert not Display.objects.exists()


def test_an_expired_or_used_code_is_wrong(administrator: Client, sales: Queue) -> None:
    used, expired = shown_code(Client()), shown_code(Client())
    enter(administrator, used, sales)
    assert "No screen shows this code" in error(enter(administrator, used, sales, name="Second"))
    age(minutes=10)
    assert "No screen shows this code" in error(enter(administrator, expired, sales, name="Second"))
    assert Display.objects.count() == 1


def test_a_wall_needs_a_queue_and_a_zone_that_exists(administrator: Client, sales: Queue) -> None:
    code = shown_code(Client())
    assert enter(administrator, code).status_code == 200
    wrong = CHOSEN | {"code": code, "name": "Desk", "queues": [sales.pk], "time_zone": "Moon/Sea"}
    assert "no time zone" in administrator.post(ADD, wrong).content.decode()
    assert enter(administrator, code, sales).status_code == 302, "the code was not used up by the mistakes"


def test_after_five_wrong_codes_even_the_right_one_must_wait_ten_minutes(administrator: Client, sales: Queue) -> None:
    for _ in range(WRONG_CODES):
        assert "No screen shows" in error(enter(administrator, "222222", sales))
    assert "Too many wrong codes" in error(enter(administrator, shown_code(Client()), sales))
    colleague = Client()
    colleague.force_login(User.objects.create_superuser("second"))
    assert enter(colleague, shown_code(Client()), sales).status_code == 302
    age(minutes=10)
    assert enter(administrator, shown_code(Client()), sales).status_code == 302


def test_a_supervisor_cannot_pair_a_screen(supervisor: User, sales: Queue) -> None:
    supervisor.is_staff = True
    supervisor.save()
    browser = Client()
    browser.force_login(supervisor)
    assert enter(browser, shown_code(Client()), sales).status_code == 403
    assert not Display.objects.exists()


# ── a link instead of a code ───────────────────────────────────────────────────────────────────────
def test_a_link_makes_one_screen_the_wall_and_no_second(display: Display) -> None:
    secret, first, second = make_link(display), Client(), Client()
    answer = first.get(f"/wall/link/{secret}")
    assert (answer.status_code, answer["Location"], answer["Referrer-Policy"]) == (302, "/wall/", "no-referrer")
    assert "no-store" in answer["Cache-Control"]
    assert "Service desk" in first.get("/wall/").content.decode()
    assert not second.get(f"/wall/link/{secret}").cookies
    assert shown_code(second)
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    assert secret not in dump.getvalue()


def test_the_screen_that_was_the_wall_before_the_link_is_so_no_longer(display: Display, paired: Client) -> None:
    Client().get(f"/wall/link/{make_link(display)}")
    assert judge_walls({hashed("secret")}) == {hashed("secret"): None}
    assert shown_code(paired)


@pytest.mark.parametrize("change", [
    {"link_expires_at": timezone.now() - datetime.timedelta(seconds=1)}, {"revoked_at": timezone.now()}])
def test_a_link_that_is_too_old_or_of_a_revoked_display_opens_nothing(display: Display, change: Any) -> None:
    secret = make_link(display)
    Display.objects.update(**change)
    assert not Client().get(f"/wall/link/{secret}").cookies


# ── what a wall shows ──────────────────────────────────────────────────────────────────────────────
def seen(source: Mirror, audience: Audience = SALES_WALL, now: int = NOW) -> str:
    return "".join(wall_picture(source, audience, now).parts.values())


def waits(key: str, since: int, **fields: Any) -> Any:
    return live(call(key, **fields), since=since)


def test_a_wall_shows_the_same_four_figures_in_every_layout_with_lists() -> None:
    source = mirror_of(board(call("w-1"), call("h-1", state=CallState.HOLD)))
    for layout in ("queues", "calls", "mixed"):
        parts = wall_picture(source, msgspec.structs.replace(SALES_WALL, layout=layout), NOW).parts
        numbers = {name: parts[f"kpi-box-{name}"] for name in STRIP}
        assert [name for name in parts if name.startswith("kpi-")] == [f"kpi-box-{name}" for name in STRIP], layout
        assert ">1</b>" in numbers["waiting"]
        assert f'data-since="{NOW}"' in numbers["longest-wait"]


def test_a_wall_shows_those_that_wait_longest_and_how_many_there_are() -> None:
    lives = {f"w-{n:02}": waits(f"w-{n:02}", NOW - n * 1000, caller=f"9198123450{n:02}") for n in range(40)}
    shown = board()
    shown.calls.update(lives)
    html = wall_picture(mirror_of(shown), SALES_WALL, NOW).parts["waiting"]
    callers = re.findall(r"•••• (\d{4})", html)
    assert callers[:3] == ["5039", "5038", "5037"]
    assert len(callers) == html.count("<li") == most_rows("calls", USUAL)
    assert 'data-all="40"' in html


def test_a_wall_never_gets_a_number_or_a_name_wherever_deepcall_puts_them() -> None:
    of = {"caller": CANARY, "caller_name": f"Mr Canary {CANARY}", "queue_name": f"Sales +{CANARY}",
          "called_number": CANARY, "agent_name": CANARY}
    source = mirror_of(board(*(call(f"c-{state}", state=state, **of) for state in CallState)))
    source.offer(board(*(call(f"c-{state}", state=state, **of) for state in CallState), seq=2, health="failing",
                       message=f"Call of {CANARY} failed", code=CANARY))
    html = seen(source)
    assert "6655" in html
    assert CANARY not in html
    assert "Canary" not in html
    assert not re.search(r"\d{7}", re.sub(r'data-since="\d+"', "", html))


def test_a_wall_shows_no_call_outside_its_queues() -> None:
    source = mirror_of(board(call("s-1"), call("b-1", queue_id="303", queue_name="Billing"),
                             call("n-1", queue_id="", queue_name="")))
    html = seen(source)
    assert html.count("<li") == 1
    assert "Billing" not in html
    assert ">1</b>" in wall_picture(source, SALES_WALL, NOW).parts["kpi-box-waiting"]


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    html = seen(mirror_of(board(health="never", heard_at=None)))
    assert html.count('data-known="no"') == len(STRIP)
    assert ">0<" not in html
    assert "not known" in html
    assert "No list has come from DeepCall yet." in html


def test_nobody_waiting_is_said_only_when_the_list_is_fresh() -> None:
    quiet = board(call(state=CallState.TALKING))
    assert "Nobody is waiting." in seen(mirror_of(quiet))
    failing = board(call(state=CallState.TALKING), health="failing", endpoint_down=True)
    assert "Nobody is waiting." not in seen(mirror_of(failing))


@pytest.mark.parametrize(("feed", "said"), [
    ({"health": "failing", "code": "1032"}, "DeepCall gives no list since … (code 1032)."),
    ({"health": "failing", "endpoint_down": True}, "DeepCall is not answering since …."),
    ({"health": "failing", "message": "The answer is not JSON."}, "DeepCall gives no usable list since …."),
    ({"health": "incomplete", "declared_total": 9, "received": 1}, "DeepCall sends only part of its list since …."),
])
def test_a_failing_hop_is_named_in_one_line_and_its_calls_look_old(feed: dict[str, Any], said: str) -> None:
    html = seen(mirror_of(board(call(), **feed)))
    line = re.sub(r"<time[^>]*></time>", "…", html)
    assert said in re.sub(r"<[^>]+>", "", line)
    assert '<li data-old="yes">' in html


def test_a_fresh_wall_marks_nothing() -> None:
    html = seen(mirror_of(board(call())))
    assert "data-old" not in html
    assert re.search(r'<div class="banner"[^>]* hidden></div>', html)


def test_a_wall_without_queues_says_so() -> None:
    assert "This wall has no queues yet." in seen(mirror_of(board(call())), Audience(screen=WALL))


def test_walls_with_the_same_queues_share_every_byte_and_none_with_a_board(display: Display) -> None:
    twin = Display.objects.create(name="Twin", token_hash=hashed("twin"))
    twin.queues.set(display.queues.all())
    audience = viewer_of_display(display).audience
    assert viewer_of_display(twin).audience == audience
    assert audience == Audience(scope=Scope(queues=frozenset({(display.queues.get().account_id, "302")})), screen=WALL,
                                layout="calls", letter=52.4)


def test_a_disabled_account_leaves_the_wall(display: Display) -> None:
    Account.objects.update(enabled=False)
    assert not viewer_of_display(Display.objects.get()).audience.scope


def test_frames_of_a_wall_lead_from_each_picture_to_the_next() -> None:
    source, screen = mirror_of(board(call("a"))), Screen()
    stream = Stream(SALES_WALL)
    for seq, calls in enumerate([("a", "b"), ("b",), (), ("c",)], start=2):
        source.offer(board(*map(call, calls), seq=seq))
        frame = stream.refresh(source)
        assert frame is not None
        screen.show(frame.html, frame.gone, frame.full)
        assert screen.parts == stream.picture.parts


def test_the_page_has_everything_before_any_script_runs(paired: Client, display: Display) -> None:
    account = display.queues.get().account
    mirror.take(News(cards={account.pk: Card(pk=account.pk, name="Northgate", interval_s=2)}, boards=[], attempts=[],
                     generations={}))
    mirror.offer(board(call(caller_name="Mr Canary"), account=account.pk))
    html = paired.get("/wall/").content.decode()
    assert '<b id="kpi-waiting" data-kpi="waiting" data-known="yes">1</b>' in html
    assert "•••• 5678" in html
    assert NUMBER not in html
    assert "Mr Canary" not in html
    assert "<button" not in html


# ── what a wall may do ─────────────────────────────────────────────────────────────────────────────
def test_a_wall_cannot_take_a_call_over(paired: Client) -> None:
    paired.cookies[SOCKET_COOKIE] = "secret"
    answer = paired.post(reverse("takeover"), {"call": "1-c-1", "key": "0" * 32})
    assert answer.status_code == 403
    assert not TakeoverAttempt.objects.exists()


def test_a_walls_secret_opens_no_other_page(paired: Client, admin: User) -> None:
    for path in ("/", "/admin/"):
        assert "login" in paired.get(path)["Location"]


class Socket:
    """A wall's socket, from the handshake on."""

    def __init__(self, secret: str) -> None:
        headers = [(b"host", b"board.example"), (b"origin", ORIGIN.encode()),
                   (b"cookie", f"{SOCKET_COOKIE}={secret}".encode())]
        self.wire = WebsocketCommunicator(build([ORIGIN]), "/ws/wall/", headers=headers)

    async def opened(self) -> "Socket":
        accepted, _ = await self.wire.connect(timeout=5)
        assert accepted
        return self

    async def message(self) -> dict[str, Any]:
        """The next one that is no order to the screen."""
        while "screen" in (message := json.loads(await self.wire.receive_from(timeout=5))):
            pass
        return dict(message)

    async def close_code(self) -> int:
        while (event := await self.wire.receive_output(timeout=5))["type"] != "websocket.close":
            pass
        code: int = event["code"]
        return code


@pytest.fixture
async def socket(transactional_db: None, display: Display) -> AsyncIterator[Callable[..., Any]]:
    """Opens sockets; all of them are hung up at the end."""
    made: list[Socket] = []

    async def open_one(secret: str = "secret") -> Socket:
        made.append(Socket(secret))
        return await made[-1].opened()

    yield open_one
    for one in made:
        with contextlib.suppress(asyncio.CancelledError):
            await one.wire.disconnect()
    assert hub.streams == {}


async def test_a_walls_first_message_is_its_full_picture_and_it_is_seen(socket: Any, display: Display) -> None:
    first = await (await socket()).message()
    assert first["full"]
    assert 'id="waiting"' in first["html"]
    await sync_to_async(display.refresh_from_db)()
    assert display.last_seen_at is not None
    assert timezone.now() - display.last_seen_at < datetime.timedelta(seconds=5)


@pytest.mark.parametrize("secret", ["", "wrong", hashed("secret")])
async def test_a_stranger_is_sent_to_pair_itself(socket: Any, secret: str) -> None:
    assert await (await socket(secret)).close_code() == REVOKED


async def test_a_revoked_wall_is_not_let_in(socket: Any, display: Display) -> None:
    await sync_to_async(Display.objects.update)(revoked_at=timezone.now())
    assert await (await socket()).close_code() == REVOKED


async def test_the_fourth_socket_of_one_wall_finds_no_room(socket: Any) -> None:
    for _ in range(SOCKETS_PER_WALL):
        await (await socket()).message()
    assert await (await socket()).close_code() == FULL


@pytest.mark.parametrize("said", [
    '{"takeover":"1-c-1"}', '{"queues":1}', '{"identify":1}', '{"full":1}', "not json", '{"ack":"1"}'])
async def test_a_wall_has_no_verb_but_ack_and_resync(socket: Any, said: str) -> None:
    one = await socket()
    await one.wire.send_to(text_data=said)
    assert await one.close_code() == 1008


async def test_a_wall_may_ack_and_ask_again(socket: Any) -> None:
    one = await socket()
    first = await one.message()
    [member] = hub.members
    member.last_full = 0.0
    await one.wire.send_to(text_data=json.dumps({"ack": first["seq"]}))
    await one.wire.send_to(text_data=json.dumps({"resync": first["seq"]}))
    assert (await one.message())["full"]


# ── a wall that is taken away or given other queues ────────────────────────────────────────────────
def test_a_revoked_or_deleted_wall_is_found_and_the_others_are_in_touch(
    display: Display, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        Display.objects.create(name=f"Wall {number}", token_hash=hashed(str(number))).queues.set(display.queues.all())
    Display.objects.filter(name="Wall 3").update(revoked_at=timezone.now())
    Display.objects.filter(name="Wall 4").delete()
    with django_assert_num_queries(4):
        judged = judge_walls({hashed(str(number)) for number in range(20)})
    assert {key for key, viewer in judged.items() if viewer is None} == {hashed("3"), hashed("4")}
    assert Display.objects.filter(last_seen_at__isnull=False).count() == 18


@pytest.fixture
async def screens(socket: Any) -> Hub:
    await (await socket()).message()
    return hub


async def test_the_sweep_closes_what_was_revoked(screens: Hub) -> None:
    await sync_to_async(Display.objects.update)(revoked_at=timezone.now())
    carry_out_walls(screens, await sync_to_async(judge_walls)(walls_of(screens)))
    assert [member.closing for member in screens.members] == [True]


async def test_the_sweep_moves_a_wall_to_its_new_queues(screens: Hub, display: Display, billing: Queue) -> None:
    await sync_to_async(display.queues.set)([billing])
    carry_out_walls(screens, await sync_to_async(judge_walls)(walls_of(screens)))
    [member] = screens.members
    assert not member.closing
    assert member.viewer.audience.scope == Scope(queues=frozenset({(billing.account_id, "303")}))


async def test_a_wall_that_came_during_the_sweep_stays(screens: Hub) -> None:
    carry_out_walls(screens, {hashed("another"): None})
    assert [member.closing for member in screens.members] == [False]


def test_revoking_in_the_admin_is_noticed_and_the_screen_gets_a_new_code(
    administrator: Client, display: Display, paired: Client
) -> None:
    before = generation.current().get(generation.CONFIG, 0)
    administrator.post("/admin/dashboard/display/", {"action": "revoke", "_selected_action": [display.pk]})
    display.refresh_from_db()
    assert display.revoked_at is not None
    assert generation.current()[generation.CONFIG] > before
    assert paired.get("/wall/status/")["HX-Refresh"] == "true"
    assert shown_code(paired)
    assert secret_of(paired) != "secret"


def test_the_list_says_which_queues_and_when_each_wall_was_seen(administrator: Client, display: Display) -> None:
    page = administrator.get("/admin/dashboard/display/").content.decode()
    for text in ("Service desk", "Northgate · Sales", "Last seen", "Data age", "State", "Version", "Resolution",
                 "Address"):
        assert text in page


def test_a_change_of_a_walls_queues_is_noticed_but_not_that_it_was_seen(display: Display, billing: Queue) -> None:
    before = generation.current()
    pairing.seen([display.pk])
    assert generation.current() == before
    display.queues.add(billing)
    assert generation.current()[generation.CONFIG] > before[generation.CONFIG]
