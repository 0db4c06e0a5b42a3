"""Faults between us and DeepCall: through the real client, and through the real `serve` with the simulator behind a
proxy.

Where each entry of the fault catalogue that has to do with the wire and upstream is tested (here: by its number):

    F01  refused                    here: client, serve
    F02  names and certificates     here: client, click
    F03  accepts, never answers     here: client, serve
    F04  down while polling         here: serve; each step and its jitter in test_poller
    F05  drips                      here: client; test_client
    F06  acts, then resets          here: client, serve
    F07  resets before reading      here: client, serve
    F08  kept connection closed     here: serve; test_client
    F09  two event loops            test_client
    F10  200 MB                     here: serve; where it is cut in test_client
    F12  redirect                   here: serve; test_client
    F13  odd bodies                 here: serve; all of them in test_client, test_answers
    F14  NaN, double keys, depth    here: serve; all of them in test_answers
    F16  damaged bodies             here: from the wire to the row; test_answers
    F17  odd rows                   here: from the wire to the row; test_calls
    F18  nights and clocks          here: from the wire to the row; test_calls, test_rows
"""

import asyncio
import json
import os
import re
import socket
import ssl
import threading
import time
import zoneinfo
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx  # noqa: TID251 - stands in for the network under the real client
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import asking
from dashboard.board import Board, heard
from dashboard.rows import Flags, row_html, with_elapsed
from queue_api import client as client_module
from queue_api.client import Accepted, Listing
from queue_api.errors import NotSent, NoUsableAnswer, QueueApiError, Untrusted
from tests.chaos.proxy import (
    BLACKHOLE,
    OK,
    REFUSE,
    RESET_AFTER,
    RESET_BEFORE,
    Proxy,
    Verb,
    cut,
    drip,
    latency,
)
from tests.makers import NORTHGATE, NOW
from tests.peer import Peer
from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.supervisors import Supervisor, attribute
from tests.test_client import ROWS, TARGET, YES, to

LONG = bool(os.environ.get("CALLBOARD_LONG"))
MIB = 1024 * 1024


# ── through the client: every verb of the wire has its class ───────────────────────────────────────
def port_of(peer: Peer) -> int:
    return int(peer.url.rsplit(":", 1)[1])


async def take_over(url: str) -> Accepted | QueueApiError:
    client = to(url, takeover_deadline_s=0.4)
    try:
        return await client.take_over(TARGET)
    except QueueApiError as error:
        return error
    finally:
        await client.aclose()


async def list_calls(url: str) -> Listing | QueueApiError:
    client = to(url, list_deadline_s=0.4)
    try:
        return await client.list_calls()
    except QueueApiError as error:
        return error
    finally:
        await client.aclose()


@pytest.mark.parametrize(("verb", "kind", "reached", "tries"), [
    pytest.param(OK, Accepted, 1, 1, id="ok"),
    pytest.param(latency(0.1), Accepted, 1, 1, id="slow"),
    pytest.param(REFUSE, NotSent, 0, 2, id="f01-refused"),
    pytest.param(BLACKHOLE, NoUsableAnswer, 0, 1, id="f03-never-answers"),
    pytest.param(latency(5), NoUsableAnswer, 1, 1, id="f03-acts-and-answers-too-late"),
    pytest.param(drip(1, 0.05), NoUsableAnswer, 1, 1, id="f05-drips"),
    pytest.param(RESET_AFTER, NoUsableAnswer, 1, 1, id="f06-acts-then-resets"),
    pytest.param(cut(0), NoUsableAnswer, 1, 1, id="f06-acts-then-closes"),
    pytest.param(cut(30), NoUsableAnswer, 1, 1, id="f06-cut-in-the-head"),
    pytest.param(cut(90), NoUsableAnswer, 1, 1, id="f06-cut-in-the-body"),
    pytest.param(RESET_BEFORE, NoUsableAnswer, 0, 1, id="f07-resets-before-reading"),
])
async def test_a_takeover_is_not_sent_only_when_that_is_proven_and_never_posted_twice(
        verb: Verb, kind: type[object], reached: int, tries: int) -> None:
    async with Peer(YES) as peer, Proxy(port_of(peer)) as proxy:
        proxy.switch(verb)
        outcome = await take_over(proxy.url)
    assert type(outcome) is kind
    assert (len(peer.journal), outcome.tries) == (reached, tries)


