"""Every request has a number, every line written meanwhile carries it, and one line says how it ended."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from pytest_django import Settings

from config.logs import Json, Stderr, current
from dashboard import request_log, wall_views
from dashboard.draining import refuse_takeovers_while_draining
from dashboard.models import Display, Queue
from dashboard.pairing import make_link
from dashboard.socket_log import SocketLog
from dashboard.station import station
from queue_api.models import Account
from tests.takeovers import SUCCESS, beside, click, live, show, signed_in

pytestmark = pytest.mark.django_db

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def said() -> Iterator[Lines]:
    """What went through the product's handler since the test began, parsed."""
    out = io.StringIO()
    handler = Stderr(out)
    handler.setFormatter(Json())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_a_request_is_one_line_that_names_the_route_and_says_how_it_ended(
    said: Lines, client: Client, admin: User
) -> None:
    answer = client.get("/accounts/login/?next=/secret-place")
    (line,) = said()
    assert re.fullmatch(r"[0-9a-f]{16}", answer["X-Request-ID"])
    assert line["request_id"] == answer["X-Request-ID"]
    assert line["logger"] == "callboard.access"
    assert (line["method"], line["route"], line["status"]) == ("GET", "accounts/login/", 200)
    assert line["ms"] >= 0
    assert "secret-place" not in json.dumps(line)
    assert current.get() is None


def test_who_is_signed_in_and_which_row_an_admin_page_is_about_stand_in_the_line(
    said: Lines, admin: User, account: Account
) -> None:
    signed_in(admin).get(f"/admin/queue_api/account/{account.pk}/change/")
    line = said()[-1]
    assert (line["actor"], line["object"]) == (admin.pk, f"queue_api_account_change {account.pk}")
    assert line["route"] == "admin/queue_api/account/<path:object_id>/change/"


@pytest.mark.parametrize("path", ["/wall/link/canary-canary-canary", "/nowhere/canary?token=canary", "/canary\u202e/x"])
def test_no_line_repeats_what_stands_in_the_address(said: Lines, client: Client, path: str) -> None:
    client.get(path)
    assert len(said()) == 1
    assert "canary" not in json.dumps(said())


def test_an_odd_method_is_called_so(said: Lines, client: Client) -> None:
    client.generic("CANARY", "/accounts/login/")
    assert said()[-1]["method"] == "OTHER"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/board/mark.svg", "/wall/status/"])
def test_what_is_asked_all_the_time_is_not_logged_while_it_goes_well(said: Lines, client: Client, path: str) -> None:
    assert client.get(path).status_code in (200, 503)
    assert said() == []


def test_a_health_check_that_fails_is_no_news_each_time(
    said: Lines, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.layer, "reachable", False)
    assert [client.get("/readyz").status_code for _ in range(3)] == [503] * 3
    assert said() == []


def test_refused_metrics_and_missing_files_are_logged(said: Lines, client: Client) -> None:
    client.get("/metrics", REMOTE_ADDR="192.0.2.1")
    client.get("/static/nothing.js")
    assert [line["status"] for line in said()] == [403, 404]


# ── the number ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("given", "behind_proxy", "taken"), [
    ("0af76519-16cd-43dd", True, True), ("0af76519-16cd-43dd", False, False), ("short", True, False), ("", True, False),
    ("x" * 65, True, False), ("with space", True, False), ("a\u202ebcdefghi", True, False), ("abcdefgh\n", True, False),
])
def test_only_a_proxys_number_is_taken_over_and_only_a_plain_one(
    client: Client, settings: Settings, given: str, behind_proxy: bool, taken: bool
) -> None:
    settings.BEHIND_PROXY = behind_proxy
    answer = client.get("/healthz", HTTP_X_REQUEST_ID=given)
    assert (answer["X-Request-ID"] == given) == taken
    assert request_log.FROM_PROXY.fullmatch(answer["X-Request-ID"])


