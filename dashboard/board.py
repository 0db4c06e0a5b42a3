"""Board: one account's calls as of one list. Pure: no I/O, no Django, no clock of its own.

    heard(before, listing, …) -> Board      a list came: calls merged with what we knew
    failed(before, error, …)  -> Board      it did not: same calls, and why
    merge(old, diff(old, new)) == new       holds for any two sets of calls (tested)

All times are epoch milliseconds UTC.
"""

from collections.abc import Mapping

import msgspec

from dashboard.agents import Known, note
from dashboard.limits import Breach
from dashboard.numbers import Day, Trend
from dashboard.upstream_clock import UpstreamClock
from queue_api.calls import Call, CallState
from queue_api.client import Listing
from queue_api.errors import NothingNamed, QueueApiError, RequestInvalid

Calls = Mapping[str, "LiveCall"]


class LiveCall(msgspec.Struct, frozen=True):
    """A call with what only watching tells: since when in this state, and whether that is a lower bound."""

    call: Call
    first_seen: int
    since: int
    at_least: bool  # True: it was so when we first looked, so it has lasted at least this long
    total_at_least: bool = False
    missed: int = 0  # complete lists in a row that did not show it
    listed: bool = True  # whether the newest list showed it; an incomplete one leaves out what may well be live
    still_since: int = 0  # since when nothing about it has changed
    stuck: bool = False  # that was too long ago: it may be a ghost


class Feed(msgspec.Struct, frozen=True):
    """How asking DeepCall goes. `health`: never, fresh, incomplete or failing; `since`: since when it is so."""

    health: str = "never"
    since: int = 0
    code: str = ""
    message: str = ""
    endpoint_down: bool = False  # True: no answer at all, False: not asked, or an answer that could not be used
    received: int = 0
    unusable: int = 0
    duplicates: int = 0
    declared_total: int | None = None
    unnamed: int = 0  # rows of a list that was refused because none of them names a call


class Board(msgspec.Struct, frozen=True):
    """`heard_at`: when the newest good list was asked for; None before the first. Newer = larger (fence, seq).

    Times in it are by our clock: DeepCall's own are moved by how far its `clock` is from ours.
    """

    account: int
    fence: int = 0
    seq: int = 0
    heard_at: int | None = None
    calls: dict[str, LiveCall] = {}
    feed: Feed = Feed()
    agents: Known = {}
    clock: UpstreamClock = UpstreamClock()
    interval_s: float = 0.0  # in which lists come now; 0: not said, the account's own holds
    day: Day = Day()  # as far as it was written down: of the list before
    trend: Trend = Trend()  # new once a minute
    breaches: dict[str, tuple[Breach, ...]] = {}  # queue key -> its numbers that are out of their limits

    @property
    def position(self) -> tuple[int, int]:
        return self.fence, self.seq

    def newer_than(self, other: "Board | None") -> bool:
        return other is None or self.position > other.position


class Diff(msgspec.Struct, frozen=True):
    put: dict[str, LiveCall]
    gone: frozenset[str]


def diff(old: Calls, new: Calls) -> Diff:
    put = {key: live for key, live in new.items() if old.get(key) != live}
    return Diff(put=put, gone=frozenset(old.keys() - new.keys()))


def merge(old: Calls, change: Diff) -> dict[str, LiveCall]:
    return {key: live for key, live in {**old, **change.put}.items() if key not in change.gone}