@pytest.mark.parametrize(("verb", "kind"), [
    pytest.param(REFUSE, NotSent, id="f01-refused"), pytest.param(BLACKHOLE, NoUsableAnswer, id="f03-never-answers"),
    pytest.param(RESET_AFTER, NoUsableAnswer, id="f06-resets"), pytest.param(cut(120), NoUsableAnswer, id="f06-cut"),
    pytest.param(RESET_BEFORE, NoUsableAnswer, id="f07-resets-before-reading"),
])
async def test_a_list_that_did_not_come_is_an_error_and_the_next_one_comes(verb: Verb, kind: type[Exception]) -> None:
    async with Peer(ROWS) as peer, Proxy(port_of(peer)) as proxy:
        proxy.switch(verb)
        failed = await list_calls(proxy.url)
        proxy.switch(OK)
        listing = await list_calls(proxy.url)
    assert isinstance(failed, kind)
    assert isinstance(listing, Listing)
    assert listing.received == 2


# ── names and certificates ─────────────────────────────────────────────────────────────────────────
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
HERE = x509.IPAddress(ip_address("127.0.0.1"))
DAY = timedelta(days=1)


class Authority:
    """Signs certificates that the client is made to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key, self.now = folder, ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        certificate = self._begun(self.key, NAME, self.now - DAY, self.now + DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(self.key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, name: x509.GeneralName, begins: timedelta, ends: timedelta) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        begun = self._begun(key, x509.Name([]), self.now + begins, self.now + ends)
        certificate = begun.add_extension(
            x509.SubjectAlternativeName([name]), critical=True).sign(self.key, hashes.SHA256())
        pem = self.folder / "server.pem"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _begun(self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, begins: datetime,
               ends: datetime) -> x509.CertificateBuilder:
        return (x509.CertificateBuilder().issuer_name(NAME).subject_name(subject).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    monkeypatch.setattr(client_module, "_tls", lambda: ssl.create_default_context(cadata=authority.pem))
    return authority


async def test_f02_a_certificate_in_order_is_let_through(authority: Authority) -> None:
    async with Peer(YES, tls=authority.server(HERE, -DAY, DAY)) as peer:
        assert isinstance(await take_over(peer.url), Accepted)


@pytest.mark.parametrize(("name", "begins", "ends"), [
    pytest.param(x509.DNSName("deepcall.example"), -DAY, DAY, id="another-name"),
    pytest.param(x509.DNSName("127.0.0.1"), -DAY, DAY, id="address-as-name"),
    pytest.param(HERE, -2 * DAY, -DAY, id="expired"), pytest.param(HERE, DAY, 2 * DAY, id="not-yet-valid"),
])
async def test_f02_a_certificate_that_does_not_fit_gets_nothing_and_is_not_asked_again(
        authority: Authority, name: x509.GeneralName, begins: timedelta, ends: timedelta) -> None:
    async with Peer(YES, tls=authority.server(name, begins, ends)) as peer:
        taken, listed = await take_over(peer.url), await list_calls(peer.url)
    assert isinstance(taken, Untrusted)
    assert isinstance(listed, Untrusted)
    assert (peer.journal, taken.tries) == ([], 1)
    assert "certificate" in taken.message


async def test_f02_a_name_that_does_not_resolve_is_proof_that_nothing_was_sent(
        monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(host: str, *_args: Any, **_kwargs: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    outcome = await take_over("https://deepcall.example")
    assert type(outcome) is NotSent
    assert outcome.tries == len(asked) == 2
    assert "Name or service not known" in outcome.message


def test_f02_a_look_up_that_hangs_holds_no_click_beyond_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found.wait(30) and [])
    began = time.monotonic()
    outcome = asyncio.run(asking._post(to("https://deepcall.example", takeover_deadline_s=0.4), TARGET))
    took_s = time.monotonic() - began
    found.set()
    assert isinstance(outcome, QueueApiError)
    assert took_s < 3


# ── bodies, from the wire to the row ───────────────────────────────────────────────────────────────
FLAGS = Flags(full_numbers=True, may_take_over=True, own_session=False, language="en")
TIMER = re.compile(r'data-since="(\d*)"[^>]*>([^<]*)<')
FIVE_MINUTES, HOUR = 300_000, 3_600_000


class Canned(httpx.AsyncBaseTransport):
    """Answers everything with `body`."""

    body = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(self.body))


class Upstreamless:
    """The real client, board and rows on bodies given by the test."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner, self.wire = runner, Canned()
        self.client = to("http://127.0.0.1:1", transport=self.wire)

    def listing(self, body: bytes) -> Listing | QueueApiError:
        self.wire.body = body
        try:
            return self.runner.run(self.client.list_calls())
        except QueueApiError as error:
            return error

    def take_over(self, body: bytes) -> Accepted | QueueApiError:
        self.wire.body = body
        try:
            return self.runner.run(self.client.take_over(TARGET))
        except QueueApiError as error:
            return error


