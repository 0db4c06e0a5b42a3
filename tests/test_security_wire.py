"""S03, S11, S31, F83, F84, F86: the real `serve`, set up as in production, against a raw connection."""

import contextlib
import http.client
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from dashboard import slow_requests
from dashboard.answer_headers import ALWAYS
from dashboard.slow_requests import PatientChannel, Unfinished
from tests.conftest import PASSWORD
from tests.processes import Callboard, manage, running, until
from tests.test_settings import PRODUCTION

ORIGIN = PRODUCTION["CALLBOARD_ORIGINS"]
PEOPLE = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("dev", password={PASSWORD!r})
"""
ANSWERS_ALL = {name.lower() for name in ALWAYS} | {"content-security-policy", "strict-transport-security"}
LONG = bool(os.environ.get("CALLBOARD_LONG"))
MANY = 1000 if LONG else 540


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    data: Path = tmp_path_factory.mktemp("callboard")
    manage(data, "migrate", "--verbosity", "0", **PRODUCTION)
    manage(data, "shell", "-v", "0", "-c", PEOPLE, **PRODUCTION)
    program = Callboard(data, None, **PRODUCTION)
    with running(program):
        yield program


def ask(server: Callboard, method: str = "GET", path: str = "/", body: bytes | str = "",
        **headers: str) -> tuple[int, dict[str, str], list[str], str]:
    """Status, headers by their lower names, cookies, body. As the proxy would ask, unless `headers` say otherwise."""
    given = {"Host": "board.example", "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        wire.request(method, path, body or None, given)
        answer = wire.getresponse()
        text = answer.read().decode(errors="replace")
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.headers.get_all("Set-Cookie") or [], text
    finally:
        wire.close()


def raw(server: Callboard, data: bytes) -> bytes:
    """What comes back for these bytes, as far as the headers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as wire:
        wire.sendall(data)
        said = b""
        while b"\r\n\r\n" not in said and (more := wire.recv(4096)):
            said += more
        return said


def sign_in(server: Callboard, **headers: str) -> list[str]:
    """The cookies of a fresh sign-in."""
    _status, _headers, cookies, _text = ask(server, path="/accounts/login/")
    token = cookies[0].split(";")[0].split("=", 1)[1]
    form = f"username=dev&password={PASSWORD}&csrfmiddlewaretoken={token}"
    _status, _headers, set_, _text = ask(
        server, "POST", "/accounts/login/", form, Cookie=f"__Host-csrftoken={token}", Origin=ORIGIN,
        Content_Type="application/x-www-form-urlencoded", **headers)
    return set_


# ── headers and cookies ────────────────────────────────────────────────────────────────────────────
@pytest.mark.processes
def test_s03_behind_a_proxy_cookies_belong_to_this_host_and_to_tls(server: Callboard) -> None:
    cookies = {cookie.split("=", 1)[0]: cookie for cookie in sign_in(server)}
    assert {"__Host-session", "__Host-csrftoken"} <= set(cookies)
    for cookie in cookies.values():
        assert "Path=/" in cookie
        assert "Secure" in cookie
        assert "SameSite=Lax" in cookie
        assert "Domain" not in cookie
    assert "HttpOnly" in cookies["__Host-session"]


@pytest.mark.processes
@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/accounts/login/", 200), ("GET", "/", 302), ("GET", "/admin/", 302), ("GET", "/wall/", 200),
    ("GET", "/metrics", 403), ("GET", "/no/such", 404), ("GET", "/.git/HEAD", 404), ("GET", "/.env", 404),
    ("GET", "/static/board/base.css", 200), ("TRACE", "/", 405), ("BREW", "/", 405), ("POST", "/takeover/", 403),
])
def test_s05_s31_every_answer_carries_its_headers_and_no_servers_name(
    server: Callboard, method: str, path: str, status: int
) -> None:
    said, headers, _cookies, text = ask(server, method, path)
    assert said == status
    assert set(headers) >= ANSWERS_ALL
    assert f"connect-src 'self' {ORIGIN.replace('https', 'wss')}" in headers["content-security-policy"]
    assert not {"server", "x-powered-by", "via"} & set(headers)
    assert not re.search("daphne|twisted|django/", text, re.IGNORECASE)


