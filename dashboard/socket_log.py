"""One line when a screen opens, one when it is gone; for who is not let in, the second one alone."""

import logging
import time

from dashboard import counts

logger = logging.getLogger("callboard.sockets")

GONE = 1006  # what a connection that just broke is called


class SocketLog:
    """Of one socket. `kind`: board or wall."""

    def __init__(self, kind: str) -> None:
        self.kind, self.began = kind, time.monotonic()
        self.user: int | None = None
        self.code: int | None = None

    def opened(self, user: int) -> None:
        """`user`: the person's number, 0 for a wall."""
        self.user = user or None
        logger.info("%s opened", self.kind, extra={"fields": {"kind": self.kind, "actor": self.user}})

    def closing(self, code: int | None) -> None:
        """We close it: the first reason counts, whatever the other side answers."""
        self.code = self.code or code

    def ended(self, code: int | None) -> None:
        """`code`: the other side's, or how the connection broke."""
        code = self.code or code or GONE
        counts.socket_closed(code)
        seconds = round(time.monotonic() - self.began, 1)
        logger.info("%s closed: %s after %s s", self.kind, code, seconds, extra={
            "fields": {"kind": self.kind, "actor": self.user, "code": code, "seconds": seconds}})
