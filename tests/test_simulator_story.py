"""The simulated centre's plausible hour: what happens in it, and that it happens again for the same seed."""

from collections import Counter
from itertools import pairwise

import pytest

from queue_api.simulator import story
from queue_api.simulator.simulation import Simulation
from queue_api.simulator.story import BEGIN_MINUTE, BILLING, EVERY, HOUR, SALES, SUPPORT, USUAL, StoryWorld
from queue_api.simulator.world import LiveCall, World

START_MS = 1_760_000_000_000
SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000
SEEDS = range(1, 9)


def centre(seed: int = 16, calls: int = 24, churn: float | None = None, start_ms: int = START_MS) -> StoryWorld:
    return StoryWorld(seed=seed, calls=calls, start_ms=start_ms, churn=churn)


def run(world: World, minutes: int) -> World:
    """So many minutes on, in steps that the catch-up limit does not cut."""
    for _ in range(minutes):
        world.advance(world.now_ms + MINUTE)
    return world


def snapshot(of: World) -> list[str]:
    """Every call, with times as ages and without the id, which no two runs share."""
    return [repr((c.caller, c.agent_name, c.state, c.kind, of.now_ms - c.entered_ms)) for c in of.calls.values()]


def waiting(of: World, queue_id: str) -> list[LiveCall]:
    return [call for call in of.calls.values() if call.queue_id == queue_id and call.state == "waiting"]


def longest_wait_s(of: World, queue_id: str) -> float:
    return max(((of.now_ms - call.entered_ms) / SECOND for call in waiting(of, queue_id)), default=0)


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


# The same again


def test_seed_and_elapsed_time_decide_everything() -> None:
    one, a_day_later, another_seed = centre(), centre(start_ms=START_MS + DAY), centre(seed=17)
    assert snapshot(one) == snapshot(a_day_later) != snapshot(another_seed)
    assert snapshot(run(one, 7)) == snapshot(run(a_day_later, 7)) != snapshot(run(another_seed, 7))


@pytest.mark.parametrize("churn", [None, 7])
def test_the_size_of_the_steps_does_not_matter(churn: float | None) -> None:
    at_once, in_steps = centre(churn=churn), centre(churn=churn)
    at_once.advance(START_MS + 3 * MINUTE)
    for second in range(1, 181):
        in_steps.advance(START_MS + second * SECOND)
    assert snapshot(at_once) == snapshot(in_steps)


def test_frozen_minutes_do_not_count() -> None:
    world = centre()
    world.freeze()
    run(world, 5)
    assert world.minute == BEGIN_MINUTE
    world.thaw()
    assert run(world, 1).now_ms == START_MS + 6 * MINUTE
    assert world.minute == BEGIN_MINUTE + 1


def test_after_the_hour_it_begins_again() -> None:
    world = centre()
    assert run(world, 60).now_ms == START_MS + 60 * MINUTE
    assert world.minute == BEGIN_MINUTE
    assert world.happening() == centre().happening()


# The table


@pytest.mark.parametrize("phase", HOUR, ids=lambda phase: phase.what)
def test_each_phase_lies_in_the_hour_and_changes_something(phase: story.Phase) -> None:
    assert 0 <= phase.begins < phase.ends <= 60
    assert set(phase.queue_ids) <= set(EVERY)
    assert (phase.arrivals, phase.agents) != (1, 1)


@pytest.mark.parametrize("queue_id", EVERY)
def test_on_a_normal_day_a_queue_has_agents_enough(queue_id: str) -> None:
    usual, call_lasts_minutes = USUAL[queue_id], 3.4
    assert usual.per_minute * call_lasts_minutes < usual.agents


def test_no_two_phases_of_a_queue_overlap() -> None:
    for queue_id in EVERY:
        mine = sorted((p.begins, p.ends) for p in HOUR if queue_id in p.queue_ids)
        assert all(ends <= begins for (_, ends), (begins, _) in pairwise(mine))


# What is seen


def test_billing_is_in_trouble_from_the_start_and_its_wait_grows_in_the_first_two_minutes() -> None:
    assert "Billing: invoices are out, and half the team is in training" in centre().happening()
    for seed in SEEDS:
        assert len(waiting(centre(seed), BILLING)) >= 2
    before = longest_wait_s(centre(), BILLING)
    assert before > 120
    assert longest_wait_s(run(centre(), 2), BILLING) == before + 120


def test_billing_is_calm_again_when_everybody_is_back() -> None:
    trouble = [longest_wait_s(run(centre(seed), 10), BILLING) for seed in SEEDS]
    calm = [longest_wait_s(run(centre(seed), 19), BILLING) for seed in SEEDS]
    assert mean(trouble) > 180 > 60 > mean(calm)


