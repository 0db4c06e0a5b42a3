"""What every answer tells the browser, also those that are made before or instead of Django's: one list for all.

A middleware right inside the request log, so that nothing a later one answers goes out without; and `bare()` for
answers that no middleware sees (`dashboard/server.py`, `dashboard/draining.py`). Methods nobody serves end here.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.decorators import sync_and_async_middleware

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
UNUSED = ("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope",
          "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "usb", "xr-spatial-tracking")
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "Cache-Control": "no-store",
}


@cache
def content_policy() -> str:
    return str(build_policy())


def bare() -> dict[str, str]:
    """All of them, for an answer that Django's own middleware never touches."""
    always = ALWAYS | {"Content-Security-Policy": content_policy()}
    if settings.BEHIND_PROXY:
        always["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
    return always


def _with_headers(response: HttpResponse) -> HttpResponse:
    response.headers["Content-Security-Policy"] = content_policy()
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(request: HttpRequest) -> HttpResponse | None:
    """TRACE would send secrets back, and of PUT, DELETE and the invented ones no page knows what to do."""
    if request.method in METHODS:
        return None
    return HttpResponseNotAllowed(METHODS, headers=bare())


@sync_and_async_middleware
def answer_headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):
        answer = cast(Callable[[HttpRequest], Awaitable[HttpResponse]], get_response)

        async def with_headers_async(request: HttpRequest) -> HttpResponse:
            return _refused(request) or _with_headers(await answer(request))

        return with_headers_async

    def with_headers(request: HttpRequest) -> HttpResponse:
        return _refused(request) or _with_headers(get_response(request))

    return with_headers


def raw(status: HTTPStatus) -> bytes:
    """A whole answer as it goes over the wire, for a request that nobody has read to its end."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in bare().items()),
             "Content-Length: 0", "Connection: close", "", ""]
    return "\r\n".join(lines).encode()
