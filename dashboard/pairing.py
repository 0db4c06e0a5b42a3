"""How a screen becomes a wall without a login: it shows a code, an administrator enters it, it is let in.

    screen opens /wall/ ──> begin: secret into its cookies, hash into a Pairing, code on the screen
    administrator enters the code ──> waiting_for(code) ──> Display.token_hash = the Pairing's
    screen asks again ──> display_of(token)

The secret (32 random bytes) is in the screen's cookies alone; here is its SHA-256, which is enough for so much chance.
A code has only 26 bits, so it is kept as a keyed hash; a copy of the database does not tell it.
"""

import datetime
import hashlib
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from dashboard.models import Display, Pairing, WrongCode

ALPHABET = "23456789CFGHJMPQRVWX"  # nothing that is mistaken for something else on a far screen, and no words
CODE_LETTERS = 6
CODE_LIFE = datetime.timedelta(minutes=10)
LINK_LIFE = datetime.timedelta(hours=24)
OVERLAP = datetime.timedelta(minutes=10)  # a screen's old secret beside its new one
ASKED_TWICE = datetime.timedelta(seconds=5)  # two pages of one screen
ALIVE = 50
PAGE_COOKIE, SOCKET_COOKIE = ("__Secure-wall", "__Secure-wall-socket") if settings.BEHIND_PROXY else (
    "wall", "wall-socket")
WRONG_CODES = 5
WRONG_CODES_IN = datetime.timedelta(minutes=10)


class TooManyWaiting(Exception):
    """As many screens are waiting to be paired as may; those must be paired or expire first."""


class TooManyWrongCodes(Exception):
    """This administrator has guessed too often and must wait."""


class NotNow(Exception):
    """Another page of this screen has just been given a new secret: with it, this one need not ask."""


class Offer(msgspec.Struct, frozen=True):
    """What a waiting screen needs: its secret, and the code to show until `expires_at`."""

    token: str
    code: str
    expires_at: datetime.datetime


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def display_of(token: str) -> Display | None:
    """The display behind a screen's secret; None when unknown, revoked or expired."""
    return displays_of({hashed(token)}).get(hashed(token)) if token else None


def displays_of(secrets_hashed: set[str]) -> dict[str, Display]:
    """Hashed secret -> its display, for all that are still walls. An old secret counts while its time has not run out.

    Three queries, however many.
    """
    held = Q(token_hash__in=secrets_hashed)
    was_held = Q(old_token_hash__in=secrets_hashed, old_token_until__gt=timezone.now())
    found: dict[str, Display] = {}
    for display in Display.objects.filter(held | was_held, in_use()).prefetch_related("queues__account"):
        for key in {display.token_hash, display.old_token_hash if _overlaps(display) else None} & secrets_hashed:
            found[str(key)] = display
    return found


def in_use() -> Q:
    """Neither revoked nor expired."""
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def _overlaps(display: Display) -> bool:
    return display.old_token_until is not None and display.old_token_until > timezone.now()


def seen(displays: Iterable[int], **told: Any) -> None:
    """Notes that these displays are in touch now. No signal: this is no change of configuration.

    `told`: what they said of themselves.
    """
    Display.objects.filter(pk__in=displays).update(last_seen_at=timezone.now(), **told)


# ── the screen ─────────────────────────────────────────────────────────────────────────────────────
def begin(token: str) -> Offer:
    """The offer that `token` still waits with, so that a reload keeps its code; else a new one.

    Raises `TooManyWaiting`.
    """
    with transaction.atomic():
        Pairing.objects.filter(expires_at__lte=timezone.now()).delete()
        known = Pairing.objects.filter(token_hash=hashed(token)).first()
        if known is not None:
            return Offer(token, _code(token, known.expires_at), known.expires_at)
        if Pairing.objects.count() >= ALIVE:
            raise TooManyWaiting
        return _new_offer()


def is_waiting(token: str) -> bool:
    return Pairing.objects.filter(token_hash=hashed(token), expires_at__gt=timezone.now()).exists()


