"""Sockets that send too much, read too little or say nonsense, at the real `serve`: what they cost, and how they end.

Where each entry of the fault catalogue that has to do with sockets and load is tested:

    F31  each close code            test_link (Chromium)
    F32  the end of a long life     test_socket_storms
    F33  502 for 20 s               test_link (Chromium)
    F34  ends right after accept    test_link (Chromium); test_socket_storms: as `Tab`
    F35  kill -9 with many sockets  test_socket_storms
    F36  silent, do not read        here; each step in test_member, test_fanout
    F37  talk, do not read          here; test_member
    F38  10,000 frames a second     here
    F39  too large, without end     here
    F40  bad messages               here; test_consumers
    F41  random frames              here
    F42  unknown addresses          here
    F43  packets swallowed          server: here; page: test_link. A proxy that passes nothing on, both ways
    F45  one too many               here; test_consumers, test_wall
    F46  a burst of changes         test_member; F47 in the test of the live path
    F48  a message that expired     test_layer; F49 group_expiry, too
    F50  doorbells from elsewhere   test_layer; a management command: test_commands
    F60  a query of two seconds     test_socket_endings
    F61  SIGTERM under load         test_takeover_ending; during handshakes: test_socket_endings
    F62  SIGTERM twice, SIGKILL     test_takeover_ending, test_takeover_crash; finished consumer: test_socket_endings
    F64  two leaders                test_socket_endings; test_lease, test_layer
    F65  a clock that jumps         test_socket_endings; test_lease
    F74  rights that ended          test_socket_endings
    F75  … with the layer dead      test_socket_endings
"""

import asyncio
import json
import logging
import os
import random
import statistics
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.odd_site import OddSite
from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.tabs import BINARY, PING, Beside, Tab, Wire, beside, crowd, framed, memory_mib

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.processes

LONG = bool(os.environ.get("CALLBOARD_LONG"))
BAD = 100 if LONG else 30  # clients that do not read, of each kind
CALLS = 1000 if LONG else 300
ODD_FRAMES = 100_000 if LONG else 2_000
PATHS = 1_000 if LONG else 200
CLOSED_S = 35.0
CAP = BAD + 10
EMPTY = """
from dashboard.models import Queue, Seat
for seat in Seat.objects.filter(user__username="crowd-%d"):
    seat.all_queues = False
    seat.save()
    seat.queues.add(Queue.objects.create(account=seat.account, key="nobody-calls", name="Nobody calls"))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Callboard, list[str]]]:
    """A busy board; in CI its ticks come five times as often. And the cookies of many supervisors."""
    data = tmp_path_factory.mktemp("callboard")
    upstream = Upstream(data, "--seed", "3", "--calls", str(CALLS), "--churn", "30")
    with running(upstream):
        furnish(data, upstream.url)
        manage(data, "shell", "-c", FAST)
        cookies = crowd(data, 2 * BAD // 10 + 3)
        manage(data, "shell", "-c", EMPTY % (len(cookies) - 3))
        program: Callboard = Callboard(data, None, CALLBOARD_MAX_SOCKETS=str(CAP)) if LONG else OddSite(
            data, None, ODD="hasty", CALLBOARD_MAX_SOCKETS=str(CAP))
        with running(program):
            yield program, cookies


@pytest.fixture
def loop() -> Iterator[Beside]:
    with beside() as here:
        yield here


@pytest.fixture
def good(site: tuple[Callboard, list[str]], loop: Beside) -> Iterator[list[Tab]]:
    """Three tabs that do as they should. Whatever the others do, theirs is one connection and no gap."""
    tabs = [Tab(site[0].port, site[1][-1]) for _ in range(3)]
    loop.start(*(tab.run() for tab in tabs))
    until(lambda: all(tab.live_since for tab in tabs), 20, "the good tabs live")
    yield tabs
    assert [(len(tab.tries), tab.codes, tab.gaps) for tab in tabs] == [(1, [], 0)] * 3
    assert "Traceback" not in site[0].log.read_text()


def connected(port: int) -> int:
    """Connections that a server has on its port, as its kernel counts them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def p99(tabs: list[Tab], since: list[int]) -> float:
    delays = [delay for tab, start in zip(tabs, since, strict=True) for delay in tab.delays[start:]]
    return statistics.quantiles(delays, n=100)[-1]


# ── who does not read ──────────────────────────────────────────────────────────────────────────────
def silent(_second: int) -> bytes:
    return b""


