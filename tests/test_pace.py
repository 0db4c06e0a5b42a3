"""How often DeepCall is asked, and why."""

import pytest

from dashboard.pace import (
    BACK_OFF_S,
    LONGEST_S,
    SENTENCES,
    Bounds,
    Floor,
    Pace,
    Trouble,
    Why,
    bounds_of,
    interval,
    pace,
)
from queue_api.models import Account

BUSY_FLOOR, EMPTY = Floor(calls=True, watched=True), Floor(calls=False, watched=True)
ALONE, IDLE = Floor(calls=True, watched=False), Floor(calls=False, watched=False)
USUAL = Bounds(2, 10)


# ── the bounds of an account ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("poll_s", "idle_s", "slow_s"), [
    (0.5, None, 2.5), (2, None, 10), (5, None, 10), (10, None, 10), (30, None, 30),
    (2, 60, 60), (2, 2, 2), (30, 5, 30),  # a slow bound below the fast one, from a script, counts for nothing
])
def test_the_slow_bound_is_the_accounts_or_five_intervals_and_at_most_ten_seconds(
    poll_s: float, idle_s: float | None, slow_s: float
) -> None:
    assert bounds_of(Account(poll_interval_s=poll_s, idle_interval_s=idle_s)) == Bounds(poll_s, slow_s)


# ── while lists come ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("floor", "expected"), [
    (BUSY_FLOOR, Pace(2, Why.WATCHED)), (EMPTY, Pace(3, Why.QUIET)),
    (ALONE, Pace(5, Why.UNWATCHED)), (IDLE, Pace(10, Why.IDLE)),
    (Floor(calls=False, watched=False, takeover=True), Pace(2, Why.TAKEOVER)),
])
def test_it_is_asked_oftener_the_more_depends_on_it(floor: Floor, expected: Pace) -> None:
    assert interval(USUAL, floor) == expected


@pytest.mark.parametrize("fast_s", [0.5, 1, 2, 4, 10, 30])
@pytest.mark.parametrize("slow_s", [0.5, 2, 10, 60])
def test_no_interval_leaves_the_bounds_and_a_watcher_never_waits_long(fast_s: float, slow_s: float) -> None:
    bounds = Bounds(fast_s, max(fast_s, slow_s))
    for floor in (BUSY_FLOOR, EMPTY, ALONE, IDLE):
        assert bounds.fast_s <= interval(bounds, floor).seconds <= bounds.slow_s
    assert interval(bounds, EMPTY).seconds <= min(1.5 * fast_s, max(fast_s, 5))
    assert interval(bounds, BUSY_FLOOR).seconds == fast_s


@pytest.mark.parametrize(("fast_s", "expected_s"), [(0.5, 0.5), (2, 2), (30, 2)])
def test_a_takeover_that_waits_for_a_list_is_asked_about_every_two_seconds_at_least(
    fast_s: float, expected_s: float
) -> None:
    floor = Floor(calls=True, watched=False, takeover=True)
    assert interval(Bounds(fast_s, 60), floor).seconds == expected_s


# ── after failures ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("floor", [BUSY_FLOOR, IDLE])
@pytest.mark.parametrize("code", ["", "1032", "1501", "500"])
def test_after_failures_the_pause_doubles_to_eight_seconds(floor: Floor, code: str) -> None:
    waits = [pace(Bounds(30, 60), floor, Trouble(failures, code)).seconds for failures in (1, 2, 3, 4, 5, 500)]
    assert waits == [1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("step", range(1, len(BACK_OFF_S) + 1))
@pytest.mark.parametrize("jitter", [0.8, 1.0, 1.2])
def test_the_pause_is_jittered_and_leaves_time_to_recover_within_ten_seconds(step: int, jitter: float) -> None:
    found = pace(USUAL, BUSY_FLOOR, Trouble(step), jitter).seconds
    assert found == pytest.approx(min(BACK_OFF_S[step - 1] * jitter, LONGEST_S))
    assert found <= 8.8


@pytest.mark.parametrize(("trouble", "expected"), [
    (Trouble(1, "1501"), Pace(1, Why.BUSY)), (Trouble(3, "1501"), Pace(4, Why.BUSY)),
    (Trouble(1, "1032"), Pace(1, Why.BACK_OFF)), (Trouble(1, ""), Pace(1, Why.BACK_OFF)),
    (Trouble(1, "1014"), Pace(60, Why.CREDENTIALS)), (Trouble(9, "401"), Pace(60, Why.CREDENTIALS)),
    (Trouble(1, "429"), Pace(2, Why.BACK_OFF)), (Trouble(1, "429", 20), Pace(20, Why.TOLD)),
    (Trouble(4, "429", 1), Pace(8, Why.BACK_OFF)), (Trouble(1, "429", 86_400), Pace(60, Why.TOLD)),
])
def test_what_deepcall_said_decides_how_long_it_is_left_alone(trouble: Trouble, expected: Pace) -> None:
    assert pace(USUAL, BUSY_FLOOR, trouble) == expected


def test_an_open_takeover_does_not_press_a_deepcall_in_trouble() -> None:
    floor = Floor(calls=True, watched=True, takeover=True)
    assert pace(USUAL, floor, Trouble(4)) == Pace(8, Why.BACK_OFF)


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Why)
    assert all(str(sentence) for sentence in SENTENCES.values())
