"""Channels consumers: authorise, then hand the socket to the fan-out. Nothing else happens here.

Authorisation stands here, and not only at the page, because a socket outlives the page's request: it is the door
through which everything live leaves. After `connect` no database is touched (one slow query would stall every
socket of the process); the sweep in `dashboard/sessions.py` re-reads rights for all sockets at once.
"""

import json
from importlib import import_module
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from dashboard import client_address, counts
from dashboard.access import BOARD, WALL, Viewer, viewer_of, viewer_of_display
from dashboard.allowance import Allowance, Allowances
from dashboard.fanout import hub
from dashboard.member import FULL, RESTART, REVOKED, SIGN_IN, Member
from dashboard.offloop import Desk
from dashboard.pairing import SOCKET_COOKIE, display_of, hashed, seen
from dashboard.screens import Told, told_by
from dashboard.socket_log import SocketLog
from dashboard.station import station

MESSAGE_BYTES = 4096
MESSAGES_PER_S = 5
BURST = 20
POLICY = 1008
SOCKETS_PER_PERSON = 10
SOCKETS_PER_WALL = 3
STRANGERS_PER_S = 20  # handshakes from one address that turn out to be nobody's; a call centre is one address

desk = Desk("authorise", threads=4)
strangers = Allowances(STRANGERS_PER_S, STRANGERS_PER_S)


class BoardConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One screen of one supervisor. Verbs from the page: `{"ack": seq}`, `{"resync": seq}`, `{"test": seq}`."""

    # No channel per socket: one subscription per process (dashboard/layer.py) feeds all screens.
    channel_layer_alias = "none"
    stranger = SIGN_IN
    kind = BOARD

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.member: Member | None = None
        self.log = SocketLog(self.kind)
        self._messages = Allowance(MESSAGES_PER_S, BURST)

    async def dispatch(self, message: dict[str, Any]) -> None:
        # The base class hops through the one shared database thread before every message, to close old
        # connections. There are none here, and behind a slow query that hop would hold up every screen.
        handlers = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
        }
        try:
            await handlers[message["type"]](message)
        except BaseException:  # no disconnect will follow, and a member that nobody removes would count for ever
            self._part()
            raise

    def _part(self) -> None:
        if self.member is not None:
            hub.leave(self.member)
            self.member = None

    async def connect(self) -> None:
        judged = station.judged
        viewer = await self.authorise()
        if viewer is None and not strangers.take(client_address.network(client_address.of_scope(self.scope))):
            await self.close()  # before it is accepted: 403, and no socket to look after
            return
        await self.accept()  # after everything that can fail
        if viewer is None or (refusal := self.refusal(viewer)):
            await self.close(self.stranger if viewer is None else refusal)
            return
        self.member = Member(viewer, self.session_key(), self._send_text, self._close_with)
        self.member.told_of_itself = self.told()
        self.log.opened(viewer.user_id)
        hub.join(self.member)
        if station.judged != judged:  # rights changed between reading and joining: nobody has judged this one
            station.judge_again()

    async def authorise(self) -> Viewer | None:
        """The viewer as the database has them now. In threads of our own: handshakes do not queue behind requests."""
        key = self.session_key()
        return await desk.run(_person_behind, key, self.scope.get("language", "en")) if key else None

    def refusal(self, viewer: Viewer) -> int:
        """Why somebody known is not let in either, as a close code; 0 when they are."""
        if not viewer.audience.scope:  # the page would show an empty board for what is none of theirs
            return REVOKED
        members = hub.members
        theirs = sum(member.viewer.user_id == viewer.user_id for member in members)
        return FULL if theirs >= SOCKETS_PER_PERSON or len(members) >= settings.MAX_SOCKETS else 0

    def told(self) -> Told | None:
        """What a wall said of itself in its address."""
        return None

    def session_key(self) -> str:
        """What the sweep finds this socket by."""
        key: str = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
        return key

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        verb = self._verb(text_data)
        counts.sockets.messages += 1
        if self.member is None:
            return
        if verb is None or not self._messages.take():
            self.member.close(POLICY)
        elif verb[0] == "ack":
            hub.acknowledge(self.member, verb[1])
        elif verb[0] == "test":
            hub.test_alarm(self.member)
        else:
            counts.sockets.resyncs += 1
            hub.resync(self.member, verb[1])

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.log.closing(code)
        await super().close(code, reason)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        # As the base class, without its hop through the database thread and its group clean-up: we have no groups.
        self._part()
        self.log.ended(message.get("code"))
        raise StopConsumer

    def _verb(self, text: str | None) -> tuple[str, int] | None:
        """("ack" | "resync" | "test", seq), or None for anything else: bad JSON, binary, unknown verbs, wrong types."""
        if text is None or len(text) > MESSAGE_BYTES:
            return None
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(body, dict) or len(body) != 1:
            return None
        name, seq = next(iter(body.items()))
        return (name, seq) if name in ("ack", "resync", "test") and type(seq) is int else None

    async def _send_text(self, text: str) -> None:
        await self.send(text_data=text)

    async def _close_with(self, code: int) -> None:
        await self.close(code)


class WallConsumer(BoardConsumer):
    """One wall: the same verbs, but its secret instead of a session. Strangers are sent to pair themselves."""

    stranger = REVOKED
    kind = WALL

    async def authorise(self) -> Viewer | None:
        token = self._token()
        return await desk.run(_wall_behind, token, told_by(self.scope)) if token else None

    def told(self) -> Told | None:
        return told_by(self.scope)

    def refusal(self, viewer: Viewer) -> int:
        """A wall without queues is let in, and says so."""
        members, key = hub.members, self.session_key()
        same = sum(member.session_key == key for member in members)
        return FULL if same >= SOCKETS_PER_WALL or len(members) >= settings.MAX_SOCKETS else 0

    def session_key(self) -> str:
        return hashed(self._token())

    def _token(self) -> str:
        token: str = self.scope["cookies"].get(SOCKET_COOKIE, "")
        return token


def _person_behind(session_key: str, language: str) -> Viewer | None:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return viewer_of(get_user(request), language)


def _wall_behind(token: str, told: Told) -> Viewer | None:
    display = display_of(token)
    if display is None:
        return None
    seen([display.pk], version=told.version, resolution=told.resolution, address=told.address)
    return viewer_of_display(display, hashed(token))


async def unknown_path(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuses any other websocket address quietly: no traceback per probe."""
    await receive()
    counts.sockets.unknown_paths += 1
    await send({"type": "websocket.close", "code": RESTART})