@pytest.fixture(scope="module")
def upstreamless() -> Iterator[Upstreamless]:
    with asyncio.Runner() as runner:
        yield Upstreamless(runner)


def shown(listing: Listing, now: int, board: Board | None = None) -> dict[str, str]:
    """The HTML of each call's row, at first paint and by call key, after a list that came at `now`."""
    new = heard(board or Board(account=1, heard_at=now - 2000), listing, asked_at=now, now=now, misses=2, gap_ms=6000)
    return {key: with_elapsed(row_html(NORTHGATE, live, None, FLAGS, now), now) for key, live in new.calls.items()}


def rows(*found: dict[str, Any]) -> bytes:
    return json.dumps({"status": "success", "data": found}).encode()


GOOD = {"callId": "good", "callernumber": "+919812345678", "queueTime": (NOW - 65_000) // 1000, "groupName": "Sales"}
WHOLE = [
    b'{"status":"error","message":"Live call not found or invalid","code":1000}',
    b'{"status":"success","message":"Call connected"}',
    rows(GOOD, GOOD | {"callId": 2, "agentid": "7", "agentName": "Asha", "status": "talking",
                       "answerTime": "2026-09-21 18:46:40"}),
    b'{"data":{"calls":[{"id":7,"cNumber":"98","state":"held","created_at":1790000000000.5}],"total":"3"}}',
]
DAMAGE = st.tuples(
    st.integers(0, 400), st.integers(0, 6), st.binary(max_size=3) | st.sampled_from([
        b"NaN", b"1e999", b"-0", b"9" * 30, b"[", b"{", b"]", b'"', b"\\ud800", b"\\u202e", b"null", b"true", b"{}",
        b"[]", b",", b'"data":[', b"\xff", b"\xef\xbb\xbf", b"\x00", b"0000-00-00", b"-62135596800", b"253402300799"]))


def damaged(whole: bytes, damages: list[tuple[int, int, bytes]], flips: list[tuple[int, int]]) -> bytes:
    for start, length, put in damages:
        whole = whole[:start % len(whole)] + put + whole[start % len(whole) + length:] or b" "
    changed = bytearray(whole)
    for place, bit in flips:
        changed[place % len(changed)] ^= 1 << bit
    return bytes(changed)


@settings(max_examples=20_000 if LONG else 300, deadline=None)
@given(whole=st.sampled_from(WHOLE), damages=st.lists(DAMAGE, max_size=4),
       flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), max_size=3))
def test_f16_a_damaged_body_is_an_answer_or_an_error_and_its_rows_can_be_shown(
        upstreamless: Upstreamless, whole: bytes, damages: list[tuple[int, int, bytes]],
        flips: list[tuple[int, int]]) -> None:
    body = damaged(whole, damages, flips)
    assert isinstance(upstreamless.take_over(body), Accepted | QueueApiError)
    listing = upstreamless.listing(body)
    if isinstance(listing, Listing):
        for html in shown(listing, NOW).values():
            html.encode()
            assert "-" not in "".join(text for _, text in TIMER.findall(html))


NO_TIMES: list[Any] = [None, 0, -5, "-5", -1e300, "", "0000-00-00 00:00:00", "9999-12-31 23:59:59", 253_402_300_799,
            NOW + 3 * 24 * HOUR, [], {}, True]


@pytest.mark.parametrize("odd", [
    {"callId": "odd"}, {"callId": "odd", "callernumber": None, "agentid": None, "groupId": None, "status": None},
    {"callId": "odd", "callernumber": [], "agentName": {}, "groupName": 1.5, "status": True, "cType": False},
    *({"callId": "odd", "queueTime": time_, "answerTime": time_} for time_ in NO_TIMES),
])
def test_f17_an_odd_row_is_shown_with_dashes_and_changes_no_other(
        upstreamless: Upstreamless, odd: dict[str, Any]) -> None:
    alone, both = upstreamless.listing(rows(GOOD)), upstreamless.listing(rows(odd, GOOD))
    assert isinstance(alone, Listing)
    assert isinstance(both, Listing)
    html = shown(both, NOW)
    assert html["good"] == shown(alone, NOW)["good"]
    for field in ("caller", "queue", "kind", "agent"):
        assert f'data-field="{field}">–<' in html["odd"]
    assert [text for _, text in TIMER.findall(html["odd"])] == ["0:00", "0:00"]  # since it was first seen


