"""What stands around the server while it is measured: a witness in front of DeepCall, and screens that look on.

    with beside() as loop:                      a loop in its own thread
        witness = Witness(port, "callTakeover") notes when a request was there whole and when its answer had gone back
        Screen(port, cookies)                   a websocket that reads what comes and acknowledges it like the page
"""

import asyncio
import base64
import contextlib
import json
import os
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
ACK_EVERY_S = 1.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Exchange(NamedTuple):
    """Monotonic seconds: when the request was there whole, when its answer had been passed back."""

    arrived: float
    answered: float


class Witness:
    """Passes HTTP on to `target` on loopback, one exchange after the other on each connection."""

    def __init__(self, target: int, path_end: str) -> None:
        self.target, self.path_end = target, path_end.lower()
        self.exchanges: list[Exchange] = []
        self.port = 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.target)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # one side has gone
            while True:
                await self._exchange(reader, writer, upstream_reader, upstream_writer)
        for side in (writer, upstream_writer):
            side.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                        upstream_reader: asyncio.StreamReader, upstream_writer: asyncio.StreamWriter) -> None:
        request = await _message(reader)
        arrived = time.monotonic()
        upstream_writer.write(request)
        writer.write(await _message(upstream_reader))
        await writer.drain()
        if request.split(b" ", 2)[1].decode().lower().endswith(self.path_end):
            self.exchanges.append(Exchange(arrived, time.monotonic()))


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer as it came; all of them here say their length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


class Screen:
    """A board on somebody's desk. `frames` counts what it was sent."""

    def __init__(self, port: int, cookies: str) -> None:
        self.port, self.cookies = port, cookies
        self.frames = 0

    async def watch(self) -> None:
        """Until cancelled. Raises ConnectionError when the server ends it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self._handshake())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(head.decode("latin-1"))
        told = 0.0
        while True:
            kind, data = await _frame(reader)
            if kind == PING:
                writer.write(_masked(PONG, data))
            elif kind == CLOSE:
                raise ConnectionError(f"the screen was closed with {data!r}")
            elif (seq := json.loads(data).get("seq")) is not None:
                self.frames += 1
                if time.monotonic() - told >= ACK_EVERY_S:
                    told = time.monotonic()
                    writer.write(_masked(TEXT, json.dumps({"ack": seq}).encode()))

    def _handshake(self) -> bytes:
        host = f"127.0.0.1:{self.port}"
        key = base64.b64encode(os.urandom(16)).decode()
        return (f"GET /ws/board/ HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                f"Cookie: {self.cookies}\r\n\r\n").encode()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A whole message: kind and data. The server neither masks nor fragments."""
    kind, length = await reader.readexactly(2)
    if length > 125:
        form = "!H" if length == 126 else "!Q"
        (length,) = struct.unpack(form, await reader.readexactly(struct.calcsize(form)))
    return kind & 0x0F, await reader.readexactly(length)


def _masked(kind: int, data: bytes) -> bytes:
    """A short frame as a client must send it; its mask is all zeros, which is one."""
    return bytes([0x80 | kind, 0x80 | len(data), 0, 0, 0, 0]) + data


class Beside:
    """A loop in a thread of its own, and what runs on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def start(self, work: Coroutine[Any, Any, None]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


@contextlib.contextmanager
def beside() -> Iterator[Beside]:
    here = Beside()
    try:
        yield here
    finally:
        here.stop()
