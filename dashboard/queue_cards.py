"""What screens need to know of queues: names, pages, targets. Read with the accounts, never in a frame."""

import msgspec

from dashboard.models import Queue


class QueueCard(msgspec.Struct, frozen=True):
    """One queue. Its target: `target_percent` of calls answered within `target_s`."""

    pk: int
    name: str
    target_percent: int = 80
    target_s: int = 20


def read_queues() -> dict[int, dict[str, QueueCard]]:
    """Account -> key -> queue, of the accounts in use. One query. Blocking: run off the loop."""
    found: dict[int, dict[str, QueueCard]] = {}
    rows = Queue.objects.filter(account__enabled=True).order_by().values_list(
        "account_id", "key", "pk", "name", "target_percent", "target_s")
    for account, key, pk, name, percent, seconds in rows:
        found.setdefault(account, {})[key] = QueueCard(pk, name, percent, seconds)
    return found