@pytest.mark.processes
def test_s05_what_the_server_answers_itself_carries_them_as_well(server: Callboard) -> None:
    head = b"GET /%s HTTP/1.1\r\nHost: board.example\r\nX-Forwarded-Proto: https\r\n%s\r\n"
    big = b"POST / HTTP/1.1\r\nHost: board.example\r\nContent-Length: 4000000\r\n\r\n" + bytes(3_500_000)
    for data, status in ((head % (b"?\xff", b""), b"400"), (head % (b"\xc3\xa4", b""), b"400"), (big, b"413")):
        answer = raw(server, data).decode("latin-1")
        assert f" {status.decode()} " in answer.split("\r\n")[0], answer
        assert {line.split(":")[0].lower() for line in answer.split("\r\n")[1:]} >= ANSWERS_ALL
        assert not re.search("daphne|server:", answer, re.IGNORECASE)


# ── F83: where a socket may come from ──────────────────────────────────────────────────────────────
TRICKS = [
    None, "", "null", "https://evil.example", "http://board.example", "https://board.example:8443",
    "https://board.example.evil.example", "https://evil-board.example", "https://xboard.example",
    "https://sub.board.example", "https://board.example@evil.example", "https://evil.example#board.example",
    "https://evil.example/https://board.example", "//board.example", "board.example", "wss://board.example",
    "https://board.exampl", "https://board.example.", "file://", "chrome-extension://board.example",
    "https://board.example%00.evil.example", "https://127.0.0.1", "https://localhost", "https://[::1]",
]