@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_takeover_carries_the_requests_number_who_and_which(
    said: Lines, account: Account, sales: Queue, supervisor: User, settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    with beside(SUCCESS) as peer:
        Account.objects.filter(pk=account.pk).update(base_url=peer.url)
        answer = click(signed_in(supervisor), show(account, live()))
    lines = said()
    assert [line["logger"] for line in lines] == ["dashboard.takeover"] * 2 + ["callboard.access"]
    assert {line["request_id"] for line in lines} == {answer["X-Request-ID"]}
    assert {line["actor"] for line in lines} == {supervisor.pk}
    assert len({line["object"] for line in lines}) == 1
    assert "now accepted" in lines[1]["message"]


async def test_requests_at_the_same_time_have_numbers_of_their_own(said: Lines) -> None:
    browser = AsyncClient()
    answers = await asyncio.gather(*(browser.get("/nowhere") for _ in range(5)))
    assert len({answer["X-Request-ID"] for answer in answers}) == 5
    assert {line["request_id"] for line in said()} == {answer["X-Request-ID"] for answer in answers}


# ── what goes wrong ────────────────────────────────────────────────────────────────────────────────
def test_an_exception_in_a_view_is_one_line_with_the_number_and_without_the_secret_in_the_address(
    said: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(secret: str) -> None:
        raise ValueError(f"cannot open /wall/link/{secret} for +919876543210")

    monkeypatch.setattr(wall_views, "use_link", fail)
    answer = Client(raise_request_exception=False).get("/wall/link/canary-canary-canary")
    assert answer.status_code == 500
    error, access = said()
    assert (error["logger"], error["level"], access["status"]) == ("django.request", "ERROR", 500)
    assert error["request_id"] == access["request_id"] == answer["X-Request-ID"]
    assert "ValueError: cannot open" in error["exception"]
    assert "canary" not in json.dumps([error, access])
    assert "98765" not in json.dumps(error)


async def test_a_client_that_leaves_is_said_to_have_left(said: Lines) -> None:
    arrived = asyncio.Event()

    async def view(request: HttpRequest) -> HttpResponse:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    request = HttpRequest()
    request.method, request.path = "GET", "/"
    answering = asyncio.ensure_future(request_log.request_log(view)(request))
    await arrived.wait()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    assert [line["message"] for line in said()] == ["GET (no such address) left"]


async def test_a_takeover_refused_while_draining_has_its_line_and_number(
    said: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "draining", True)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await refuse_takeovers_while_draining(None)({"type": "http", "path": "/takeover/"}, None, send)
    (line,) = said()
    assert (line["route"], line["status"]) == ("takeover/", 503)
    assert (b"x-request-id", line["request_id"].encode()) in sent[0]["headers"]


# ── sockets ────────────────────────────────────────────────────────────────────────────────────────
def test_a_screen_is_a_line_when_it_opens_and_one_when_it_is_gone(said: Lines) -> None:
    log = SocketLog("board")
    log.opened(7)
    log.closing(4408)
    log.closing(1012)
    log.ended(1006)
    opened, closed = said()
    assert (opened["message"], opened["kind"], opened["actor"]) == ("board opened", "board", 7)
    assert (closed["code"], closed["actor"], closed["kind"]) == (4408, 7, "board")  # our reason, not how it broke
    assert closed["seconds"] < 5


def test_who_is_not_let_in_is_one_line(said: Lines) -> None:
    log = SocketLog("wall")
    log.closing(4403)
    log.ended(4403)
    assert [line["code"] for line in said()] == [4403]
    assert "actor" not in said()[0]


def test_a_link_to_a_wall_is_not_in_the_log(said: Lines, client: Client, sales: Queue) -> None:
    display = Display.objects.create(name="Hall")
    secret = make_link(display)
    assert client.get(f"/wall/link/{secret}").status_code == 302
    assert said()[0]["route"] == "wall/link/<str:secret>"
    assert secret not in json.dumps(said())
