"""What is too old of the history goes: calls first, the minutes counted from them later. Blocking: run off the loop.

    purge = Purge(every_s)
    purge.some(leading, polled)     again and again: a few batches of whatever is due, so that nobody waits for it
    forget(account)                 all of it, when the account is deleted

Each account's history is purged by whoever polls it; of one that nobody polls, whoever comes may.
"""

import time
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet

from dashboard.clock import now_ms
from dashboard.history import MINUTE_MS
from dashboard.models import CallMinute, ObservedCall, Watched
from queue_api.models import Account

BATCH = 500  # rows in one transaction: a few milliseconds, in which SQLite lets nobody else write
BATCHES = 8  # in one go
DAY_MS = 24 * 3600_000


class Purge:
    """Remembers when an account was purged to the end. One thread at a time."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._done_at: dict[int, float] = {}

    def some(self, leading: set[int], polled: set[int]) -> int:
        """How many rows went. `leading`: accounts that this process polls; `polled`: that any process should."""
        left, gone = BATCHES, 0
        for account in self._due(leading, polled):
            while left:
                left -= 1
                if not (rows := purge_batch(account, now_ms())):
                    self._done_at[account] = time.monotonic()
                    break
                gone += rows
        return gone

    def _due(self, leading: set[int], polled: set[int]) -> Iterable[int]:
        mine = set(Account.objects.values_list("pk", flat=True)) - (polled - leading)
        now = time.monotonic()
        return sorted(pk for pk in mine if now - self._done_at.get(pk, -self.every_s) >= self.every_s)


def purge_batch(account: int, now: int) -> int:
    """Deletes BATCH rows at most; 0: nothing is too old any more."""
    calls, minutes = (now - days * DAY_MS for days in (settings.KEEP_CALLS_DAYS, settings.KEEP_MINUTES_DAYS))
    old = (ObservedCall.objects.filter(account_id=account, minute__lt=calls // MINUTE_MS),
           CallMinute.objects.filter(account_id=account, minute__lt=minutes // MINUTE_MS),
           Watched.objects.filter(account_id=account, until__lt=minutes))
    return next((gone for rows in old if (gone := _deleted(rows))), 0)


def forget(instance: Account, **kwargs: Any) -> None:
    """Receives `pre_delete`, in the transaction that deletes the account. Who notes a list of it waits from here on,
    and then finds no account."""
    list(Account.objects.select_for_update().filter(pk=instance.pk).values_list("pk"))
    for model in (ObservedCall, CallMinute, Watched):
        rows: QuerySet[Any] = model._default_manager.filter(account_id=instance.pk)
        rows._raw_delete(rows.db)  # one statement: nothing hangs on these rows


def _deleted(rows: "QuerySet[ObservedCall] | QuerySet[CallMinute] | QuerySet[Watched]") -> int:
    model: type[Model] = rows.model
    keys = list(rows.order_by().values_list("pk", flat=True)[:BATCH])
    return model._default_manager.filter(pk__in=keys).delete()[0] if keys else 0
