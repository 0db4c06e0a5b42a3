"""When a day begins where the call centre is."""

from datetime import UTC, datetime

import pytest

from dashboard.days import midnight_ms


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(("zone", "at", "began"), [
    pytest.param("Asia/Kolkata", "2026-03-28 18:29:59", "2026-03-27 18:30", id="half-an-hour-off"),
    pytest.param("Europe/Berlin", "2026-10-25 22:59:59", "2026-10-24 22:00", id="a-day-of-25-hours"),
    pytest.param("Europe/Berlin", "2026-03-29 21:59:59", "2026-03-28 23:00", id="a-day-of-23-hours"),
    pytest.param("Africa/Cairo", "2026-04-24 12:00", "2026-04-23 22:00", id="without-a-midnight"),
    pytest.param("America/Havana", "2026-11-01 05:30", "2026-11-01 04:00", id="in-the-second-hour-after-midnight"),
    pytest.param("America/Havana", "2026-11-01 12:00", "2026-11-01 04:00", id="with-two-midnights"),
])
def test_a_day_begins_at_its_first_midnight(zone: str, at: str, began: str) -> None:
    assert midnight_ms(zone, utc(at)) == utc(began)
