"""Where a person is signed in, and signing out there. Nobody sees or ends anybody else's."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard import sign_ins
from dashboard.access import display_name
from dashboard.browser_words import words
from dashboard.models import SignIn
from dashboard.sign_outs import sign_out

SHOWN = 100


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def own_browsers(request: HttpRequest) -> HttpResponse:
    """POST: `end` = the number of one of one's other sign-ins, or "others" for all of them."""
    user = cast(User, request.user)
    if request.method == "POST":
        _end(request, user, request.POST.get("end", ""))
        return redirect("own-browsers")
    here, rows = request.session.session_key, list(sign_ins.alive(user)[:SHOWN])
    rows.sort(key=lambda row: row.session_key != here)
    browsers = [(row, words(row.agent), row.session_key == here) for row in rows]
    return render(request, "dashboard/own_browsers.html", {
        "user_name": display_name(user), "browsers": browsers,
        "others": sum(not is_here for _row, _words, is_here in browsers)})


def _end(request: HttpRequest, user: User, which: str) -> None:
    others = sign_ins.alive(user).exclude(session_key=request.session.session_key)
    if which != "others":
        number = int(which) if which.isascii() and which.isdigit() and len(which) < 19 else 0
        others = others.filter(pk=number)
    ended = sign_out(user.pk, others, SignIn.Why.ELSEWHERE)
    messages.success(request, ngettext("%(n)s browser is signed out.", "%(n)s browsers are signed out.", ended)
                     % {"n": ended} if ended else _("Nothing to do: it was signed out already."))
