"""S12: every role at every door, own and foreign. What is not theirs looks exactly like what does not exist."""

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Permission, User
from django.test import Client

from config.asgi import build
from dashboard.fanout import hub
from dashboard.member import REVOKED, SIGN_IN
from dashboard.models import Seat, TakeoverAttempt
from dashboard.pairing import SOCKET_COOKIE
from tests.doors import ALL, DOORS, FOREIGN, GRANTED, NAMES, OWN, ROLES, Site, build_site, hidden_from, kind_of, routes

SIGNED_IN = tuple(role for role in ROLES if role not in ("anonymous", "wall"))
NOT_SENT = {"anonymous": 403, "wall": 403}
KEY = "0" * 32
ONLY_SHOWN = {"admin/", "admin/jsi18n/"}  # whatever the method
ORIGIN = "https://board.example"


@pytest.fixture
def site(db: None) -> Site:
    return build_site()


def expected(kind: str, role: str) -> set[int]:
    """The statuses that reading an address of that kind may have for a role."""
    signed_in, sets_up = role in SIGNED_IN, GRANTED[role].sets_up
    return {
        "signed in": {200} if signed_in else {302},
        "setting up": {200} if sets_up else {403} if signed_in else {302},
        "own queues": {302},
        "own queue": {302} if not signed_in else {200} if role in ("foreign", "administrator") else {404},
        "post alone": {405},
        "signing in": {200, 302} if signed_in else {200},
        "after the password": {302},
        "wall": {200, 204, 302},
        "everybody": {200, 503},
        "metrics": {200} if sets_up else {403},
        "staff": {200, 302, 403, 404, 405} if sets_up or role == "helper" else {302},
    }[kind]


# ── reading ────────────────────────────────────────────────────────────────────────────────────────
def test_s12_every_address_is_in_the_table_of_doors_and_none_is_there_in_vain() -> None:
    found = set(routes())
    listed = {route for members in DOORS.values() for route in members}
    assert found - listed == set(), "new: say in tests/doors.py who may open it"
    assert listed - found == set(), "gone: take it out of tests/doors.py"
    assert sum(map(len, DOORS.values())) == len(listed)


@pytest.mark.parametrize("role", ROLES)
def test_s12_no_address_tells_a_role_what_is_not_theirs(site: Site, role: str) -> None:
    for route in routes():
        if "/inspect/" in route and GRANTED[role].sets_up:
            continue  # asks DeepCall
        answer = site.clients[role].get(site.path(route))
        assert answer.status_code in expected(kind_of(route), role), route
        text = answer.content.decode() if not answer.streaming else b"".join(answer).decode()
        assert {word for word in hidden_from(role) if word in text} == set(), route


def test_s12_own_calls_are_there_so_that_the_rest_is_no_empty_promise(site: Site) -> None:
    board = {role: site.clients[role].get("/").content.decode() for role in SIGNED_IN}
    assert "Mr Sales" in board["observer"]
    assert "Mr Sales" in board["supervisor"]
    assert "Dr Harbour" in board["foreign"]
    assert all(word in board["administrator"] for word in OWN | FOREIGN)
    assert ('data-action="takeover"' in board["observer"], 'data-action="takeover"' in board["supervisor"]) == (
        False, True)
    assert "Sales" in site.clients["wall"].get("/wall/").content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_s12_a_page_shows_the_calls_of_the_queues_that_are_watched_and_no_others(site: Site, role: str) -> None:
    board = site.clients[role].get("/").content.decode()
    assert {queue for queue, name in NAMES.items() if name in board} == GRANTED[role].watches
    assert bool(board.count('data-action="takeover"')) == bool(GRANTED[role].takes_over)


@pytest.mark.parametrize("role", ROLES)
def test_s12_the_record_its_files_and_the_metrics_are_for_those_who_set_up(site: Site, role: str) -> None:
    client, sets_up = site.clients[role], GRANTED[role].sets_up
    for path in ("/admin/dashboard/auditevent/", "/admin/dashboard/auditevent/csv/",
                 "/admin/dashboard/takeoverattempt/csv/", "/admin/dashboard/takeoverattempt/"):
        answer = client.get(path)
        assert answer.status_code == (200 if sets_up else 403 if role == "helper" else 302), path
        assert ("Farah" in b"".join(answer).decode()) == sets_up, path
    metrics = client.get("/metrics")
    assert metrics.status_code == (200 if sets_up else 403)
    told = metrics.content.decode()
    assert {word for word in OWN | FOREIGN | {"Northgate", "Farah"} if word in told} == set(), "accounts by number"


