"""Sockets without a browser: `Wire` does as it is told, `Tab` does as `static/board/link.js` and `frames.js` do.

    crowd(data, people, **environment)   sessions of so many supervisors with all queues, straight in the database
    beside()                             a loop in a thread of its own, for tests that are not asyncio's
"""

import asyncio
import base64
import contextlib
import json
import os
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from tests.processes import ROOT, manage

T = TypeVar("T")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LOST = 1006  # what a browser calls an end without a close frame
PATIENCE_S = 20.0

CROWD = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth.models import Group, User
from dashboard.models import Seat
from queue_api.models import Account
Store = import_module(settings.SESSION_ENGINE).SessionStore
keys = []
for number in range(%d):
    user, _ = User.objects.get_or_create(username=f"crowd-{number}")
    user.groups.add(Group.objects.get(name="Observer"))
    for account in Account.objects.all():
        Seat.objects.get_or_create(user=user, account=account, defaults={"all_queues": True})
    session = Store()
    session.update({"_auth_user_id": str(user.pk), "_auth_user_hash": user.get_session_auth_hash(),
                    "_auth_user_backend": settings.AUTHENTICATION_BACKENDS[0]})
    session.create()
    keys.append(session.session_key)
print(json.dumps(keys))
"""


def crowd(data: Path, people: int, **more: str) -> list[str]:
    """Their cookies, one a person."""
    said = manage(data, "shell", "-v", "0", "-c", CROWD % people, **more)
    return [f"sessionid={key}" for key in json.loads(said.splitlines()[-1])]


def framed(data: bytes, kind: int = TEXT, *, last: bool = True) -> bytes:
    """A frame as a client must send it; its mask is all zeros, which is one."""
    length = len(data)
    size = bytes([0x80 | length]) if length < 126 else (
        b"\xfe" + struct.pack("!H", length) if length < 65_536 else b"\xff" + struct.pack("!Q", length))
    return bytes([(0x80 if last else 0) | kind]) + size + bytes(4) + data


class Wire:
    """One connection. `status`: the answer to its handshake; `code`: what it was closed with, once it was."""

    opened: ClassVar[list["Wire"]] = []  # what nobody hung up is hung up at the end of its loop

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = self.code = 0
        self.finished = False
        self.opened.append(self)

    @classmethod
    async def open(cls, port: int, cookies: str = "", path: str = "/ws/board/", room: int = 0) -> Self:
        """`room`: bytes the kernel keeps for us."""
        raw = socket.socket()
        raw.setblocking(False)
        if room:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        async with asyncio.timeout(PATIENCE_S):
            try:
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
            except OSError:
                raw.close()
                raise
            wire = cls(*await asyncio.open_connection(sock=raw, limit=8 * 1024 * 1024 if not room else 1024))
            wire.writer.write(handshake(port, cookies, path))
            try:
                head = await wire.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return wire
        wire.status = int(head.split(b" ", 2)[1])
        return wire

    def say(self, text: str | bytes, kind: int = TEXT) -> None:
        if not self.finished:
            self.writer.write(framed(text.encode() if isinstance(text, str) else text, kind))

    def finish(self) -> None:
        """Says nothing more, and lets the other side know."""
        self.finished = True
        with contextlib.suppress(OSError):  # it has hung up already
            self.writer.write_eof()

    async def frame(self) -> tuple[int, bytes]:
        """Kind and data of the next frame. The server neither masks nor fragments."""
        kind, length = await self.reader.readexactly(2)
        if length > 125:
            form = "!H" if length == 126 else "!Q"
            (length,) = struct.unpack(form, await self.reader.readexactly(struct.calcsize(form)))
        return kind & 0x0F, await self.reader.readexactly(length)

    async def message(self) -> dict[str, Any] | None:
        """The next message, pings answered; None when it was closed: see `code`."""
        try:
            while True:
                kind, data = await self.frame()
                if kind == TEXT:
                    body: dict[str, Any] = json.loads(data)
                    return body
                if kind == PING:
                    self.say(data, PONG)
                if kind == CLOSE:
                    self.code = struct.unpack("!H", data[:2])[0] if data else 1005
                    self.say(data, CLOSE)
                    return None
        except (asyncio.IncompleteReadError, OSError):
            self.code = LOST
            return None

    async def closed(self, within_s: float = PATIENCE_S) -> int:
        """The code it is closed with, whatever comes before."""
        async with asyncio.timeout(within_s):
            while await self.message() is not None:
                pass
        return self.code

    def hang_up(self) -> None:
        """Without a word."""
        self.writer.transport.abort()


def handshake(port: int, cookies: str = "", path: str = "/ws/board/") -> bytes:
    host, key = f"127.0.0.1:{port}", base64.b64encode(os.urandom(16)).decode()
    return (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Cookie: {cookies}\r\n\r\n").encode()


SCRIPT = (ROOT / "static/board/link.js").read_text()
RULE = (r"\(short \? (\d+) : (\d+)\) \* 2 \*\* Math.max\(0, failures - 1\)\) "
        r"\* \((\d\.\d) \+ (\d\.\d) \* Math.random\(\)\)")


def numbers(pattern: str) -> list[float]:
    """The numbers of the script at the one place that looks like this."""
    found = re.search(pattern, SCRIPT)
    assert found, f"link.js has nothing like {pattern}: it waits in another way than `Pauses`"
    return [float(text) for text in found.groups()]


class Pauses:
    """How long a tab waits before its next try: `pause` of link.js, with the script's own numbers."""

    short_s, longest_s = (numbers(rf"const {name} = (\d+)")[0] / 1000 for name in ("SHORT_MS", "LONGEST_MS"))
    first_short_ms, first_ms, least, spread = numbers(RULE)
    slow = {int(code): (float(low) / 1000, float(high) / 1000)
            for code, low, high in re.findall(r'(\d{4}): \["[\w-]+", (\d+), (\d+)\]', SCRIPT)}

    def __init__(self) -> None:
        self.failures = 0

    def after(self, code: int, lived_s: float) -> float:
        short = lived_s < self.short_s
        self.failures = self.failures + 1 if short else 0
        if code in self.slow:
            return random.uniform(*self.slow[code])
        first_s = (self.first_short_ms if short else self.first_ms) / 1000
        waits: float = min(self.longest_s, first_s * 2 ** max(0, self.failures - 1))
        return waits * (self.least + self.spread * random.random())


