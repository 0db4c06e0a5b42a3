"""A TCP proxy on loopback that breaks what goes through it. It knows no HTTP: an exchange begins with the first bytes
from the client after an answer (or at all), and the verb that is switched on then holds for that exchange.

| verb | does |
| --- | --- |
| `OK` | passes everything on |
| `latency(seconds)` | holds the answer back for so long, once an exchange |
| `drip(size, every_s)` | passes the answer on in pieces of so many bytes, one every so often |
| `BLACKHOLE` | swallows the request and never answers |
| `RESET_BEFORE` | resets the connection at the request's first bytes; the target hears nothing of it |
| `RESET_AFTER` | passes the request on, and resets the connection when the target answers: it has acted |
| `cut(size)` | closes the connection after so many bytes of the answer |
| `REFUSE` | resets what is open and stops listening; any other verb listens again, on the same port |

    with Proxy(port) as proxy:          # from sync tests: in a thread with a loop of its own
    async with Proxy(port) as proxy:    # in the test's loop
        proxy.switch(RESET_AFTER, only="callTakeover", times=1)
"""

import asyncio
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

LIFE_S = 120.0  # no connection outlasts it, whatever a verb does with it
THREAD_S = 10.0  # for the proxy's thread to do what is asked of it
PIECE = 65_536


class Verb(NamedTuple):
    name: str
    size: int = 0  # bytes
    seconds: float = 0


OK, REFUSE, BLACKHOLE = Verb("ok"), Verb("refuse"), Verb("blackhole")
RESET_BEFORE, RESET_AFTER = Verb("reset_before"), Verb("reset_after")


def latency(seconds: float) -> Verb:
    return Verb("latency", seconds=seconds)


def drip(size: int, every_s: float) -> Verb:
    return Verb("drip", size, every_s)


def cut(size: int) -> Verb:
    return Verb("cut", size)


class Ended(Exception):
    """One side has ended, or a verb ends the connection here."""


class Reset(Ended):
    """It is to end with RST instead of an orderly close."""