def handshake(server: Callboard, path: str, *lines: str) -> int:
    told = raw(server, "\r\n".join([
        f"GET {path} HTTP/1.1", "Host: board.example", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", *lines, "", ""]).encode())
    assert b"server:" not in told.lower()
    return int(told.split(b" ", 2)[1])


@pytest.mark.processes
def test_f83_only_the_listed_origin_opens_a_socket(server: Callboard) -> None:
    session = next(cookie.split(";")[0] for cookie in sign_in(server) if "session" in cookie)
    for path in ("/ws/board/", "/ws/wall/"):
        for trick in TRICKS:
            lines = [f"Cookie: {session}", *([] if trick is None else [f"Origin: {trick}"])]
            assert handshake(server, path, *lines) in (400, 403), trick
    assert handshake(server, "/ws/board/", f"Cookie: {session}", f"Origin: {ORIGIN}") == 101
    two = [f"Origin: {ORIGIN}", "Origin: https://evil.example"]
    assert handshake(server, "/ws/board/", f"Cookie: {session}", *two) in (400, 403)


# ── F84: forged headers ────────────────────────────────────────────────────────────────────────────
@pytest.mark.processes
def test_f84_no_client_says_where_the_site_is_mounted_or_what_it_is_called(server: Callboard) -> None:
    for forged in ({"Daphne_Root_Path": "//evil.example"}, {"X_Forwarded_Host": "evil.example"},
                   {"X_Script_Name": "/evil.example"}, {"Forwarded": "host=evil.example;proto=http"},
                   {"X_Original_URL": "/admin/"}, {"X_Rewrite_URL": "/admin/"}, {"X_HTTP_Method_Override": "DELETE"}):
        status, headers, _cookies, text = ask(server, **forged)
        assert (status, headers["location"]) == (302, "/accounts/login/?next=/"), forged
        assert "evil.example" not in text
    assert ask(server, Host="evil.example")[0] == 400


@pytest.mark.processes
def test_f84_without_a_proxy_nothing_a_client_sends_is_its_address_or_its_tls(tmp_path: Path) -> None:
    manage(tmp_path, "migrate", "--verbosity", "0")
    bare = Callboard(tmp_path)
    forged = {"X_Forwarded_For": "192.0.2.9", "X_Real_IP": "192.0.2.9", "Forwarded": "for=192.0.2.9",
              "Host": f"127.0.0.1:{bare.port}"}
    with running(bare):
        manage(tmp_path, "shell", "-v", "0", "-c", PEOPLE)
        status, headers, cookies, _text = ask(bare, path="/accounts/login/", **forged)
        assert (status, "strict-transport-security" in headers, "Secure" in cookies[0]) == (200, False, False)
        assert ask(bare, path="/metrics", **forged)[0] == 403
        assert ask(bare, path="/metrics", Host=f"127.0.0.1:{bare.port}", X_Real_IP="")[0] == 200


# ── F86: too much, and too slow ────────────────────────────────────────────────────────────────────
@pytest.mark.processes
def test_f86_ten_thousand_fields_are_refused_and_keep_nobody_waiting(server: Callboard) -> None:
    _status, _headers, cookies, _text = ask(server, path="/accounts/login/")
    token = cookies[0].split(";")[0].split("=", 1)[1]
    fields = "&".join(f"f{number}=1" for number in range(10_000))
    many: dict[str, Any] = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": f"__Host-csrftoken={token}",
                            "Origin": ORIGIN, "X_CSRFToken": token}
    assert ask(server, "POST", "/accounts/login/", fields, **many)[0] == 400
    began = time.monotonic()
    assert ask(server, "POST", "/accounts/login/", "&" * 2_900_000, **many)[0] == 400
    assert time.monotonic() - began < 2, "the loop itself took the form apart"


class Waiting:
    gone = False

    def give_up(self) -> None:
        self.gone = True


def test_f86_the_oldest_unfinished_request_makes_room_for_the_newest() -> None:
    unfinished = Unfinished(limit=3)
    waiting = [Waiting() for _ in range(5)]
    for one in waiting[:3]:
        unfinished.begin(one)
    unfinished.end(waiting[1])
    unfinished.begin(waiting[0])  # begins anew: it is the youngest now
    for one in waiting[3:]:
        unfinished.begin(one)
    assert [one.gone for one in waiting] == [False, False, True, False, False]
    assert (len(unfinished), unfinished.dropped) == (3, 1)


def channel_on(clock: Clock, unfinished: Unfinished) -> tuple[PatientChannel, StringTransport]:
    channel, wire = PatientChannel(unfinished), StringTransport()  # type: ignore[no-untyped-call]
    channel.callLater, channel.timeOut = clock.callLater, None
    channel.makeConnection(wire)
    return channel, wire


def test_f86_headers_that_drip_have_ten_seconds_and_a_body_a_minute() -> None:
    clock, unfinished = Clock(), Unfinished()
    silent, dripping, slow = (channel_on(clock, unfinished) for _ in range(3))
    slow[0].dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    for _second in range(int(slow_requests.HEAD_S)):
        dripping[0].dataReceived(b"X")
        clock.advance(1)
    assert [wire.disconnecting for _channel, wire in (silent, dripping, slow)] == [True, True, False]
    assert len(unfinished) == 1
    for _second in range(int(slow_requests.WHOLE_S - slow_requests.HEAD_S)):
        slow[0].dataReceived(b"x")
        clock.advance(1)
    assert slow[1].disconnecting
    assert (len(unfinished), clock.getDelayedCalls()) == (0, [])


@pytest.mark.processes
def test_f86_slow_connections_leave_room_for_who_asks_quickly(server: Callboard) -> None:
    with contextlib.ExitStack() as stack:
        slow = []
        for number in range(MANY):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            wire.sendall(b"GET / HTTP/1.1\r\nHost: board.example\r\nX-Slow: " if number % 2 else b"")
            slow.append(wire)
            if number % 100 == 0:
                assert ask(server, path="/healthz")[0] == 200
        for wire in slow[:MANY - slow_requests.LIMIT]:
            assert wire.recv(10) == b"", "the oldest are dropped at once"
        assert ask(server, path="/accounts/login/")[0] == 200
        if LONG:
            assert slow[-1].recv(10) == b"", "and the youngest once their time is over"
    until(lambda: ask(server, path="/healthz")[0] == 200, 10, "an answer")


@pytest.mark.processes
def test_f86_a_kept_connection_may_ask_again_and_is_not_cut_in_the_middle(server: Callboard) -> None:
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(wire):
        for _ in range(3):
            wire.request("GET", "/healthz", headers={"Host": "board.example"})
            assert (wire.getresponse().read(), wire.sock is not None) == (b"ok\n", True)
        two = b"GET /healthz HTTP/1.1\r\nHost: board.example\r\n\r\n" * 2
        assert wire.sock is not None
        wire.sock.sendall(two)
        said = b""
        while said.count(b"ok\n") < 2:
            more = wire.sock.recv(4096)
            assert more, said
            said += more
