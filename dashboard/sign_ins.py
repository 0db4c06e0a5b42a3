"""Who is signed in where: one row per browser beside its session, from the sign-in to a month after its end.

    begin ──> seen, seen, … ──> end (by a person) or tidy (idle, over: found by age)
                                  └──> why: what the page of that browser is told next

Blocking: run off the loop. Closing the sockets of what has ended is the caller's.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Least
from django.utils import timezone

from dashboard.models import SignIn, WrongPassword

logger = logging.getLogger("callboard.sign_in")

ENDS = "ends_at"  # in the session of somebody signed in: epoch seconds
RENEW_S = 300  # signs of life are written down no oftener
BATCH = 500
KEPT = timedelta(days=30)  # after its end
WRONG_KEPT = timedelta(days=1)
Why = SignIn.Why


def begin(session: SessionBase, user: User, address: str | None, agent: str) -> SignIn:
    """Notes that somebody has just signed in with this session, and when it ends at the latest."""
    if ENDS in session:  # signed in once more, as the same person: under a new key as well
        session.cycle_key()
    now = timezone.now()
    ends_at = now + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    session[ENDS] = ends_at.timestamp()
    if session.session_key is None:
        session.create()
    row, _new = SignIn.objects.update_or_create(session_key=session.session_key, defaults={
        "user": user, "auth_mark": _mark(session.get(HASH_SESSION_KEY, "")), "began_at": now, "last_seen_at": now,
        "ends_at": ends_at, "ended_at": None, "why": "",
        "address": address.partition("%")[0] if address else None, "agent": agent[:200]})
    return row


def seen(keys: Iterable[str]) -> None:
    """Signs of life of these sessions: their idle life begins anew. Written at most once in RENEW_S for each."""
    for batch in _batches(keys):
        now = timezone.now()
        stale = SignIn.objects.filter(
            session_key__in=batch, ended_at=None, last_seen_at__lt=now - timedelta(seconds=RENEW_S))
        alive = list(Session.objects.filter(
            session_key__in=stale.values("session_key"), expire_date__gt=now).values_list("session_key", flat=True))
        if alive:
            end = SignIn.objects.filter(session_key=OuterRef("session_key")).values("ends_at")[:1]
            idle = Value(now + timedelta(seconds=settings.SESSION_IDLE_S), output_field=DateTimeField())
            Session.objects.filter(session_key__in=alive).update(expire_date=Least(idle, Subquery(end)))
            SignIn.objects.filter(session_key__in=alive).update(last_seen_at=now)


def moved(old: str, new: str) -> None:
    """The same sign-in under another key, as when one's own password was changed."""
    SignIn.objects.filter(session_key=old).update(session_key=new, auth_mark="")


def alive(user: User) -> QuerySet[SignIn]:
    """This person's browsers that are signed in now, the newest sign of life first."""
    running = Session.objects.filter(expire_date__gt=timezone.now())
    marks = ["", _mark(user.get_session_auth_hash())]  # those of before a change of the password are dead already
    mine = SignIn.objects.filter(user_id=user.pk, ended_at=None, auth_mark__in=marks)
    return mine.filter(session_key__in=running.values("session_key")).order_by("-last_seen_at", "-pk")


def end(which: QuerySet[SignIn], why: Why) -> list[str]:
    """Ends these; the keys of their sessions, whose sockets are now to be closed."""
    keys = list(which.filter(ended_at=None).values_list("session_key", flat=True))
    for batch in _batches(keys):
        with transaction.atomic():
            SignIn.objects.filter(session_key__in=batch, ended_at=None).update(ended_at=timezone.now(), why=why)
            Session.objects.filter(session_key__in=batch).delete()
    return keys


def tell_ended(person: int, browsers: int, why: Why, by: int | None = None) -> None:
    """The log's line of sessions that a person has ended."""
    logger.info("sessions ended", extra={"fields": {"person": person, "browsers": browsers, "why": str(why), "by": by}})


# ── why ────────────────────────────────────────────────────────────────────────────────────────────
def why(session_key: str) -> str:
    """Why a session that is no more has ended, a value of `Why`; "" when that is not known."""
    if not plausible(session_key):
        return ""
    row = SignIn.objects.select_related("user").filter(session_key=session_key).first()
    return _why(row, timezone.now()) if row else ""


def _why(row: SignIn, now: datetime) -> str:
    user = row.user
    if row.why or not user.is_active:
        return row.why or Why.SWITCHED_OFF
    if row.ends_at <= now:
        return Why.OVER
    if row.last_seen_at + timedelta(seconds=settings.SESSION_IDLE_S) <= now:
        return Why.IDLE
    return Why.PASSWORD if row.auth_mark not in ("", _mark(user.get_session_auth_hash())) else ""


def _mark(auth_hash: str) -> str:
    return hashlib.sha256(auth_hash.encode()).hexdigest()[:16]


# ── by age ─────────────────────────────────────────────────────────────────────────────────────────
def tidy() -> None:
    """What has expired goes. Each process may, at any time: who comes second changes nothing."""
    now = timezone.now()
    Session.objects.filter(expire_date__lte=now).delete()
    gone = SignIn.objects.filter(ended_at=None).exclude(session_key__in=Session.objects.values("session_key"))
    for row in gone.select_related("user").iterator(chunk_size=BATCH):
        SignIn.objects.filter(pk=row.pk, ended_at=None).update(ended_at=now, why=_why(row, now))
    SignIn.objects.filter(ended_at__lt=now - KEPT).delete()
    WrongPassword.objects.filter(Q(at__lt=now - WRONG_KEPT) | Q(at__gt=now + WRONG_KEPT)).delete()


def plausible(session_key: str) -> bool:
    """Whether it can be one of ours: a cookie may hold anything, and PostgreSQL takes no NUL."""
    return session_key.isascii() and session_key.isalnum() and 8 <= len(session_key) <= 40


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    distinct = sorted(set(keys))
    for start in range(0, len(distinct), BATCH):
        yield distinct[start:start + BATCH]
