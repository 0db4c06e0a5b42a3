"""The second step of signing in: one field for a code of the app, or for a recovery code."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard import second_factor, second_step, waiting
from dashboard.sign_in import code_checked
from dashboard.views import source_of


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """Only for who has just given the right password; everybody else is led back to where that is asked for."""
    user = second_step.who(request)
    if user is None:
        return redirect("login")
    said = ""
    if request.method == "POST":
        typed, source = request.POST.get("code", ""), source_of(request)
        if code_checked(request, user, lambda: second_factor.accept(user, typed, source)):
            leads_to = second_step.finish(request, user)
            return redirect(leads_to if second_factor.is_app_code(typed) else _told_of_codes(request, leads_to))
        said = waiting.sentence(request) or not_right()
    return render(request, "registration/code.html", {"person": user, "said": said})


def not_right() -> str:
    return _("This code is not right, or it was used before. The app shows another one every 30 seconds.")


def _told_of_codes(request: HttpRequest, leads_to: str) -> str:
    """Who has used a recovery code is led past the page where the phone can be replaced."""
    left = second_factor.codes_left(request.user) or 0  # type: ignore[arg-type]  # signed in a moment ago
    messages.warning(request, ngettext(
        "You signed in with a recovery code, which is used up; %(n)s is left. Is the phone lost? Set up another one "
        "here.",
        "You signed in with a recovery code, which is used up; %(n)s are left. Is the phone lost? Set up another one "
        "here.", left) % {"n": left})
    return reverse("own-second-factor", query={"next": leads_to})
