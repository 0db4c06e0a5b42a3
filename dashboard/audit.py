"""The record of takeovers and of numbers shown: append-only lines, each chained to the one before. Last digits only.

`record` belongs inside the transaction of what it records: if the line cannot be written, nothing happens.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
from django.db import DatabaseError, Error, transaction
from django.utils import timezone

from dashboard.generation import AUDIT, bump, current
from dashboard.models import AuditEvent

logger = logging.getLogger(__name__)

GENESIS = "0" * 64
UNREADABLE = (DatabaseError, ValueError, TypeError, AttributeError)  # raised where the bytes are no line any more
DENIALS, DENIALS_WINDOW_S = 10, 60  # refusals of a kind to one person that are written down, per minute


class Source(msgspec.Struct, frozen=True):
    """Where something came from: the client's address, and a mark that tells one person's browsers apart."""

    address: str | None = None
    session: str = ""

    @classmethod
    def of(cls, address: str | None, session_key: str | None) -> "Source":
        mark = hashlib.sha256(session_key.encode()).hexdigest()[:8] if session_key else ""
        return cls(address, mark)

    def detail(self) -> dict[str, Any]:
        return {"address": self.address, "session": self.session}


def record(kind: str, *, actor: str = "", account: str = "", call_ref: str = "", attempt_id: int | None = None,
           **detail: Any) -> AuditEvent:
    """Appends one line. The counter's row stays locked till commit, so lines are chained in commit order."""
    with transaction.atomic():
        seq = bump(AUDIT)
        last = AuditEvent.objects.filter(seq=seq - 1).values_list("hash", flat=True).first()
        event = AuditEvent(
            seq=seq, at=timezone.now(), kind=kind, actor_name=actor, account_name=account, call_ref=call_ref,
            attempt_id=attempt_id, detail=detail, previous_hash=last or GENESIS,
        )
        event.hash = line_hash(event)
        event.save(force_insert=True)
    return event


def denied(actor: str, actor_id: int, source: Source, *, kind: str = "takeover.denied", **fields: Any) -> None:
    """What was refused: written down as well, but nobody fills the record with refusals.

    Where that cannot be written, the refusal stands all the same.
    """
    try:
        recent = AuditEvent.objects.filter(kind=kind, detail__actor_id=actor_id,
                                           at__gt=timezone.now() - timedelta(seconds=DENIALS_WINDOW_S))
        if recent[:DENIALS].count() < DENIALS:
            record(kind, actor=actor, actor_id=actor_id, **source.detail(), **fields)
    except Error as error:
        logger.error("%s cannot be written down: %s", kind, error)


def line_hash(event: AuditEvent) -> str:
    """SHA-256 over the previous line's hash and every field of this one, in a fixed form."""
    fields = [event.seq, event.at.isoformat(), event.kind, event.actor_name, event.account_name, event.call_ref,
              event.attempt_id, event.detail]
    text = json.dumps([event.previous_hash, *fields], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def problems() -> Iterator[str]:
    """One sentence for each edit, gap or reordering found, reading the whole record once."""
    counted = current().get(AUDIT, 0)
    previous, last = GENESIS, 0
    try:
        for event in AuditEvent.objects.order_by("seq").iterator(chunk_size=2000):
            yield from _wrong_with(event, last + 1, previous)
            previous, last = event.hash, event.seq
        if not counted <= last <= current().get(AUDIT, 0):  # lines written while this was reading are in order
            yield f"the record ends at line {last}, but {counted} were written"
    except UNREADABLE as error:
        yield f"what comes after line {last} cannot be read: {type(error).__name__}: {error}"


def _wrong_with(event: AuditEvent, expected: int, previous: str) -> Iterator[str]:
    if event.seq != expected:
        yield f"line {expected} is missing before line {event.seq}"
    elif event.previous_hash != previous:
        yield f"line {event.seq} does not follow from line {event.seq - 1}"
    if event.hash != line_hash(event):
        yield f"line {event.seq} was changed after it was written"
