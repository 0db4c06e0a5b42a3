"""Everything that is sealed, sealed anew under the first of CALLBOARD_FIELD_KEYS, a few rows at a time.

Safe while `serve` runs: each row is written only if its sealed value is still the one that was read. Whoever wrote it
meanwhile used a key of their own process, so another round looks again. What the first key opens already is left
alone: a run that was stopped is simply run once more.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db.models import Model

from dashboard.models import BoardSnapshot, Seat, SecondFactor
from dashboard.second_factor import codes_context, seed_context
from dashboard.snapshots import context_of
from queue_api.credentials import Unsealable, seal, seal_bytes, unseal, unseal_bytes
from queue_api.models import Account

BATCH = 100


class Sealed(msgspec.Struct, frozen=True):
    """A kind of sealed column. `context`: what a row's value is bound to."""

    name: str
    model: type[Model]
    field: str
    context: Callable[[Any], str]

    def again(self, value: str | bytes, context: str) -> str | bytes:
        """The same content under the first key. Raises Unsealable when no key opens it, or it is another row's."""
        if isinstance(value, str):
            return seal(unseal(value, context), context)
        return seal_bytes(unseal_bytes(value, context), context)


class Count(msgspec.Struct):
    """What became of one kind's values. `lost`: the rows that nothing opens, as their contexts."""

    renewed: int = 0
    current: int = 0
    moved: int = 0
    lost: list[str] = []


SEALED = (
    Sealed("account session ids", Account, "ssid_sealed", lambda row: f"account:{row.uid}:ssid"),
    Sealed("account tokens", Account, "token_sealed", lambda row: f"account:{row.uid}:token"),
    Sealed("people's own session ids", Seat, "ssid_sealed", lambda row: f"seat:{row.uid}:ssid"),
    Sealed("second factors", SecondFactor, "seed_sealed", seed_context),
    Sealed("recovery codes", SecondFactor, "codes_sealed", codes_context),
    Sealed("kept boards", BoardSnapshot, "payload", lambda row: context_of(row.account)),
)


def rotate(kind: Sealed, batch: int = BATCH) -> Count:
    """One round over all rows of a kind. `Count.moved`: written by somebody else meanwhile; a later round sees them."""
    first, count = Fernet(settings.FIELD_KEYS[0]), Count()
    for row in _rows(kind, batch):
        value = getattr(row, kind.field)
        value = bytes(value) if not isinstance(value, str) else value
        if not value:
            continue
        if _opens(first, value):
            count.current += 1
            continue
        _renew(kind, row, value, count)
    return count


def _renew(kind: Sealed, row: Any, value: str | bytes, count: Count) -> None:
    context = kind.context(row)
    try:
        renewed = kind.again(value, context)
    except (Unsealable, ValueError):
        count.lost.append(context)
        return
    unchanged = kind.model._default_manager.filter(pk=row.pk, **{kind.field: getattr(row, kind.field)})
    if unchanged.update(**{kind.field: renewed}):  # no signal: for a running process nothing has changed
        count.renewed += 1
    else:
        count.moved += 1


def _rows(kind: Sealed, batch: int) -> Iterator[Any]:
    """By key, a batch at a time: no transaction is open between two of them, and none holds up a takeover."""
    after = 0
    related = ("account",) if kind.model is BoardSnapshot else ()
    found = kind.model._default_manager.select_related(*related).order_by("pk")
    while rows := list(found.filter(pk__gt=after)[:batch]):
        yield from rows
        after = rows[-1].pk


def _opens(key: Fernet, value: str | bytes) -> bool:
    try:
        key.decrypt(value)
    except InvalidToken:
        return False
    return True
