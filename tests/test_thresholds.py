"""Limits of a queue's numbers: what an administrator may set, when a number is out, and for how long it stays so."""

from typing import Any

import msgspec
import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from dashboard.board import Board, failed, heard, same_news
from dashboard.limits import LIMITED, MEASURES, Breach, Level, Limit, Limits, limits_from
from dashboard.models import Queue
from dashboard.noting import Noted, note_history, of_board
from dashboard.numbers import Day, Tally
from dashboard.queue_cards import read_queues
from dashboard.snapshots import pack, unpack
from dashboard.thresholds import CALM_MS, ENOUGH, Breaches, Over, breaches_of, judged, over
from queue_api.calls import CallState
from queue_api.errors import NoUsableAnswer
from queue_api.models import Account
from tests.makers import NOW, board, call, listing, live

FIVE = Limits(waiting=Limit(amber=5, red=8))
MINUTE = Limits(wait=Limit(amber=60, red=120), talk=Limit(amber=600), hold=Limit(red=30))
PERCENT = Limits(service_level=Limit(amber=80, red=60, below=True))


def waiting(calls: int, at: int, before: Breaches | None = None) -> Board:
    made = board(*(call(f"c-{number}") for number in range(calls)), heard_at=at)
    return msgspec.structs.replace(made, breaches=before or {})


def since(state: CallState, seconds: int, **fields: Any) -> Board:
    one = live(call(state=state), since=NOW - 1000 * seconds, **fields)
    return Board(account=1, heard_at=NOW, calls={one.call.key: one})


def levels(found: Breaches) -> dict[str, Level]:
    return {breach.measure: breach.level for breach in found.get("302", ())}


def run(counts: list[int], step_ms: int = 2000, limits: Limits = FIVE) -> list[Level]:
    """The level of `waiting` after each list."""
    found: Breaches = {}
    seen = []
    for number, count in enumerate(counts):
        found = breaches_of(waiting(count, NOW + number * step_ms, found), {"302": limits})
        seen.append(levels(found).get("waiting", Level.NEUTRAL))
    return seen


# ── what may be set ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("amber", "red"), [(5, 5), (8, 5)])
def test_red_must_be_worse_than_amber(amber: int, red: int, account: Account) -> None:
    queue = Queue(account=account, key="302", name="Sales", waiting_warn=amber, waiting_crit=red)
    with pytest.raises(ValidationError, match="Red must be worse") as wrong:
        queue.full_clean()
    assert set(wrong.value.message_dict) == {"waiting_crit"}


def test_of_a_service_level_worse_is_less(account: Account) -> None:
    queue = Queue(account=account, key="302", name="Sales", level_warn=60, level_crit=80)
    with pytest.raises(ValidationError) as wrong:
        queue.full_clean()
    assert set(wrong.value.message_dict) == {"level_crit"}
    queue.level_warn, queue.level_crit = 80, 60
    queue.full_clean()


@pytest.mark.parametrize(("field", "value"), [("waiting_warn", 0), ("wait_crit_s", 0), ("level_warn", 101),
                                              ("target_percent", 101)])
def test_a_limit_that_means_nothing_is_refused(field: str, value: int, account: Account) -> None:
    with pytest.raises(ValidationError) as wrong:
        Queue(account=account, key="302", name="Sales", **{field: value}).full_clean()
    assert set(wrong.value.message_dict) == {field}


def test_either_alone_will_do_and_none_is_none(account: Account) -> None:
    Queue.objects.create(account=account, key="302", name="Sales", hold_crit_s=30, level_warn=80).full_clean()
    Queue.objects.create(account=account, key="303", name="Billing").full_clean()
    cards = read_queues()[account.pk]
    assert cards["302"].limits == Limits(hold=Limit(red=30), service_level=Limit(amber=80, below=True))
    assert cards["302"].limits
    assert not cards["303"].limits