def test_a_rush_brings_three_times_the_arrivals() -> None:
    world, arrived = centre(calls=240), Counter[int]()
    for minute in range(BEGIN_MINUTE, BEGIN_MINUTE + 9):
        known = set(world.calls)
        for _ in range(60):
            world.advance(world.now_ms + SECOND)
            arrived[minute] += sum(c.queue_id == SALES for i, c in world.calls.items() if i not in known)
            known |= set(world.calls)
    rush, after = mean([arrived[m] for m in (23, 24, 25)]), mean([arrived[m] for m in (27, 28, 29)])
    assert 2 < rush / after < 4


def test_every_kind_of_change_is_seen_within_two_minutes() -> None:
    world, seen = centre(), set[tuple[str, str]]()
    before: dict[str, str] = {call_id: call.state for call_id, call in world.calls.items()}
    for _ in range(120):
        world.advance(world.now_ms + SECOND)
        after: dict[str, str] = {call_id: call.state for call_id, call in world.calls.items()}
        seen |= {(before.get(i, "-"), after.get(i, "-")) for i in before | after if before.get(i) != after.get(i)}
        before = after
    assert seen >= {
        ("-", "waiting"), ("waiting", "ringing"), ("ringing", "talking"), ("talking", "hold"), ("hold", "talking"),
        ("talking", "-"), ("waiting", "-"),
    }  # fmt: skip


def test_callers_give_up_after_four_minutes_in_the_mean_when_nobody_answers() -> None:
    world = centre()
    world.agents.clear()
    crowd = [world.new_call() for _ in range(300)]
    for call in crowd:
        world.add(call)
    run(world, 4)
    gone = sum(call.call_id not in world.calls for call in crowd) / len(crowd)
    assert 0.53 < gone < 0.73  # 1 - 1/e


def test_whoever_waits_longest_in_a_queue_is_answered_first() -> None:
    world = centre()
    for _ in range(300):
        oldest = min(waiting(world, BILLING), key=lambda call: call.entered_ms)
        others = {call.call_id for call in waiting(world, BILLING)} - {oldest.call_id}
        world.advance(world.now_ms + SECOND)
        answered = {i for i in others if i in world.calls and world.calls[i].state != "waiting"}
        assert not answered or oldest not in waiting(world, BILLING)


def test_outgoing_calls_begin_with_their_agent_and_never_wait() -> None:
    world, kinds = centre(), Counter[str]()
    for _ in range(1800):
        world.advance(world.now_ms + SECOND)
        out = [call for call in world.calls.values() if call.kind != "IBD"]
        assert all(call.agent_name and call.state != "waiting" for call in out)
        kinds.update(call.kind for call in out)
    assert set(kinds) == {"OBD", "CTC"}


def test_an_agent_has_a_name_one_queue_and_one_call_at_a_time() -> None:
    world = centre()
    assert len({agent.name for agent in world.agents}) == len(world.agents)
    assert all(len(agent.queue_ids) == 1 for agent in world.agents)
    for _ in range(300):
        world.advance(world.now_ms + SECOND)
        busy = [call.agent_id for call in world.calls.values() if call.agent_id]
        assert len(busy) == len(set(busy))


# Steered from outside


def test_a_pinned_call_holds_nobody_up() -> None:
    world = centre()
    pinned = world.new_call()
    pinned.queue_id, pinned.pinned, pinned.entered_ms = SUPPORT, True, 0
    world.add(pinned)
    before = {call.call_id for call in waiting(world, SUPPORT)} - {pinned.call_id}
    run(world, 10)
    assert pinned in waiting(world, SUPPORT)
    assert not before & {call.call_id for call in waiting(world, SUPPORT)}


def test_the_number_of_calls_says_how_large_the_centre_is() -> None:
    world = centre()
    assert 15 <= len(world.calls) <= 40
    world.set_target(240)
    assert 150 <= len(run(world, 10).calls) <= 400
    world.set_target(0)
    assert not run(world, 60).calls
    assert world.new_call().queue_id in EVERY
    world.set_target(24)
    assert run(world, 10).calls


def test_a_taken_over_call_lives_on_and_ends_by_itself() -> None:
    world = centre()
    call = waiting(world, BILLING)[0]
    world.take_over(call, "1101", "Asha Rao")
    assert (call.state, call.agent_name) == ("talking", "Asha Rao")
    assert call.call_id not in run(world, 50).calls


def test_the_simulator_plays_it_when_asked_and_says_what_is_on() -> None:
    now_ms = [START_MS]
    playing, steering = (Simulation(seed=16, story=told, clock=lambda: now_ms[0]) for told in (True, False))
    assert isinstance(playing.world, StoryWorld)
    assert playing.state()["story"] == centre().happening()
    assert not isinstance(steering.world, StoryWorld)
    assert steering.state()["story"] == []
    now_ms[0] += 5 * MINUTE
    playing.catch_up()
    playing.reset()
    assert snapshot(playing.world) == snapshot(centre())
