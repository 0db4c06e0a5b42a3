"""A list -> the board that follows from it. Pure: times are given."""

import pytest
from hypothesis import given

from dashboard.board import Board, diff, failed, heard, merge, same_news
from dashboard.board import Calls as CallSet
from queue_api.calls import Call, CallState
from queue_api.client import Listing
from queue_api.errors import NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid
from tests.makers import CALL_SETS, NOW, board, call, listing

START = Board(account=1)
STEP = 2000


def after(before: Board, *lists: Listing, misses: int = 2) -> Board:
    """The board after `lists`, one every STEP ms, each answered 100 ms after it was asked for."""
    now = before.heard_at or NOW
    for number, one in enumerate(lists, 1):
        at = now + number * STEP
        before = heard(before, one, asked_at=at, now=at + 100, misses=misses, gap_ms=6000)
    return before


def watching(*calls: Call) -> Board:
    """A board whose first list was empty, so that `calls` were seen to begin."""
    return after(START, listing(), listing(*calls))


# ── diff and merge ─────────────────────────────────────────────────────────────────────────────────
@given(CALL_SETS, CALL_SETS)
def test_merging_a_difference_gives_the_new_calls(old: CallSet, new: CallSet) -> None:
    assert merge(old, diff(old, new)) == new


@given(CALL_SETS)
def test_equal_calls_differ_in_nothing(calls: CallSet) -> None:
    change = diff(calls, dict(calls))
    assert not change.put
    assert not change.gone


def test_a_difference_holds_only_what_changed() -> None:
    old, new = board(call("a"), call("b"), call("c")), board(call("a"), call("b", agent_id="7"), call("d"))
    change = diff(old.calls, new.calls)
    assert (set(change.put), set(change.gone)) == ({"b", "d"}, {"c"})


# ── a call's end ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_call_ends_after_so_many_complete_lists_without_it(misses: int) -> None:
    now = watching(call("a"))
    for _ in range(misses - 1):
        now = after(now, listing(), misses=misses)
        assert "a" in now.calls
    assert "a" not in after(now, listing(), misses=misses).calls


def test_a_call_missing_from_one_list_is_marked_and_comes_back_unmarked() -> None:
    missed = after(watching(call("a")), listing())
    assert missed.calls["a"].missed == 1
    back = after(missed, listing(call("a")))
    assert back.calls["a"] == watching(call("a")).calls["a"]


def test_misses_count_only_in_a_row() -> None:
    assert "a" in after(watching(call("a")), listing(), listing(call("a")), listing()).calls


def test_an_incomplete_list_never_ends_a_call() -> None:
    partial = listing(call("b"), declared_total=5)
    assert "a" in after(watching(call("a")), *[partial] * 10).calls


def test_an_incomplete_list_neither_counts_nor_forgives_a_miss() -> None:
    now = after(watching(call("a")), listing(), listing(declared_total=5))
    assert now.calls["a"].missed == 1
    assert "a" not in after(now, listing()).calls


# ── since when ─────────────────────────────────────────────────────────────────────────────────────
def test_the_first_list_says_only_at_least() -> None:
    seen = after(START, listing(call("a", state=CallState.RINGING))).calls["a"]
    assert (seen.since, seen.at_least, seen.total_at_least) == (NOW + STEP + 100, True, True)


def test_a_call_that_begins_while_we_watch_has_an_exact_time() -> None:
    seen = watching(call("a", state=CallState.RINGING)).calls["a"]
    assert (seen.since, seen.at_least, seen.total_at_least) == (NOW + 2 * STEP + 100, False, False)


@pytest.mark.parametrize(("state", "field"), [(CallState.WAITING, "entered_at"), (CallState.TALKING, "answered_at")])
def test_upstreams_own_time_is_exact_even_in_the_first_list(state: CallState, field: str) -> None:
    seen = after(START, listing(call("a", state=state, **{field: NOW - 90_000}))).calls["a"]
    assert (seen.since, seen.at_least) == (NOW - 90_000, False)


def test_a_call_with_its_entry_time_has_an_exact_total() -> None:
    seen = after(START, listing(call("a", state=CallState.HOLD, entered_at=NOW - 90_000))).calls["a"]
    assert (seen.at_least, seen.total_at_least) == (True, False)


def test_a_new_state_begins_when_it_is_first_seen() -> None:
    ringing, talking = call("a", state=CallState.RINGING), call("a", state=CallState.TALKING)
    seen = after(after(START, listing(ringing)), listing(talking)).calls["a"]
    assert (seen.since, seen.at_least) == (NOW + 2 * STEP + 100, False)
    assert seen.first_seen == NOW + STEP + 100
    assert seen.total_at_least  # it was there before we looked


def test_another_field_does_not_begin_the_state_anew() -> None:
    before = after(START, listing(call("a", state=CallState.HOLD)))
    seen = after(before, listing(call("a", state=CallState.HOLD, agent_name="Ben"))).calls["a"]
    assert (seen.since, seen.at_least) == (NOW + STEP + 100, True)


def test_after_a_long_silence_a_new_call_has_lasted_at_least() -> None:
    silent = watching()
    late = (silent.heard_at or 0) + 6001
    seen = heard(silent, listing(call("a")), asked_at=late, now=late, misses=2, gap_ms=6000).calls["a"]
    assert (seen.at_least, seen.total_at_least) == (True, True)


