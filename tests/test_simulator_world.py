"""The simulated call centre: repeatable, plausible, and quick enough for 1,000 calls."""

import time
from collections import Counter
from itertools import pairwise

import pytest

from queue_api.simulator import truth
from queue_api.simulator.world import CATCH_UP_MS, LiveCall, World

START_MS = 1_760_000_000_000


def world(calls: int = 40, seed: int = 3, churn: float | None = None) -> World:
    return World(seed=seed, calls=calls, start_ms=START_MS, churn=churn)


def snapshot(of: World) -> list[str]:
    return [repr(call) for call in of.calls.values()]


def pinned(of: World, **fields: str) -> LiveCall:
    call = of.new_call()
    call.pinned = True
    for name, value in fields.items():
        setattr(call, name, value)
    of.add(call)
    return call


def test_the_world_is_already_at_work_when_it_starts() -> None:
    counts = Counter(call.state for call in world(200).calls.values())
    assert counts.total() == 200
    assert counts["talking"] > 100
    assert min(counts[state] for state in ("waiting", "ringing", "hold")) > 4


def test_start_times_are_in_the_past_and_in_order() -> None:
    for call in world(200).calls.values():
        assert START_MS - 1_800_000 < call.entered_ms < START_MS
        assert (call.answered_ms is None) == (call.state in ("waiting", "ringing"))
        assert call.answered_ms is None or call.entered_ms < call.answered_ms < START_MS


def test_callers_have_indian_mobile_numbers_and_agents_distinct_names() -> None:
    busy = world(1000)
    assert all(len(c.caller) == 13 and c.caller.startswith("+9198") for c in busy.calls.values())
    assert len({agent.name for agent in busy.agents}) == len(busy.agents) == 850


def test_the_same_seed_and_steps_give_the_same_world() -> None:
    one, other, another_seed = world(), world(), world(seed=4)
    for each in (one, other, another_seed):
        each.advance(START_MS + 90_000)
    assert snapshot(one) == snapshot(other) != snapshot(another_seed)


@pytest.mark.parametrize("churn", [None, 7])
def test_the_size_of_the_steps_does_not_matter(churn: float | None) -> None:
    at_once, in_steps = world(churn=churn), world(churn=churn)
    at_once.advance(START_MS + 60_000)
    for second in range(1, 61):
        in_steps.advance(START_MS + second * 1000)
    assert snapshot(at_once) == snapshot(in_steps)


def test_calls_arrive_ring_talk_hold_end_and_are_abandoned() -> None:
    watched, seen = world(), set[tuple[str, str]]()
    for second in range(1200):
        before = {call_id: call.state for call_id, call in watched.calls.items()}
        watched.advance(START_MS + second * 1000)
        after = {call_id: call.state for call_id, call in watched.calls.items()}
        seen |= {(before.get(i, "-"), after.get(i, "-")) for i in before | after if before.get(i) != after.get(i)}
    assert seen >= {
        ("-", "waiting"),
        ("waiting", "ringing"),
        ("ringing", "talking"),
        ("talking", "hold"),
        ("hold", "talking"),
        ("talking", "-"),
        ("waiting", "-"),
    }


def test_the_number_of_calls_stays_near_its_target() -> None:
    steered = world(40)
    for minute in range(1, 30):
        steered.advance(START_MS + minute * 60_000)
        assert 30 <= len(steered.calls) <= 40
    steered.set_target(80)
    steered.advance(steered.now_ms + 30_000)
    assert len(steered.calls) > 70


def test_an_agent_has_one_call_at_a_time() -> None:
    busy = world(200)
    for second in range(1, 120):
        busy.advance(START_MS + second * 1000)
        agents = [call.agent_id for call in busy.calls.values() if call.agent_id]
        assert len(agents) == len(set(agents))


def test_churn_is_exactly_so_many_visible_changes_a_second() -> None:
    churning = world(1000, churn=50)
    churning.advance(START_MS + 20_000)
    assert churning.changes == 1000
    assert len(churning.calls) > 950


def test_no_churn_means_no_change() -> None:
    still = world(churn=0)
    before = snapshot(still)
    still.advance(START_MS + 600_000)
    assert snapshot(still) == before


def test_frozen_time_is_not_made_up_for() -> None:
    frozen = world(churn=10)
    frozen.freeze()
    frozen.advance(START_MS + 60_000)
    frozen.thaw()
    frozen.advance(START_MS + 61_000)
    assert frozen.changes == 10


