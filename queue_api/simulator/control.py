"""The simulator's switches: `POST /_simulator` with a JSON object of one or more verbs, and what it answers.

Verbs run in the order of this table; a name that is not in it is answered 400 with the list of names.

| verb | value | does |
| --- | --- | --- |
| `reset` | true | begins again as started: new calls, no faults, an empty journal |
| `clear` | "list", "takeover" or "*" | switches off the faults set for it; what they hold back goes on |
| `clear_journal` | true | forgets what was asked, and how many lists of one account were in flight at once |
| `fault` | object, below | switches a fault on; faults of one endpoint wait in line, the oldest first |
| `calls` | number | steers to that many live calls |
| `churn` | number or "natural" | visible changes a second; 0 none |
| `frozen` | true or false | no change at all / goes on |
| `one_list_at_a_time` | true or false | a list beside another of the same account that is in flight is answered 1501 |
| `dialect` | "default" or "foreign" | how the list is worded |
| `clock_offset_s` | number | sets the vendor's whole clock off: `Date` and the times in rows |
| `add_call` | object, below | puts a call on the list; it stays as it is unless `"pinned": false` |
| `change_call` | object with `call_id` | changes the given fields of a live call |
| `end_call` | call id | takes a call off the list |

A fault has an `endpoint` ("list", "takeover" or "*") and any of:
- `times`: only the next so many requests;
- `latency_s`: answers later; a takeover acts after the wait, also when the client has left by then;
- `hang`: no answer until cleared; a client that leaves first has moved nothing;
- `act`: a takeover takes effect at once, before any wait and whatever is answered;
- `code` with `message`: a DeepCall error, in the catalogue or not;
- `status` (HTTP), `body` with `content_type` (HTML unless said), `headers` (added);
- `huge_bytes`: streams an answer of so many bytes, without a length;
- `date_offset_s`: a wrong `Date`, rows untouched;
- for lists: `total_above` (declares so many more rows than there are), `without_ids` (no call id),
  `without_identity` (no call id, number or agent id), `zero_dates`, `numbers_as_strings`, `other_types` (each
  field is something else, another thing in each list), and `every` (only each n-th row is damaged, the first
  included).

A call has `call_id`, `caller`, `caller_name`, `agent_id`, `agent_name`, `queue_id`, `queue_name`, `kind`,
`called_number`, `state` (waiting, ringing, talking, hold), `entered_ago_s`, `answered_ago_s`, `pinned`; all
optional. Without a state, an agent means talking and none means waiting.

`GET /_simulator` tells the state, also the most lists of one account that were in flight at once
(`lists_at_once`); `?journal=1` adds the journal; `GET /_simulator/journal` is it alone.
Both take `endpoint=list|takeover|other`.

`GET /_simulator/truth` tells what became of each call, as no list does (`lives`: `truth.Life`; the last 50,000 that
are over, and the live ones), and when each list was made (`lists`, epoch ms).

With `simulate --speed 60` its clock runs 60 times as fast from `began_ms` on: all that happens, the times in rows and
`Date`. A fault's `latency_s` stays in real seconds. Nobody asking for ten minutes of its time makes it leave out the
rest, as at any speed.
"""

from typing import Annotated, Literal
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET, UnsetType

from queue_api.simulator.answers import Answer, json_answer
from queue_api.simulator.centre import QUEUES
from queue_api.simulator.dialects import DIALECTS
from queue_api.simulator.faults import Endpoint, Fault
from queue_api.simulator.simulation import Simulation
from queue_api.simulator.world import LiveCall, State, World


