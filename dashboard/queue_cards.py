"""What screens need to know of queues: names, pages, targets, limits. Read with the accounts, never in a frame."""

import msgspec

from dashboard.limits import LIMITED, Limits, limits_from
from dashboard.models import Queue


class QueueCard(msgspec.Struct, frozen=True):
    """One queue. Its target: `target_percent` of calls answered within `target_s`."""

    pk: int
    name: str
    target_percent: int = 80
    target_s: int = 20
    limits: Limits = Limits()


def read_queues() -> dict[int, dict[str, QueueCard]]:
    """Account -> key -> queue, of the accounts in use. One query. Blocking: run off the loop."""
    found: dict[int, dict[str, QueueCard]] = {}
    rows = Queue.objects.filter(account__enabled=True).order_by().values_list(
        "account_id", "key", "pk", "name", "target_percent", "target_s", *LIMITED)
    for account, key, pk, name, percent, seconds, *pairs in rows:
        found.setdefault(account, {})[key] = QueueCard(pk, name, percent, seconds, limits_from(pairs))
    return found
