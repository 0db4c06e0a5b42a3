"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and ten recovery codes. No pages here.

    new_seed ──> confirm(seed, code) ──> recovery codes, shown once
    accept(code)                 a time step or a recovery code, each of them once, whichever process is asked
    new_codes, remove            by the person, after a code;   reset: by somebody else, without one

What is kept is sealed, bound to its row and its person. Every deed is on record. Blocking: run off the loop.
"""

import base64
import hashlib
import json
import logging
import secrets
import time
from hmac import compare_digest
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from dashboard import audit
from dashboard.access import display_name
from dashboard.audit import Source
from dashboard.models import SecondFactor
from queue_api.credentials import Secret, Unsealable, seal, unseal

logger = logging.getLogger("callboard.sign_in")

ADMINISTRATORS, OFFERED = "administrators", "offered"  # values of settings.SECOND_FACTOR
PROVED = "second_factor"  # in the session that has proved it: epoch seconds
DIGITS, STEP_S, DRIFT = 6, 30, 1
SEED_BYTES, CODES, CODE_BYTES, CODE_LETTERS = 20, 10, 10, 16
AGAIN = 5  # reads of a row that is sealed anew meanwhile


def required_of(user: User) -> bool:
    """Whoever may open the admin site, unless it is only offered here."""
    return settings.SECOND_FACTOR == ADMINISTRATORS and (user.is_staff or user.is_superuser)


def has(user: User) -> bool:
    return SecondFactor.objects.filter(user_id=user.pk).exists()


def satisfied(request: HttpRequest) -> bool:
    """Whether this session may go where administrators may: nothing is required, or it has been proved."""
    user = request.user
    return user.is_authenticated and (not required_of(user) or PROVED in request.session)


def prove(session: SessionBase) -> None:
    session[PROVED] = int(time.time())


# ── the app's seed ─────────────────────────────────────────────────────────────────────────────────
def new_seed() -> Secret:
    """160 random bits in base32, as apps take them. Nothing is kept yet."""
    return Secret(base64.b32encode(secrets.token_bytes(SEED_BYTES)).decode())


def address_for_app(seed: Secret, account: str) -> str:
    """The otpauth:// address that the QR code holds. `account`: what the app calls it."""
    return _totp(seed).get_provisioning_uri(account, "Callboard")


def code_at(seed: Secret, step: int) -> str:
    return _totp(seed).generate(step * STEP_S).decode()


def _totp(seed: Secret) -> TOTP:
    return TOTP(base64.b32decode(seed.reveal()), DIGITS, SHA1(), STEP_S)  # noqa: S303 - what apps speak


def _step_of(seed: Secret, typed: str) -> int | None:
    """The time step whose code this is: the present one, or one beside it."""
    now = int(time.time()) // STEP_S
    return next((step for step in range(now - DRIFT, now + DRIFT + 1) if compare_digest(code_at(seed, step), typed)),
                None)


# ── switching it on ────────────────────────────────────────────────────────────────────────────────
def confirm(user: User, seed: Secret, typed: str, source: Source) -> list[str]:
    """With a right code of the new seed it is in force, in place of an earlier one. The recovery codes; [] else."""
    step = _step_of(seed, _folded(typed))
    if step is None:
        return []
    codes = _fresh_codes()
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two browsers at once: one after the other
        SecondFactor.objects.filter(user=user).delete()
        factor = SecondFactor(user=user, last_step=step)
        factor.seed_sealed = seal(seed.reveal(), seed_context(factor))
        factor.codes_sealed = _sealed(factor, map(_hashed, codes))
        factor.save()
        _record("second-factor.set", user, source)
    return codes


def new_codes(user: User, source: Source) -> list[str]:
    """Ten others; the earlier ones open nothing any more. [] without a factor."""
    codes = _fresh_codes()
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user).first()
        if factor is None:
            return []
        factor.codes_sealed = _sealed(factor, map(_hashed, codes))
        factor.save(update_fields=["codes_sealed"])
        _record("recovery-codes.set", user, source)
    return codes


