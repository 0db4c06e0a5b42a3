"""What two boards tell of the calls between them, for the history. Pure: no I/O, no Django, no clock of its own.

    sightings(noted, board, …) -> [Sighting]        one for each call of which a list told something new
    merged(kept, sighting, stretches) -> Record     what is kept of the call then; the same twice changes nothing
    lost(kept, at, …) -> Record                     a call that is kept as live, and that a new leader finds nowhere

Times are epoch milliseconds by our clock. Of a caller nothing is kept: no number, no name, and of a call that DeepCall
names by its caller's number only a keyed hash.
"""

import enum
import hashlib
import hmac
from collections.abc import Iterator, Sequence

import msgspec

from dashboard.board import Board, LiveCall, diff
from queue_api.calls import Call, CallState

OUTGOING = frozenset({"OBD", "CTC", "BRD"})  # the vendor's words for calls that nobody waits in a queue with
SPOKEN = (CallState.TALKING, CallState.HOLD)
ONCE_ANSWERED = (*SPOKEN, CallState.UNKNOWN)  # a time of answer beside "waiting" may be the menu's before the queue
SAME_CALL_MS = 600_000  # without DeepCall's times who comes back later under the same name is another call
CLOCK_MS = 1000  # that DeepCall's clock is known better by, as time goes on
TOLD_LATE_MS = 15_000  # an answer may have been this much before we saw it, when DeepCall tells its time afterwards

Stretch = tuple[int, int]  # complete lists came one after the other, from and until


class Outcome(enum.StrEnum):
    LIVE = "live"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    UNKNOWN = "unknown"  # it went while nobody watched


class Sighting(msgspec.Struct, frozen=True):
    """One call as a list showed it at `at`, or missed it (`listed` False).

    `shown_at`: the newest list that is known to show it as it is here; 0: none that we know of.
    """

    key: str
    at: int
    shown_at: int
    call: Call
    first_seen: int
    at_least: bool  # it was there when we first looked, and nobody says since when
    talking_since: int | None  # seen to begin; None: not talking, or it did so before we looked
    listed: bool = True
    missed: bool = False  # by a complete list; an incomplete one may leave out what is live
    over: bool = False  # it has been missed by enough of them


class Record(msgspec.Struct, frozen=True):
    """What is kept of one call. `offered_at`: when it came, as DeepCall says, else when it was first seen.

    `wait_ms`, `talk_ms`: None while it lasts, and when not known. `gone_at`: the first list without it.
    """

    key: str
    queue_key: str
    kind: str
    agent_id: str
    agent_name: str
    offered_at: int
    at_least: bool
    last_seen_at: int
    answered: bool = False
    answered_at: int | None = None
    gone_at: int | None = None
    ended_at: int | None = None
    outcome: Outcome = Outcome.LIVE
    wait_ms: int | None = None
    talk_ms: int | None = None


def sightings(noted: Board, board: Board, secret: bytes, seen_until: int = 0) -> Iterator[Sighting]:
    """What `board` tells beyond `noted`, the newest board that was noted down; nothing when no list came between.

    `seen_until`: the newest complete list that was noted, by whomever. It had all calls that were not known to be gone.
    A new leader tells all that it sees: nobody knows whether what its first board comes from was ever noted.
    """
    if board.heard_at is None or board.heard_at == noted.heard_at:
        return
    change = diff(noted.calls, board.calls)
    for key, live in (board.calls if begins_anew(noted, board) else change.put).items():
        yield _sighting(live, board.heard_at, secret, _shown(noted, key, seen_until), over=False)
    for key in change.gone:
        gone = msgspec.structs.replace(noted.calls[key], listed=False)
        yield _sighting(gone, board.heard_at, secret, _shown(noted, key, seen_until), over=True)


def begins_anew(noted: Board, board: Board) -> bool:
    """Whether `board` is the first that a new leader notes."""
    return noted.fence != board.fence


def _shown(noted: Board, key: str, seen_until: int) -> int:
    live = noted.calls.get(key)
    return max(noted.heard_at or 0, seen_until) if live is not None and live.listed else seen_until


def _sighting(live: LiveCall, at: int, secret: bytes, shown_at: int, *, over: bool) -> Sighting:
    since = live.since if live.call.state is CallState.TALKING and not live.at_least else None
    return Sighting(key=kept_key(live.call, secret), at=at, shown_at=at if live.listed else shown_at, call=live.call,
                    first_seen=live.first_seen, at_least=live.total_at_least, talking_since=since,
                    listed=live.listed, missed=over or live.missed > 0, over=over)


def kept_key(call: Call, secret: bytes) -> str:
    """What a call is called in the history: DeepCall's id; a keyed hash when its name holds the caller's number."""
    if call.call_id:
        return call.call_id
    return "~" + hmac.new(secret, call.key.encode(), hashlib.sha256).hexdigest()[:32]