class CallFields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a test says about a call; the rest is as it was, or made up for a new one."""

    call_id: str = ""
    caller: str | UnsetType = UNSET
    caller_name: str | UnsetType = UNSET
    agent_id: str | UnsetType = UNSET
    agent_name: str | UnsetType = UNSET
    queue_id: str | UnsetType = UNSET
    queue_name: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    called_number: str | UnsetType = UNSET
    state: State | UnsetType = UNSET
    entered_ago_s: float | UnsetType = UNSET
    answered_ago_s: float | UnsetType | None = UNSET
    pinned: bool | UnsetType = UNSET


class Verbs(msgspec.Struct, forbid_unknown_fields=True):
    """One `POST /_simulator`."""

    reset: Literal[True] | UnsetType = UNSET
    clear: Endpoint | UnsetType = UNSET
    clear_journal: Literal[True] | UnsetType = UNSET
    fault: Fault | UnsetType = UNSET
    calls: Annotated[int, msgspec.Meta(ge=0, le=20_000)] | UnsetType = UNSET
    churn: Annotated[float, msgspec.Meta(ge=0, le=10_000)] | Literal["natural"] | UnsetType = UNSET
    frozen: bool | UnsetType = UNSET
    one_list_at_a_time: bool | UnsetType = UNSET
    dialect: Literal["default", "foreign"] | UnsetType = UNSET
    clock_offset_s: float | UnsetType = UNSET
    add_call: CallFields | UnsetType = UNSET
    change_call: CallFields | UnsetType = UNSET
    end_call: str | UnsetType = UNSET


VALID_NAMES = "; ".join(
    f"{what}: {', '.join(struct.__struct_fields__)}"
    for what, struct in (("verbs", Verbs), ("fault", Fault), ("call", CallFields))
)


class ControlError(Exception):
    """The control request makes no sense; the text says why."""


def switch(simulation: Simulation, raw: bytes) -> Answer:
    """Answer `POST /_simulator`: the new state and, when a call was added or changed, its `call_id`."""
    try:
        verbs = msgspec.json.decode(raw, type=Verbs)
        call_id = _apply(simulation, verbs)
    except (msgspec.MsgspecError, ControlError) as error:
        return json_answer({"error": f"{error}. Valid names: {VALID_NAMES}"}, status=400)
    return json_answer(simulation.state() | ({"call_id": call_id} if call_id else {}))


def look(simulation: Simulation, path: str, query: bytes) -> Answer:
    """Answer `GET /_simulator`, `GET /_simulator/journal` and `GET /_simulator/truth`."""
    asked = {name: values[-1] for name, values in parse_qs(query.decode("ascii", "replace")).items()}
    journal = simulation.journal.entries(asked.get("endpoint", ""))
    if path.endswith("/truth"):
        truth = simulation.catch_up().truth
        return json_answer({"simulator": True, "lives": truth.lives, "lists": truth.lists})
    if path.endswith("/journal"):
        return json_answer({"simulator": True, "journal": journal})
    content = simulation.state() | {"verbs": Verbs.__struct_fields__}
    return json_answer(content | ({"journal": journal} if asked.get("journal") else {}))


def _apply(simulation: Simulation, verbs: Verbs) -> str:
    if verbs.reset:
        simulation.reset()
    if verbs.clear:
        simulation.faults.clear(verbs.clear)
    if verbs.clear_journal:
        simulation.journal.clear()
        simulation.lists_at_once = 0
    if verbs.one_list_at_a_time is not UNSET:
        simulation.one_list_at_a_time = verbs.one_list_at_a_time
    if verbs.fault:
        simulation.faults.add(verbs.fault)
    if verbs.dialect:
        simulation.dialect = DIALECTS[verbs.dialect]
    if verbs.clock_offset_s is not UNSET:
        simulation.clock_offset_s = verbs.clock_offset_s
    world = simulation.catch_up()
    _steer(world, verbs)
    return _change_calls(world, verbs)


def _steer(world: World, verbs: Verbs) -> None:
    if verbs.calls is not UNSET:
        world.set_target(verbs.calls)
    if verbs.churn is not UNSET:
        world.set_churn(None if verbs.churn == "natural" else verbs.churn)
    if verbs.frozen is not UNSET:
        (world.freeze if verbs.frozen else world.thaw)()


def _change_calls(world: World, verbs: Verbs) -> str:
    call_id = ""
    if verbs.add_call:
        call_id = _add_call(world, verbs.add_call)
    if verbs.change_call:
        call_id = _change_call(world, verbs.change_call)
    if verbs.end_call is not UNSET:
        world.end(_live(world, verbs.end_call).call_id)
    return call_id


def _live(world: World, call_id: str) -> LiveCall:
    if call_id not in world.calls:
        raise ControlError(f"No live call {call_id!r}")
    return world.calls[call_id]


def _add_call(world: World, fields: CallFields) -> str:
    call = world.new_call()
    call.call_id = fields.call_id or call.call_id
    call.pinned = True
    if call.call_id in world.calls:
        raise ControlError(f"Call {call.call_id!r} is live already; use change_call")
    _fill(call, fields, world.now_ms)
    if fields.state is UNSET:
        call.state = "talking" if call.agent_id else "waiting"
    if fields.answered_ago_s is UNSET and call.state in ("talking", "hold"):
        call.answered_ms = world.now_ms
    world.add(call)
    return call.call_id


def _change_call(world: World, fields: CallFields) -> str:
    call = _live(world, fields.call_id)
    _fill(call, fields, world.now_ms)
    world.become(call, call.state)
    return call.call_id


def _fill(call: LiveCall, fields: CallFields, now_ms: int) -> None:
    given = {name: value for name, value in msgspec.structs.asdict(fields).items() if value is not UNSET}
    del given["call_id"]
    if "entered_ago_s" in given:
        call.entered_ms = now_ms - int(given.pop("entered_ago_s") * 1000)
    if "answered_ago_s" in given:
        ago_s = given.pop("answered_ago_s")
        call.answered_ms = None if ago_s is None else now_ms - int(ago_s * 1000)
    for queue in QUEUES:
        if given.get("queue_name") == queue.name:
            given.setdefault("queue_id", queue.queue_id)
        if given.get("queue_id") == queue.queue_id:
            given.setdefault("queue_name", queue.name)
    for name, value in given.items():
        setattr(call, name, value)
