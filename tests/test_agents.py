"""Agents as the calls show them: who is with whom, and who was last seen when, for each audience."""

from dashboard.agents import Known, agent_ref, note, seen
from queue_api.calls import Call, CallState

MIDNIGHT = 1_000_000


def call(key: str, agent: str = "7", queue: str = "301", state: CallState = CallState.TALKING) -> Call:
    return Call(key=key, call_id=key, caller="+919812345678", agent_id=agent, agent_name=f"Agent {agent}",
                queue_id=queue, queue_name=f"Queue {queue}", state=state)


def after(known: Known, before: list[Call], now_calls: list[Call], now: int = MIDNIGHT + 5) -> Known:
    return note(known, before, now_calls, now=now, midnight=MIDNIGHT)


def test_an_agent_on_a_call_is_known_from_the_first_list() -> None:
    known = after({}, [], [call("a")])
    (presence,) = seen(known, {"7": (call("a"), MIDNIGHT, False)}, frozenset({"301"}))
    assert (presence.name, presence.queue, presence.since) == ("Agent 7", "Queue 301", MIDNIGHT)
    assert presence.call == call("a")


def test_a_call_without_an_agent_names_nobody() -> None:
    waiting = Call(key="w", call_id="w", queue_id="301", state=CallState.WAITING)
    assert after({}, [], [waiting]) == {}


def test_an_agent_whose_call_ended_reads_no_call_seen_since_then() -> None:
    known = after({}, [], [call("a")])
    known = after(known, [call("a")], [], now=MIDNIGHT + 900)
    (presence,) = seen(known, {}, frozenset({"301"}))
    assert (presence.call, presence.since, presence.queue) == (None, MIDNIGHT + 900, "Queue 301")


def test_lists_that_show_the_same_change_nothing() -> None:
    known = after({}, [], [call("a")])
    assert after(known, [call("a")], [call("a")], now=MIDNIGHT + 60) == known


def test_an_agent_on_a_foreign_call_reads_no_call_seen_in_ones_own_queues() -> None:
    known = after({}, [], [call("a", queue="301")])
    known = after(known, [call("a", queue="301")], [call("b", queue="999")], now=MIDNIGHT + 50)
    (presence,) = seen(known, {}, frozenset({"301"}))
    assert (presence.call, presence.queue) == (None, "Queue 301")


def test_an_agent_never_seen_in_ones_queues_is_not_there() -> None:
    assert seen(after({}, [], [call("a", queue="999")]), {}, frozenset({"301"})) == []


def test_yesterdays_agents_are_forgotten_unless_they_are_still_talking() -> None:
    known = note({}, [], [call("a"), call("b", agent="8")], now=MIDNIGHT - 50, midnight=0)
    known = after(known, [call("a"), call("b", agent="8")], [call("b", agent="8")], now=MIDNIGHT - 10)
    assert set(after(known, [call("b", agent="8")], [call("b", agent="8")])) == {"8"}


def test_agents_stand_by_name() -> None:
    known = after({}, [], [call("a", agent="9"), call("b", agent="10")])
    assert [presence.name for presence in seen(known, {}, frozenset({"301"}))] == ["Agent 10", "Agent 9"]


def test_a_reference_hides_the_agents_id(settings: object) -> None:
    ref = agent_ref(3, "9198123")
    assert "9198123" not in ref
    assert ref == agent_ref(3, "9198123") != agent_ref(4, "9198123")
