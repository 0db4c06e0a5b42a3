"""The numbers of a seeded day against the simulator's own truth: right to the call, whatever happened meanwhile."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from django.conf import settings

from dashboard.models import CallMinute, ObservedCall
from tests import sampling
from tests.model_centre import MINUTE, SECOND, Centre, Watcher, account_for
from tests.reckoning import Due, Rules, in_all, reckoned, without_zeros

pytestmark = pytest.mark.django_db
TARGETS = {"301": 10, "302": 20, "303": 120, "304": 5}


def at(zone: str, *moment: int) -> int:
    return int(datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[misc, arg-type]


def rules_of(watcher: Watcher) -> Rules:
    return Rules(gap_ms=watcher.gap_ms, zone=watcher.account.time_zone, target_s=TARGETS,
                 whole_seconds=watcher.centre.deepcall.dialect.name == "default")


def kept() -> dict[str, Due]:
    rows = ObservedCall.objects.values_list(
        "call_key", "queue_key", "kind", "offered_at", "outcome", "wait_ms", "talk_ms")
    found = {row[0]: Due(*row[1:]) for row in rows}
    assert len(found) == len(rows), "a call was kept twice"
    return found


def check(watcher: Watcher) -> None:
    """Each call, each number of each day and queue, and how many waited at once in each minute."""
    rules = rules_of(watcher)
    lives = watcher.centre.deepcall.world.truth.lives
    due = reckoned(lives, watcher.looks, rules)
    have = kept()
    wrong = {key: (due.get(key), have.get(key)) for key in due.keys() | have.keys() if due.get(key) != have.get(key)}
    assert not wrong, f"{len(wrong)} of {len(due)}: {list(wrong.items())[:5]}"
    for since, (count, day) in watcher.days.items():
        numbers = in_all(list(reckoned(lives, watcher.looks[:count], rules).values()), rules)
        date = datetime.fromtimestamp(since / 1000, ZoneInfo(rules.zone)).date().isoformat()
        for queue in TARGETS:
            tally = day.queues.get(queue)
            shown = without_zeros(msgspec.structs.asdict(tally)) if tally else {}
            assert shown == without_zeros(numbers.get((date, queue), {})), (date, queue)
    waited = CallMinute.objects.filter(waiting_most__gt=0).values_list("minute", "queue_key", "waiting_most")
    assert {(minute, queue): most for minute, queue, most in waited} == watcher.waiting


def eventful(watcher: Watcher, calm_ms: int) -> None:
    """Processes die and lists fail or leave calls out, again and again, with so long of nothing special between."""
    for outage, before_noting in ((3, False), (8, False), (2, True), (90, True)):
        watcher.watches(calm_ms)
        watcher.dies(outage * SECOND, before_noting=before_noting)
    for outage in (3, 70):
        watcher.watches(calm_ms)
        watcher.fails(outage * SECOND)
    for short_lists in (1, 20):
        watcher.watches(calm_ms)
        for _ in range(short_lists):
            watcher.look(limit=9)
    watcher.watches(calm_ms)


class Run(NamedTuple):
    """How a centre is looked at: from when on, so many rounds of what `eventful` does, with lists so far apart."""

    dialect: str
    zone: str
    begins: tuple[int, ...]
    rounds: int
    calm_ms: int
    interval_ms: int
    calls: int = 24


@pytest.mark.parametrize("run", [
    pytest.param(Run("default", "Asia/Kolkata", (2026, 3, 28, 23, 48), 1, 2 * MINUTE, 2 * SECOND, calls=48),
                 id="over-midnight"),
    pytest.param(Run("default", "Asia/Kolkata", (2026, 3, 28, 12, 0), 24, 7 * MINUTE, 2 * SECOND),
                 id="a-day", marks=pytest.mark.long),
    pytest.param(Run("foreign", "Europe/Berlin", (2026, 10, 24, 23, 0), 26, 7 * MINUTE, 10 * SECOND),
                 id="a-day-of-25-hours-and-slower-lists", marks=pytest.mark.long),
])
def test_every_number_is_right_to_the_call(run: Run) -> None:
    account = account_for(run.dialect, run.zone, TARGETS)
    centre = Centre(at(run.zone, *run.begins), calls=run.calls, dialect=run.dialect)
    watcher = Watcher(centre, account, run.interval_ms)
    for _ in range(run.rounds):
        eventful(watcher, run.calm_ms)
    assert len(watcher.days) >= 2
    check(watcher)


def test_what_lists_cannot_tell_is_documented_as_it_is_measured() -> None:
    told = (settings.BASE_DIR / "docs" / "numbers-checked.md").read_text()
    assert sampling.table(sampling.a_day()) in told
    assert sampling.table(sampling.hasty()) in told
