"""Which people a browser has signed in before: a signed cookie that proves nothing but that.

Their wrong passwords there are counted by the browser instead of by the address, so that neither a flood from
elsewhere nor a colleague behind the same address keeps them out. It lets nobody in, and outlives signing out.
"""

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

COOKIE = "__Host-known" if settings.BEHIND_PROXY else "known"
SALT = "callboard.known-browser"
LIFE_S = 180 * 24 * 3600
PEOPLE = 10  # of one shared computer; the newest stay


def browsers_of(request: HttpRequest) -> dict[int, str]:
    """Person -> this browser's id for them; empty for a cookie that is missing, forged or too old."""
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LIFE_S)
        return {int(person): str(browser) for person, browser in found.items()}
    except (signing.BadSignature, ValueError, AttributeError):
        return {}


def remember(request: HttpRequest, response: HttpResponseBase, person: int) -> None:
    """Writes into the browser's cookie that this person has just signed in."""
    known = browsers_of(request)
    known[person] = known.pop(person, "") or secrets.token_hex(8)
    newest = dict(list(known.items())[-PEOPLE:])
    response.set_cookie(
        COOKIE, signing.dumps({str(each): browser for each, browser in newest.items()}, salt=SALT), max_age=LIFE_S,
        httponly=True, samesite="Lax", secure=settings.BEHIND_PROXY)
