"""What stands between a browser and `serve`: it passes pages on and does with sockets what a test wants.

    front.sockets = PASS          to the server, as everything else
    front.sockets = Ends(1011)    accepted, and closed with that code at once; LOST: cut without a word
    front.gateway = True          every request is answered 502, and what is open is cut: a proxy that restarts
    front.swallows = True         nothing goes either way any more, and nobody is told: a cable that was pulled
"""

import asyncio
import base64
import contextlib
import hashlib
import struct
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

from tests.processes import free_port
from tests.tabs import CLOSE, LOST

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PIECE = 65_536
LOOK_S = 0.05


class Ends(NamedTuple):
    code: int


PASS = Ends(0)


class Front:
    """Listens on a port of its own, in a thread with a loop. `tries`: when each handshake came, monotonic seconds."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self.sockets, self.gateway, self.swallows = PASS, False, False
        self.tries: list[float] = []
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop, ready = asyncio.new_event_loop(), threading.Event()

        async def live() -> None:
            self._end = asyncio.Event()
            async with await asyncio.start_server(self._serve, "127.0.0.1", self.port):
                ready.set()
                await self._end.wait()
                await self._cut()

        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(live()), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the front did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Everything that is open, without a word."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - they go by themselves
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            self._open.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_socket = b"/ws/" in head.split(b"\r\n", 1)[0]
        if is_socket:
            self.tries.append(time.monotonic())
        if self.gateway:
            writer.write(BAD_GATEWAY)
        elif is_socket and self.sockets != PASS:
            await self._end_at_once(head, reader, writer)
        else:
            await self._pass_on(head, reader, writer)

    async def _end_at_once(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
                   if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        if self.sockets.code != LOST:
            writer.write(bytes([0x80 | CLOSE, 2]) + struct.pack("!H", self.sockets.code))
            await reader.read(PIECE)  # its answer

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_connection("127.0.0.1", self.target)
        asks.write(head)
        both = [asyncio.ensure_future(work) for work in (self._pump(reader, asks), self._pump(answers, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            asks.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            while self.swallows:  # noqa: ASYNC110 - a switch of another thread
                await asyncio.sleep(LOOK_S)
            writer.write(piece)
            await writer.drain()