def times_shown(html: str) -> list[int]:
    """Seconds, as the row's timers say them."""
    texts = [text.split(":") for _, text in TIMER.findall(html)]
    return [sum(int(part) * 60 ** place for place, part in enumerate(reversed(parts))) for parts in texts]


@pytest.mark.parametrize("night", ["2026-10-24T23:00", "2026-03-28T23:00", "2026-12-31T22:00"])
@pytest.mark.parametrize("vendor_ahead_ms", [0, FIVE_MINUTES])
def test_f18_timers_never_run_backwards_or_below_zero_in_any_night(
        upstreamless: Upstreamless, monkeypatch: pytest.MonkeyPatch, night: str, vendor_ahead_ms: int) -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    local = to("http://127.0.0.1:1", transport=upstreamless.wire, zone="Europe/Berlin")
    monkeypatch.setattr(upstreamless, "client", local)
    midnight = int(datetime.fromisoformat(night).replace(tzinfo=UTC).timestamp() * 1000)
    for entered in range(midnight, midnight + 5 * HOUR, HOUR // 4):
        wall = datetime.fromtimestamp((entered + vendor_ahead_ms) / 1000, berlin).strftime("%Y-%m-%d %H:%M:%S")
        monkeypatch.setattr(client_module, "datetime", clock_at(entered + 10_000))
        listing = upstreamless.listing(rows({"callId": "c", "status": "waiting", "queueTime": wall}))
        assert isinstance(listing, Listing)
        ticks = [times_shown(shown(listing, entered + 10_000 * tick)["c"]) for tick in (1, 2, 3)]
        assert all(0 <= seconds <= HOUR // 1000 + 30 for tick in ticks for seconds in tick)
        assert ticks == sorted(ticks)
        drift_s = [later - first - 20 for first, later in zip(ticks[0], ticks[2], strict=True)]
        assert vendor_ahead_ms or all(abs(seconds) <= 2 for seconds in drift_s)


def clock_at(now: int) -> Any:
    """A `datetime` for the client whose now is `now` (epoch ms)."""
    return type("Clock", (datetime,), {"now": classmethod(lambda _cls, zone: datetime.fromtimestamp(now / 1000, zone))})


# ── through the real `serve`, with the simulator behind the proxy ──────────────────────────────────
class Site(NamedTuple):
    """`serve`, whose account leads through the proxy to the simulator."""

    serve: Callboard
    deepcall: Upstream
    proxy: Proxy
    asha: Supervisor
    ben: Supervisor

    def log(self) -> str:
        return self.serve.log.read_text()

    def feed_lines(self) -> list[str]:
        """What the log says of the feed: one line for each change."""
        said = [line.message for line in self.serve.logged("dashboard.poller")]
        return [message.removeprefix("feed Northgate: ") for message in said if message.startswith("feed ")]

    def ready(self) -> tuple[int, str]:
        """What /readyz says: its status, and the feed's health."""
        status, body = self.asha.get("/readyz")
        return status, next(iter(json.loads(body)["feeds"].values()), "")

    def memory(self, name: str) -> int:
        """Bytes of `VmRSS` or of its peak so far, `VmHWM`."""
        status = Path(f"/proc/{self.serve.process.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) * 1024

    def talking(self, call_id: str) -> str:
        """Puts a call on the list and waits until it is on the board; its id."""
        self.deepcall.switch(add_call={
            "call_id": call_id, "queue_id": "301", "queue_name": "Support", "state": "talking", "agent_id": "2001",
            "agent_name": "Meera Iyer", "answered_ago_s": 60})
        until(lambda: self.asha.row(call_id), 10, f"{call_id} on the board")
        return call_id

    def posts(self, call_id: str) -> list[dict[str, Any]]:
        """The takeovers of this call that reached the simulator."""
        return [entry for entry in self.deepcall.journal() if entry["body"]["callId"] == call_id]


@pytest.fixture(scope="module")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("callboard")
    deepcall = Upstream(data, "--seed", "3")
    with running(deepcall), Proxy(deepcall.port) as proxy:
        furnish(data, proxy.url)
        manage(data, "shell", "-c", FAST)
        serve = Callboard(data)
        with running(serve):
            yield Site(serve, deepcall, proxy, Supervisor(serve.url, "asha"), Supervisor(serve.url, "ben"))


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """Each test begins with a quiet upstream, an open wire and fresh lists; none may leave a traceback."""
    running_site.proxy.switch(OK)
    running_site.deepcall.switch(reset=True, frozen=True)
    until(lambda: running_site.ready() == (200, "fresh"), 15, "fresh lists")
    yield running_site
    assert "Traceback" not in running_site.log()


@pytest.mark.processes
def test_f01_a_refused_takeover_is_told_at_once_as_not_sent(site: Site) -> None:
    call = site.talking("f01")
    site.proxy.switch(REFUSE)
    began = time.monotonic()
    told = site.asha.take(call)
    assert time.monotonic() - began < 3
    assert (told.status, told.cell, told.notice) == (200, "not-sent", "not-sent")
    assert "DeepCall could not be reached. Nothing was sent" in told.html
    assert "aria-disabled" not in told.html
    site.proxy.switch(OK)
    assert site.posts(call) == []


@pytest.mark.processes
def test_f03_a_takeover_that_is_never_answered_ends_as_unknown_and_holds_up_no_other(site: Site) -> None:
    silent, other = site.talking("f03-silent"), site.talking("f03-other")
    site.proxy.switch(BLACKHOLE, only="callTakeover", times=1)
    with ThreadPoolExecutor(1) as thread:
        began = time.monotonic()
        hanging = thread.submit(site.asha.take, silent)
        until(lambda: site.proxy.met["blackhole"], 5, "the takeover on the wire")
        assert site.ben.take(other).cell == "accepted"
        assert attribute("data-takeover", site.ben.row(silent)) == "pending"
        assert site.ready() == (200, "fresh")
        assert time.monotonic() - began < 8  # all of it while the first one hangs
        told = hanging.result(timeout=20)
    assert 11.5 < time.monotonic() - began < 13.5
    assert (told.status, told.cell, told.notice) == (202, "unknown", "unknown")
    assert "It may have moved" in told.html
    assert 'aria-disabled="true"' in told.html
    assert (site.posts(silent), len(site.posts(other))) == ([], 1)


@pytest.mark.processes
def test_f04_while_deepcall_is_down_it_is_asked_less_often_and_the_board_stays(site: Site) -> None:
    call, steps = site.talking("f04"), [1.0, 2.0, 4.0, 8.0, 8.0][:5 if LONG else 2]
    lines, began = len(site.feed_lines()), len(site.proxy.times)

    def asked() -> list[float]:
        """When polls began: a list whose connection broke is asked again at once, and that is one poll."""
        times = [at for at, verb in site.proxy.times[began:] if verb == "reset_before"]
        return [at for before, at in zip([0.0, *times], times, strict=False) if at - before > 0.3]

    site.proxy.switch(RESET_BEFORE)
    until(lambda: len(asked()) > len(steps), 1.2 * sum(steps) + 5, "polls while down")
    waits = [later - earlier for earlier, later in zip(asked(), asked()[1:], strict=False)]
    for step, wait in zip(steps, waits, strict=False):
        assert 0.75 * step < wait < 1.25 * step + 0.5
    assert site.ready() == (503, "failing")
    assert f'data-call-id="{call}"' in site.asha.row(call)
    assert attribute("data-health", site.asha.get("/")[1]) == "failing"
    site.proxy.switch(OK)
    until(lambda: site.ready() == (200, "fresh"), 10, "recovery")
    new = site.feed_lines()[lines:]
    assert [line.split("  ")[0].strip() for line in new] == ["fresh -> failing", "failing -> fresh"]


@pytest.mark.processes
def test_f06_a_takeover_that_acted_and_lost_its_answer_is_unknown_and_posted_once(site: Site) -> None:
    call = site.talking("f06")
    site.proxy.switch(RESET_AFTER, only="callTakeover", times=1)
    told = site.asha.take(call)
    assert (told.status, told.cell, told.notice) == (202, "unknown", "unknown")
    until(lambda: "Asha Rao" in site.ben.row(call), 10, "the new agent on the board")
    assert [entry["effect"] for entry in site.posts(call)] == [True]


@pytest.mark.processes
def test_f07_a_takeover_that_was_reset_unread_is_unknown_and_never_posted_again(site: Site) -> None:
    call = site.talking("f07")
    site.proxy.switch(RESET_BEFORE, only="callTakeover", times=1)
    before = site.proxy.met["reset_before"]
    told = site.asha.take(call)
    assert (told.status, told.cell, told.notice) == (202, "unknown", "unknown")
    assert site.proxy.met["reset_before"] == before + 1
    assert site.posts(call) == []


@pytest.mark.processes
def test_f08_a_kept_connection_that_was_closed_is_replaced_and_no_takeover_meets_it(site: Site) -> None:
    call, lines = site.talking("f08"), len(site.feed_lines())
    for _ in range(3):
        before = site.proxy.connections
        until(site.proxy.hang_up, 5, "a kept connection to close")
        until(lambda: site.proxy.connections > before, 12, "a new connection")  # noqa: B023 - called at once
    resets = site.proxy.met["reset_before"]
    site.proxy.switch(RESET_BEFORE, only="/queue/list", times=1)  # closed just as the next question was on its way
    until(lambda: site.proxy.met["reset_before"] > resets, 5, "the reset")
    until(site.proxy.hang_up, 5, "a kept connection to close")
    assert site.asha.take(call).cell == "accepted"
    lists = len(site.deepcall.journal("list"))
    until(lambda: len(site.deepcall.journal("list")) > lists + 1, 5, "further lists")
    assert len(site.posts(call)) == 1
    assert site.feed_lines()[lines:] == []  # each time the list came all the same


@pytest.mark.processes
def test_f10_answers_without_end_are_cut_and_take_no_memory(site: Site) -> None:
    call, lines = site.talking("f10"), len(site.feed_lines())
    before = site.memory("VmRSS")
    site.deepcall.switch(fault={"endpoint": "takeover", "huge_bytes": 200 * MIB, "times": 1})
    told = site.asha.take(call)
    assert (told.status, told.cell) == (202, "unknown")
    site.deepcall.switch(fault={"endpoint": "list", "huge_bytes": 200 * MIB, "times": 2})
    until(lambda: len(site.feed_lines()) >= lines + 2, 20, "the feed failing and fresh again")
    assert "larger than 64 KiB" in told.html
    assert "larger than 5120 KiB" in site.feed_lines()[lines]
    grown = site.memory("VmHWM") - before
    assert grown <= 20 * MIB, f"{grown / MIB:.1f} MiB"


@pytest.mark.processes
def test_f12_a_redirect_is_followed_by_neither_lists_nor_takeovers(site: Site) -> None:
    call, lines = site.talking("f12"), len(site.feed_lines())
    away = {"status": 307, "headers": {"Location": f"{site.deepcall.url}/elsewhere"}}
    site.deepcall.switch(fault={"endpoint": "takeover", "times": 1, **away})
    told = site.asha.take(call)
    assert (told.status, told.cell, told.code) == (202, "unknown", "307")
    site.deepcall.switch(fault={"endpoint": "list", "times": 1, **away})
    until(lambda: len(site.feed_lines()) >= lines + 2, 10, "the feed failing and fresh again")
    assert "307" in site.feed_lines()[lines]
    assert (len(site.posts(call)), site.deepcall.journal("other")) == (1, [])


@pytest.mark.processes
@pytest.mark.parametrize("fault", [
    pytest.param({"status": 502}, id="f13-html-error-page"), pytest.param({"body": ""}, id="f13-empty"),
    pytest.param({"body": '\ufeff{"status":"success","data":[]}'}, id="f13-byte-order-mark"),
    pytest.param({"body": '{"data":' + "[" * 10_000 + "]" * 10_000 + "}"}, id="f14-deep"),
])
def test_an_odd_list_is_one_line_in_the_log_and_not_an_empty_board(site: Site, fault: dict[str, Any]) -> None:
    call, lines = site.talking("f13"), len(site.feed_lines())
    site.deepcall.switch(fault={"endpoint": "list", **fault})
    until(lambda: site.ready() == (503, "failing"), 5, "the feed failing")
    assert site.asha.row(call)
    site.deepcall.switch(clear="list")
    until(lambda: site.ready() == (200, "fresh"), 10, "the feed fresh again")
    failing, fresh = site.feed_lines()[lines:]
    assert failing.startswith("fresh -> failing")
    assert fresh.startswith("failing -> fresh")
