"""DeepCall's clock may be minutes off: the times it gives are shown by ours, right within a second, and calmly."""

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.board import Board, heard
from dashboard.upstream_clock import UpstreamClock
from queue_api.calls import CallState
from tests.makers import NOW, call, listing

FIVE_MINUTES = 300_000


def answers(offset: int, count: int = 30, seed: int = 1, began: UpstreamClock | None = None) -> list[UpstreamClock]:
    """What is known after each of `count` answers of a DeepCall whose clock is `offset` ms from ours."""
    chance, clock, known = random.Random(seed), began or UpstreamClock(), []
    for number in range(count):
        asked = NOW + number * 2000 + chance.randrange(1000)
        answered = asked + chance.randrange(5, 400)
        came = answered + chance.randrange(5, 200)
        clock = clock.heard((answered + offset) // 1000 * 1000, asked, came)
        known.append(clock)
    return known


@given(st.integers(-FIVE_MINUTES, FIVE_MINUTES), st.integers(0, 1000))
def test_the_offset_is_right_within_a_second(offset: int, seed: int) -> None:
    """From the first answer on, when it is far off; a clock that is a second off is put right after a few."""
    known = answers(offset, seed=seed)[0 if abs(offset) > 2000 else 10:]
    assert all(abs(clock.offset - offset) <= 1000 for clock in known)


@given(st.integers(-FIVE_MINUTES, FIVE_MINUTES), st.integers(0, 1000))
def test_what_is_shown_hardly_ever_moves(offset: int, seed: int) -> None:
    offsets = [clock.offset for clock in answers(offset, count=200, seed=seed)]
    assert sum(one != other for one, other in itertools.pairwise(offsets)) <= 3


@given(st.integers(-240, 240), st.integers(0, 1000))
def test_a_clock_that_is_as_good_as_right_is_left_alone(offset: int, seed: int) -> None:
    assert {clock.offset for clock in answers(offset, seed=seed)} == {0}


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    before = answers(FIVE_MINUTES)[-1]
    after = answers(-FIVE_MINUTES, count=1, began=before)[-1]
    assert abs(after.offset + FIVE_MINUTES) <= 1000


def test_an_answer_without_a_date_says_nothing() -> None:
    known = answers(FIVE_MINUTES)[-1]
    assert known.heard(None, NOW, NOW + 100) == known


@pytest.mark.parametrize("offset", [FIVE_MINUTES, -FIVE_MINUTES])
def test_a_call_of_a_board_has_our_times(offset: int) -> None:
    entered, answered = NOW - 130_000, NOW - 60_000
    one = call("a", state=CallState.TALKING, entered_at=entered + offset, answered_at=answered + offset)
    new = heard(Board(account=1), listing(one, upstream_now_ms=NOW + offset), asked_at=NOW, now=NOW + 100, misses=2,
                gap_ms=6000)
    seen = new.calls["a"]
    assert abs(seen.since - answered) <= 1000
    assert seen.call.entered_at is not None
    assert abs(seen.call.entered_at - entered) <= 1000


def test_lists_that_differ_in_nothing_but_their_date_change_no_call() -> None:
    one, board = call("a", entered_at=NOW - 130_000 + FIVE_MINUTES), Board(account=1)
    shown = []
    for number in range(20):
        asked = NOW + number * 2345
        board = heard(board, listing(one, upstream_now_ms=(asked + FIVE_MINUTES) // 1000 * 1000), asked_at=asked,
                      now=asked + 100, misses=2, gap_ms=6000)
        shown.append(board.calls["a"])
    assert len({msgspec.json.encode(live) for live in shown}) <= 3
