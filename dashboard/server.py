"""daphne's `Server` with our tasks in its event loop, our socket protocol, and an orderly end.

With `connection.py` and `slow_requests.py` all that leans on insides of daphne, autobahn and Twisted (pinned together;
`missing()` names what a new version took away, and `serve` refuses to start then).
"""

# daphne installs the asyncio reactor on import and must come before anything that imports Twisted.
from daphne.server import Server  # isort: skip

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Coroutine
from typing import Any, cast

from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.defer import Deferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogPublisher,
)
from twisted.web import http

from dashboard.connection import CLOSING_S, BoardProtocol, limited, steady
from dashboard.member import RESTART
from dashboard.slow_requests import PatientChannel, Unfinished
from dashboard.station import Station

logger = logging.getLogger(__name__)

SPREAD_S = 5.0  # sockets are closed over this time, so that their screens do not come back all at once
TAKEOVER_WAIT_S = 13.0  # a takeover's deadline and a second
STOP_S = 5.0  # to keep the boards and let the leases go
FAILED = 1011
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


class BoardServer(Server):  # type: ignore[misc]
    """`run()` blocks until drained; then `exit_code` says how it went."""

    def __init__(self, application: Any, endpoints: list[str], station: Station,
                 on_listening: Callable[[], None] = lambda: None) -> None:
        steady()
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
