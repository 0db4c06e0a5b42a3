"""The door: one form for the boards and for the admin. Who gave too many wrong passwords waits, with a 429.

    password ──> no second factor: signed in
             └─> a second factor: noted in the session, and on to the page that asks for the code (code_views.py)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from dashboard import second_factor, second_step, waiting
from dashboard.known_browser import remember
from dashboard.signed_out import COOKIE, forget, reason_of, sentence


class SignInForm(AuthenticationForm):
    def get_invalid_login_error(self) -> ValidationError:
        said = waiting.sentence(self.request) if self.request else ""
        return ValidationError(said, code="too_many") if said else super().get_invalid_login_error()


class SignInView(LoginView):
    redirect_authenticated_user = True
    authentication_form = SignInForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if not second_factor.has(user):
            return super().form_valid(form)
        second_step.begin(self.request, user, self.get_success_url())
        return redirect("code")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        said = ""
        if self.request.method == "GET":
            said = second_step.said(self.request) or sentence(reason_of(self.request))
        return super().get_context_data(**kwargs) | {"signed_out": said}


class AdminSignInView(SignInView):
    """Leads to the admin, and whom the admin does not let in although signed in to what is missing."""

    redirect_authenticated_user = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if request.method != "POST" and user.is_authenticated and user.is_active and user.is_staff:
            return self._further(user)
        return super().dispatch(request, *args, **kwargs)

    def _further(self, user: User) -> HttpResponse:
        if admin.site.has_permission(self.request):
            return redirect(self.get_success_url())
        if second_factor.has(user):  # switched on elsewhere at the moment of this sign-in
            second_step.begin(self.request, user, self.get_success_url())
            return redirect("code")
        return redirect(reverse("own-second-factor", query={"next": self.get_success_url()}))

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")


def door(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Around a view that signs people in."""

    @wraps(view)
    def through(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if not waiting.tell(request, response) and request.method == "POST" and request.user.is_authenticated and (
                request.user.pk is not None):
            remember(request, response, request.user.pk)
        if COOKIE in request.COOKIES:
            forget(response)
        return response

    return through
