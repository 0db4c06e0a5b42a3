"""Between the password and the code nobody is signed in: who has given the right password is noted in the session.

    begin ──> who (5 minutes; the person must still be what they were) ──> finish

`who` says in the session what the sign-in page is to say when it came to nothing.
"""

import time
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from dashboard import second_factor

PENDING, SAYS = "second_step", "second_step_says"
LIFE_S = 300
LATE, CHANGED = "late", "changed"


def begin(request: HttpRequest, user: User, leads_to: str) -> None:
    """`leads_to`: where the person wanted to go, checked already."""
    if not request.user.is_authenticated:
        request.session.cycle_key()  # a key that somebody had put there beforehand gets no further
    request.session[PENDING] = {
        "person": user.pk, "auth": user.get_session_auth_hash(), "at": int(time.time()), "next": leads_to}


def who(request: HttpRequest) -> User | None:
    """Whose code is awaited here; None when nobody's is, or not any more."""
    pending: dict[str, Any] | None = request.session.get(PENDING)
    if pending is None:
        return None
    user = User.objects.filter(pk=pending["person"], is_active=True).first()
    if not 0 <= time.time() - pending["at"] <= LIFE_S:
        _drop(request, LATE)
    elif user is None or not constant_time_compare(pending["auth"], user.get_session_auth_hash()) or (
            not second_factor.has(user)):
        _drop(request, CHANGED)
    else:
        return user
    return None


def finish(request: HttpRequest, user: User) -> str:
    """The code was right: signs in; where the person wanted to go."""
    leads_to: str = request.session.pop(PENDING)["next"]
    login(request, user)
    second_factor.prove(request.session)
    return leads_to


def said(request: HttpRequest) -> str:
    """What the sign-in page says, once."""
    return {
        LATE: _("That took longer than 5 minutes. Sign in again."),
        CHANGED: _("Your sign-in could not be finished: the account was changed meanwhile. Sign in again."),
    }.get(request.session.pop(SAYS, "") if SAYS in request.session else "", "")


def _drop(request: HttpRequest, why: str) -> None:
    del request.session[PENDING]
    request.session[SAYS] = why