def heard(before: Board, listing: Listing, *, asked_at: int, now: int, misses: int, gap_ms: int,
          midnight: int = 0, stuck_ms: int | None = None) -> Board:
    """The board after a good list. A call ends when `misses` complete lists in a row lack it.

    `gap_ms`: after a longer silence we cannot say when a call that is new to us began.
    `stuck_ms`: a call of which nothing has changed for longer may be stuck.
    `midnight`: when the account's day began, epoch ms; agents last seen before it are forgotten.
    """
    watched = before.heard_at is not None and asked_at - before.heard_at <= gap_ms
    clock = before.clock.heard(listing.upstream_now_ms, asked_at, now)
    listed = [_by_our_clock(call, clock) for call in listing.calls]
    seen = {call.key: _seen(before.calls.get(call.key), call, now, watched) for call in listed}
    calls = {key: _judged(live, now, stuck_ms) for key, live in seen.items()}
    for key, live in before.calls.items():
        if key not in calls:
            missed = live.missed + (1 if listing.complete else 0)
            if missed < misses:
                calls[key] = msgspec.structs.replace(live, missed=missed, listed=False)
    known = note(before.agents, (live.call for live in before.calls.values()), listed, now=now, midnight=midnight)
    health = "fresh" if listing.complete else "incomplete"
    feed = Feed(
        health=health, since=before.feed.since if before.feed.health == health else now,
        received=listing.received, unusable=listing.unusable,
        duplicates=listing.duplicates, declared_total=listing.declared_total,
    )
    return Board(account=before.account, fence=before.fence, seq=before.seq + 1,
                 heard_at=asked_at, calls=calls, feed=feed, agents=known, clock=clock, day=before.day,
                 trend=before.trend, breaches=before.breaches)


def failed(before: Board, error: QueueApiError, *, now: int) -> Board:
    """The same calls, with what went wrong and since when. The first failure's time stays."""
    feed = msgspec.structs.replace(
        before.feed, health="failing", since=before.feed.since if before.feed.health == "failing" else now,
        code=error.code, message=error.message,
        endpoint_down=error.http_status is None and not isinstance(error, RequestInvalid),
        unnamed=error.rows if isinstance(error, NothingNamed) else 0,
    )
    return msgspec.structs.replace(before, seq=before.seq + 1, feed=feed)


def _by_our_clock(call: Call, clock: UpstreamClock) -> Call:
    if not clock.offset:
        return call
    return msgspec.structs.replace(
        call, entered_at=clock.ours(call.entered_at), answered_at=clock.ours(call.answered_at))


def _seen(known: LiveCall | None, call: Call, now: int, watched: bool) -> LiveCall:
    if known is not None and known.call == call:
        return known if known.listed else msgspec.structs.replace(known, missed=0, listed=True)
    first_seen = known.first_seen if known else now
    since, at_least = _state_since(known, call, now, watched)
    total_at_least = call.entered_at is None and (known.total_at_least if known else not watched)
    begun = [at for at in (call.entered_at, call.answered_at) if at is not None and at <= now]
    return LiveCall(call=call, first_seen=first_seen, since=since, at_least=at_least, total_at_least=total_at_least,
                    still_since=now if known or not begun else max(begun))


def _judged(live: LiveCall, now: int, stuck_ms: int | None) -> LiveCall:
    stuck = stuck_ms is not None and now - live.still_since > stuck_ms
    return live if stuck == live.stuck else msgspec.structs.replace(live, stuck=stuck)


def _state_since(known: LiveCall | None, call: Call, now: int, watched: bool) -> tuple[int, bool]:
    """Upstream's own time for waiting and talking; else when we saw the state begin, or at least our first sight.

    What a call did while its state was unknown nobody saw.
    """
    told = {CallState.TALKING: call.answered_at, CallState.WAITING: call.entered_at}.get(call.state)
    if told is not None:
        return told, False
    if known is not None and known.call.state == call.state:
        return known.since, known.at_least
    return now, not watched or (known is not None and known.call.state is CallState.UNKNOWN)


def same_news(old: Board, new: Board) -> bool:
    """Whether nothing changed that a screen could show, the list's age apart."""
    return (old.calls == new.calls and old.feed == new.feed and old.agents == new.agents and old.day == new.day
            and old.trend == new.trend and old.breaches == new.breaches
            and old.interval_s == new.interval_s)  # what is late depends on it