def _new_offer() -> Offer:
    token, expires_at = secrets.token_urlsafe(32), timezone.now() + CODE_LIFE
    code = _code(token, expires_at)
    Pairing.objects.create(token_hash=hashed(token), code_hash=_hashed_code(code), expires_at=expires_at)
    return Offer(token, code, expires_at)


def _code(token: str, expires_at: datetime.datetime) -> str:
    """Made from the screen's secret, so that it need not be kept to be shown again."""
    number = int.from_bytes(salted_hmac("wall code", f"{token} {expires_at.isoformat()}", algorithm="sha256").digest())
    return "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(CODE_LETTERS))


def _hashed_code(code: str) -> str:
    return salted_hmac("wall code entered", code, algorithm="sha256").hexdigest()


# ── the administrator ──────────────────────────────────────────────────────────────────────────────
def waiting_for(code: str, administrator: User) -> Pairing | None:
    """The waiting screen that shows `code`, locked till the end of the transaction; None when it is wrong or expired.

    Raises `TooManyWrongCodes` after five wrong ones in ten minutes, whatever the code.
    """
    now = timezone.now()
    User.objects.select_for_update().get(pk=administrator.pk)  # guesses of one person come one after the other
    WrongCode.objects.filter(at__lte=now - WRONG_CODES_IN).delete()
    if WrongCode.objects.filter(administrator=administrator).count() >= WRONG_CODES:
        raise TooManyWrongCodes
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    found = list(Pairing.objects.select_for_update().filter(code_hash=_hashed_code(typed), expires_at__gt=now))
    if len(found) != 1:  # two screens with one code: neither can be meant
        WrongCode.objects.create(administrator=administrator)
        return None
    return found[0]


def accept(display: Display, pairing: Pairing) -> None:
    """Gives the display the waiting screen's secret. The caller saves the display in the same transaction."""
    display.token_hash = pairing.token_hash
    pairing.delete()


# ── a link instead of a code ───────────────────────────────────────────────────────────────────────
def make_link(display: Display) -> str:
    """A secret for `/wall/link/<secret>`, good for one screen within a day. Here only its hash is kept."""
    secret = secrets.token_urlsafe(32)
    display.link_hash, display.link_expires_at = hashed(secret), timezone.now() + LINK_LIFE
    display.save(update_fields=["link_hash", "link_expires_at"])
    return secret


def use_link(secret: str) -> str | None:
    """A screen's new secret in exchange for a link's, once; None when it is used, too old, revoked or wrong.

    A screen that held the display before is sent away: its secret is no longer the display's.
    """
    token = secrets.token_urlsafe(32)
    used = Display.objects.filter(in_use(), link_hash=hashed(secret), link_expires_at__gt=timezone.now()).update(
        link_hash=None, link_expires_at=None, token_hash=hashed(token), old_token_hash=None, old_token_until=None,
        rotate=False)
    return token if used else None


# ── a new secret for the same screen ───────────────────────────────────────────────────────────────
def renew(token: str) -> str | None:
    """A new secret for the screen that holds `token`, when it is to have one; None when it has it already, or need not.

    The one before stays good for ten minutes more: an answer that never arrived locks nobody out, the screen asks again
    with what it has. Raises `NotNow`. No signal: the sweep tells the screen that it is done.
    """
    with transaction.atomic():
        display = Display.objects.select_for_update().filter(
            in_use(), Q(token_hash=hashed(token), rotate=True)
            | Q(old_token_hash=hashed(token), old_token_until__gt=timezone.now())).first()
        if display is None:
            return None
        new = secrets.token_urlsafe(32)
        until = display.old_token_until if display.old_token_hash == hashed(token) else None
        if until is not None and until > timezone.now() + OVERLAP - ASKED_TWICE:
            raise NotNow
        kept = (display.old_token_hash, until) if until is not None else (hashed(token), timezone.now() + OVERLAP)
        Display.objects.filter(pk=display.pk).update(
            token_hash=hashed(new), rotate=False, old_token_hash=kept[0], old_token_until=kept[1])
        return new
