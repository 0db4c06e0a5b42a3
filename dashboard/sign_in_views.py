"""The two doors: the sign-in page and the admin's. Both make who gave too many wrong passwords wait, with a 429."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from math import ceil
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.known_browser import remember
from dashboard.sign_in import WAIT_S
from dashboard.signed_out import COOKIE, forget, reason_of, sentence


def too_many(seconds: int) -> str:
    """The same for everybody, whether there is such a person or not."""
    minutes = ceil(seconds / 60)
    time = (ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds} if seconds < 60
            else ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes})
    return _("Too many tries. Wait %(time)s, or ask an administrator.") % {"time": time}


class SignInForm(AuthenticationForm):
    def get_invalid_login_error(self) -> ValidationError:
        return _refusal(self) or super().get_invalid_login_error()


class AdminSignInForm(AdminAuthenticationForm):
    def get_invalid_login_error(self) -> ValidationError:
        return _refusal(self) or super().get_invalid_login_error()


def _refusal(form: AuthenticationForm) -> ValidationError | None:
    seconds = form.request.META.get(WAIT_S, 0) if form.request else 0
    return ValidationError(too_many(seconds), code="too_many") if seconds else None


class SignInView(LoginView):
    redirect_authenticated_user = True
    authentication_form = SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        reason = reason_of(self.request) if self.request.method == "GET" else ""
        return super().get_context_data(**kwargs) | {"signed_out": sentence(reason)}


def door(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Around a view that signs people in."""

    @wraps(view)
    def through(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if seconds := request.META.get(WAIT_S):
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(seconds)
        elif request.method == "POST" and request.user.is_authenticated and request.user.pk is not None:
            remember(request, response, request.user.pk)
        if COOKIE in request.COOKIES:
            forget(response)
        return response

    return through
