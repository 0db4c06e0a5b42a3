"""The takeover table, line by line: written out here a second time, so that no line of it changes unnoticed."""

import pytest

from dashboard.takeover_states import CELLS, EDGES, OPEN, TIME_S, Event, State, event_of, stays_open, ways
from queue_api.client import Accepted
from queue_api.errors import Busy, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid, Untrusted

TABLE = """
intent         pending        open    20
sent           pending        open    20
accepted       accepted       open    30
confirmed      confirmed      closed  -
refused        refused        closed  -
busy           busy           closed  -
not-sent       not-sent       closed  -
unknown        unknown        open    120
not-confirmed  not-confirmed  closed  -
ended          ended          closed  -
abandoned      abandoned      closed  -
"""
WAYS = """
intent    --sending-->                 sent
intent    --held back-->               not-sent
intent    --out of time-->             not-sent
sent      --success-->                 accepted
sent      --refusal-->                 refused
sent      --still busy-->              busy
sent      --nothing went out-->        not-sent
sent      --no usable answer-->        unknown
sent      --out of time-->             unknown
unknown   --success-->                 accepted
unknown   --refusal-->                 refused
unknown   --still busy-->              busy
unknown   --nothing went out-->        not-sent
unknown   --another agent-->           confirmed
unknown   --call gone-->               ended
unknown   --old agent in two lists-->  not-confirmed
unknown   --out of time-->             abandoned
accepted  --another agent-->           confirmed
accepted  --call gone-->               ended
accepted  --out of time-->             accepted
"""


def test_every_state_has_its_cell_blocks_or_not_and_has_its_time() -> None:
    lines = {(state.value, CELLS[state], "open" if state in OPEN else "closed", str(TIME_S.get(state, "-")))
             for state in State}
    assert lines == {tuple(line.split()) for line in TABLE.strip().splitlines()}


def test_every_way_is_in_the_table_and_no_other() -> None:
    written = [line.replace("--", "\0", 1).split("\0") for line in WAYS.strip().splitlines()]
    expected = {(start.strip(), rest.split("-->")[0], rest.split("-->")[1].strip()) for start, rest in written}
    assert {(start.value, event.value, to.value) for (start, event), to in EDGES.items()} == expected
    assert len(EDGES) == len(written)


def test_what_is_settled_stays_settled() -> None:
    assert {start for start, _event in EDGES} == OPEN


def test_everything_open_comes_to_an_end_by_time_alone() -> None:
    for state in OPEN:
        seen = state
        for _step in range(len(State)):
            after = EDGES[seen, Event.OUT_OF_TIME]
            if not stays_open(after, Event.OUT_OF_TIME):
                break
            seen = after
        else:
            pytest.fail(f"{state} may stay open for ever")


@pytest.mark.parametrize("event", Event)
def test_ways_are_those_of_the_table(event: Event) -> None:
    assert dict(ways(event)) == {start: to for (start, by), to in EDGES.items() if by is event}


@pytest.mark.parametrize(("outcome", "event"), [
    (Accepted("Fine.", tries=1), Event.SUCCESS),
    (Refused("takeover", code="1000"), Event.REFUSAL),
    (Busy("takeover", code="1501"), Event.STILL_BUSY),
    (RequestInvalid("takeover"), Event.NOTHING_WENT_OUT),
    (NotSent("takeover"), Event.NOTHING_WENT_OUT),
    (Untrusted("takeover"), Event.NOTHING_WENT_OUT),
    (NoUsableAnswer("takeover", code="1032"), Event.NO_USABLE_ANSWER),
    (QueueApiError("takeover"), Event.NO_USABLE_ANSWER),
])
def test_an_answer_means_what_it_proves(outcome: Accepted | QueueApiError, event: Event) -> None:
    assert event_of(outcome) is event
