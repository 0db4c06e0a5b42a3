"""DeepCall as the live model has it: two accounts whose calls come, change and go, and lists of them that may fail."""

import asyncio
import random
from typing import Any

import msgspec

from dashboard.access import Scope
from dashboard.board import Board
from dashboard.refs import call_ref
from dashboard.rows import sort_key
from queue_api.calls import Call, CallState
from queue_api.client import Listing, Upstream
from queue_api.errors import NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid

QUEUES = {1: ("301", "302", ""), 2: ("401", "402")}  # by account; "": calls without a queue
AGENTS = ("1101", "1102", "2001")
ERRORS: tuple[QueueApiError, ...] = (
    NotSent("list", message="Connection refused"), NoUsableAnswer("list", message="No answer within 5 s"),
    NoUsableAnswer("list", message="Bad gateway", code="502", http_status=502),
    Refused("list", message="A similar request", code="1501", http_status=200),
    Refused("list", message="Error in processing", code="1009", http_status=200),
    RequestInvalid("list", message="Set-up"),
)
EXPIRED = Refused("list", message="Token expired", code="1014", http_status=200)


def canary(queue: str) -> str:
    """What every call of a queue carries, and no screen outside it may ever be sent."""
    return f"canary-{queue or 'none'}"


class Exchange:
    """One account's calls, by key, and what befalls its lists. The keys that have ended may come back."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number, self.chance = number, chance
        self.calls: dict[str, Call] = {}
        self.ended: list[Call] = []
        self.count = 0
        self.error: QueueApiError | None = None
        self.incomplete = 0  # so many of the next lists say that there is more than they show
        self.ghost = 0  # so many of the next lists miss a call that is live
        self.latency_s = 0.05
        self.changed = 0

    def comes(self, now: int) -> None:
        self.count += 1
        queue = self.chance.choice(QUEUES[self.number])
        state = self.chance.choice((CallState.WAITING, CallState.WAITING, CallState.RINGING, CallState.TALKING))
        call = Call(key=f"c{self.count}", call_id=f"c{self.count}", caller=f"+9198{self.number}{self.count:06d}",
                    caller_name=self.chance.choice(("", "Meera <b>&", "9812345678 Rao")), kind=canary(queue),
                    queue_id=queue, queue_name=f"Queue {queue}" if queue else "", state=state,
                    entered_at=self.chance.choice((None, now - 20_000)))
        self.calls[call.key] = call if state is CallState.WAITING else self._with_agent(call)

    def changes(self, now: int) -> None:
        """Something happens to one call: its state, agent or queue; it ends, or one that ended is there again."""
        self.changed += 1
        what = self.chance.random()
        if self.ended and what < 0.08:
            back = self.ended.pop(self.chance.randrange(len(self.ended)))
            self.calls[back.key] = back
        elif not self.calls or (what < 0.3 and len(self.calls) < 12):
            self.comes(now)
        else:
            self._befalls(self.chance.choice(sorted(self.calls)), what, now)

    def _befalls(self, key: str, what: float, now: int) -> None:
        call = self.calls[key]
        if what < 0.45:
            self.ended.append(self.calls.pop(key))
        elif what < 0.6:
            self.calls[key] = self._with_agent(call)
        elif what < 0.7:
            queue = self.chance.choice(QUEUES[self.number])
            self.calls[key] = msgspec.structs.replace(
                call, queue_id=queue, queue_name=f"Queue {queue}" if queue else "", kind=canary(queue))
        else:
            state = self.chance.choice(list(CallState))
            answered = now if state is CallState.TALKING else call.answered_at
            self.calls[key] = msgspec.structs.replace(call, state=state, answered_at=answered)

    def _with_agent(self, call: Call) -> Call:
        agent = self.chance.choice(AGENTS)
        return msgspec.structs.replace(call, agent_id=agent, agent_name=f"Agent {agent}")

    def moves(self, key: str, agent: str) -> None:
        """A takeover takes effect."""
        if key in self.calls:
            self.calls[key] = msgspec.structs.replace(
                self.calls[key], agent_id=agent, agent_name=f"Agent {agent}", state=CallState.TALKING)

    def listing(self) -> Listing:
        """Raises the error that is on."""
        if self.error is not None:
            raise self.error
        calls = [self.calls[key] for key in sorted(self.calls, key=lambda _: self.chance.random())]
        total = len(calls)
        if calls and (self.ghost or self.incomplete):
            calls.pop()
        declared = total if self.incomplete else None
        self.ghost, self.incomplete = max(0, self.ghost - 1), max(0, self.incomplete - 1)
        return Listing(calls=tuple(calls), received=len(calls), declared_total=declared)

    def heals(self) -> None:
        self.error, self.incomplete, self.ghost, self.latency_s = None, 0, 0, 0.05


class Client:
    """Stands in for `QueueClient`: only the list, after the exchange's latency."""

    def __init__(self, upstream: Upstream, exchanges: dict[int, Exchange]) -> None:
        self.exchange = exchanges[int(upstream.base_url.rpartition("at-")[2])]

    async def list_calls(self) -> Listing:
        await asyncio.sleep(self.exchange.latency_s * self.exchange.chance.uniform(0.5, 1.5))
        return self.exchange.listing()

    async def aclose(self) -> None:
        """Nothing is kept open."""


def allowed(scope: Scope, account: int, queue: str) -> bool:
    """Whether a call of this queue may be seen, decided apart from `Scope.covers`, which is what is tested."""
    return scope.everything or account in scope.whole or (queue != "" and (account, queue) in scope.queues)


Signature = frozenset[tuple[str, str]]


def signature(board: Board, scope: Scope) -> Signature:
    """What a screen's rows say of a board, in short: each row's place in the list and its agent."""
    return frozenset((sort_key(live, call_ref(board.account, live.call)), live.call.agent_name or "–")
                     for live in board.calls.values() if allowed(scope, board.account, live.call.queue_key))


class Heard:
    """Every board that followed from a good list, by account and the time it was asked for."""

    def __init__(self) -> None:
        self.boards: dict[tuple[int, int], list[Board]] = {}

    def note(self, heard: Any) -> Any:
        """`board.heard`, with an eye on it."""
        def noting(before: Board, listing: Listing, **times: Any) -> Board:
            board: Board = heard(before, listing, **times)
            self.boards.setdefault((board.account, times["asked_at"]), []).append(board)
            return board

        return noting

    def was(self, account: int, asked_at: int, scope: Scope, shown: Signature) -> bool:
        return any(signature(board, scope) == shown for board in self.boards.get((account, asked_at), []))
