"""The states of a takeover attempt and every way between them. Pure, and the only table of its kind.

    intent ─sending─> sent ─success─> accepted ─another agent─> confirmed
       │               ├─refusal─> refused      ├─call gone─> ended
       │               ├─still busy─> busy      └─30 s─> accepted, no longer open
       │               ├─nothing went out─> not-sent
       │               └─no usable answer─> unknown ─another agent─> confirmed
       │                                       ├─call gone─> ended
       ├─held back─> not-sent                  ├─old agent in two lists─> not-confirmed
       └─left behind (20 s)─> not-sent         └─2 min─> abandoned

`sent` that was left behind is `unknown`; an answer that comes later than that still counts. What is open blocks every
other attempt on its call and keeps the button off. Source: the takeover table of docs/protocol.md.
"""

import enum
from collections.abc import Iterator

from dashboard.models import TakeoverAttempt
from queue_api.client import Accepted
from queue_api.errors import Busy, NotSent, QueueApiError, Refused, RequestInvalid

State = TakeoverAttempt.State


class Event(enum.StrEnum):
    """What can happen to an attempt."""

    SENDING = "sending"
    HELD_BACK = "held back"  # by us, before anything went out
    SUCCESS = "success"
    REFUSAL = "refusal"
    STILL_BUSY = "still busy"
    NOTHING_WENT_OUT = "nothing went out"
    NO_USABLE_ANSWER = "no usable answer"
    ANOTHER_AGENT = "another agent"  # a list shows one who did not have the call before
    CALL_GONE = "call gone"
    OLD_AGENT_TWICE = "old agent in two lists"
    OUT_OF_TIME = "out of time"  # TIME_S in the same state


CELLS: dict[str, str] = {  # what the row calls it; whether it blocks others is OPEN
    State.INTENT: "pending", State.SENT: "pending", State.ACCEPTED: "accepted", State.CONFIRMED: "confirmed",
    State.REFUSED: "refused", State.BUSY: "busy", State.NOT_SENT: "not-sent", State.UNKNOWN: "unknown",
    State.NOT_CONFIRMED: "not-confirmed", State.ENDED: "ended", State.ABANDONED: "abandoned",
}
OPEN = frozenset({State.INTENT, State.SENT, State.ACCEPTED, State.UNKNOWN})
TIME_S: dict[State, float] = {State.INTENT: 20, State.SENT: 20, State.ACCEPTED: 30, State.UNKNOWN: 120}
LOOKED_UP = (State.ACCEPTED, State.UNKNOWN)  # what lists may still tell more about

_ANSWERS = {
    Event.SUCCESS: State.ACCEPTED, Event.REFUSAL: State.REFUSED, Event.STILL_BUSY: State.BUSY,
    Event.NOTHING_WENT_OUT: State.NOT_SENT,
}
EDGES: dict[tuple[State, Event], State] = {
    (State.INTENT, Event.SENDING): State.SENT,
    (State.INTENT, Event.HELD_BACK): State.NOT_SENT,
    (State.INTENT, Event.OUT_OF_TIME): State.NOT_SENT,
    **{(State.SENT, event): to for event, to in _ANSWERS.items()},
    (State.SENT, Event.NO_USABLE_ANSWER): State.UNKNOWN,
    (State.SENT, Event.OUT_OF_TIME): State.UNKNOWN,
    **{(State.UNKNOWN, event): to for event, to in _ANSWERS.items()},
    (State.UNKNOWN, Event.ANOTHER_AGENT): State.CONFIRMED,
    (State.UNKNOWN, Event.CALL_GONE): State.ENDED,
    (State.UNKNOWN, Event.OLD_AGENT_TWICE): State.NOT_CONFIRMED,
    (State.UNKNOWN, Event.OUT_OF_TIME): State.ABANDONED,
    (State.ACCEPTED, Event.ANOTHER_AGENT): State.CONFIRMED,
    (State.ACCEPTED, Event.CALL_GONE): State.ENDED,
    (State.ACCEPTED, Event.OUT_OF_TIME): State.ACCEPTED,
}


def ways(event: Event) -> Iterator[tuple[State, State]]:
    """From where to where `event` leads. Every start is an open attempt: what is settled stays settled."""
    return ((start, to) for (start, by), to in EDGES.items() if by == event)


def stays_open(to: State, event: Event) -> bool:
    """Whether the attempt goes on blocking others: an acceptance does, but not for ever."""
    return to in OPEN and (to, event) != (State.ACCEPTED, Event.OUT_OF_TIME)


def event_of(outcome: Accepted | QueueApiError) -> Event:
    """What an answer means for its attempt. Anything not proven is no usable answer."""
    table: list[tuple[type[object], Event]] = [
        (Accepted, Event.SUCCESS), (Busy, Event.STILL_BUSY), (Refused, Event.REFUSAL),
        (RequestInvalid, Event.NOTHING_WENT_OUT), (NotSent, Event.NOTHING_WENT_OUT),
    ]
    return next((event for kind, event in table if isinstance(outcome, kind)), Event.NO_USABLE_ANSWER)
