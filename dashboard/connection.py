"""One connection to the server: what may come in on it, what may go out, and with which code a socket closes.

With `dashboard/server.py` the only module that leans on insides of daphne, autobahn and Twisted.
"""

import daphne.server  # isort: skip - installs the reactor before anything imports Twisted's

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from autobahn.websocket.types import ConnectionDeny
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Connection

from dashboard.allowance import Allowance
from dashboard.answer_headers import bare, raw
from dashboard.consumers import BURST, MESSAGES_PER_S, POLICY
from dashboard.counts import sockets
from dashboard.member import RESTART, TOO_SLOW

if TYPE_CHECKING:
    from dashboard.server import BoardServer

HANDSHAKES = 50
BODY_LIMIT = 3 * 1024 * 1024  # an inspected list travels in a form; nothing else comes near
UNSENT_LIMIT = 4 * 1024 * 1024  # of what was sent before: a frame waits until the last has left (`drained`)
EARLY_BYTES = 4096  # said before the handshake is over
CLOSING_S, CUT_S = 5, 1  # for the answer to a close frame; from who does not read


class SteadyClock:
    """daphne measures every limit with the wall clock, as `time.time()`. When that was set forward by an hour, 503 was
    written into requests under way, and into sockets that had just opened."""

    time = staticmethod(time.monotonic)


def steady() -> None:
    for module in (daphne.server, daphne.http_protocol, daphne.ws_protocol):
        module.time = SteadyClock


class BoardRequest(WebRequest):  # type: ignore[misc]
    """Refuses a body over BODY_LIMIT while it comes in: daphne would hand all of it to the application at once.

    What daphne answers itself carries our headers and no page of its own; no client says where we are mounted.
    """

    received = 0

    def __init__(self, *args: Any) -> None:
        # Django reads forms, in a thread; Twisted would read them here first: 3 s for 3 MiB of "&".
        super().__init__(*args, parsePOSTFormSubmission=False)

    def process(self) -> Any:
        self.requestHeaders.removeHeader(b"daphne-root-path")
        return super().process()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        if self.finished or self._response_started:
            return
        told = bare() | {"Content-Type": "text/plain; charset=utf-8"}
        self.handle_reply({"type": "http.response.start", "status": status, "headers": [
            (name.lower().encode(), value.encode()) for name, value in told.items()]})
        self.handle_reply({"type": "http.response.body", "body": f"{status} {status_text.decode()}\n".encode()})

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        before, self.received = self.received, self.received + len(data)
        if self.received <= BODY_LIMIT:
            super().handleContentChunk(data)
        elif before <= BODY_LIMIT:
            self.channel.transport.write(raw(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            self.channel.loseConnection()


class BoardProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Any close code, a gate before the handshake, and a bound on what goes each way.

    A sender waits (`drained`) until the line has taken what it was given; a flood is read no further.
    """

    counted = False
    deaf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frames = Allowance(MESSAGES_PER_S, BURST)  # also those that make no message: pings, endless pieces
        self._free = asyncio.Event()
        self._free.set()

    def onConnect(self, request: Any) -> Any:  # noqa: N802 - autobahn's name
        server: BoardServer = self.factory.server_class
        if server.station.draining or server.handshakes >= HANDSHAKES:
            sockets.busy += 1
            raise ConnectionDeny(503, "busy")  # type: ignore[no-untyped-call]
        server.handshakes += 1
        self.counted = True
        return super().onConnect(request)

    def onOpen(self) -> None:  # noqa: N802
        self._handshake_over()
        self.transport.unregisterProducer()  # it was the request's
        self.registerProducer(self, True)
        super().onOpen()
        if self.factory.server_class.station.draining:
            self.serverClose(RESTART)

    def onClose(self, was_clean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802
        self._handshake_over()
        self._free.set()
        if self in self.factory.server_class.connections:  # not when the gate refused it: daphne never knew it
            super().onClose(was_clean, code, reason)

    def serverReject(self) -> None:  # noqa: N802
        if hasattr(self, "handshake_deferred"):
            super().serverReject()

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        # autobahn's sendClose takes 1000 and 3000-4999 only; 1012 and 1013 would arrive as 1011.
        if self.state == self.STATE_OPEN:
            self.closeHandshakeTimeout = CUT_S if code == TOO_SLOW else CLOSING_S
            self.sendCloseFrame(code=code or 1000)

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802
        # sendMessage applies the incoming size limit to what we send, and raises while a close is under way.
        if self.state == self.STATE_CONNECTING:
            self.serverAccept()
        if self.state == self.STATE_OPEN and unsent(self.transport) > UNSENT_LIMIT:
            self.dropConnection(abort=True)
        elif self.state == self.STATE_OPEN:
            payload = content if binary else content.encode()
            self.sendFrame(opcode=2 if binary else 1, payload=payload)
            sockets.frames, sockets.bytes = sockets.frames + 1, sockets.bytes + len(payload)

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────
    def _dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.deaf:
            return
        if not self.counted:
            super()._dataReceived(data)
            return
        self.data += data  # autobahn would take it for another handshake
        if len(self.data) > EARLY_BYTES:
            self.dropConnection(abort=True)

    def onFrameBegin(self) -> None:  # noqa: N802
        if self.state == self.STATE_OPEN and not self._frames.take():
            self.deaf, self.data = True, b""
            self.serverClose(POLICY)
        super().onFrameBegin()

    def onMessage(self, payload: bytes, is_binary: bool) -> None:  # noqa: N802
        if not self.deaf:
            super().onMessage(payload, is_binary)

    # ── what goes out: Twisted tells when the line is full ─────────────────────────────────────────
    async def drained(self) -> None:
        await self._free.wait()

    def pauseProducing(self) -> None:  # noqa: N802
        self._free.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._free.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._free.set()

    def _handshake_over(self) -> None:
        if self.counted:
            self.counted = False
            self.factory.server_class.handshakes -= 1


def limited(protocol: Any) -> Any:
    protocol.requestFactory = BoardRequest
    return protocol


def unsent(transport: Any) -> int:
    """Bytes that wait in this process for a client to read; 0 where the transport does not tell (TLS)."""
    if not isinstance(transport, Connection):
        return 0
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen
