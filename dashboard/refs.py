"""Our reference for a call: safe in addresses, ids and logs, and it never shows a caller's number."""

import hashlib
import hmac
import re

from django.conf import settings

from queue_api.calls import Call

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
REF = re.compile(r"\d{1,12}-[A-Za-z0-9_-]{1,64}")  # what a reference of ours looks like


def call_ref(account: int, call: Call) -> str:
    """`<account>-<call id>`; for a call without a plain id a keyed hash, since its key holds the caller's number."""
    if call.call_id and _PLAIN.fullmatch(call.call_id):
        return f"{account}-{call.call_id}"
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{account}:{call.key}".encode(), hashlib.sha256)
    return f"{account}-x{digest.hexdigest()[:24]}"