def merged(kept: Record | None, seen: Sighting, stretches: Sequence[Stretch]) -> Record:
    """What is known of the call after `seen`. Older news than what is kept changes nothing.

    `stretches`: the newest ones in which somebody watched, this list included.
    """
    before = kept or _begun(seen)
    if kept is not None and (seen.at <= kept.last_seen_at or (not seen.over and seen.at <= (kept.gone_at or 0))):
        return kept
    if seen.listed:
        return _listed(before, seen)
    if before.gone_at is None and seen.shown_at > before.last_seen_at:
        before = _listed(before, seen)  # as it last was
    return _missed(before, seen.at, stretches, over=seen.over) if seen.missed else before


def lost(kept: Record, at: int, seen_until: int, stretches: Sequence[Stretch]) -> Record:
    """A call that went while nobody led: at the latest by `at`, the first list since."""
    if kept.gone_at is None:
        kept = msgspec.structs.replace(kept, last_seen_at=max(kept.last_seen_at, seen_until))
    return _missed(kept, at, stretches, over=True)


def another(kept: Record, seen: Sighting) -> bool:
    """Whether `seen` is a later call under the same name, and not the one that is kept."""
    if kept.ended_at is None or not seen.listed:
        return False
    came = seen.call.entered_at
    return came > kept.ended_at if came is not None else seen.at - kept.ended_at > SAME_CALL_MS


def _begun(seen: Sighting) -> Record:
    call = seen.call
    return Record(key=seen.key, queue_key=call.queue_key, kind=call.kind, agent_id=call.agent_id,
                  agent_name=call.agent_name, at_least=seen.at_least, last_seen_at=0,
                  offered_at=seen.first_seen if call.entered_at is None else call.entered_at)


def _listed(before: Record, seen: Sighting) -> Record:
    """As a list showed it at `shown_at`."""
    call = seen.call
    offered_at, at_least = _offered(before, seen)
    answered_at = _answered(before, seen)
    answered = before.answered or answered_at is not None or call.state in SPOKEN
    known = msgspec.structs.replace(
        before, queue_key=before.queue_key or call.queue_key, kind=before.kind or call.kind,
        agent_id=call.agent_id or before.agent_id, agent_name=call.agent_name or before.agent_name,
        offered_at=offered_at, at_least=at_least, last_seen_at=max(seen.shown_at, before.last_seen_at),
        answered=answered, answered_at=answered_at, gone_at=None, ended_at=None, talk_ms=None,
        outcome=Outcome.ANSWERED if answered else Outcome.LIVE)
    return msgspec.structs.replace(known, wait_ms=_wait(known, answered_at))


def _offered(before: Record, seen: Sighting) -> tuple[int, bool]:
    """When it came, and whether it may have been before. DeepCall may say so only in a later list."""
    told = seen.call.entered_at
    if told is not None and (before.at_least or before.offered_at == seen.first_seen):
        return told, False
    return before.offered_at, before.at_least


def _answered(before: Record, seen: Sighting) -> int | None:
    """The first answer; a takeover is none. Who was on hold, or talked when we first looked, was answered before."""
    told = _answer_told(before, seen.call)
    if before.answered_at is None:
        return told if told is not None or before.answered else seen.talking_since
    late = told is not None and 0 < before.answered_at - told <= TOLD_LATE_MS
    return told if late else before.answered_at


def _answer_told(before: Record, call: Call) -> int | None:
    """As DeepCall says. Its clock is known to a second only, and what it says of one call moves with it as a whole."""
    if call.answered_at is None or call.state not in ONCE_ANSWERED:
        return None
    moved = before.offered_at - call.entered_at if call.entered_at is not None else 0
    return call.answered_at + (moved if abs(moved) <= CLOCK_MS else 0)


def _missed(before: Record, at: int, stretches: Sequence[Stretch], *, over: bool) -> Record:
    """`gone_at` is the first list without it. The end lies between that and the last with it: in the middle, say."""
    if before.ended_at is not None:
        return before
    gone = msgspec.structs.replace(before, gone_at=before.gone_at or at)
    return _ended(gone, gone.gone_at or at, stretches) if over else gone


def _ended(gone: Record, gone_at: int, stretches: Sequence[Stretch]) -> Record:
    watched = any(began <= gone.last_seen_at and gone_at <= until for began, until in stretches)
    ended_at = (gone.last_seen_at + gone_at) // 2 if watched else gone_at
    ended = msgspec.structs.replace(gone, ended_at=ended_at)
    if gone.answered:
        talked = max(0, ended_at - gone.answered_at) if watched and gone.answered_at is not None else None
        return msgspec.structs.replace(ended, talk_ms=talked)
    if not watched:
        return msgspec.structs.replace(ended, outcome=Outcome.UNKNOWN)
    return msgspec.structs.replace(ended, outcome=Outcome.UNANSWERED, wait_ms=_wait(ended, ended_at))


def _wait(record: Record, until: int | None) -> int | None:
    """None while it lasts, and of a call that waited before anybody looked."""
    return None if until is None or record.at_least else max(0, until - record.offered_at)
