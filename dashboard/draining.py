"""While the server drains it answers new takeovers itself: an honest 503 before anything is written or sent."""

from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from dashboard import request_log
from dashboard.answer_headers import bare
from dashboard.clock import now_ms
from dashboard.notices import NoticeView
from dashboard.station import station


def refuse_takeovers_while_draining(application: Any) -> Any:
    """Wraps the ASGI application."""

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if station.draining and scope["type"] == "http" and scope["path"] == "/takeover/":
            number = request_log.tell_refused("POST", "takeover/", 503)
            told = bare() | {"Retry-After": "5", "Content-Type": "text/html; charset=utf-8", "HX-Reswap": "none",
                             request_log.HEADER: number}
            headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": _answer()})
            return
        await application(scope, receive, send)

    return wrapped


def _answer() -> bytes:
    notice = NoticeView("not-sent", now_ms(), title=_("Not sent"), advice=_(
        "The server restarts. Nothing was sent; try again in a few seconds."))
    return render_to_string("dashboard/_answer.html", {"notice": notice}).encode()
