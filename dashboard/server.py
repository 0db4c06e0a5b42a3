"""daphne's `Server` with our tasks in its event loop, our socket protocol, and an orderly end.

The only module, with `slow_requests.py`, that leans on insides of daphne, autobahn and Twisted (pinned together;
`missing()` names what a new version took away, and `serve` refuses to start then).
"""

# daphne installs the asyncio reactor on import and must come before anything that imports Twisted.
from daphne.server import Server  # isort: skip

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

from autobahn.websocket.types import ConnectionDeny
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Connection
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogPublisher,
)
from twisted.web import http

from dashboard.allowance import Allowance
from dashboard.answer_headers import bare, raw
from dashboard.consumers import BURST, MESSAGES_PER_S, POLICY
from dashboard.counts import sockets
from dashboard.member import RESTART, TOO_SLOW
from dashboard.slow_requests import PatientChannel, Unfinished
from dashboard.station import Station

logger = logging.getLogger(__name__)

SPREAD_S = 5.0  # sockets are closed over this time, so that their screens do not come back all at once
TAKEOVER_WAIT_S = 13.0  # a takeover's deadline and a second
STOP_S = 5.0  # to keep the boards and let the leases go
HANDSHAKES = 50
BODY_LIMIT = 3 * 1024 * 1024  # an inspected list travels in a form; nothing else comes near
UNSENT_LIMIT = 4 * 1024 * 1024  # a full board of 5,000 calls; the next frame waits until the last has left
EARLY_BYTES = 4096  # said before the handshake is over
FAILED = 1011
CLOSING_S, CUT_S = 5, 1  # for the answer to a close frame; to one that says too slow or too much
OPTIONS: dict[str, Any] = {
    "server_name": None, "websocket_handshake_timeout": 20, "websocket_connect_timeout": 20,
    "websocket_max_message_size": 4096, "websocket_max_frame_size": 4096, "websocket_timeout": -1,
    "ping_interval": 20, "ping_timeout": 20, "http_timeout": 30, "application_close_timeout": 15, "verbosity": 1,
}
LEANS_ON = {
    WebSocketProtocol: ("onConnect", "onOpen", "onClose", "serverClose", "serverSend", "serverReject",
                        "sendCloseFrame", "sendFrame", "STATE_OPEN", "STATE_CONNECTING", "onFrameBegin",
                        "onMessage", "_dataReceived", "dropConnection", "registerProducer"),
    WebRequest: ("handleContentChunk", "process", "basic_error", "handle_reply"),
    http: ("HTTPChannel", "_GenericHTTPChannelProtocol"),
    http.HTTPChannel: ("connectionMade", "dataReceived", "allHeadersReceived", "allContentReceived", "requestDone",
                       "connectionLost", "loseConnection", "callLater", "_respondToBadRequestAndDisconnect"),
    Server: ("listen_success", "kill_all_applications", "run", "handle_reply", "create_application"),
}


def missing() -> list[str]:
    """Attributes we use that the installed versions do not have."""
    return [f"{kind.__name__}.{name}" for kind, names in LEANS_ON.items() for name in names if not hasattr(kind, name)]


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
            self.closeHandshakeTimeout = CUT_S if self.deaf or code == TOO_SLOW else CLOSING_S
            self.sendCloseFrame(code=code or 1000)

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802
        # sendMessage applies the incoming size limit to what we send, and raises while a close is under way.
        if self.state == self.STATE_CONNECTING:
            self.serverAccept()
        if self.state == self.STATE_OPEN:
            payload = content if binary else content.encode()
            self.sendFrame(opcode=2 if binary else 1, payload=payload)
            sockets.frames, sockets.bytes = sockets.frames + 1, sockets.bytes + len(payload)
            if unsent(self.transport) > UNSENT_LIMIT:
                self.dropConnection(abort=True)

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


