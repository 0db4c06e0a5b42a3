"""A session that is no more: its browser is told why, on the page that asks it to sign in again.

Only who still sends the session's key is told anything; to everybody else the page is the same.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.sign_ins import Why, why

COOKIE = "__Host-signed-out" if settings.BEHIND_PROXY else "signed-out"
LIFE_S = 120  # from the redirect to the page
DOORS = (settings.LOGIN_URL, "/admin/login/")


def sentence(reason: str) -> str:
    """What the person reads; "" for a reason that needs no word, or is none."""
    idle, life = settings.SESSION_IDLE_S // 3600, settings.SESSION_COOKIE_AGE // 3600
    said = {
        Why.IDLE: ngettext("You were signed out: for %(n)s hour no board was open here.",
                           "You were signed out: for %(n)s hours no board was open here.", idle) % {"n": idle},
        Why.OVER: ngettext("You were signed out: a sign-in lasts %(n)s hour at most.",
                           "You were signed out: a sign-in lasts %(n)s hours at most.", life) % {"n": life},
        Why.ELSEWHERE: _("You were signed out from another browser of yours."),
        Why.ADMINISTRATOR: _("An administrator signed you out."),
        Why.PASSWORD: _("You were signed out: your password was changed."),
        Why.SECOND_FACTOR: _("You were signed out: your second factor was changed."),
        Why.SWITCHED_OFF: _("Your account is switched off. Ask an administrator."),
    }
    return {str(key): text for key, text in said.items()}.get(reason, "")


def reason_of(request: HttpRequest) -> str:
    """Why the session that this browser still sends, or sent with the request before, has ended; "" if not known."""
    if request.user.is_authenticated:
        return ""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return (why(key) if key else "") or request.COOKIES.get(COOKIE, "")


@sync_and_async_middleware
def say_why(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The redirect to the sign-in takes the dead session's cookie away; the reason goes along in one of its own."""
    if iscoroutinefunction(get_response):
        answer = cast(Callable[[HttpRequest], Awaitable[HttpResponse]], get_response)

        async def say_async(request: HttpRequest) -> HttpResponse:
            response = await answer(request)
            if _to_the_door(request, response):
                await sync_to_async(_keep)(request, response)
            return response

        return say_async

    def say_sync(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        if _to_the_door(request, response):
            _keep(request, response)
        return response

    return say_sync


def _to_the_door(request: HttpRequest, response: HttpResponse) -> bool:
    return (response.status_code == HTTPStatus.FOUND and response.get("Location", "").startswith(DOORS)
            and settings.SESSION_COOKIE_NAME in request.COOKIES)


def _keep(request: HttpRequest, response: HttpResponse) -> None:
    if reason := reason_of(request):
        response.set_cookie(COOKIE, reason, max_age=LIFE_S, httponly=True, samesite="Lax",
                            secure=settings.BEHIND_PROXY)


def forget(response: HttpResponseBase) -> None:
    response.delete_cookie(COOKIE, samesite="Lax")
