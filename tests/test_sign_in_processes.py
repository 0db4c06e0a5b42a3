"""F88 through two processes behind a proxy: they count wrong passwords together, and the person still enters."""

import contextlib
import http.client
import os
import re
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message

import pytest

from dashboard.management.commands.demo import PASSWORD
from dashboard.sign_in import AT_ONCE
from dashboard.throttle import FREE, PAUSE_S, PER_NAME
from tests.processes import Callboard, Upstream, furnish, running, until
from tests.services import postgres, redis

pytestmark = [
    pytest.mark.processes, pytest.mark.long,
    pytest.mark.skipif(not os.environ.get("CALLBOARD_LONG"), reason="full counts: make test-long"),
]
HOST, LOGIN = "board.example", "/accounts/login/"
Answer = tuple[int, str, str]  # status, Retry-After, body


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Callboard]]:
    data = tmp_path_factory.mktemp("data")
    upstream = Upstream(data)
    with running(upstream), postgres() as database:
        more = database | redis() | {"CALLBOARD_BEHIND_PROXY": "1", "CALLBOARD_ALLOWED_HOSTS": HOST,
                                     "CALLBOARD_ORIGINS": f"https://{HOST}"}
        furnish(data, upstream.url, **more)
        processes = [Callboard(data, None, **more) for _ in range(2)]
        with running(*processes):
            yield processes


def ask(server: Callboard, method: str, address: str, cookies: str = "", **fields: str) -> tuple[int, Message, str]:
    """As the proxy hands a request on: it sets X-Real-IP anew, and lets the client's X-Forwarded-For through."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as line:
        line.request(method, LOGIN, urllib.parse.urlencode(fields) if fields else None, {
            "Host": HOST, "X-Forwarded-Proto": "https", "X-Real-IP": address, "X-Forwarded-For": os.urandom(4).hex(),
            "Referer": f"https://{HOST}{LOGIN}", "Cookie": cookies,
            "Content-Type": "application/x-www-form-urlencoded"})
        with line.getresponse() as answer:
            return answer.status, answer.headers, answer.read().decode()


def attempt(server: Callboard, password: str, address: str, username: str = "asha") -> Answer:
    _status, headers, page = ask(server, "GET", address)
    cookies = "; ".join(f"{name}={value}" for name, value in re.findall(
        r"(__Host-\w+)=([^;]+)", " ".join(headers.get_all("Set-Cookie") or [])))
    found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    status, headers, body = ask(
        server, "POST", address, cookies, csrfmiddlewaretoken=found[1], username=username, password=password)
    return status, headers.get("Retry-After", ""), body


def test_f88_a_hundred_wrong_passwords_from_one_address_at_two_processes(pair: list[Callboard]) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: attempt(pair[number % 2], "wrong", "192.0.2.1"), range(100)))
    statuses = [status for status, _wait, _body in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= FREE + 2 * AT_ONCE - 1
    assert all(wait and "Too many tries" in body for status, wait, body in answers if status == 429)
    for server in pair:
        assert attempt(server, PASSWORD, "192.0.2.1")[0] == 429
        assert attempt(server, PASSWORD, "198.51.100.1")[0] == 302


def test_f88_a_hundred_wrong_passwords_from_fifty_addresses_at_two_processes(pair: list[Callboard]) -> None:
    assert attempt(pair[0], PASSWORD, "198.51.100.9", "ben")[0] == 302
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda number: attempt(
            pair[number % 2], "wrong", f"203.0.113.{number // 2}", "ben")[0], range(100)))
    assert statuses.count(429) > 0
    assert statuses.count(200) >= PER_NAME
    assert attempt(pair[1], PASSWORD, "198.51.100.9", "ben")[0] == 302  # from where he has signed in before
    until(lambda: attempt(pair[1], PASSWORD, "192.0.2.77", "ben")[0] == 302, PAUSE_S + 15, "ben from anywhere")


def test_f88_neither_process_writes_down_what_was_typed(pair: list[Callboard]) -> None:
    canary = "typed-into-the-wrong-field"
    assert attempt(pair[0], canary, "192.0.2.200", canary)[0] == 200
    assert canary not in "".join(server.log.read_text() for server in pair)
