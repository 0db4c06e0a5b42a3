"""Our reference for a call: safe in addresses, ids and logs, and it never shows a caller's number."""

import hashlib
import hmac
import re
from functools import lru_cache

from django.conf import settings

from queue_api.calls import Call

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
TELLING = 7  # so many digits of a number in a row tell whose it is
REF = re.compile(r"\d{1,12}-[A-Za-z0-9_-]{1,64}")  # what a reference of ours looks like


def call_ref(account: int, call: Call) -> str:
    """`<account>-<call id>`; a keyed hash for a call without a plain id, or whose id tells its caller's number."""
    if call.call_id and _PLAIN.fullmatch(call.call_id) and not tells_number(call.call_id, call.caller):
        return f"{account}-{call.call_id}"
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{account}:{call.key}".encode(), hashlib.sha256)
    return f"{account}-x{digest.hexdigest()[:24]}"


@lru_cache(maxsize=40_000)
def tells_number(call_id: str, caller: str) -> bool:
    """Whether a call's id holds its caller's number, or enough of it: some exchanges make ids that way."""
    held, number = _digits(call_id), _digits(caller)
    return any(number[at:at + TELLING] in held for at in range(len(number) - TELLING + 1))


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
