"""The server process against clients that send too much or read too little."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.connection import BODY_LIMIT, EARLY_BYTES, BoardProtocol
from dashboard.server import missing
from tests.processes import Callboard, manage, running

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    data: Path = tmp_path_factory.mktemp("callboard")
    manage(data, "migrate", "--verbosity", "0")
    program = Callboard(data)
    with running(program):
        yield program


def test_nothing_of_daphnes_insides_is_missing() -> None:
    assert missing() == []


def test_what_is_said_before_the_handshake_is_over_is_kept_and_is_not_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """autobahn would take it for another handshake, and would keep any amount of it."""
    dropped: list[bool] = []
    protocol = BoardProtocol()
    monkeypatch.setattr(protocol, "dropConnection", lambda abort: dropped.append(abort))
    protocol.counted, protocol.data = True, b""
    protocol._dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert (protocol.data, dropped) == (b"GET / HTTP/1.1\r\n\r\n", [])
    protocol._dataReceived(bytes(EARLY_BYTES))
    assert dropped == [True]


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_while_it_comes_in(server: Callboard, announced: bool) -> None:
    size = BODY_LIMIT + 200_000
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        length = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
        wire.sendall(f"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n".encode())
        chunk = b"x" * 50_000
        framed = chunk if announced else b"c350\r\n" + chunk + b"\r\n"
        try:
            for _ in range(size // len(chunk) + 1):
                wire.sendall(framed)
        except OSError:
            pass  # it hung up in the middle of it: that is the point
        assert wire.recv(100).startswith(b"HTTP/1.1 413")


def test_a_usual_request_is_answered_after_that(server: Callboard) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