class Proxy:
    """Listens on a port of its own and passes on to `target` on loopback.

    `connections` counts those accepted, `met` the exchanges by verb, and `times` says when each of them began, as
    (monotonic seconds, verb's name).
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = 0
        self.times: list[tuple[float, str]] = []
        self._verb, self._only, self._left = OK, b"", -1
        self._links: dict[asyncio.Task[None], _Link] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def met(self) -> Counter[str]:
        return Counter(name for _, name in self.times)

    # ── switches: from any thread ──────────────────────────────────────────────────────────────────
    def switch(self, verb: Verb, only: str = "", times: int = -1) -> None:
        """Holds for exchanges that begin from now on, or for the next so many `times`; then everything passes.

        `only`: exchanges whose first bytes have this text (a path, for example); the others pass.
        """
        def now() -> None:
            self._verb, self._only, self._left = verb, only.encode(), times
            (self._refuse if verb is REFUSE else self._listen)()

        self._on_loop(now)

    def hang_up(self) -> int:
        """Closes, in order, the connections that are kept between two requests. How many: none while all are busy."""
        kept: list[asyncio.Task[None]] = []

        def now() -> None:
            kept.extend(task for task, link in self._links.items() if link.kept)
            for task in kept:
                task.cancel()

        self._on_loop(now)
        return len(kept)

    def choose(self, first: bytes) -> Verb:
        """The verb for an exchange that begins with these bytes."""
        holds = self._left != 0 and self._only in first
        self._left -= 1 if holds and self._left > 0 else 0
        verb = self._verb if holds else OK
        self.times.append((time.monotonic(), verb.name))
        return verb

    def _on_loop(self, work: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread_id:
            work()
            return

        async def there() -> None:
            work()

        asyncio.run_coroutine_threadsafe(there(), self._loop).result(THREAD_S)

    # ── listening ──────────────────────────────────────────────────────────────────────────────────
    def _bind(self, port: int) -> None:
        """Bound and not listening: connections are refused, and nobody else gets the port."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._accepting: asyncio.Task[None] | None = None

    def _listen(self) -> None:
        if self._accepting is None:
            self._socket.listen(100)
            self._accepting = self._loop.create_task(self._accept(self._socket))

    def _refuse(self) -> None:
        if self._accepting is None:
            return
        self._accepting.cancel()
        self._socket.close()
        for link in self._links.values():
            link.reset()
        self._bind(self.port)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            accepted, _ = await self._loop.sock_accept(listener)
            self.connections += 1
            link = _Link(self, accepted)
            task = self._loop.create_task(link.carry())
            self._links[task] = link
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task).socket.close()  # also of a link that was cancelled before it began

    # ── from start to end ──────────────────────────────────────────────────────────────────────────
    async def __aenter__(self) -> Self:
        self._loop, self._thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._bind(0)
        self._listen()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        tasks = [*self._links, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    def __enter__(self) -> Self:
        ready = threading.Event()

        async def live() -> None:
            async with self:
                self._end = asyncio.Event()
                ready.set()
                await self._end.wait()

        self._thread = threading.Thread(target=lambda: asyncio.run(live()), name="proxy", daemon=True)
        self._thread.start()
        assert ready.wait(THREAD_S), "the proxy did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(THREAD_S)
        assert not self._thread.is_alive(), "the proxy did not end"


class _Link:
    """One connection from a client and the one to the target that belongs to it."""

    def __init__(self, proxy: Proxy, accepted: socket.socket) -> None:
        self.proxy, self.socket = proxy, accepted
        self.verb, self.passed = OK, 0
        self.idle = True  # nothing was asked since the last answer began: the client's next bytes are a new request
        self.passing = False  # a piece of an answer is on its way to the client
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def kept(self) -> bool:
        """It has carried an answer to its end and nothing since."""
        return self.idle and self.passed > 0 and not self.passing

    async def carry(self) -> None:
        """Until one side ends, a verb ends it, or its life is over."""
        try:
            async with asyncio.timeout(LIFE_S), asyncio.TaskGroup() as both:
                asked, client = await asyncio.open_connection(sock=self.socket)
                self.writers.append(client)
                answered, target = await asyncio.open_connection("127.0.0.1", self.proxy.target)
                self.writers.append(target)
                both.create_task(self._ask(asked, target))
                both.create_task(self._answer(answered, client))
        except* (Reset, OSError):  # OSError: a side was reset, the target refuses, or the time is up
            self.reset()
        except* Ended:
            pass  # the orderly way
        finally:
            await self._close()

    async def _close(self) -> None:
        for writer in self.writers:
            writer.close()
            try:
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            except OSError:  # a side that does not take its last bytes, or has gone
                writer.transport.abort()

    def reset(self) -> None:
        """Ends the client's side with RST: that is what closing with a linger time of zero does."""
        if self.writers and not self.writers[0].transport.is_closing():
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writers[0].transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(PIECE):
            if self.idle:
                self.idle, self.passed = False, 0
                self.verb = self.proxy.choose(chunk)
            if self.verb is RESET_BEFORE:
                raise Reset
            if self.verb is not BLACKHOLE:
                target.write(chunk)
                await target.drain()
        raise Ended

    async def _answer(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(PIECE):
            if self.verb is RESET_AFTER:
                raise Reset
            if self.verb.name == "latency" and not self.idle:
                await asyncio.sleep(self.verb.seconds)
            self.idle = self.passing = True
            await self._pass_on(chunk, client)
            self.passing = False
        raise Ended

    async def _pass_on(self, chunk: bytes, client: asyncio.StreamWriter) -> None:
        if self.verb.name == "cut":
            chunk = chunk[:self.verb.size - self.passed]
        step = self.verb.size if self.verb.name == "drip" else PIECE
        for start in range(0, len(chunk), step):
            client.write(chunk[start:start + step])
            await client.drain()
            if self.verb.name == "drip":
                await asyncio.sleep(self.verb.seconds)
        self.passed += len(chunk)
        if self.verb.name == "cut" and self.passed == self.verb.size:
            raise Ended
