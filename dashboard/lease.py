"""Exactly one poller per account: a lease row with a fence that only grows.

The fence goes out with every board; whoever offers an older one is refused everywhere. Blocking: run off the loop.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.models import Lease

TTL_S = 6.0
WANT_S = 3.0  # said again all the while; longer than from one renewal to the next


def account_lease(account: int) -> str:
    return f"account:{account}"


def database_now() -> float:
    """Epoch seconds. PostgreSQL's own clock, so that machines agree; on SQLite there is only one machine."""
    if connection.vendor != "postgresql":
        return time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def database_time() -> datetime:
    """The same as a moment: what different processes wrote down can then be compared."""
    return datetime.fromtimestamp(database_now(), UTC) if connection.vendor == "postgresql" else timezone.now()


def database_ahead_ms() -> int:
    """How far the database's clock is ahead of this machine's; on SQLite they are one."""
    return int((database_now() - time.time()) * 1000) if connection.vendor == "postgresql" else 0


def acquire(name: str, holder: str) -> int | None:
    """The new fence, or None while somebody else holds the lease.

    An expiry further ahead than any lease can be comes from a clock that has since been set back: it counts as over.
    """
    Lease.objects.get_or_create(name=name)
    with transaction.atomic():
        now = database_now()
        free = Q(expires_at__lt=now) | Q(expires_at__gt=now + 2 * TTL_S)
        won = Lease.objects.filter(free, _unwanted(now) | Q(wanted_by=holder), name=name).update(
            holder=holder, fence=F("fence") + 1, expires_at=now + TTL_S
        )
        return Lease.objects.values_list("fence", flat=True).get(name=name) if won else None


def renew(name: str, holder: str, fence: int, report: dict[str, Any] | None = None) -> bool:
    """Whether the lease is still ours for another TTL_S. A late renewal is refused: acquire anew. So is one of a lease
    that somebody wants: who holds it lets it go.

    `report`: how its work goes, for any process to show; it costs no write of its own.
    """
    now = database_now()
    mine = Lease.objects.filter(_unwanted(now), name=name, holder=holder, fence=fence, expires_at__gte=now)
    return bool(mine.update(expires_at=now + TTL_S, **({} if report is None else {"report": report})))


def want(name: str, holder: str) -> None:
    """Asks whoever holds it to let it go to `holder`, within WANT_S; without effect while somebody else wants it."""
    Lease.objects.get_or_create(name=name)
    now = database_now()
    Lease.objects.filter(_unwanted(now) | Q(wanted_by=holder), name=name).update(
        wanted_by=holder, wanted_until=now + WANT_S)


def want_no_more(name: str, holder: str) -> None:
    Lease.objects.filter(name=name, wanted_by=holder).update(wanted_by="", wanted_until=0)


def _unwanted(now: float) -> Q:
    return Q(wanted_until__lt=now) | Q(wanted_until__gt=now + 2 * WANT_S)


def release(name: str, holder: str, fence: int) -> None:
    """Lets the next process begin at once instead of after TTL_S."""
    Lease.objects.filter(name=name, holder=holder, fence=fence).update(expires_at=0)


def is_over(lease: Lease, now: float | None = None) -> bool:
    """Whether nobody holds it now. An expiry further ahead than any can be counts as over, as in `acquire`.

    `now`: the database's, for who asks of many.
    """
    return not 0 <= lease.expires_at - (database_now() if now is None else now) <= 2 * TTL_S


class Standing(NamedTuple):
    """Under which fence somebody polls the account now (None: nobody does), and for how many seconds yet somebody is
    known to watch it."""

    fence: int | None
    watched_s: float


def standing(accounts: Iterable[int]) -> dict[int, Standing]:
    names, now = {account_lease(account): account for account in accounts}, database_now()
    rows = Lease.objects.filter(name__in=names).values_list("name", "fence", "expires_at", "watched_until")
    return {names[name]: Standing(fence if now <= expires <= now + 2 * TTL_S else None, until - now)
            for name, fence, expires, until in rows}


def note_watched(accounts: Iterable[int], seconds: float) -> None:
    """Writes down, for processes that the layer does not reach, that somebody watches these accounts."""
    names = [account_lease(account) for account in accounts]
    Lease.objects.filter(name__in=names).update(watched_until=database_now() + seconds)


def held_by_others(holder: str) -> dict[str, float]:
    """Leases that are running now and not ours: name -> expiry in epoch seconds."""
    now = database_now()
    rows = Lease.objects.filter(expires_at__gte=now, expires_at__lte=now + 2 * TTL_S).exclude(holder=holder)
    return dict(rows.values_list("name", "expires_at"))