def test_a_list_heard_within_the_gap_is_watching() -> None:
    silent = watching()
    late = (silent.heard_at or 0) + 6000
    seen = heard(silent, listing(call("a")), asked_at=late, now=late, misses=2, gap_ms=6000).calls["a"]
    assert not seen.at_least


# ── the feed ───────────────────────────────────────────────────────────────────────────────────────
def test_a_good_list_says_when_it_was_asked_for_and_what_it_held() -> None:
    now = after(START, listing(call("a"), received=4, unusable=2, duplicates=1))
    assert (now.heard_at, now.feed.health, now.feed.since) == (NOW + STEP, "fresh", NOW + STEP + 100)
    assert (now.feed.received, now.feed.unusable, now.feed.duplicates) == (4, 2, 1)


def test_a_list_shorter_than_declared_is_incomplete_and_says_how_much() -> None:
    now = after(START, listing(call("a"), declared_total=7))
    assert (now.feed.health, now.feed.declared_total, now.feed.received) == ("incomplete", 7, 1)


def test_health_keeps_the_time_it_began() -> None:
    now = after(START, listing(), listing(), listing())
    assert now.feed.since == NOW + STEP + 100


def test_a_failure_keeps_the_calls_and_the_last_good_lists_time() -> None:
    before = watching(call("a"))
    now = failed(before, Refused("list", code="1015", message="No.", http_status=200), now=NOW + 9000)
    assert (now.calls, now.heard_at) == (before.calls, before.heard_at)
    assert (now.feed.health, now.feed.code, now.feed.message) == ("failing", "1015", "No.")


def test_failures_in_a_row_keep_the_first_ones_time_and_the_last_ones_words() -> None:
    first = failed(watching(), NotSent("list", message="Refused."), now=NOW + 9000)
    second = failed(first, NoUsableAnswer("list", message="Late."), now=NOW + 11_000)
    assert (second.feed.since, second.feed.message) == (NOW + 9000, "Late.")


def test_a_recovery_forgets_the_failure() -> None:
    broken = failed(watching(call("a")), Refused("list", code="1015"), now=NOW + 9000)
    again = after(broken, listing(call("a")))
    assert (again.feed.health, again.feed.code, again.feed.message) == ("fresh", "", "")
    assert again.feed.since == NOW + 3 * STEP + 100


@pytest.mark.parametrize(("error", "down"), [
    (NotSent("list"), True), (NoUsableAnswer("list"), True), (NoUsableAnswer("list", http_status=200), False),
    (Refused("list", code="1015", http_status=200), False), (RequestInvalid("list"), False),
])
def test_only_silence_counts_as_an_endpoint_that_is_down(error: QueueApiError, down: bool) -> None:
    assert failed(START, error, now=NOW).feed.endpoint_down is down


def test_every_outcome_is_newer_than_the_board_before() -> None:
    before = board(fence=3, seq=8)
    assert after(before, listing()).position == failed(before, NotSent("list"), now=NOW).position == (3, 9)


def test_a_higher_fence_is_newer_than_any_number() -> None:
    assert board(fence=2, seq=0).newer_than(board(fence=1, seq=99))
    assert not board(fence=1, seq=100).newer_than(board(fence=2, seq=0))
    assert not board().newer_than(board())


def test_the_same_list_again_is_no_news() -> None:
    before = watching(call("a"))
    assert same_news(before, after(before, listing(call("a"), received=1)))
    assert not same_news(before, after(before, listing(call("a"), call("b"))))
    assert not same_news(before, failed(before, NotSent("list"), now=NOW))


# ── calls that may be stuck ────────────────────────────────────────────────────────────────────────
def stuck_after(lists: list[Call], times: list[int], stuck_ms: int = 60_000) -> list[bool]:
    """Whether the call counts as stuck after each list."""
    board, marks = START, []
    for one, at in zip(lists, times, strict=True):
        board = heard(board, listing(one), asked_at=at, now=at, misses=2, gap_ms=6000, stuck_ms=stuck_ms)
        marks.append(board.calls["a"].stuck)
    return marks


def test_a_call_of_which_nothing_changes_for_too_long_may_be_stuck() -> None:
    assert stuck_after([call("a")] * 3, [NOW, NOW + 60_000, NOW + 60_001]) == [False, False, True]


def test_a_call_that_changes_is_not_stuck_any_more() -> None:
    calls = [call("a"), call("a"), call("a", agent_id="7"), call("a", agent_id="7")]
    assert stuck_after(calls, [NOW, NOW + 70_000, NOW + 80_000, NOW + 130_000]) == [False, True, False, False]


def test_a_call_that_was_old_when_it_was_first_seen_is_judged_by_its_own_times() -> None:
    assert stuck_after([call("a", entered_at=NOW - 61_000)], [NOW]) == [True]
    assert stuck_after([call("a", entered_at=NOW - 61_000, answered_at=NOW - 1000)], [NOW]) == [False]
    assert stuck_after([call("a", entered_at=NOW + 61_000)], [NOW]) == [False]


def test_without_a_limit_nothing_is_stuck() -> None:
    board = heard(START, listing(call("a", entered_at=1)), asked_at=NOW, now=NOW, misses=2, gap_ms=6000)
    assert not board.calls["a"].stuck
