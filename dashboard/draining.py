"""While the server drains it answers new takeovers itself: an honest 503 before anything is written or sent."""

from typing import Any

from dashboard.station import station


def refuse_takeovers_while_draining(application: Any) -> Any:
    """Wraps the ASGI application."""

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if station.draining and scope["type"] == "http" and scope["path"] == "/takeover/":
            headers = [(b"retry-after", b"5"), (b"content-type", b"text/plain; charset=utf-8"),
                       (b"hx-reswap", b"none")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"The server restarts. Nothing was sent; try again."})
            return
        await application(scope, receive, send)

    return wrapped
