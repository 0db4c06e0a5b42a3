"""The wall's pages. No login, ever: a screen that is not a wall yet shows the code that makes it one."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django.views.defaults import server_error

from dashboard.access import viewer_of_display
from dashboard.clock import now_ms
from dashboard.mirror import mirror
from dashboard.models import Display
from dashboard.pairing import (
    PAGE_COOKIE,
    SOCKET_COOKIE,
    NotNow,
    TooManyWaiting,
    begin,
    display_of,
    hashed,
    is_waiting,
    renew,
    use_link,
)
from dashboard.release import version
from dashboard.rows import with_elapsed
from dashboard.station import station
from dashboard.wall import PREFIXES, settings_of, wall_picture

COOKIE_S = 400 * 24 * 3600  # browsers keep none for longer; each load of the wall begins it anew
Page = Callable[..., HttpResponse]


def door(view: Page) -> Page:
    """What holds for every page that carries a wall's secret: kept nowhere, and told to nobody."""
    @wraps(view)
    def wrapped(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return require_GET(never_cache(wrapped))


@door
def wall(request: HttpRequest) -> HttpResponse:
    """The wall; for a screen that is not paired its code, and for one too many a page that says so (503)."""
    token = request.COOKIES.get(PAGE_COOKIE, "")
    if not token and request.headers.get("Sec-Fetch-Site") == "cross-site" and "here" not in request.GET:
        # Opened by a link elsewhere: a browser that has our cookies did not send them. From our own page it does.
        return render(request, "dashboard/wall_here.html")
    display = display_of(token)
    if display is not None:
        page = _wall_page(request, display)
        # An old secret must not take the place of a new one that has come meanwhile.
        return _with_cookies(page, token) if display.token_hash == hashed(token) else page
    try:
        offer = begin(token)
    except TooManyWaiting:
        return render(request, "dashboard/wall_full.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
    page = render(request, "dashboard/wall_pairing.html", {
        "code": [offer.code[:3], offer.code[3:]], "admin_address": request.build_absolute_uri(reverse("admin:index"))})
    return _with_cookies(page, offer.token)


@door
def wall_status(request: HttpRequest) -> HttpResponse:
    """Asked every 2 s by a screen that waits: nothing while it must go on waiting, else it must load itself anew."""
    token = request.COOKIES.get(PAGE_COOKIE, "")
    if not token:
        refused = render(request, "dashboard/_wall_no_cookies.html")
        refused["HX-Reswap"] = "innerHTML"  # the only answer that is shown: an error page must not be
        return refused
    answer = HttpResponse(status=HTTPStatus.NO_CONTENT)
    if not is_waiting(token):
        answer["HX-Refresh"] = "true"
    return answer


@door
def wall_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Makes this screen the wall that the link was made for, once; a used link shows what the screen is anyway.

    A redirect, so that the link is not in the browser's history. Browsers that only look ahead do not use it up.
    """
    if request.headers.get("Sec-Purpose", "").startswith("prefetch"):
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
    token = use_link(secret)
    response = redirect("wall")
    return _with_cookies(response, token) if token else response


@door
def wall_renew(request: HttpRequest) -> HttpResponse:
    """Asked by a screen that is to have a new secret: it comes with the answer. 409: a moment later, please."""
    try:
        token = renew(request.COOKIES.get(PAGE_COOKIE, ""))
    except NotNow:
        return HttpResponse(status=HTTPStatus.CONFLICT)
    done = HttpResponse(status=HTTPStatus.NO_CONTENT)
    return _with_cookies(done, token) if token else done


def failed(request: HttpRequest) -> HttpResponse:
    """An exception nobody foresaw. On a wall nobody reads an error page or presses a key: it tries again by itself."""
    if not request.path.startswith(reverse("wall")):
        return server_error(request)
    return HttpResponse(render_to_string("dashboard/wall_away.html"), status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _wall_page(request: HttpRequest, display: Display) -> HttpResponse:
    now = now_ms()
    viewer = viewer_of_display(display)
    station.look(viewer.audience.scope)
    shown = wall_picture(mirror, viewer.audience, now)

    def joined(prefix: str) -> str:
        return with_elapsed("".join(html for name, html in shown.parts.items() if name.startswith(prefix)), now)

    with translation.override(display.language):
        return render(request, "dashboard/wall.html", {
            "display": display, "version": version(), "server_now": now, "asof": json.dumps(shown.asof),
            **settings_of(display), **{f"{name}_html": joined(prefix) for name, prefix in PREFIXES.items()},
        })


def _with_cookies(response: HttpResponse, token: str) -> HttpResponse:
    """Two, because a cookie has one path, and the socket's is another than the page's."""
    for name, path in ((PAGE_COOKIE, "/wall/"), (SOCKET_COOKIE, "/ws/wall/")):
        response.set_cookie(name, token, max_age=COOKIE_S, path=path, secure=settings.BEHIND_PROXY, httponly=True,
                            samesite="Strict")
    return response
