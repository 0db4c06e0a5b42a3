"""Counters that only grow: how a change in one process is noticed by all (read every 5 s, a doorbell beside)."""

from django.db.models import F

from dashboard.models import Generation

CONFIG = "config"
TAKEOVER = "takeover"
AUDIT = "audit"


def bump(name: str) -> int:
    """The next value. Inside a transaction its row stays locked till the end: numbers come in commit order."""
    counters = Generation.objects.filter(name=name)
    if not counters.update(value=F("value") + 1):  # the very first time
        Generation.objects.get_or_create(name=name)
        counters.update(value=F("value") + 1)
    return counters.values_list("value", flat=True).get()


def current() -> dict[str, int]:
    return dict(Generation.objects.values_list("name", "value"))
