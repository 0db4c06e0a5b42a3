"""A call centre's day: from midnight to midnight where it is."""

from datetime import datetime
from zoneinfo import ZoneInfo


def midnight_ms(zone: str, at: int) -> int:
    """When the day of `at` began in `zone`; both epoch ms. Of two midnights it is the first."""
    local = datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp() * 1000)
