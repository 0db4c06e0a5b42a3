"""What the two endpoints do once a request is read: who asks, which rows, which call moves to whom."""

from collections.abc import Mapping
from typing import Any

from queue_api.simulator import people
from queue_api.simulator.answers import NOT_LIVE, Answer, DeepCallError, json_answer
from queue_api.simulator.faults import Fault
from queue_api.simulator.people import Person
from queue_api.simulator.simulation import Simulation
from queue_api.simulator.world import LiveCall


def text_field(body: Mapping[str, Any], name: str) -> str:
    """A field that must be text when it is there; "" when it is not. Raises DeepCallError 1001."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise DeepCallError(1001)
    return value


def identify(body: Any) -> Person:
    """Who asks, by either credential way.

    Raises DeepCallError: 1047 no JSON object, 1001 not text, 1000 both ways at once or an unknown userId,
    1002 no userId, 1020 no token, 1014 wrong token or unknown session (a guess: the vendor prints no code).
    """
    if not isinstance(body, dict) or not body:
        raise DeepCallError(1047)
    ssid, user_id, token = (text_field(body, name) for name in ("ssid", "userId", "token"))
    if ssid and not user_id and not token:
        if ssid not in people.BY_SSID:
            raise DeepCallError(1014, "Session invalid or expired")
        return people.BY_SSID[ssid]
    if ssid:
        raise DeepCallError(1000)
    if not user_id:
        raise DeepCallError(1002)
    if not token:
        raise DeepCallError(1020)
    if user_id != people.USER_ID:
        raise DeepCallError(1000)
    if token != people.TOKEN:
        raise DeepCallError(1014)
    return people.FRONT_DESK


def who_asks(body: Any) -> str:
    """The account behind a list, let in or not; "" when it names none."""
    named = body if isinstance(body, dict) else {}
    return f"{named.get('ssid', '')}|{named.get('userId', '')}"


def list_calls(simulation: Simulation, body: Any, fault: Fault | None) -> Answer:
    """The live calls under `data`. Raises DeepCallError, also for a `filter` or `limit` that can't be.

    The vendor prints neither; here `filter` is an array of the dialect's state words and `limit` a number.
    """
    identify(body)
    dialect = simulation.dialect
    states = _wanted_states(body.get("filter"), dialect.words)
    limit = _limit(body.get("limit"))
    world = simulation.catch_up()
    world.truth.listed(world.now_ms)
    calls = [call for call in world.calls.values() if call.state in states]
    offset_ms = int(simulation.clock_offset_s * 1000)
    rows = [dialect.row(call, clock_offset_ms=offset_ms) for call in calls[:limit]]
    total: int | str = len(calls)
    if fault:
        fault.spoil(rows, dialect, turn=simulation.faults.taken)
        total = len(calls) + fault.total_above
        total = str(total) if fault.numbers_as_strings else total
    content = {"status": "success", "message": "Live calls", "data": dialect.wrap(rows), "total": total}
    return json_answer(content)


def _wanted_states(wanted: Any, words: Mapping[str, str]) -> set[str]:
    if wanted is None or wanted == []:
        return set(words)
    states = {word: state for state, word in words.items()}
    if not isinstance(wanted, list) or not all(isinstance(w, str) and w in states for w in wanted):
        raise DeepCallError(1502)
    return {states[word] for word in wanted}


def _limit(limit: Any) -> int | None:
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise DeepCallError(1001)
    return limit


def find_call(simulation: Simulation, body: Any) -> tuple[LiveCall, Person]:
    """The call a takeover names, and who gets it. Raises DeepCallError; 1000 when no live call fits.

    `agentid` is the agent now on the call, and the call goes to the session's person. The vendor leaves open
    whether it might be the one taking the call: a supervisor's id that fits no agent on the call is read so.
    """
    person = identify(body)
    call_id, number, agent_id = (text_field(body, name) for name in ("callId", "callernumber", "agentid"))
    if not call_id and not (number and agent_id):
        raise DeepCallError(1000)
    calls = simulation.catch_up().calls
    named = [calls[call_id]] if call_id in calls else [] if call_id else list(calls.values())
    named = [call for call in named if number in ("", call.caller)]
    for call in named:
        if agent_id in ("", call.agent_id):
            return call, person
    if call_id and named and agent_id in people.BY_AGENT_ID:
        return named[0], people.BY_AGENT_ID[agent_id]
    raise DeepCallError(1000, NOT_LIVE)


def take_over(simulation: Simulation, body: Any) -> Answer:
    """Move the call, or raise as `find_call` does. The body of a success is a guess: none is recorded."""
    call, taker = find_call(simulation, body)
    simulation.world.take_over(call, taker.agent_id, taker.name)
    return json_answer({"status": "success", "message": f"Call connected to {taker.name}"})
