"""Every request has a number, every line written while it is answered carries it, and one line says how it ended.

The outermost middleware. Addresses are told by the pattern of their route: what stands in them may be a secret.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import LazyObject

from config.logs import Context, current
from dashboard import counts

logger = logging.getLogger("callboard.access")

HEADER = "X-Request-ID"
FROM_PROXY = re.compile(r"[A-Za-z0-9-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
POLLED = frozenset({"healthz", "readyz", "metrics", "wall-status"})  # asked all the time: only what surprises is told
UNREADY = 503  # the answer of a health check, and no news: what it speaks of is logged where it happens


class Visit:
    """One request, from its number to its line."""

    def __init__(self, request: HttpRequest) -> None:
        self.request, self.began = request, time.monotonic()
        self.context = Context(request_id(request.headers.get(HEADER, "")), self._actor, self._route, request.path)
        self.token = current.set(self.context)

    def ended(self, response: HttpResponse) -> HttpResponse:
        response[HEADER] = self.context.request_id
        self.context.object = self.context.object or self._object()
        if not self._unremarkable(response.status_code):
            tell(self.request.method, self._route(), response.status_code, self.began)
        count(self._name(), response.status_code)
        return response

    def left(self) -> None:
        """The client went away before the answer was made."""
        tell(self.request.method, self._route(), 0, self.began)

    def over(self) -> None:
        current.reset(self.token)

    def _unremarkable(self, status: int) -> bool:
        name = self._name()
        if name in ("healthz", "readyz") and status == UNREADY:
            return True
        return status < 400 and (name in POLLED or self.request.path.startswith(f"/{settings.STATIC_URL.strip('/')}/"))

    def _name(self) -> str:
        match = self.request.resolver_match
        return match.url_name or "" if match else ""

    def _route(self) -> str:
        match = self.request.resolver_match
        return (match.route or "/") if match else ""

    def _object(self) -> str:
        """The row an admin page is about."""
        match = self.request.resolver_match
        number = str(match.kwargs.get("object_id", "")) if match else ""
        plain = number.isascii() and number.isdigit() and len(number) < 9
        return f"{match.url_name} {number}" if match and plain else ""

    def _actor(self) -> int | None:
        """Who is signed in, as far as that is known by now: asking would be a query."""
        user = self.request.__dict__.get("user")
        if isinstance(user, LazyObject):
            user = self.request.__dict__.get("_cached_user")
        return cast("int | None", getattr(user, "pk", None))


def request_id(given: str) -> str:
    """The proxy's number for a request, or a new one: without a proxy anybody could have chosen it."""
    return given if settings.BEHIND_PROXY and FROM_PROXY.fullmatch(given) else secrets.token_hex(8)


def tell(method: str | None, route: str, status: int, began: float) -> None:
    """The access line. `began`: monotonic seconds; status 0: nobody waited for the answer."""
    method = method if method in METHODS else "OTHER"
    ms = round((time.monotonic() - began) * 1000)
    logger.info("%s %s %s", method, route or "(no such address)", status or "left",
                extra={"fields": {"method": method, "route": route, "status": status, "ms": ms}})


def tell_refused(method: str, route: str, status: int) -> str:
    """For an answer that is given before any view; the request's number."""
    token = current.set(Context(secrets.token_hex(8)))
    try:
        tell(method, route, status, time.monotonic())
        count("takeover" if route == "takeover/" else "", status)
        return (current.get() or Context("")).request_id
    finally:
        current.reset(token)


def count(name: str, status: int) -> None:
    counts.requests.add(f"{status // 100}xx")
    if name == "takeover":
        counts.takeover_answers.add(status)


@sync_and_async_middleware
def request_log(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):
        answer = cast(Callable[[HttpRequest], Awaitable[HttpResponse]], get_response)

        async def log_async(request: HttpRequest) -> HttpResponse:
            visit = Visit(request)
            try:
                return visit.ended(await answer(request))
            except asyncio.CancelledError:
                visit.left()
                raise
            finally:
                visit.over()

        return log_async

    def log_sync(request: HttpRequest) -> HttpResponse:
        visit = Visit(request)
        try:
            return visit.ended(get_response(request))
        finally:
            visit.over()

    return log_sync
