"""The simulator's switches: `POST /_simulator` without the HTTP around it."""

import json
from typing import Any

import pytest

from queue_api.simulator import control, endpoints
from queue_api.simulator.journal import KEPT, Entry, Journal
from queue_api.simulator.people import ASHA
from queue_api.simulator.simulation import Simulation

NOW_MS = 1_760_000_000_000
SSID = {"ssid": ASHA.ssid}


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(seed=5, calls=12, clock=lambda: NOW_MS)


def switch(simulation: Simulation, **verbs: Any) -> dict[str, Any]:
    answer = control.switch(simulation, json.dumps(verbs).encode())
    assert answer.status == 200, answer.body
    state: dict[str, Any] = json.loads(answer.body)
    return state


def refused(simulation: Simulation, raw: str) -> str:
    answer = control.switch(simulation, raw.encode())
    assert answer.status == 400
    return str(json.loads(answer.body)["error"])


def listed(simulation: Simulation, **fault: Any) -> dict[str, Any]:
    """One list with the fault switched on."""
    switch(simulation, fault={"endpoint": "list", "times": 1} | fault)
    answer = endpoints.list_calls(simulation, SSID, simulation.faults.take("list"))
    content: dict[str, Any] = json.loads(answer.body)
    return content


# Damaged lists


def test_rows_can_come_without_ids(simulation: Simulation) -> None:
    rows = listed(simulation, without_ids=True)["data"]
    assert len(rows) == 12
    assert all("callId" not in row and "callernumber" in row for row in rows)


def test_rows_can_come_without_anything_that_names_the_call(simulation: Simulation) -> None:
    rows = listed(simulation, without_identity=True)["data"]
    assert not any({"callId", "callernumber", "agentid"} & set(row) for row in rows)


def test_only_each_nth_row_is_damaged_when_asked(simulation: Simulation) -> None:
    rows = listed(simulation, without_ids=True, every=4)["data"]
    assert ["callId" in row for row in rows] == [False, True, True, True] * 3


def test_dates_can_be_zero(simulation: Simulation) -> None:
    row = listed(simulation, zero_dates=True)["data"][0]
    assert row["queueTime"] == row["answerTime"] == "0000-00-00 00:00:00"
    switch(simulation, dialect="foreign")
    assert listed(simulation, zero_dates=True)["data"]["calls"][0]["joinedMs"] == 0


def test_numbers_can_come_as_text(simulation: Simulation) -> None:
    switch(simulation, dialect="foreign")
    content = listed(simulation, numbers_as_strings=True)
    row = content["data"]["calls"][0]
    assert content["total"] == "12"
    assert not any(isinstance(value, int) for value in row.values())
    assert row["joinedMs"].isdecimal()


def test_each_field_can_come_as_something_else_and_as_another_thing_in_the_next_list(simulation: Simulation) -> None:
    before = listed(simulation)["data"][0]
    first, second = (listed(simulation, other_types=True)["data"][0] for _ in range(2))
    assert before.keys() == first.keys() == second.keys()
    assert not [name for name in before if before[name] in (first[name], second[name])]
    assert [name for name in first if first[name] != second[name]]


def test_more_rows_can_be_declared_than_are_sent(simulation: Simulation) -> None:
    content = listed(simulation, total_above=3)
    assert (len(content["data"]), content["total"]) == (12, 15)


# Calls by hand


def test_an_added_call_has_the_fields_it_was_given(simulation: Simulation) -> None:
    fields = {
        "call_id": "C-1",
        "caller": "+919800000001",
        "caller_name": "<b>Zoë</b>",
        "agent_id": "2001",
        "agent_name": "Meera Khan",
        "queue_name": "Billing",
        "kind": "CTC",
        "called_number": "+911234",
        "state": "hold",
        "entered_ago_s": 90,
        "answered_ago_s": 60,
    }
    assert switch(simulation, add_call=fields)["call_id"] == "C-1"
    call = simulation.world.calls["C-1"]
    assert (call.caller, call.caller_name, call.kind) == ("+919800000001", "<b>Zoë</b>", "CTC")
    assert (call.queue_id, call.queue_name, call.state, call.pinned) == ("303", "Billing", "hold", True)
    assert (call.entered_ms, call.answered_ms) == (NOW_MS - 90_000, NOW_MS - 60_000)


@pytest.mark.parametrize(("agent_id", "state"), [("2001", "talking"), ("", "waiting")])
def test_an_added_call_without_a_state_goes_by_its_agent(simulation: Simulation, agent_id: str, state: str) -> None:
    call_id = switch(simulation, add_call={"agent_id": agent_id})["call_id"]
    assert simulation.world.calls[call_id].state == state


def test_a_call_can_be_changed_and_ended(simulation: Simulation) -> None:
    call_id = switch(simulation, add_call={"agent_id": "2001"})["call_id"]
    switch(simulation, change_call={"call_id": call_id, "state": "hold", "answered_ago_s": None})
    call = simulation.world.calls[call_id]
    assert (call.state, call.agent_id, call.answered_ms) == ("hold", "2001", None)
    switch(simulation, end_call=call_id)
    assert call_id not in simulation.world.calls