def remove(user: User, source: Source) -> bool:
    """Switched off by the person; whether there was one."""
    with transaction.atomic():
        gone, _rows = SecondFactor.objects.filter(user=user).delete()
        if gone:
            _record("second-factor.removed", user, source)
    return bool(gone)


def reset(user: User, by: str, source: Source, **detail: Any) -> bool:
    """Switched off by somebody else, for a person whose phone is lost; whether there was one."""
    with transaction.atomic():
        gone, _rows = SecondFactor.objects.filter(user=user).delete()
        if gone:
            audit.record("second-factor.reset", actor=by, person=display_name(user), person_id=user.pk,
                         **source.detail(), **detail)
    return bool(gone)


# ── proving it ─────────────────────────────────────────────────────────────────────────────────────
def accept(user: User, typed: str, source: Source) -> bool:
    """Whether this is a code of this person's app, or one of their recovery codes. No code is accepted twice.

    Who calls it counts the wrong ones (dashboard/sign_in.py).
    """
    factor, folded = SecondFactor.objects.filter(user=user).first(), _folded(typed)
    if factor is None:
        return False
    try:
        if len(folded) == DIGITS and folded.isdigit():
            return _used_step(factor, folded)
        return len(folded) == CODE_LETTERS and _used_code(factor, _hashed(folded), source)
    except Unsealable as error:
        logger.error("second factor cannot be read", extra={"fields": {"person": user.pk, "why": str(error)}})
        return False


def codes_left(user: User) -> int | None:
    """How many recovery codes are not used yet; None without a factor, or when nothing opens them."""
    factor = SecondFactor.objects.filter(user=user).first()
    try:
        return len(_hashes(factor)) if factor else None
    except Unsealable:
        return None


def is_app_code(typed: str) -> bool:
    """Of the two kinds, by its form."""
    return len(_folded(typed)) == DIGITS


def _used_step(factor: SecondFactor, folded: str) -> bool:
    """One UPDATE decides: of two that come with the same code, in whatever process, one finds the step used."""
    step = _step_of(Secret(unseal(factor.seed_sealed, seed_context(factor))), folded)
    unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step) if step is not None else None
    return unused is not None and bool(unused.update(last_step=step))


def _used_code(factor: SecondFactor, code_hash: str, source: Source) -> bool:
    for _ in range(AGAIN):
        left = _hashes(factor)
        if code_hash not in left:
            return False
        left.remove(code_hash)
        as_read = SecondFactor.objects.filter(pk=factor.pk, codes_sealed=factor.codes_sealed)
        with transaction.atomic():
            if as_read.update(codes_sealed=_sealed(factor, left)):
                _record("recovery-code.used", factor.user, source, left=len(left))
                return True
        factor.refresh_from_db()
    return False


# ── how it is kept ─────────────────────────────────────────────────────────────────────────────────
def seed_context(factor: SecondFactor) -> str:
    """With the person: a row that is given to somebody else proves nothing there."""
    return f"person:{factor.user_id}:{factor.uid}:seed"


def codes_context(factor: SecondFactor) -> str:
    return f"person:{factor.user_id}:{factor.uid}:codes"


def _hashes(factor: SecondFactor) -> list[str]:
    found: list[str] = json.loads(unseal(factor.codes_sealed, codes_context(factor)))
    return found


def _sealed(factor: SecondFactor, hashes: "map[str] | list[str]") -> str:
    return seal(json.dumps(list(hashes)), codes_context(factor))


def _fresh_codes() -> list[str]:
    """80 random bits each, in groups of four letters."""
    texts = (base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(CODES))
    return ["-".join(text[at:at + 4] for at in range(0, CODE_LETTERS, 4)) for text in texts]


def _hashed(code: str) -> str:
    return hashlib.sha256(_folded(code).encode()).hexdigest()


def _folded(typed: str) -> str:
    """As it was given out, however it was typed: in small letters, with spaces, with dashes."""
    return "".join(character for character in typed.upper() if character.isascii() and character.isalnum())


def _record(kind: str, user: User, source: Source, **detail: Any) -> None:
    audit.record(kind, actor=display_name(user), actor_id=user.pk, **source.detail(), **detail)