@pytest.mark.parametrize("churn", [None, 10])
def test_a_machine_that_slept_does_not_replay_the_night(churn: float | None) -> None:
    slept = world(churn=churn)
    slept.advance(START_MS + 8 * 3_600_000)
    assert 0 < slept.changes <= 10 * CATCH_UP_MS / 1000 + 1


def test_a_clock_that_goes_back_changes_nothing() -> None:
    steady = world()
    before = snapshot(steady)
    steady.advance(START_MS - 3_600_000)
    assert (snapshot(steady), steady.now_ms) == (before, START_MS)


def test_a_taken_over_call_talks_with_its_new_agent() -> None:
    centre = world()
    waiting = next(call for call in centre.calls.values() if call.state == "waiting")
    centre.take_over(waiting, "1101", "Asha Rao")
    assert (waiting.agent_id, waiting.state, waiting.answered_ms) == ("1101", "talking", START_MS)


def test_what_was_planned_for_a_call_is_void_once_it_is_taken_over() -> None:
    centre = world(300)
    ringing = [call for call in centre.calls.values() if call.state == "ringing"]
    for call in ringing:
        centre.take_over(call, "1101", "Asha Rao")
    centre.advance(START_MS + 14_000)  # a call rings for 12 s at most and is talked on for 15 s at least
    assert len(ringing) > 5
    assert all(call.call_id in centre.calls and call.state == "talking" for call in ringing)


def test_a_taken_over_call_lives_on_and_ends_by_itself() -> None:
    centre = world()
    call = next(iter(centre.calls.values()))
    centre.take_over(call, "1101", "Asha Rao")
    for minute in range(1, 60):
        centre.advance(START_MS + minute * 60_000)
    assert call.call_id not in centre.calls


def test_a_pinned_call_stays_as_it_is() -> None:
    centre = world(churn=50)
    call = pinned(centre, agent_id="2001", state="talking")
    centre.advance(START_MS + 60_000)
    assert centre.calls[call.call_id].state == "talking"


def test_call_ids_are_not_used_again_by_a_later_run() -> None:
    first = world()
    second = World(seed=3, calls=40, start_ms=START_MS + 1000)
    assert not first.calls.keys() & second.calls.keys()
    assert all(int(a) < int(b) for a, b in pairwise(first.calls))


def test_a_minute_of_heavy_churn_takes_little_time() -> None:
    heavy = world(1000, churn=50)
    began = time.process_time()
    heavy.advance(START_MS + 60_000)
    assert time.process_time() - began < 3  # some 0.3 s on one core; the bound is for a crowded machine


# What became of each call


def test_the_truth_has_every_call_with_when_it_came_was_answered_and_went() -> None:
    watched, seen = world(), dict[str, LiveCall]()
    for second in range(600):
        watched.advance(START_MS + second * 1000)
        seen |= watched.calls
    lives = {life.call_id: life for life in watched.truth.lives}
    assert seen.keys() <= lives.keys()
    for call_id, call in seen.items():
        life = lives[call_id]
        assert (life.entered_ms, life.queue_id, life.kind) == (call.entered_ms, call.queue_id, call.kind)
        assert [one.at_ms for one in life.connected] == ([] if call.answered_ms is None else [call.answered_ms])
        assert (life.ended_ms is None) == (call_id in watched.calls) == (life.how == "")
        assert life.how != "gave_up" or not life.connected
    assert {life.how for life in lives.values()} == {"", "gave_up", "talked"}


def test_the_truth_keeps_a_takeover_behind_the_first_answer() -> None:
    watched = world()
    call = pinned(watched, state="talking", agent_id="2001")
    watched.advance(START_MS + 5000)
    watched.take_over(call, "1101", "Asha Rao")
    watched.end(call.call_id)
    life = watched.truth.lives[0]
    assert [(one.at_ms - START_MS, one.agent_id) for one in life.connected] == [(5000, "1101")]
    assert (life.ended_ms, life.how) == (START_MS + 5000, "switched")


def test_the_truth_forgets_the_oldest_call_that_is_over_and_none_that_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "KEPT", 3)
    watched = world(calls=0)
    first, *others = [pinned(watched) for _ in range(6)]
    for call in others:
        watched.end(call.call_id)
    assert [life.call_id for life in watched.truth.lives] == [*(call.call_id for call in others[-3:]), first.call_id]