class BoardServer(Server):  # type: ignore[misc]
    """`run()` blocks until drained; then `exit_code` says how it went."""

    def __init__(self, application: Any, endpoints: list[str], station: Station,
                 on_listening: Callable[[], None] = lambda: None) -> None:
        self.station, self.on_listening = station, on_listening
        self.handshakes = 0
        self.unfinished = Unfinished()
        self.ports: list[Any] = []
        self.failed = False
        self.tasks: list[asyncio.Task[None]] = []
        self._drain: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        super().__init__(application, endpoints, signal_handlers=False, ready_callable=self._ready, **OPTIONS)

    @property
    def exit_code(self) -> int:
        return 1 if self.failed or not self.ports else 0

    def run(self) -> None:
        super().run()
        loop = asyncio.get_event_loop()
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:  # a coroutine that still waits when the interpreter ends can crash it
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=2))

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """What an application sends over a socket waits until the line has taken it: ours queue no more than that."""
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send":
            await protocol.drained()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """An application that ends leaves no socket behind that looks alive."""
        queue = super().create_application(protocol, scope)
        application = self.connections.get(protocol, {}).get("application_instance")
        if scope["type"] == "websocket" and application is not None:
            application.add_done_callback(
                lambda _ended: protocol.serverClose(RESTART if self.station.draining else FAILED))
        return queue

    def _ready(self) -> None:
        """Runs once the port is bound and before the first request is read."""
        if not self.ports:
            return
        loop = asyncio.get_event_loop()
        self.ws_factory.protocol = BoardProtocol
        self.ws_factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=CLOSING_S)
        self.http_factory.protocol = lambda: http._GenericHTTPChannelProtocol(PatientChannel(self.unfinished))
        build = self.http_factory.buildProtocol
        self.http_factory.buildProtocol = lambda address: limited(build(address))
        self.http_factory.log = lambda request: None  # Twisted's own access line prints whole addresses
        only_errors: Any = [LogLevelFilterPredicate(LogLevel.error)]
        observer: Any = FilteringLogObserver(cast(Any, STDLibLogObserver("twisted")), only_errors)
        globalLogPublisher.addObserver(observer)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.begin_drain)
        self.tasks = [self._watched(make, loop) for make in self.station.tasks()]
        self.on_listening()

    def _watched(self, make: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop) -> Any:
        task = loop.create_task(make())
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or self.station.draining:
            return
        logger.critical("a background task ended: %r", task, exc_info=task.exception())
        self.failed = True
        self.begin_drain()

    # ── the end ────────────────────────────────────────────────────────────────────────────────────
    def begin_drain(self) -> None:
        """First signal: let what runs finish. Second: straight to the end. Exit code 0 either way."""
        if self._drain is None:
            logger.info("draining")
            self.station.draining = True
            self._drain = asyncio.get_event_loop().create_task(self._drain_then_stop())
        else:
            self._hurry.set()

    async def _drain_then_stop(self) -> None:
        waits = [asyncio.ensure_future(wait) for wait in (self._close_sockets(), self._requests_done())]
        finished = asyncio.ensure_future(asyncio.wait(waits))
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({finished, hurry}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, finished, hurry):
            task.cancel()
        try:
            await self._stop_everything()
        except Exception:
            logger.exception("could not end in order")
            self.failed = True
        self.stop()

    async def _stop_everything(self) -> None:
        for port in self.ports:
            port.stopListening()
        for task in self.tasks:
            task.cancel()
        await asyncio.wait_for(self.station.polls.stop(), STOP_S)

    async def _close_sockets(self) -> None:
        members = self.station.hub.members
        random.shuffle(members)
        for member in members:
            member.close(RESTART)
            await asyncio.sleep(SPREAD_S / len(members))

    async def _requests_done(self) -> None:
        deadline = asyncio.get_event_loop().time() + TAKEOVER_WAIT_S
        while (left := self._requests()) and asyncio.get_event_loop().time() < deadline:
            await asyncio.wait(left, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    def _requests(self) -> "list[asyncio.Future[Any]]":
        return [
            task for protocol, details in self.connections.items()
            if not isinstance(protocol, WebSocketProtocol)
            and (task := details.get("application_instance")) and not task.done()
        ]

    def kill_all_applications(self) -> Any:
        # The stock hook raises KeyError when an application has been reaped, and then cancels nothing.
        left = [task for details in self.connections.values()
                if (task := details.get("application_instance")) and not task.done()]
        for task in left:
            task.cancel()
        return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(left, timeout=3))) if left else None