def test_each_limit_is_of_its_own_field() -> None:
    limits = limits_from(range(1, len(LIMITED) + 1))
    assert [(limits[measure].amber, limits[measure].red) for measure in MEASURES] == [
        (1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]


# ── when a number is out ───────────────────────────────────────────────────────────────────────────
def test_a_count_is_out_from_its_limit_on() -> None:
    assert run([4, 5, 7, 8]) == [Level.NEUTRAL, Level.AMBER, Level.AMBER, Level.RED]


@pytest.mark.parametrize(("state", "seconds", "expected"), [
    (CallState.WAITING, 59, {}), (CallState.WAITING, 60, {"wait": Level.AMBER}),
    (CallState.WAITING, 120, {"wait": Level.RED}), (CallState.TALKING, 120, {}),
    (CallState.TALKING, 600, {"talk": Level.AMBER}), (CallState.HOLD, 30, {"hold": Level.RED}),
    (CallState.RINGING, 900, {}), (CallState.UNKNOWN, 900, {}),
])
def test_a_time_is_that_of_the_call_longest_in_its_state(
        state: CallState, seconds: int, expected: dict[str, Level]) -> None:
    assert levels(breaches_of(since(state, seconds), {"302": MINUTE})) == expected


def test_a_call_that_may_be_stuck_alarms_nobody() -> None:
    stuck = since(CallState.WAITING, 9000, stuck=True)
    assert breaches_of(stuck, {"302": MINUTE}) == {}
    assert over(stuck.calls["c-1"], MINUTE, NOW) is None


def test_calls_that_may_be_stuck_are_not_among_those_that_are_too_many() -> None:
    calls = {f"c-{number}": live(call(f"c-{number}"), stuck=number < 4) for number in range(8)}
    assert breaches_of(Board(account=1, heard_at=NOW, calls=calls), {"302": FIVE}) == {}
    calls["c-8"] = live(call("c-8"))
    assert levels(breaches_of(Board(account=1, heard_at=NOW, calls=calls), {"302": FIVE})) == {"waiting": Level.AMBER}


@pytest.mark.parametrize(("within", "decided", "expected"), [
    (80, 100, {}), (79, 100, {"service-level": Level.AMBER}), (59, 100, {"service-level": Level.RED}),
    (0, ENOUGH - 1, {}), (0, ENOUGH, {"service-level": Level.RED}),
])
def test_a_service_level_is_out_below_its_limit_once_enough_calls_are_decided(
        within: int, decided: int, expected: dict[str, Level]) -> None:
    day = Day(since=NOW, queues={"302": Tally(offered=decided, answered=decided, within=within)})
    made = msgspec.structs.replace(board(heard_at=NOW), day=day)
    assert levels(breaches_of(made, {"302": PERCENT})) == expected


def test_a_queue_without_limits_and_one_of_another_name_are_never_out() -> None:
    assert breaches_of(waiting(99, NOW), {"303": FIVE}) == {}
    assert breaches_of(waiting(99, NOW), {"302": Limits()}) == {}
    assert breaches_of(waiting(99, NOW), {}) == {}


@pytest.mark.parametrize(("seconds", "expected"), [
    (59, None), (60, Over(Level.AMBER, 60)), (121, Over(Level.RED, 120))])
def test_a_row_is_out_by_its_own_time_to_the_second(seconds: int, expected: Over | None) -> None:
    assert over(live(call(), since=NOW - 1000 * seconds), MINUTE, NOW) == expected


# ── how long it stays so ───────────────────────────────────────────────────────────────────────────
def test_a_level_falls_when_the_number_was_better_for_ten_seconds() -> None:
    lists = 1 + CALM_MS // 2000
    assert run([8] + [4] * lists) == [Level.RED] * lists + [Level.NEUTRAL]


def test_a_number_that_trembles_around_its_limit_is_out_all_the_time() -> None:
    assert set(run([8, 7, 8, 5, 8, 4, 8, 7, 7, 8] * 5)) == {Level.RED}


def test_a_better_number_must_be_better_by_a_tenth() -> None:
    assert set(run([20] + [19] * 30, limits=Limits(waiting=Limit(amber=20)))) == {Level.AMBER}
    assert run([20] + [18] * 30, limits=Limits(waiting=Limit(amber=20)))[-1] == Level.NEUTRAL


def test_a_number_that_is_hardly_better_is_the_same_breach_and_does_not_ease() -> None:
    red = Breach("waiting", Level.RED, NOW - 60_000, better_since=NOW - 2000)
    assert judged(red, "waiting", Limit(red=20), 19, NOW) == msgspec.structs.replace(red, better_since=0)


def test_a_service_level_must_be_better_by_two_points_or_whole() -> None:
    percent, all_of_them = Limit(amber=80, below=True), Limit(amber=100, below=True)
    assert [percent.held(value) for value in (80.0, 81.9, 82.0)] == [Level.AMBER, Level.AMBER, Level.NEUTRAL]
    assert [all_of_them.held(value) for value in (99.9, 100.0)] == [Level.AMBER, Level.NEUTRAL]


def test_from_red_it_falls_to_amber_and_is_a_breach_of_its_own() -> None:
    red = Breach("waiting", Level.RED, NOW - 60_000, better_since=NOW - CALM_MS)
    assert judged(red, "waiting", FIVE.waiting, 6, NOW) == Breach("waiting", Level.AMBER, NOW)


def test_while_nothing_changes_a_breach_is_the_same_news() -> None:
    first = waiting(8, NOW)
    found = breaches_of(first, {"302": FIVE})
    then = waiting(9, NOW + 2000, found)
    assert breaches_of(then, {"302": FIVE}) == found
    assert not same_news(first, msgspec.structs.replace(first, breaches=found))


def test_a_clock_that_was_set_back_begins_the_calm_anew() -> None:
    easing = Breach("waiting", Level.RED, NOW, better_since=NOW + 3_600_000)
    assert judged(easing, "waiting", FIVE.waiting, 0, NOW) == msgspec.structs.replace(easing, better_since=NOW)


def test_a_limit_that_was_taken_away_ends_its_breach_at_once() -> None:
    found = breaches_of(waiting(9, NOW), {"302": FIVE})
    assert breaches_of(waiting(9, NOW + 2000, found), {}) == {}


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(500, 6000))
def test_whatever_comes_a_level_rises_at_once_and_never_falls_within_ten_seconds_of_its_limit(
        counts: list[int], step_ms: int) -> None:
    seen = run(counts, step_ms)
    for at, (count, level) in enumerate(zip(counts, seen, strict=True)):
        assert level >= FIVE.waiting.reached(count)
        lately = [FIVE.waiting.held(each) for number, each in enumerate(counts[:at + 1])
                  if (at - number) * step_ms < CALM_MS]
        assert level <= max(lately + seen[max(0, at - 1):at])
        if at and level < seen[at - 1]:
            assert max(lately) < seen[at - 1]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=20))
