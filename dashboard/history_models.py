"""What was observed: calls, the minutes they came in, and when anybody looked. Written by the lease holder alone.

Times are epoch milliseconds in integers: half the bytes of a database's own moments, and a day has 50,000 calls.
Of a caller nothing is kept. With an account its history goes (`dashboard/purge.py`): Django would read every row
of it first, and the admin's page that asks whether to delete would name each call.
"""

from typing import ClassVar

from django.db import models

from queue_api.models import Account


class ObservedCall(models.Model):
    """One call (`dashboard/observing.py` says what the columns mean). `life`: DeepCall may use a name once more.

    There is a row for every call of a month: no number of its own, and the wide columns first, so that PostgreSQL
    need not fill up between them (decision 022).
    """

    pk = models.CompositePrimaryKey("account_id", "call_key", "life")
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    offered_at = models.PositiveBigIntegerField()
    last_seen_at = models.PositiveBigIntegerField()
    answered_at = models.PositiveBigIntegerField(null=True)
    gone_at = models.PositiveBigIntegerField(null=True)
    ended_at = models.PositiveBigIntegerField(null=True)
    wait_ms = models.PositiveBigIntegerField(null=True)
    talk_ms = models.PositiveBigIntegerField(null=True)
    minute = models.PositiveIntegerField()  # in which it was offered: epoch minutes
    life = models.PositiveSmallIntegerField(default=0)
    at_least = models.BooleanField(default=False)
    answered = models.BooleanField(default=False)
    call_key = models.CharField(max_length=128)
    queue_key = models.CharField(max_length=128, blank=True)
    kind = models.CharField(max_length=20, blank=True)
    agent_id = models.CharField(max_length=128, blank=True)
    agent_name = models.CharField(max_length=120, blank=True)  # only where DeepCall gives no id
    outcome = models.CharField(max_length=10)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["account", "minute"], name="observed_minute")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.outcome}"


class CallMinute(models.Model):
    """The calls that were offered to one queue in one minute, counted anew whenever one of them changes.

    `within`: answered within the queue's target as it stood then. `waiting_most`: waiting at once in that minute, at
    most, as lists showed it; the one column that is not about the calls offered in it.
    """

    pk = models.CompositePrimaryKey("account_id", "minute", "queue_key")
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    wait_ms = models.PositiveBigIntegerField(default=0)
    wait_most_ms = models.PositiveBigIntegerField(default=0)
    talk_ms = models.PositiveBigIntegerField(default=0)
    minute = models.PositiveIntegerField()
    offered = models.PositiveIntegerField(default=0)
    answered = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    within = models.PositiveIntegerField(default=0)
    waits = models.PositiveIntegerField(default=0)  # of how many the wait is known
    talks = models.PositiveIntegerField(default=0)
    waiting_most = models.PositiveIntegerField(default=0)
    queue_key = models.CharField(max_length=128, blank=True)

    def __str__(self) -> str:
        return f"{self.account_id}: {self.minute}"


class Watched(models.Model):
    """A stretch in which complete lists came one after the other. What lies between two of them is a gap."""

    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    began_at = models.PositiveBigIntegerField()
    until = models.PositiveBigIntegerField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["account", "until"], name="watched_until")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.began_at}–{self.until}"
