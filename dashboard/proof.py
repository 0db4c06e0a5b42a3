"""Changing a secret needs a proof that is fresh: the password again when the last one is over ten minutes old.

    signing in, a code, one's own password in a form ──> renew ──> fresh for FRESH_S

An unattended browser can look, but gives no secret away and lets nobody else in for good (S19).
"""

import time

from django.contrib.auth import authenticate
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.translation import gettext as _

from dashboard import waiting

PROVED_AT = "proved_at"  # in the session: epoch seconds
FRESH_S = 600
FIELD = "own_password"
WRONG = "callboard.own_password_wrong"  # in request.META: one was typed, and it was not right


def renew(session: SessionBase) -> None:
    session[PROVED_AT] = int(time.time())


def fresh(request: HttpRequest) -> bool:
    """Not after the clock was set back either: a moment to come is no proof."""
    proved_at: float = request.session.get(PROVED_AT, 0)
    return 0 <= time.time() - proved_at <= FRESH_S


def hear(request: HttpRequest) -> None:
    """Checks the password that a form brings along. Outside of any transaction: it takes a while and its turn.

    Counted like any other try to sign in (dashboard/sign_in.py), so an open browser is no place to guess.
    """
    typed = request.POST.get(FIELD, "") if request.method == "POST" else ""
    if not typed or not request.user.is_authenticated or fresh(request):
        return
    found = authenticate(request, username=request.user.get_username(), password=typed)
    if found is not None and found.pk == request.user.pk:
        renew(request.session)
    else:
        request.META[WRONG] = True


def refusal(request: HttpRequest) -> str:
    """What is said to who has not proved it."""
    if sentence := waiting.sentence(request):
        return sentence
    if WRONG in request.META:
        return _("This is not your password.")
    return _("Give your own password: you last did more than 10 minutes ago.")
