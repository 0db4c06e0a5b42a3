"""Boards, lists and audiences for tests of the live path. All times in epoch ms, counted from NOW."""

import asyncio
import html.parser
from collections.abc import Awaitable
from typing import Any, TypeVar

from hypothesis import strategies as st

from dashboard.access import Audience, Scope
from dashboard.board import Board, Feed, LiveCall
from dashboard.mirror import Card, Mirror, News
from dashboard.overlay import AttemptNews
from dashboard.queue_cards import QueueCard
from dashboard.takeover_states import CELLS, OPEN
from queue_api.calls import Call, CallState
from queue_api.client import Listing
from tests.canaries import ANSWER, DATABASE, OUTPUT, aviary

T = TypeVar("T")
Queues = dict[int, dict[str, QueueCard]]

NOW = 1_800_000_000_000
NUMBER = "919812345678"
aviary.sow("a caller's number", NUMBER, DATABASE, ANSWER, OUTPUT)  # for who may see it; never in a log or the record
NORTHGATE = Card(pk=1, name="Northgate", interval_s=2.0, line="Front desk")
EVERYTHING = Audience(scope=Scope(everything=True))
SALES = Audience(scope=Scope(queues=frozenset({(1, "302")})))


async def soon(awaited: Awaitable[T]) -> T:
    """What comes of it, within a few seconds: a test that would wait for ever fails instead."""
    return await asyncio.wait_for(awaited, 5)


def call(key: str = "c-1", **fields: Any) -> Call:
    given: dict[str, Any] = {"call_id": key, "caller": NUMBER, "queue_id": "302", "queue_name": "Sales",
                             "state": CallState.WAITING}
    return Call(key=key, **given | fields)


def nameless(number: str = NUMBER, agent: str = "1102", **fields: Any) -> Call:
    """A call that came without an id: its key holds the caller's number."""
    return call(f"{number}|{agent}", call_id="", caller=number, agent_id=agent, **fields)


def live(of: Call, since: int = NOW, **fields: Any) -> LiveCall:
    return LiveCall(call=of, **{"first_seen": since, "since": since, "at_least": False} | fields)


def board(*calls: Call, account: int = 1, fence: int = 1, seq: int = 1, heard_at: int | None = NOW,
          health: str = "fresh", **feed: Any) -> Board:
    return Board(account=account, fence=fence, seq=seq, heard_at=heard_at, feed=Feed(health=health, since=NOW, **feed),
                 calls={one.key: live(one) for one in calls})


def listing(*calls: Call, **fields: Any) -> Listing:
    return Listing(calls=calls, **{"received": len(calls)} | fields)


def attempt(key: str = "c-1", state: str = "sent", version: int = 1, account: int = 1, **fields: Any) -> AttemptNews:
    assert state in CELLS
    given: dict[str, Any] = {
        "id": version, "call_ref": f"{account}-{key}", "is_open": state in OPEN, "code": "", "message": "",
        "reason": "", "actor_id": 7, "actor_name": "Sita", "caller_last4": NUMBER[-4:], "began": NOW, "changed": NOW}
    return AttemptNews(account=account, call_key=key, state=state, version=version, **given | fields)


def mirror_of(*boards: Board, attempts: tuple[AttemptNews, ...] = (), cards: tuple[Card, ...] = (NORTHGATE,),
              queues: Queues | None = None) -> Mirror:
    """A mirror that knows the accounts and has just been offered the boards. `queues`: account -> key -> queue."""
    mirror = Mirror()
    mirror.take(News(cards={card.pk: card for card in cards}, boards=[], attempts=list(attempts), generations={},
                     queues=queues or {}))
    for one in boards:
        mirror.offer(one)
    return mirror


KEYS = st.sampled_from([f"c{number}" for number in range(8)])
CALLS = st.builds(
    call, KEYS, state=st.sampled_from(CallState), queue_id=st.sampled_from(["302", "303", ""]),
    queue_name=st.just(""), caller=st.sampled_from([NUMBER, "", "4410"]), agent_id=st.sampled_from(["", "1102"]),
)
LIVE_CALLS = st.builds(live, CALLS, since=st.integers(NOW - 5, NOW), missed=st.integers(0, 1))
CALL_SETS = st.lists(LIVE_CALLS, max_size=8).map(lambda lives: {one.call.key: one for one in lives})


class _Elements(html.parser.HTMLParser):
    """Splits a frame's HTML into its top elements: id -> (attributes, HTML)."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: dict[str, tuple[dict[str, str | None], str]] = {}
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._text, self._depth = text, 0
        self._top: dict[str, str | None] = {}
        self._start = 0
        self.feed(text)
        self.close()
        assert self._depth == 0, "an element is not closed"

    def _at(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth == 0:
            self._top, self._start = dict(attrs), self._at()
        self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            end = self._text.index(">", self._at()) + 1
            self.found[str(self._top["id"])] = (self._top, self._text[self._start:end])


class Screen:
    """What a page does with frames, without a browser: elements by id, rows in the order of their keys."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, str]] = {}  # reference -> (key, HTML)
        self.parts: dict[str, str] = {}

    def show(self, html: str, gone: list[str], full: bool) -> None:
        if full:
            self.rows, self.parts = {}, {}
        for ref in gone:
            self.rows.pop(ref, None)
        for name, (attributes, text) in _Elements(html).found.items():
            if attributes.get("role") == "row":
                self.rows[str(attributes["data-call-ref"])] = (str(attributes["data-key"]), text)
            else:
                self.parts[name] = text

    def listed(self) -> list[tuple[str, str]]:
        """(reference, HTML) as the page orders them."""
        return [(ref, text) for ref, (key, text) in sorted(self.rows.items(), key=lambda item: item[1][0])]