# ── taking over ────────────────────────────────────────────────────────────────────────────────────
def plain(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer but its number and the time of day."""
    headers = {name: value for name, value in answer.items() if name not in ("X-Request-ID", "Expires")}
    return answer.status_code, answer.content, headers


@pytest.fixture
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment for all: a notice says when."""
    monkeypatch.setattr("dashboard.answering.now_ms", lambda: 1_800_000_000_000)
    monkeypatch.setattr("dashboard.views.now_ms", lambda: 1_800_000_000_000)


def tampered(ref: str) -> list[str]:
    account, call = ref.split("-", 1)
    return ["", "0", "-", account, call, f"{account}-", f" {ref}", f"{ref} ", f"{ref}\0", f"0{ref}", "%00", "٣-s-1",
            f"{account}--{call}", f"{int(account) + 100}-{call}", f"-{ref}", ref.upper(), f"{ref}'",
            f"{ref}/../{ref}", "9" * 5000]


@pytest.mark.parametrize("role", ROLES)
def test_s12_a_takeover_goes_as_far_as_role_and_queue_let_it(site: Site, role: str) -> None:
    """Who may gets an attempt on record. DeepCall is not asked: these lists are too old for it."""
    granted, client = GRANTED[role], site.clients[role]
    statuses = {queue: client.post("/takeover/", {"call": ref, "key": f"{number:032x}"}).status_code
                for number, (queue, ref) in enumerate(site.refs.items())}
    nothing = NOT_SENT.get(role, 404)
    assert statuses == {queue: 200 if queue in granted.takes_over else 403 if queue in granted.watches else nothing
                        for queue in ALL}
    attempts = TakeoverAttempt.objects.exclude(pk=site.attempt.pk)
    assert list(attempts.values_list("state", flat=True)) == ["not-sent"] * len(granted.takes_over)


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("role", [role for role in ROLES if role != "administrator"])
def test_s12_a_foreign_call_is_answered_byte_for_byte_like_none(site: Site, role: str) -> None:
    own = GRANTED[role].watches
    client = site.clients[role]
    missing = plain(client.post("/takeover/", {"call": "1-no-such-call", "key": KEY}))
    assert missing[0] == NOT_SENT.get(role, 404)
    extra = {"account": "1", "queue": "302", "caller": "1", "callernumber": "1", "agentid": "6666", "user": "1",
             "is_superuser": "1"}
    for name, ref in site.refs.items():
        if name in own:
            continue
        assert plain(client.post("/takeover/", {"call": ref, "key": KEY})) == missing, name
        assert plain(client.post("/takeover/", {"call": ref, "key": KEY} | extra)) == missing, name
    for ref in tampered(next(iter(site.refs.values()))):
        assert plain(client.post("/takeover/", {"call": ref, "key": KEY})) == missing, ref
    assert TakeoverAttempt.objects.count() == 1  # the one of before


@pytest.mark.parametrize("may", [False, True])
@pytest.mark.parametrize("role", [role for role in ROLES if role != "administrator"])
def test_s12_a_foreign_number_is_answered_byte_for_byte_like_none(site: Site, role: str, may: bool) -> None:
    own = {"observer": {"Sales"}, "supervisor": {"Sales"}, "foreign": {"Harbour desk"}}.get(role, set())
    if may:
        for user in User.objects.filter(is_superuser=False):
            user.user_permissions.add(Permission.objects.get(codename="reveal_numbers"))
    client = site.clients[role]
    missing = plain(client.post("/reveal/", {"call": "1-no-such-call"}))
    assert missing[0] == (404 if may and role in SIGNED_IN else 403)
    for name, ref in site.refs.items():
        answer = plain(client.post("/reveal/", {"call": ref, "is_superuser": "1", "queue": "302"}))
        if may and name in own:
            assert answer[0] == 200
        else:
            assert answer == missing, name
    for ref in tampered(next(iter(site.refs.values()))):
        assert plain(client.post("/reveal/", {"call": ref})) == missing, ref


def test_s12_who_may_look_may_not_touch(site: Site) -> None:
    assert site.clients["observer"].post("/takeover/", {"call": site.refs["Sales"], "key": KEY}).status_code == 403
    assert TakeoverAttempt.objects.count() == 1


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("role", [role for role in ROLES if not GRANTED[role].judges])
def test_s12_a_verdict_on_somebody_elses_takeover_is_one_on_none(site: Site, role: str) -> None:
    client = site.clients[role]
    missing = plain(client.post("/takeover/verdict/", {"attempt": "999999", "verdict": "moved"}))
    assert missing[0] == 404
    theirs = str(site.attempt.pk)
    for attempt in (theirs, f" {theirs}", f"{theirs}.0", "-1", "9" * 18, "9" * 5000, "x"):
        assert plain(client.post("/takeover/verdict/", {"attempt": attempt, "verdict": "moved"})) == missing, attempt
    site.attempt.refresh_from_db()
    assert site.attempt.verdict == ""
    assert site.clients["foreign"].post(
        "/takeover/verdict/", {"attempt": site.attempt.pk, "verdict": "moved"}).status_code == 200


@pytest.mark.parametrize("role", [role for role in ROLES if GRANTED[role].judges])
def test_s12_a_verdict_is_for_who_clicked_and_who_sets_up(site: Site, role: str) -> None:
    answer = site.clients[role].post("/takeover/verdict/", {"attempt": site.attempt.pk, "verdict": "moved"})
    assert answer.status_code == 200
    site.attempt.refresh_from_db()
    assert site.attempt.verdict == "moved"


def test_s12_nobody_stores_a_session_on_somebody_elses_seat(site: Site) -> None:
    foreign = Seat.objects.get(user__username="farah")
    for role in (role for role in SIGNED_IN if role != "foreign"):
        answer = site.clients[role].post("/me/", {"seat": str(foreign.uid), "ssid": "mine-now"})
        assert answer.status_code == 200
        assert "Southgate" not in answer.content.decode()
    foreign.refresh_from_db()
    assert foreign.ssid_sealed == ""


def test_s12_staff_without_rights_change_nothing_in_the_admin(site: Site) -> None:
    for route in routes():
        if not route.startswith("admin/") or any(word in route for word in ("login", "logout", "password_change")):
            continue
        for role in ("helper", "supervisor", "anonymous"):
            form = {"name": "x", "action": "delete_selected", "post": "yes"}
            answer = site.clients[role].post(site.path(route), form)
            fine = {302, 403, 404, 405} | ({200} if route in ONLY_SHOWN else set())
            assert answer.status_code in fine, (route, role)
    assert TakeoverAttempt.objects.count() == 1


# ── sockets ────────────────────────────────────────────────────────────────────────────────────────
def cookies_of(client: Client, wall: bool) -> str:
    if wall:
        return f"{SOCKET_COOKIE}=canary-wall"
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


async def heard(path: str, cookies: str) -> tuple[int, str]:
    """The code a socket is closed with (0: it stays), and all it hears at first and after asking for a full board."""
    headers = [(b"host", b"board.example"), (b"origin", ORIGIN.encode()), (b"cookie", cookies.encode())]
    wire = WebsocketCommunicator(build([ORIGIN]), path, headers=headers)
    said: list[str] = []
    try:
        accepted, _ = await wire.connect(timeout=10)
        if not accepted:
            return 403, ""
        for asks in (True, False):
            event = await wire.receive_output(timeout=10)
            if event["type"] == "websocket.close":
                return int(event["code"]), "".join(said)
            while "screen" in json.loads(event["text"]):
                said.append(event["text"])
                event = await wire.receive_output(timeout=10)
            assert json.loads(event["text"])["full"]
            said.append(event["text"])
            if asks:
                for member in hub.members:
                    member.last_full = 0.0
                await wire.send_to(text_data=json.dumps({"resync": json.loads(event["text"])["seq"]}))
        return 0, "".join(said)
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await wire.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_s12_no_socket_carries_what_is_not_its_viewers_not_even_on_asking() -> None:
    site = await sync_to_async(build_site)()
    for role in ROLES:
        for path in ("/ws/board/", "/ws/wall/"):
            cookies = cookies_of(site.clients[role], role == "wall" and path == "/ws/wall/")
            code, text = await heard(path, cookies)
            watches = GRANTED[role].watches
            lets_in = path == "/ws/wall/" if role == "wall" else path == "/ws/board/" and bool(watches)
            stranger = REVOKED if path == "/ws/wall/" or role in SIGNED_IN else SIGN_IN
            assert code == (0 if lets_in else stranger), (role, path)
            assert {word for word in hidden_from(role) if word in text} == set(), (role, path)
            assert bool(re.search("Sales|Harbour", text)) == lets_in, (role, path)
            if path == "/ws/board/":
                assert {queue for queue, name in NAMES.items() if name in text} == watches, role
    assert hub.streams == {}
