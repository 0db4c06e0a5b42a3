"""The commands an operator types: connect_account, the demo's furniture, and `serve` as the process it is."""

import contextlib
import http.client
import json
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from dashboard import generation
from dashboard.management.commands import demo
from dashboard.models import Seat
from dashboard.roles import Role, give, role_of
from queue_api.models import Account
from tests.peer import Peer, answer
from tests.processes import MANAGE, Callboard, environment, free_port, furnish, manage, running
from tests.takeovers import Held, beside, error

CANARY = "canary-1f7e-secret"
ROWS = answer({"status": "success", "data": [{"callId": "a"}, {"callId": "b"}]})
NAMES = ("DEEPCALL_SSID", "DEEPCALL_USER_ID", "DEEPCALL_TOKEN")


# ── connect_account ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def deepcall(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEEPCALL_SSID", CANARY)
    with beside(ROWS) as peer:
        yield peer


def connected(name: str, *words: str) -> str:
    out = StringIO()
    call_command("connect_account", name, *words, stdout=out, stderr=out)
    assert CANARY not in out.getvalue()
    return out.getvalue()


@pytest.mark.django_db
def test_connecting_makes_the_account_and_prints_what_the_first_list_brought(deepcall: Peer) -> None:
    said = connected("Southgate", "--base-url", f"{deepcall.url}/api/v2", "--poll-interval", "0.5",
                     "--time-zone", "Europe/Berlin", "--line", "Front desk")
    assert "Account “Southgate” created." in said
    assert "2 rows, 2 calls" in said
    account = Account.objects.get()
    assert (account.base_url, account.poll_interval_s, account.time_zone, account.line) == (
        deepcall.url, 0.5, "Europe/Berlin", "Front desk")
    assert [asked.json for asked in deepcall.journal] == [{"ssid": CANARY}]