def made_up(second: int) -> bytes:
    """Acknowledges what it has not read, in every way that needs no reading."""
    numbers = (0, second, 2**31 - second, 2**40)
    return framed(json.dumps({"ack": numbers[second % len(numbers)]}).encode())


def asking(second: int) -> bytes:
    return framed(json.dumps({"resync": second}).encode())


async def deaf(port: int, cookies: str, says: Callable[[int], bytes]) -> None:
    """Opens, reads not one frame, and says something every second until it is cut off."""
    while (wire := await Wire.open(port, cookies, room=4096)).status != 101:  # noqa: ASYNC110 - it says 503 meanwhile
        await asyncio.sleep(0.5)
    wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
    for second in range(120):
        wire.writer.write(says(second))
        await asyncio.sleep(1)


@pytest.mark.parametrize("says", [(silent,), (made_up,), (asking,)] if LONG else [(silent, made_up, asking)],
                         ids=lambda says: "-".join(one.__name__ for one in says))
def test_who_does_not_read_costs_little_and_is_closed_in_time(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab],
        says: tuple[Callable[[int], bytes], ...]) -> None:
    server, cookies = site
    before = memory_mib(server.process.pid)
    until(lambda: min(len(tab.delays) for tab in good) >= 15, 20, "how long frames usually take")
    usual_p99, usual = p99(good, [0, 0, 0]), [len(tab.delays) for tab in good]
    began, most = time.monotonic(), before
    loop.start(*(deaf(server.port, cookies[number // 10], says[number % len(says)]) for number in range(BAD)))
    until(lambda: connected(server.port) == BAD + 3, 20, "all connected")

    def closed() -> bool:
        nonlocal most
        most = max(most, memory_mib(server.process.pid))
        return connected(server.port) == 3

    until(closed, CLOSED_S + 10, "all cut off")
    took_s = time.monotonic() - began
    logger.info("%s who do not read (%s): closed after %.1f s, memory %.0f -> at most %.0f MiB; others' p99 %.3f -> "
                "%.3f s", BAD, says[0].__name__, took_s, before, most, usual_p99, p99(good, usual))
    assert took_s <= CLOSED_S
    assert most - before < 100


# ── who sends too much ─────────────────────────────────────────────────────────────────────────────
def endless(piece: bytes, kind: int = 1) -> Iterator[bytes]:
    """A message that never ends, in pieces."""
    yield framed(piece, kind, last=False)
    while True:
        yield framed(piece, 0, last=False)


def repeated(frame: bytes) -> Iterator[bytes]:
    while True:
        yield frame


async def flood(port: int, cookies: str, frames: Iterator[bytes], count: int = 10_000) -> int:
    """So many frames as fast as they are taken; the code it is closed with."""
    wire = await Wire.open(port, cookies)
    ending = asyncio.ensure_future(wire.closed(10))
    for number, frame in zip(range(count), frames, strict=False):
        if ending.done():
            break
        wire.writer.write(frame)
        if number % 200 == 0:
            try:
                await wire.writer.drain()
                await asyncio.sleep(0)  # reads, too: what it is told
            except OSError:
                break
    return await ending


@pytest.mark.parametrize(("frames", "code"), [
    pytest.param(repeated(framed(b'{"ack": 1}')), 1008, id="messages"),
    pytest.param(repeated(framed(b"x" * 125, PING)), 1008, id="pings"),
    pytest.param(endless(b""), 1008, id="empty-pieces"),
    pytest.param(endless(b"x" * 2000), 1009, id="large-pieces"),
    pytest.param(iter([framed(b"x" * 4097)]), 1009, id="4097-bytes"),
    pytest.param(iter([b"\x81\xff" + struct.pack("!Q", 2**30) + bytes(4)]), 1009, id="a-gigabyte-announced"),
])
def test_who_floods_is_closed_with_the_reason_and_nobody_else_notices(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab], frames: Iterator[bytes], code: int) -> None:
    server, cookies = site
    before = memory_mib(server.process.pid)
    assert loop.run(flood(server.port, cookies[0], frames)) == code
    assert memory_mib(server.process.pid) - before < 20


# ── who says nonsense ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("said", "kind", "codes"), [
    ("not json", 1, {1008}), ("", 1, {1008}), ('{"ack": NaN}', 1, {1008}), ("[" * 4000, 1, {1008}),
    ('{"ack": true}', 1, {1008}), ('{"takeover": 1}', 1, {1008}), (b"\x00\xff", BINARY, {1008}),
    (b"\xff\xfe\xfd", 1, {1007}),
])
def test_a_bad_message_closes_its_own_socket(site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab],
                                             said: str | bytes, kind: int, codes: set[int]) -> None:
    async def close_code() -> int:
        wire = await Wire.open(site[0].port, site[1][0])
        wire.say(said, kind)
        return await wire.closed()

    assert loop.run(close_code()) in codes


