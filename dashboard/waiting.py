"""What is said to who has given too many wrong passwords or codes: how long to wait, on the page and as a 429."""

from http import HTTPStatus
from math import ceil

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.sign_in import WAIT_S


def too_many(seconds: int) -> str:
    """The same for everybody, whether there is such a person or not."""
    minutes = ceil(seconds / 60)
    time = (ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds} if seconds < 60
            else ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes})
    return _("Too many tries. Wait %(time)s, or ask an administrator.") % {"time": time}


def sentence(request: HttpRequest) -> str:
    """"" when what this request has tried was looked at."""
    seconds: int = request.META.get(WAIT_S, 0)
    return too_many(seconds) if seconds else ""


def tell(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Makes the answer a 429 when this request's try was refused; whether it was."""
    seconds = request.META.get(WAIT_S)
    if seconds:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response["Retry-After"] = str(seconds)
    return bool(seconds)