def test_a_board_judged_twice_is_judged_the_same(counts: list[int]) -> None:
    found: Breaches = {}
    for number, count in enumerate(counts):
        found = breaches_of(waiting(count, NOW + 3000 * number, found), {"302": FIVE})
        assert breaches_of(waiting(count, NOW + 3000 * number, found), {"302": FIVE}) == found


# ── with the board ─────────────────────────────────────────────────────────────────────────────────
def test_what_is_out_goes_on_through_failures_lists_snapshots_and_the_next_leader(account: Account) -> None:
    Queue.objects.create(account=account, key="302", name="Sales", waiting_warn=1)
    first = msgspec.structs.replace(waiting(2, NOW), account=account.pk)
    noted = note_history(of_board(Board(account=account.pk)), first, account)
    assert noted is not None
    out = noted.onto(first)
    assert levels(out.breaches) == {"waiting": Level.AMBER}
    kept = unpack(pack(failed(out, NoUsableAnswer("list", code="1032"), now=NOW + 1000)))
    assert kept.breaches == out.breaches
    assert of_board(kept).onto(kept).breaches == out.breaches  # who leads next and has not read the limits yet
    then = heard(kept, listing(call("c-0")), asked_at=NOW + 2000, now=NOW + 2000, misses=2, gap_ms=5000)
    assert Noted(board=kept, limits=noted.limits).onto(then).breaches == out.breaches


def test_yesterdays_service_level_is_out_of_nothing() -> None:
    yesterday = Day(since=NOW - 86_400_000, queues={"302": Tally(offered=20, answered=20, within=5)})
    noted = Noted(board=board(), day=yesterday, limits={"302": PERCENT})
    assert levels(noted.onto(board(heard_at=NOW), NOW - 86_400_000).breaches) == {"service-level": Level.RED}
    assert noted.onto(board(heard_at=NOW), NOW - 1000).breaches == {}