def nonsense(source: random.Random) -> bytes:
    """A frame of any kind with anything in it; or bytes that are no frame."""
    words = ("ack", "resync", "test", "ACK", "", "__proto__", "seq", "takeover", "\u202e")
    values: tuple[Any, ...] = (-1, 0, 2**70, 1.5, None, True, [], {}, "1", [[]], {"ack": 1})
    match source.randrange(4):
        case 0:
            return framed(json.dumps({source.choice(words): source.choice(values)}).encode())
        case 1:
            return framed(source.randbytes(source.randrange(60)), source.randrange(16), last=source.random() < 0.8)
        case 2:
            return source.randbytes(source.randrange(1, 60))
    return framed(json.dumps(source.choice(values)).encode()[:source.randrange(1, 9)])


def test_random_frames_end_sockets_and_nothing_else(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab]) -> None:
    server, cookies = site
    source = random.Random(41)
    left, codes = ODD_FRAMES, Counter[int]()

    async def babble() -> None:
        nonlocal left
        while left > 0:
            wire = await Wire.open(server.port, cookies[-3])  # whose board is empty, and quick to send
            if wire.status != 101:
                await asyncio.sleep(0.1)
                continue
            batch = [nonsense(source) for _ in range(10)]
            left -= len(batch)
            wire.writer.write(b"".join(batch))
            wire.finish()
            codes[await wire.closed()] += 1
            wire.hang_up()

    async def all_of_it() -> None:
        await asyncio.gather(*(babble() for _ in range(6)))

    began = time.monotonic()
    loop.run(all_of_it(), 1200)
    logger.info("%s odd frames in %.1f s: %s", ODD_FRAMES, time.monotonic() - began, dict(codes))
    assert codes.keys() <= {1000, 1002, 1005, 1006, 1007, 1008, 1009} | set(range(3000, 5000))
    told = Counter(line.fields["logger"] for line in server.logged() if line.fields["level"] != "INFO")
    assert told.keys() <= {"dashboard.poller"}  # that each came and went, and nothing else of it


def test_an_unknown_address_is_refused_in_a_word(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab]) -> None:
    server, cookies = site

    async def refused() -> Counter[int]:
        statuses = Counter[int]()
        for number in range(PATHS):
            wire = await Wire.open(server.port, cookies[0], path=f"/ws/{number}/../{'x' * (number % 100)}%00")
            statuses[wire.status] += 1
            wire.hang_up()
        return statuses

    before = len(server.log.read_text().splitlines())
    assert loop.run(refused(), 300) == {403: PATHS}
    assert len(server.log.read_text().splitlines()) - before <= PATHS


# ── one too many ───────────────────────────────────────────────────────────────────────────────────
def test_above_the_process_cap_a_newcomer_is_sent_away_and_the_older_ones_stay(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab]) -> None:
    server, cookies = site

    async def filled() -> tuple[int, list[int]]:
        older = [await Wire.open(server.port, cookies[number // 10]) for number in range(CAP - 3)]
        newcomer = await (await Wire.open(server.port, cookies[-2])).closed()
        codes = [wire.code for wire in older if await wire.message() is None]
        for wire in older:
            wire.hang_up()
        return newcomer, codes

    assert loop.run(filled()) == (1013, [])
    until(lambda: connected(server.port) == 3, 10, "hung up")


def test_strangers_of_one_address_are_few_a_second_and_keep_nobody_else_out(
        site: tuple[Callboard, list[str]], loop: Beside, good: list[Tab]) -> None:
    server, cookies = site

    async def come() -> tuple[Counter[int], set[int], int]:
        wires = [await Wire.open(server.port, "sessionid=forged" if number % 2 else "") for number in range(80)]
        codes = {await wire.closed() for wire in wires if wire.status == 101}
        known = await Wire.open(server.port, cookies[0])
        known.hang_up()
        return Counter(wire.status for wire in wires), codes, known.status

    began = time.monotonic()
    statuses, codes, known = loop.run(come())
    assert statuses.keys() == {101, 403}
    assert statuses[101] <= 20 + 20 * (time.monotonic() - began)
    assert (codes, known) == ({4401}, 101)
