"""Before there is an administrator: every door leads to the form for the first one; of two racing requests one wins.

Whoever sits at this machine may fill it in. From anywhere else it asks for a code that `serve` prints, the same in
every process of one installation.
"""

import base64
import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port
from django.shortcuts import redirect
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from dashboard import generation

LOOPBACK = ("127.0.0.1", "::1")
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")
FIRST = "first-administrator"


def has_administrator() -> bool:
    """Also a switched-off one: whoever switched it off did not mean to open the form to all."""
    return User.objects.filter(is_superuser=True).exists()


def set_up_first(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A door that nobody can pass yet leads to the set-up page instead."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated and not has_administrator():
            return redirect("setup")
        return view(request, *args, **kwargs)

    return door


def needs_code(request: HttpRequest) -> bool:
    """True unless the browser runs on this machine: a proxy makes everybody look as if they did."""
    host, _port = split_domain_port(request.get_host())
    here = request.META.get("REMOTE_ADDR") in LOOPBACK and host in settings.LOOPBACK_HOSTS
    return settings.BEHIND_PROXY or not here or any(name in request.META for name in FORWARDED)


def code() -> str:
    """40 bits of the installation's own secret, as XXXX-XXXX. Worth nothing once there is an administrator."""
    text = base64.b32encode(salted_hmac("callboard.first_run", FIRST).digest())[:8].decode()
    return f"{text[:4]}-{text[4:]}"


def is_code(typed: str) -> bool:
    folded = "".join(character for character in typed.upper() if character.isalnum())
    return hmac.compare_digest(folded.encode(), code().replace("-", "").encode())


def make_first(user: User) -> bool:
    """Saves the first administrator; False when there is one already."""
    user.is_staff = user.is_superuser = True
    with transaction.atomic():
        generation.bump(FIRST)  # its row stays locked to the end, so a second request waits and then sees the first
        if has_administrator():
            return False
        user.save()
    return True


def hint(address: str) -> str:
    """What `serve` says while there is no administrator; "" afterwards."""
    if has_administrator():
        return ""
    return _("There is no administrator yet. Open %(address)ssetup/ to make one. From another machine it asks for "
             "the set-up code %(code)s") % {"address": address, "code": code()}
