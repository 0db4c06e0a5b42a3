"""A masked number that somebody holds: may they? -> a line in the record, committed -> the whole number.

What cannot be written down is not shown. The number itself is neither in the record nor in any log.
"""

import logging
from datetime import timedelta
from http import HTTPStatus

import msgspec
from django.db import Error, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from dashboard import audit
from dashboard.access import Viewer, last4
from dashboard.answering import named
from dashboard.board import LiveCall
from dashboard.mirror import Card, mirror
from dashboard.models import AuditEvent

logger = logging.getLogger(__name__)

SHOWN, DENIED = "number.revealed", "number.denied"
PER_PERSON, WINDOW_S = 20, 60
UNWRITABLE_WAIT_S = 5


class Revealed(msgspec.Struct, frozen=True):
    """A number, or what is said instead of one; `wait_s` until it may be tried again."""

    status: HTTPStatus
    number: str = ""
    said: Promise | str = ""
    wait_s: int = 0


class TooMany(Exception):
    """Over the limit for another `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


def reveal(viewer: Viewer, ref: str, source: audit.Source) -> Revealed:
    """A foreign call and a missing one are answered alike."""
    if not (viewer.audience.may_reveal or viewer.audience.full_numbers):
        audit.denied(viewer.name, viewer.user_id, source, kind=DENIED, call_ref=named(ref))
        return denied()
    found = mirror.find(ref)
    if found is None or not viewer.audience.scope.covers(found[0].pk, found[2].call.queue_key):
        audit.denied(viewer.name, viewer.user_id, source, kind=DENIED, reason="not on their board",
                     call_ref=named(ref))
        return Revealed(HTTPStatus.NOT_FOUND, said=_("This call is not on your board any more."))
    card, _board, live = found
    if not live.call.caller:  # nothing is shown, so there is nothing to write down
        return Revealed(HTTPStatus.NOT_FOUND, said=_("DeepCall gave no number for this call."))
    return _on_record(viewer, card, live, ref, source)


def denied() -> Revealed:
    return Revealed(HTTPStatus.FORBIDDEN, said=_("You may not show whole numbers. Ask an administrator for the right."))


def _on_record(viewer: Viewer, card: Card, live: LiveCall, ref: str, source: audit.Source) -> Revealed:
    try:
        _write(viewer, card, live, ref, source)
    except TooMany as limit:
        return Revealed(HTTPStatus.TOO_MANY_REQUESTS, wait_s=limit.wait_s, said=_(
            "Too many numbers in a minute. Try again in %(wait)s s.") % {"wait": limit.wait_s})
    except Error as error:
        logger.error("that a number is shown cannot be written down: %s", error)
        return Revealed(HTTPStatus.SERVICE_UNAVAILABLE, wait_s=UNWRITABLE_WAIT_S, said=_(
            "It could not be written down, so the number is not shown. Tell an administrator."))
    return Revealed(HTTPStatus.OK, number=live.call.caller)


def _write(viewer: Viewer, card: Card, live: LiveCall, ref: str, source: audit.Source) -> None:
    """Durable: committed when this returns, whoever calls. Raises TooMany, and whatever the database raises."""
    with transaction.atomic(durable=True):
        audit.record(SHOWN, actor=viewer.name, account=card.name, call_ref=ref, actor_id=viewer.user_id,
                     caller_last4=last4(live.call.caller), **source.detail())
        _check_limit(viewer.user_id)


def _check_limit(user_id: int) -> None:
    """Counts the line just written, too: its transaction holds the record's counter, so those of all processes come
    one by one."""
    now = timezone.now()
    window = now - timedelta(seconds=WINDOW_S), now + timedelta(seconds=1)  # later ones: the clock was set back
    recent = AuditEvent.objects.filter(kind=SHOWN, detail__actor_id=user_id, at__range=window).order_by("seq")
    oldest_first = list(recent.values_list("at", flat=True)[: PER_PERSON + 1])
    if len(oldest_first) > PER_PERSON:
        raise TooMany(max(1, WINDOW_S - int((now - oldest_first[0]).total_seconds())))
