"""Connections whose request has not arrived yet: each has a time limit, and together they are no more than LIMIT.

Nothing tells a slow client from one that means to hold a place. So the oldest goes when there are too many: whoever
sends a request in one go is never the oldest for long.
"""

from collections import OrderedDict
from http import HTTPStatus
from typing import Any

from twisted.web import http

from dashboard.answer_headers import raw

LIMIT = 500
HEAD_S = 10.0  # from connecting, or from the first byte of a later request, to the end of its headers
WHOLE_S = 60.0  # from there to the end of its body
HTTPChannel: Any = http.HTTPChannel  # without types of its own


class Unfinished:
    """The connections that wait for a request, or for the rest of one, in the order in which they began to."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.dropped = limit, 0
        self._waiting: OrderedDict[Any, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, connection: Any) -> None:
        self.end(connection)
        self._waiting[connection] = None
        if len(self._waiting) > self.limit:
            oldest, _ = self._waiting.popitem(last=False)
            self.dropped += 1
            oldest.give_up()

    def end(self, connection: Any) -> None:
        self._waiting.pop(connection, None)


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """Twisted's HTTP connection, which would wait 60 s after each byte, with a limit on the whole of it."""

    def __init__(self, unfinished: Unfinished) -> None:
        super().__init__()
        self.unfinished, self._limit = unfinished, None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's names
        super().connectionMade()
        self.unfinished.begin(self)
        self._within(HEAD_S)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._limit is None and not self.requests:
            self._within(HEAD_S)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802
        self._within(WHOLE_S)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:  # noqa: N802
        self._arrived()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        self.unfinished.begin(self)  # the next may be here already: then the line below reads it
        super().requestDone(request)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._arrived()
        super().connectionLost(reason)

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        self.transport.write(raw(HTTPStatus.BAD_REQUEST))
        self.loseConnection()

    def give_up(self) -> None:
        """Hangs up, once what was answered before has left."""
        self._arrived()
        self.loseConnection()

    def _within(self, seconds: float | None) -> None:
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None if seconds is None else self.callLater(seconds, self.give_up)

    def _arrived(self) -> None:
        self.unfinished.end(self)
        self._within(None)
