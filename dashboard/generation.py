"""Counters that only grow: how a change in one process is noticed by all (read every 3 s, a doorbell beside)."""

from django.db import connection
from django.db.models import F

from dashboard.models import Generation

CONFIG = "config"
TAKEOVER = "takeover"
AUDIT = "audit"


def saved(account: int) -> str:
    """The counter of one account's savings: also one that changes nothing asks DeepCall again."""
    return f"account:{account}"


def bump(name: str) -> int:
    """The next value. Inside a transaction its row stays locked till the end: numbers come in commit order."""
    value = _raise(name)
    if value is None:  # the very first time
        Generation.objects.get_or_create(name=name)
        value = _raise(name)
    return value or 0


def _raise(name: str) -> int | None:
    """In one statement where the database can (every click raises six counters); None when there is no such row."""
    if connection.features.can_return_columns_from_insert:  # with it came UPDATE … RETURNING: SQLite 3.35
        with connection.cursor() as cursor:
            cursor.execute("UPDATE dashboard_generation SET value = value + 1 WHERE name = %s RETURNING value", [name])
            row = cursor.fetchone()
            return row[0] if row else None
    counters = Generation.objects.filter(name=name)
    return counters.values_list("value", flat=True).get() if counters.update(value=F("value") + 1) else None


def current() -> dict[str, int]:
    return dict(Generation.objects.values_list("name", "value"))