# The world's pace


def test_pace_and_size_are_switched(simulation: Simulation) -> None:
    state = switch(simulation, calls=50, churn=5, frozen=True, dialect="foreign", clock_offset_s=-60)
    assert (state["calls"], state["churn"], state["frozen"]) == (50, 5, True)
    assert (state["dialect"], state["clock_offset_s"]) == ("foreign", -60)
    assert switch(simulation, churn="natural", frozen=False)["churn"] is None


def test_reset_begins_again_as_started(simulation: Simulation) -> None:
    switch(simulation, add_call={}, dialect="foreign", frozen=True, fault={"endpoint": "*", "hang": True})
    state = switch(simulation, reset=True)
    assert (sum(state["live"].values()), state["dialect"], state["frozen"]) == (12, "default", False)
    assert state["faults"] == []


def test_clearing_one_endpoint_leaves_the_other_alone(simulation: Simulation) -> None:
    switch(simulation, fault={"endpoint": "list", "code": 1})
    switch(simulation, fault={"endpoint": "takeover", "code": 2})
    assert switch(simulation, clear="list")["faults"] == [{"endpoint": "takeover", "code": 2}]
    assert switch(simulation, clear="*")["faults"] == []


# What makes no sense


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ('{"hang":true}', "fault, calls, churn"),
        ('{"fault":{"endpoint":"list","hangs":true}}', "latency_s, hang, act"),
        ('{"add_call":{"number":"1"}}', "call_id, caller, caller_name"),
    ],
)
def test_an_unknown_name_is_answered_with_the_valid_ones(simulation: Simulation, raw: str, named: str) -> None:
    error = refused(simulation, raw)
    assert "unknown field" in error
    assert named in error


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        '{"fault":{}}',
        '{"fault":{"endpoint":"count"}}',
        '{"fault":{"endpoint":"list","latency_s":-1}}',
        '{"dialect":"klingon"}',
        '{"end_call":"gone"}',
        '{"change_call":{"call_id":"gone"}}',
        '{"add_call":{"state":"asleep"}}',
    ],
)
def test_a_request_that_makes_no_sense_is_400(simulation: Simulation, raw: str) -> None:
    assert refused(simulation, raw)


def test_a_call_that_is_live_cannot_be_added_again(simulation: Simulation) -> None:
    call_id = switch(simulation, add_call={})["call_id"]
    assert "live already" in refused(simulation, json.dumps({"add_call": {"call_id": call_id}}))


def test_the_journal_forgets_the_oldest() -> None:
    journal = Journal()
    for n in range(KEPT + 5):
        journal.add(Entry(n, "list", "POST", "/", None))
    assert (len(journal.entries()), journal.entries()[0].at_ms) == (KEPT, 5)


# Its truth, and its speed


def test_the_truth_tells_of_each_call_and_each_list() -> None:
    simulation = Simulation(seed=5, calls=0, clock=lambda: NOW_MS)
    switch(simulation, add_call={"call_id": "a", "queue_id": "301", "state": "talking", "agent_id": "2001"})
    endpoints.list_calls(simulation, SSID, None)
    switch(simulation, end_call="a")
    told = json.loads(control.look(simulation, "/_simulator/truth", b"").body)
    assert told["lists"] == [NOW_MS]
    assert [(life["call_id"], life["queue_id"], life["connected"], life["ended_ms"], life["how"])
            for life in told["lives"]] == [("a", "301", [{"at_ms": NOW_MS, "agent_id": "2001"}], NOW_MS, "switched")]


def test_its_clock_runs_as_many_times_as_fast_as_it_is_told_and_all_else_with_it() -> None:
    clock = [NOW_MS]
    fast, slow = (Simulation(seed=16, calls=24, story=True, speed=speed, clock=lambda: clock[0]) for speed in (60, 1))
    clock[0] += 2000
    state = fast.state()
    assert (state["speed"], state["began_ms"], state["now_ms"]) == (60, NOW_MS, NOW_MS + 120_000)
    assert fast.vendor_s() == NOW_MS / 1000 + 120
    clock[0] += 118_000
    assert slow.catch_up().truth.lives == fast.world.truth.lives


def test_at_any_speed_what_is_frozen_stands_still_and_an_offset_moves_only_the_vendors_clock() -> None:
    clock = [NOW_MS]
    fast = Simulation(seed=16, calls=24, speed=60, clock=lambda: clock[0])
    before = dict(fast.world.calls)
    switch(fast, frozen=True, clock_offset_s=90)
    clock[0] += 1000
    assert fast.catch_up().calls == before
    assert (fast.world.now_ms, fast.vendor_s()) == (NOW_MS + 60_000, (NOW_MS + 60_000) / 1000 + 90)