class Try(NamedTuple):
    at: float  # monotonic seconds
    status: int  # 0: no answer at all


class Tab:
    """Reads, acknowledges, comes back. `gaps`: frames that did not follow from the one before."""

    def __init__(self, port: int, cookies: str, path: str = "/ws/board/") -> None:
        self.port, self.cookies, self.path = port, cookies, path
        self.tries: list[Try] = []
        self.codes: list[int] = []
        self.ended_at: list[float] = []
        self.live_since = 0.0  # when this connection brought its full board; 0 while there is none
        self.lives: list[float] = []  # the same of all its connections
        self.delays: list[float] = []  # seconds from the server's clock in a frame to its arrival
        self.streams: list[tuple[str, int, dict[str, int | None]]] = []  # stream, seq, asof of each frame
        self.gaps = 0
        self.wire: Wire | None = None

    async def run(self) -> None:
        """Until cancelled."""
        pauses = Pauses()
        while True:
            began = time.monotonic()
            await self._connection()
            self.live_since = 0.0
            self.ended_at.append(time.monotonic())
            opened = self.tries[-1].status == 101
            lived_s = time.monotonic() - began if opened else 0
            await asyncio.sleep(pauses.after(self.codes[-1], lived_s))

    async def _connection(self) -> None:
        began, code = time.monotonic(), LOST
        try:
            wire = self.wire = await Wire.open(self.port, self.cookies, self.path)
        except OSError:
            self.tries.append(Try(began, 0))
        else:
            self.tries.append(Try(began, wire.status))
            if wire.status == 101:
                await self._listen(wire)
                code = wire.code
            wire.writer.close()
        self.codes.append(code)

    async def _listen(self, wire: Wire) -> None:
        stream, seq, told = "", -1, 0.0
        while (message := await wire.message()) is not None:
            if "seq" not in message:
                continue
            self.delays.append(time.time() - message["now"] / 1000)
            if message.get("full"):
                if not self.live_since:
                    self.live_since = time.monotonic()
                    self.lives.append(self.live_since)
            elif (message["stream"], message["prev"]) != (stream, seq):
                self.gaps += 1
            stream, seq = message["stream"], message["seq"]
            self.streams.append((stream, seq, message["asof"]))
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                wire.say(json.dumps({"ack": seq}))


class Beside:
    """A loop in a thread of its own, and what runs on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._started: list[Any] = []

    def run(self, work: Coroutine[Any, Any, T], within_s: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_s)

    def start(self, *works: Coroutine[Any, Any, Any]) -> None:
        self._started += [asyncio.run_coroutine_threadsafe(work, self.loop) for work in works]

    def stop(self) -> None:
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while Wire.opened:
            Wire.opened.pop().hang_up()
        await asyncio.sleep(0)  # so that the transports let go


@contextlib.contextmanager
def beside() -> Iterator[Beside]:
    here = Beside()
    try:
        yield here
    finally:
        here.stop()


def memory_mib(pid: int) -> float:
    """What the process has in memory: Linux's VmRSS."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024