@pytest.mark.django_db
def test_connecting_again_changes_only_what_is_given(deepcall: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    connected("Southgate", "--base-url", f"{deepcall.url}/brand", "--poll-interval", "7")
    monkeypatch.delenv("DEEPCALL_SSID")
    monkeypatch.setenv("DEEPCALL_USER_ID", "u-1")
    monkeypatch.setenv("DEEPCALL_TOKEN", "t-1")
    before = generation.current()[generation.CONFIG]
    assert "Account “Southgate” updated." in connected("Southgate", "--base-url", deepcall.url)
    account = Account.objects.get()
    assert (account.base_url, account.poll_interval_s) == (deepcall.url, 7)
    assert account.credentials().for_takeover() == {"ssid": CANARY}
    assert deepcall.journal[-1].json == {"userId": "u-1", "token": "t-1"}
    assert generation.current()[generation.CONFIG] > before


@pytest.mark.django_db
def test_another_server_is_not_sent_what_was_stored_for_the_old_one(deepcall: Peer,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    connected("Southgate", "--base-url", "https://old.example")
    monkeypatch.delenv("DEEPCALL_SSID")
    with pytest.raises(CommandError, match="No credentials"):
        connected("Southgate", "--base-url", deepcall.url)
    assert deepcall.journal == []
    assert Account.objects.get().base_url == "https://old.example"


@pytest.mark.django_db
def test_a_field_map_file_is_the_accounts_dialect(deepcall: Peer, tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"fields": {"caller": ["msisdn"]}, "states": {"hold": ["parked"]}}))
    connected("Southgate", "--base-url", deepcall.url, "--field-map", str(file))
    account = Account.objects.get()
    assert (account.field_names, account.state_words) == ({"caller": ["msisdn"]}, {"hold": ["parked"]})


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "sentence"), [
    (None, "cannot read"), ("{", "is not JSON"), ("[]", "must be a JSON object"), ('{"colours": {}}', '"fields"'),
    ('{"fields": {"colour": ["x"]}}', "is no field of ours"), ('{"fields": 3}', "must be a JSON object"),
    ('{"states": {"hold": "x"}}', "must be a list of text"), (b"\xff\xfe", "is not JSON"),
])
def test_a_field_map_that_is_no_table_is_refused_with_a_sentence(
    deepcall: Peer, tmp_path: Path, content: str | bytes | None, sentence: str
) -> None:
    file = tmp_path / "map.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CommandError, match=sentence):
        connected("Southgate", "--base-url", deepcall.url, "--field-map", str(file))
    assert not Account.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("words", "sentence"), [
    (("--base-url", "ftp://deepcall.example"), "base_url: The base URL must begin with https://"),
    (("--base-url", ""), "base_url"),
    (("--base-url", "https://deepcall.example", "--time-zone", "Mars/Olympus"), "no time zone"),
    (("--base-url", "https://deepcall.example", "--poll-interval", "0.1"), "poll_interval_s"),
    (("--base-url", "https://deepcall.example", "--poll-interval", "nan"), "poll_interval_s"),
    (("--base-url", "https://deepcall.example", "--poll-interval", "inf"), "poll_interval_s"),
    (("--base-url", "https://deepcall.example", "--poll-interval", "soon"), "--poll-interval"),
    ((), "--base-url"),
])
def test_what_cannot_be_is_refused_with_a_sentence(deepcall: Peer, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        connected("Southgate", *words)
    assert not Account.objects.exists()


@pytest.mark.django_db
def test_a_bad_change_leaves_the_account_as_it_was(deepcall: Peer) -> None:
    connected("Southgate", "--base-url", deepcall.url)
    with pytest.raises(CommandError):
        connected("Southgate", "--base-url", "ftp://deepcall.example")
    assert Account.objects.get().base_url == deepcall.url


@pytest.mark.django_db
@pytest.mark.parametrize("given", [(), ("DEEPCALL_USER_ID",), ("DEEPCALL_TOKEN",)])
def test_without_credentials_it_says_which_there_must_be(
    deepcall: Peer, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DEEPCALL_SSID")
    for name in given:
        monkeypatch.setenv(name, "x")
    with pytest.raises(CommandError, match="DEEPCALL_SSID, or DEEPCALL_USER_ID and DEEPCALL_TOKEN"):
        connected("Southgate", "--base-url", deepcall.url)


@pytest.mark.django_db
def test_an_account_that_cannot_be_reached_yet_is_kept_and_the_reason_said(deepcall: Peer) -> None:
    assert "Could not connect" in connected("Southgate", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert Account.objects.exists()


@pytest.mark.django_db
def test_wrong_credentials_are_said_with_what_to_do(deepcall: Peer) -> None:
    deepcall.script = [error(1014, "Invalid token")]
    said = connected("Southgate", "--base-url", deepcall.url)
    assert "code 1014: Invalid token" in said
    assert "Renew the credentials" in said


# ── the demo's furniture ───────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_furnishing_the_demo_twice_is_furnishing_it_once(settings: Any) -> None:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    demo.furnish("http://127.0.0.1:1")
    give(User.objects.get(username="ben"), Role.NONE)
    demo.furnish("http://127.0.0.1:2")
    assert Account.objects.get().base_url == "http://127.0.0.1:2"
    assert set(User.objects.values_list("username", flat=True)) == {"admin", "asha", "ben", "carla"}
    assert Seat.objects.count() == 3
    assert role_of(User.objects.get(username="ben")) is Role.NONE


# ── serve ──────────────────────────────────────────────────────────────────────────────────────────
class Upstream:
    """A DeepCall that counts its lists; `wait_for` waits until so many were asked."""

    def __init__(self) -> None:
        self.lists = 0
        self.changed = threading.Condition()

    async def __call__(self, peer: Peer, writer: Any) -> None:
        with self.changed:
            self.lists += 1
            self.changed.notify_all()
        await ROWS(peer, writer)

    def wait_for(self, count: int, timeout_s: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.lists >= count, timeout_s)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after `migrate`."""
    data = tmp_path_factory.mktemp("installed")
    manage(data, "migrate", "--verbosity", "0")
    return data


@pytest.fixture
def upstream() -> Iterator[tuple[Peer, Upstream]]:
    counted = Upstream()
    with beside(counted) as peer:
        yield peer, counted


@pytest.fixture
def polled(installed: Path, upstream: tuple[Peer, Upstream]) -> Path:
    """The same with one account whose DeepCall is here."""
    manage(installed, "connect_account", "Northgate", "--base-url", upstream[0].url, DEEPCALL_SSID=CANARY)
    return installed


def refused(data: Path, *words: str, **more: str) -> str:
    """Starts `serve`, which must end by itself with exit code 1; what it printed."""
    done = subprocess.run([*MANAGE, "serve", *words], env=environment(data, **more), capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.processes
def test_serve_asks_for_migrate_first(tmp_path: Path) -> None:
    assert "manage.py migrate" in refused(tmp_path, "--port", str(free_port()))


@pytest.mark.processes
def test_serve_says_so_when_the_port_is_taken(installed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Cannot listen on 127.0.0.1:{port}" in refused(installed, "--port", str(port))


@pytest.mark.processes
def test_serve_does_not_listen_publicly_on_keys_it_made_itself(installed: Path) -> None:
    assert "CALLBOARD_SECRET_KEY" in refused(installed, "--host", "0.0.0.0", "--port", str(free_port()))


@pytest.mark.processes
def test_serve_says_so_when_it_may_not_open_as_many_files_as_it_may_have_sockets(installed: Path) -> None:
    said = refused(installed, "--port", str(free_port()), CALLBOARD_MAX_SOCKETS="900000000")
    assert "lower CALLBOARD_MAX_SOCKETS" in said


@pytest.mark.processes
def test_a_second_process_without_redis_refuses_and_the_first_goes_on(
    polled: Path, upstream: tuple[Peer, Upstream]
) -> None:
    first = Callboard(polled)
    with running(first):
        assert upstream[1].wait_for(2, 10)  # connect_account's own, and the first poll
        said = refused(polled, "--port", str(free_port()))
        assert "Another process is already serving" in said
        assert "REDIS_URL" in said
        assert first.process.poll() is None
        assert upstream[1].wait_for(upstream[1].lists + 1, 10)
        first.stop()


@pytest.mark.processes
def test_sigterm_ends_it_with_0_and_its_place_is_free_at_once(polled: Path, upstream: tuple[Peer, Upstream]) -> None:
    first = Callboard(polled)
    with running(first):
        assert upstream[1].wait_for(2, 10)
        assert first.stop(signal.SIGTERM) == 0
        with contextlib.closing(sqlite3.connect(polled / "callboard.sqlite3")) as kept:
            assert kept.execute("SELECT max(expires_at) FROM dashboard_lease").fetchone() == (0,)  # let go, not run out
        second = Callboard(polled, port=first.port)
        with running(second):
            second.stop()
    assert "Traceback" not in first.log.read_text()
    assert CANARY not in first.log.read_text()


@pytest.mark.processes
def test_an_account_connected_while_it_runs_is_polled_within_10_s(
    installed: Path, upstream: tuple[Peer, Upstream]
) -> None:
    peer, counted = upstream
    server = Callboard(installed)
    with running(server):
        said = manage(installed, "connect_account", "Westgate", "--base-url", peer.url, DEEPCALL_SSID=CANARY)
        assert "Account “Westgate” created." in said
        assert counted.wait_for(counted.lists + 1, 10)
        server.stop()


# ── a takeover in a process that ends, or for a tab that does ──────────────────────────────────────
class Browser:
    """Signs in and clicks, as plain requests."""

    def __init__(self, server: Callboard) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.ask("GET", "/accounts/login/")
        assert self.ask("POST", "/accounts/login/", username="asha", password=demo.PASSWORD)[0] == 302

    def request(self, method: str, path: str, **form: str) -> bytes:
        body = urlencode(form)
        head = {
            "Host": f"127.0.0.1:{self.server.port}", "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)), "Connection": "close", "HX-Request": "true",
            "X-CSRFToken": self.cookies.get("csrftoken", ""),
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", body]
        return "\r\n".join(lines).encode()

    def send(self, method: str, path: str, **form: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
        connection.sendall(self.request(method, path, **form))
        return connection

    def ask(self, method: str, path: str, **form: str) -> tuple[int, str]:
        with self.send(method, path, **form) as connection:
            return self.answer(connection)

    def answer(self, connection: socket.socket) -> tuple[int, str]:
        response = http.client.HTTPResponse(connection)
        response.begin()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return response.status, response.read().decode()

    def until(self, path: str, found: Callable[[int, str], Any]) -> Any:
        """Asks again until the answer has it: what is awaited happens in another process."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if seen := found(*self.ask("GET", path)):
                return seen
        raise AssertionError(f"{path} never had it")

    def a_call(self) -> str:
        seen = self.until("/", lambda _status, page: re.search(r'data-call-ref="([^"]+)"', page))
        return str(seen[1])


class Centre:
    """A DeepCall with one live call, whose takeovers wait to be let go."""

    def __init__(self) -> None:
        self.takeovers = Held()

    async def __call__(self, peer: Peer, writer: Any) -> None:
        await (self.takeovers if "callTakeover" in peer.journal[-1].path else ROWS)(peer, writer)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Callboard, Centre]]:
    centre = Centre()
    with beside(centre) as peer:
        furnish(tmp_path, peer.url)
        server = Callboard(tmp_path)
        with running(server):
            yield server, centre


def recorded(data: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(data / "callboard.sqlite3")) as database:
        return database.execute("SELECT state, tries FROM dashboard_takeoverattempt").fetchall()


@pytest.mark.processes
def test_a_takeover_in_flight_is_finished_before_the_process_ends(served: tuple[Callboard, Centre]) -> None:
    server, centre = served
    browser = Browser(server)
    ref = browser.a_call()
    with browser.send("POST", "/takeover/", call=ref, key="1" * 32) as clicked:
        assert centre.takeovers.asked.wait(10)
        server.process.send_signal(signal.SIGTERM)
        browser.until("/healthz", lambda status, _text: status == 503)
        assert browser.ask("POST", "/takeover/", call=ref, key="2" * 32)[0] == 503
        centre.takeovers.release()
        status, cell = browser.answer(clicked)
    assert (status, 'data-takeover="accepted"' in cell) == (200, True)
    assert server.process.wait(15) == 0
    assert recorded(server.data) == [("accepted", 1)]


@pytest.mark.processes
def test_a_closed_tab_changes_nothing_for_its_takeover(served: tuple[Callboard, Centre]) -> None:
    server, centre = served
    browser = Browser(server)
    with browser.send("POST", "/takeover/", call=browser.a_call(), key="1" * 32):
        assert centre.takeovers.asked.wait(10)
    assert browser.ask("GET", "/healthz") == (200, "ok\n")  # by now the server knows that the tab is gone
    centre.takeovers.release()
    browser.until("/", lambda _status, page: 'data-takeover="accepted"' in page)
    assert recorded(server.data) == [("accepted", 1)]
    assert server.stop() == 0


@pytest.mark.processes
def test_after_kill_9_while_asking_its_successor_is_there_within_10_s_and_shows_who_was_asking(
    served: tuple[Callboard, Centre]
) -> None:
    server, centre = served
    browser = Browser(server)
    with browser.send("POST", "/takeover/", call=browser.a_call(), key="1" * 32):
        assert centre.takeovers.asked.wait(10)
        server.kill()
    began = time.monotonic()
    assert recorded(server.data) == [("sent", 0)]
    second = Callboard(server.data, port=server.port)
    with running(second):
        assert time.monotonic() - began < 10
        page = browser.until("/", lambda status, text: text if "data-takeover=" in text else "")
        assert 'data-takeover="pending"' in page
        assert "Asha Rao is taking over" in page
        assert 'aria-disabled="true"' in page
