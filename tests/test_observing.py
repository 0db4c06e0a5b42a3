"""What two boards tell of the calls between them, and what is kept of it."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard.board import Board, heard
from dashboard.observing import Outcome, Record, Sighting, Stretch, another, kept_key, lost, merged, sightings
from queue_api.calls import Call, CallState
from tests.makers import NOW, NUMBER, call, listing, nameless

SECRET = b"of this installation"
GAP_MS = 6000
WAITING = call("c-1", entered_at=NOW - 20_000)
TALKING = call("c-1", entered_at=NOW - 20_000, state=CallState.TALKING, answered_at=NOW + 1000, agent_id="1102")
Lists = Sequence[tuple[int, tuple[Call, ...]]]


def days_work(lists: Lists, misses: int = 2) -> dict[str, list[Record]]:
    """Every record of each call after each list, by its key. `lists`: when, and what came."""
    kept: dict[str, list[Record]] = {}
    for sighting in told(lists, misses):
        before = kept.setdefault(sighting.key, [])
        before.append(merged(before[-1] if before else None, sighting, stretches(lists, sighting.at)))
    return kept


def stretches(lists: Lists, until: int) -> list[Stretch]:
    """When somebody watched, up to then, with lists one after the other."""
    found: list[Stretch] = []
    for at, _calls in lists:
        if at <= until and found and at - found[-1][1] <= GAP_MS:
            found[-1] = found[-1][0], at
        elif at <= until:
            found.append((at, at))
    return found


def told(lists: Lists, misses: int = 2) -> list[Sighting]:
    board, seen = Board(account=1), list[Sighting]()
    for at, calls in lists:
        new = heard(board, listing(*calls), asked_at=at, now=at + 50, misses=misses, gap_ms=GAP_MS)
        seen += sightings(board, new, SECRET)
        board = new
    return seen


def last(lists: Lists, key: str = "c-1") -> Record:
    return days_work(lists)[key][-1]


# ── what is told ───────────────────────────────────────────────────────────────────────────────────
def test_a_call_is_told_once_and_again_only_when_something_about_it_has_changed() -> None:
    lists: Lists = [(NOW, (WAITING,)), (NOW + 2000, (WAITING,)), (NOW + 4000, (TALKING,)), (NOW + 6000, (TALKING,))]
    assert [(one.at - NOW, one.call.state) for one in told(lists)] == [
        (0, CallState.WAITING), (4000, CallState.TALKING)]


def test_a_board_that_was_noted_already_tells_nothing() -> None:
    board = heard(Board(account=1), listing(WAITING), asked_at=NOW, now=NOW, misses=2, gap_ms=GAP_MS)
    assert not list(sightings(board, board, SECRET))


def test_of_a_call_without_an_id_only_a_keyed_hash_is_kept_and_of_no_call_its_caller() -> None:
    assert NUMBER not in kept_key(nameless(), SECRET)
    assert kept_key(nameless(), SECRET) != kept_key(nameless(), b"of another one")
    assert NUMBER not in repr(last([(NOW, (WAITING,)), (NOW + 2000, (TALKING,))]))


# ── what becomes of it ─────────────────────────────────────────────────────────────────────────────
def test_a_wait_is_from_when_the_call_came_to_when_it_was_answered_as_deepcall_says() -> None:
    record = last([(NOW, (WAITING,)), (NOW + 2000, (TALKING,))])
    assert (record.outcome, record.wait_ms) == (Outcome.ANSWERED, 21_000)


def test_without_deepcalls_times_what_was_seen_counts() -> None:
    ringing = call("c-1", state=CallState.WAITING)
    talking = call("c-1", state=CallState.TALKING, agent_id="1102")
    record = last([(NOW, ()), (NOW + 2000, (ringing,)), (NOW + 8000, (talking,))])
    assert (record.offered_at, record.wait_ms) == (NOW + 2050, 6000)


def test_a_call_that_waited_before_anybody_looked_has_no_known_wait() -> None:
    record = last([(NOW, (call("c-1"),)), (NOW + 2000, (call("c-1", state=CallState.TALKING, agent_id="1"),))])
    assert (record.outcome, record.wait_ms) == (Outcome.ANSWERED, None)


def test_a_call_that_talked_before_anybody_looked_was_answered_nobody_knows_when() -> None:
    talking = call("c-1", entered_at=NOW - 90_000, state=CallState.TALKING, agent_id="1102")
    record = last([(NOW, (talking,)), (NOW + 2000, ()), (NOW + 4000, ())])
    assert (record.outcome, record.answered_at, record.wait_ms, record.talk_ms) == (Outcome.ANSWERED, None, None, None)


def test_who_hangs_up_while_waiting_is_left_unanswered_after_waiting_till_between_two_lists() -> None:
    record = last([(NOW, (WAITING,)), (NOW + 2000, (WAITING,)), (NOW + 4000, ()), (NOW + 6000, ())])
    assert (record.outcome, record.ended_at, record.wait_ms) == (Outcome.UNANSWERED, NOW + 3000, 23_000)


def test_a_talk_ends_between_the_last_list_with_it_and_the_first_without() -> None:
    record = last([(NOW, (TALKING,)), (NOW + 60_000, (TALKING,)), (NOW + 62_000, ()), (NOW + 64_000, ())])
    assert (record.ended_at, record.talk_ms) == (NOW + 61_000, 60_000)


def test_a_list_that_lacks_a_call_once_ends_nothing() -> None:
    records = days_work([(NOW, (WAITING,)), (NOW + 2000, ()), (NOW + 4000, (WAITING,)), (NOW + 6000, (TALKING,))])
    assert [record.outcome for record in records["c-1"]][:3] == [Outcome.LIVE] * 3
    assert records["c-1"][-1].outcome is Outcome.ANSWERED
    assert records["c-1"][-1].gone_at is None


def test_what_became_of_a_call_that_went_while_nobody_watched_is_not_known() -> None:
    record = last([(NOW, (WAITING,)), (NOW + 60_000, ()), (NOW + 62_000, ())])
    assert (record.outcome, record.wait_ms) == (Outcome.UNKNOWN, None)


def test_a_talk_that_ended_while_nobody_watched_was_answered_and_its_length_is_not_known() -> None:
    record = last([(NOW, (WAITING,)), (NOW + 2000, (TALKING,)), (NOW + 60_000, ()), (NOW + 62_000, ())])
    assert (record.outcome, record.wait_ms, record.talk_ms) == (Outcome.ANSWERED, 21_000, None)


def test_a_call_belongs_to_the_queue_it_came_in() -> None:
    moved = call("c-1", entered_at=NOW, queue_id="303", state=CallState.TALKING, answered_at=NOW + 1000)
    assert last([(NOW, (call("c-1", entered_at=NOW),)), (NOW + 2000, (moved,))]).queue_key == "302"


def test_without_times_of_deepcall_the_same_name_much_later_is_another_call() -> None:
    untold = call("c-1")
    over = last([(NOW, (untold,)), (NOW + 2000, ()), (NOW + 4000, ())])
    soon, late = (told([(NOW + after, (untold,))])[0] for after in (60_000, 700_000))
    assert not another(over, soon)
    assert another(over, late)


def test_a_name_that_comes_back_is_another_call_when_deepcall_says_that_it_came_after_the_end_of_the_first() -> None:
    over = last([(NOW, (WAITING,)), (NOW + 2000, ()), (NOW + 4000, ())])
    same, next_one = WAITING, call("c-1", entered_at=NOW + 5000)
    assert not another(over, told([(NOW + 700_000, (same,))])[0])
    assert another(over, told([(NOW + 6000, (next_one,))])[0])


# ── what is told late, or not at all ───────────────────────────────────────────────────────────────
def test_a_list_that_is_incomplete_ends_no_call() -> None:
    """It talks on for a minute in which lists leave it out, and then nobody knows for how long it did."""
    board, kept = Board(account=1), list[Record]()
    lists: list[tuple[int, tuple[Call, ...], int]] = [
        (NOW, (TALKING,), 1), *((NOW + at, (), 9) for at in range(2000, 60_000, 2000)), (NOW + 60_000, (), 0),
        (NOW + 62_000, (), 0)]
    for at, calls, total in lists:
        new = heard(board, listing(*calls, declared_total=total), asked_at=at, now=at + 50, misses=2, gap_ms=GAP_MS)
        watched = [(NOW, NOW)] if at < NOW + 60_000 else [(NOW, NOW), (NOW + 60_000, at)]
        kept += [merged(kept[-1] if kept else None, one, watched) for one in sightings(board, new, SECRET)]
        board = new
    assert (kept[-1].last_seen_at, kept[-1].gone_at, kept[-1].talk_ms) == (NOW, NOW + 60_000, None)


def test_one_incomplete_list_between_two_complete_ones_is_no_gap() -> None:
    board, kept = Board(account=1), list[Record]()
    for at, total in ((NOW, 1), (NOW + 60_000, 1), (NOW + 62_000, 9), (NOW + 64_000, 0), (NOW + 66_000, 0)):
        calls = (TALKING,) if total == 1 else ()
        new = heard(board, listing(*calls, declared_total=total), asked_at=at, now=at + 50, misses=2, gap_ms=GAP_MS)
        kept += [merged(kept[-1] if kept else None, one, [(NOW, at)]) for one in sightings(board, new, SECRET)]
        board = new
    assert (kept[-1].last_seen_at, kept[-1].gone_at, kept[-1].talk_ms) == (NOW + 60_000, NOW + 64_000, 61_000)


def test_when_a_call_came_may_be_told_after_it_was_first_seen() -> None:
    untold = call("c-1")
    record = last([(NOW, ()), (NOW + 2000, (untold,)), (NOW + 4000, (call("c-1", entered_at=NOW + 1000),))])
    assert (record.offered_at, record.at_least) == (NOW + 1000, False)


def test_a_call_that_was_there_before_us_has_a_wait_once_deepcall_tells_when_it_came() -> None:
    record = last([(NOW, (call("c-1"),)), (NOW + 2000, (TALKING,))])
    assert (record.at_least, record.wait_ms) == (False, 21_000)


def test_an_answer_that_is_told_late_is_when_deepcall_says() -> None:
    untold = call("c-1", entered_at=NOW, state=CallState.TALKING)
    told_now = call("c-1", entered_at=NOW, state=CallState.TALKING, answered_at=NOW + 3000)
    record = last([(NOW, (call("c-1", entered_at=NOW),)), (NOW + 4000, (untold,)), (NOW + 6000, (told_now,))])
    assert record.wait_ms == 3000


def test_a_takeover_is_no_first_answer() -> None:
    taken = call("c-1", entered_at=NOW - 20_000, state=CallState.TALKING, answered_at=NOW + 90_000, agent_id="1101")
    record = last([(NOW, (WAITING,)), (NOW + 2000, (TALKING,)), (NOW + 92_000, (taken,))])
    assert (record.wait_ms, record.agent_id) == (21_000, "1101")


def test_who_was_on_hold_when_first_seen_was_answered_before_and_nobody_knows_when() -> None:
    held, talking = (call("c-1", entered_at=NOW - 20_000, state=state) for state in (CallState.HOLD, CallState.TALKING))
    record = last([(NOW, (held,)), (NOW + 2000, (talking,)), (NOW + 4000, ()), (NOW + 6000, ())])
    assert (record.outcome, record.wait_ms, record.talk_ms) == (Outcome.ANSWERED, None, None)


def test_a_time_of_answer_beside_a_caller_who_waits_is_none() -> None:
    menu = call("c-1", entered_at=NOW, answered_at=NOW - 5000)
    record = last([(NOW, (menu,)), (NOW + 2000, (menu,)), (NOW + 4000, ()), (NOW + 6000, ())])
    assert (record.outcome, record.wait_ms) == (Outcome.UNANSWERED, 3000)


def test_a_wait_is_as_deepcall_tells_it_although_its_clock_is_known_better_by_then() -> None:
    """Its clock is known to half a second at first: what one row says of a call moves as a whole."""
    moved = call("c-1", entered_at=NOW - 20_400, state=CallState.TALKING, answered_at=NOW + 600)
    assert last([(NOW, (WAITING,)), (NOW + 2000, (moved,))]).wait_ms == 21_000


# ── a new leader ───────────────────────────────────────────────────────────────────────────────────
def test_a_new_leader_tells_all_that_it_sees() -> None:
    """Its first board may come from one that was kept and never noted."""
    kept_one = heard(Board(account=1, fence=1), listing(TALKING), asked_at=NOW, now=NOW, misses=2, gap_ms=GAP_MS)
    mine = msgspec.structs.replace(kept_one, fence=2)
    new = heard(mine, listing(TALKING), asked_at=NOW + 2000, now=NOW + 2050, misses=2, gap_ms=GAP_MS)
    assert [one.key for one in sightings(kept_one, new, SECRET)] == ["c-1"]


def test_what_no_board_has_any_more_went_between_the_last_list_of_the_old_leader_and_the_first_of_the_new() -> None:
    old = last([(NOW, (TALKING,))])
    known = lost(old, NOW + 64_000, NOW + 60_000, [(NOW, NOW + 64_000)])
    assert (known.ended_at, known.talk_ms) == (NOW + 62_000, 61_000)
    unknown = lost(old, NOW + 90_000, NOW + 60_000, [(NOW + 90_000, NOW + 90_000), (NOW, NOW + 60_000)])
    assert (unknown.ended_at, unknown.talk_ms) == (NOW + 90_000, None)


# ── twice ──────────────────────────────────────────────────────────────────────────────────────────
SCENES = st.lists(st.tuples(st.sampled_from([2000, 2000, 2000, 30_000]), st.sampled_from([(), (WAITING,), (TALKING,), (
    WAITING, call("c-2")), (call("c-2", state=CallState.HOLD, agent_id="9"),)])), min_size=1, max_size=12)


@given(SCENES, st.data())
def test_what_is_told_once_more_changes_nothing(
        scenes: list[tuple[int, tuple[Call, ...]]], data: st.DataObject) -> None:
    """As after a failover: the next leader begins from an older board and tells part of it again."""
    at, lists = NOW, list[tuple[int, tuple[Call, ...]]]()
    for pause, calls in scenes:
        at += pause
        lists.append((at, calls))
    once = {key: records[-1] for key, records in days_work(lists).items()}
    again = dict(once)
    since = data.draw(st.integers(0, len(lists) - 1))
    for sighting in told(lists)[since:]:
        again[sighting.key] = merged(again[sighting.key], sighting, stretches(lists, sighting.at))
    assert again == once
