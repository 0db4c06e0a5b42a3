"""The simulated call centre's live calls, which change as time is passed in.

Nothing here reads a clock. The same seed, start and steps give the same world, however finely the time is
cut: one step of ten seconds equals ten of one.
"""

import heapq
import random
from typing import Literal

import msgspec

from queue_api.simulator.centre import Agent, QueueInfo, any_name, any_queue, hire
from queue_api.simulator.truth import Truth

State = Literal["waiting", "ringing", "talking", "hold"]

# A machine that slept for hours must not replay them all at the first request.
CATCH_UP_MS = 600_000
FEWEST_AGENTS = 8
AGENTS_PER_CALL = 0.85


class LiveCall(msgspec.Struct):
    """One live call. Times are epoch milliseconds; a pinned call changes only when it is told to."""

    call_id: str
    caller: str
    caller_name: str
    queue_id: str
    queue_name: str
    kind: str
    called_number: str
    entered_ms: int
    agent_id: str = ""
    agent_name: str = ""
    state: State = "waiting"
    answered_ms: int | None = None
    pinned: bool = False
    event: int = 0


class World:
    """Live calls, steered towards `target` of them.

    At `churn` None calls move at a natural pace (a call lives some four minutes). With a number, exactly that
    many visible changes happen a second: the next events in line, whenever they were due.
    """

    def __init__(self, *, seed: int = 1, calls: int = 24, start_ms: int, churn: float | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a repeatable play, not a secret
        self.now_ms = start_ms
        self.frozen = False
        self.changes = 0
        self.calls: dict[str, LiveCall] = {}
        self.truth = Truth()
        self.agents: list[Agent] = []
        # Two runs of one seed must not share an id: a call id stands for one call for ever.
        self._last_id = start_ms // 1000 * 100_000
        self._events: list[tuple[float, int, str]] = []
        self._last_event = 0
        self._pending_arrivals = 0
        self._due_ms = 0.0
        self.set_churn(churn)
        self._open_for_business(calls)

    # What is steered from outside

    def set_churn(self, per_second: float | None) -> None:
        """Change the pace; 0 stops all change, None is the natural pace."""
        self.churn = per_second
        self._next_slot_ms = self.now_ms + (1000 / per_second if per_second else 0)

    def set_target(self, calls: int) -> None:
        """Steer to `calls` live calls from now on."""
        self.target = calls
        self._hire()
        self._refill()

    def freeze(self) -> None:
        """Stop all change; time goes on."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on from here, without making up for the frozen time."""
        self.frozen = False
        self.set_churn(self.churn)

    def happening(self) -> list[str]:
        """What is going on just now beyond the usual, for whoever plays a story with this world."""
        return []

    def advance(self, now_ms: int) -> None:
        """Let the world run until `now_ms` (epoch milliseconds); a clock that went back is ignored."""
        elapsed_ms = now_ms - self.now_ms
        if elapsed_ms > 0 and not self.frozen and self.churn != 0:
            if self.churn is None:
                self._run_naturally(now_ms, min(elapsed_ms, CATCH_UP_MS))
            else:
                self._run_paced(now_ms, 1000 / self.churn)
        self.now_ms = max(self.now_ms, now_ms)

    # What happens to a call

    def new_call(self) -> LiveCall:
        """A call that arrives now, in some queue; not yet on the list (see `add`)."""
        queue = self._called_queue()
        self._last_id += 1
        return LiveCall(
            call_id=str(self._last_id),
            caller=f"+9198{self._chance.randrange(10**8):08d}",
            caller_name=any_name(self._chance) if self._chance.random() < 0.4 else "",
            queue_id=queue.queue_id,
            queue_name=queue.name,
            kind=self._chance.choices(("IBD", "OBD", "CTC"), (16, 3, 1))[0],
            called_number=queue.called_number,
            entered_ms=self.now_ms,
        )

    def add(self, call: LiveCall) -> None:
        """Put a call on the list, and on its way unless it is pinned."""
        self.calls[call.call_id] = call
        self.truth.note(call, self.now_ms)
        self.changes += 1
        self._plan(call)

    def become(self, call: LiveCall, state: State) -> None:
        """Move a call to `state`, which voids whatever was planned for it before."""
        call.state = state
        self.truth.note(call, self.now_ms)
        self.changes += 1
        self._plan(call)

    def take_over(self, call: LiveCall, agent_id: str, agent_name: str) -> None:
        """Connect a call to another agent: talking, answered now."""
        call.agent_id, call.agent_name = agent_id, agent_name
        call.answered_ms = self.now_ms
        self.become(call, "talking")

    def end(self, call_id: str, how: str = "switched") -> None:
        """Take a call off the list; raises KeyError when it is not live. `how`: as `truth.Life` says."""
        del self.calls[call_id]
        self.truth.over(call_id, self.now_ms, how)
        self.changes += 1
        self._refill()

    # Time

    def _run_naturally(self, now_ms: int, span_ms: int) -> None:
        end_ms = self._due_ms + span_ms
        while self._events and self._events[0][0] <= end_ms:
            self._due_ms = self._events[0][0]
            self.now_ms = now_ms - int(end_ms - self._due_ms)
            self._run_next_event()
        self._due_ms = end_ms

    def _run_paced(self, now_ms: int, slot_ms: float) -> None:
        self._next_slot_ms = max(self._next_slot_ms, now_ms - CATCH_UP_MS)
        while self._next_slot_ms <= now_ms:
            self.now_ms = int(self._next_slot_ms)
            seen = self.changes
            while self._events and self.changes == seen:
                self._due_ms = max(self._due_ms, self._events[0][0])
                self._run_next_event()
            self._next_slot_ms += slot_ms

    def _schedule(self, after_s: float, call_id: str) -> int:
        self._last_event += 1
        heapq.heappush(self._events, (self._due_ms + after_s * 1000, self._last_event, call_id))
        return self._last_event

    def _run_next_event(self) -> None:
        _, event, call_id = heapq.heappop(self._events)
        if not call_id:
            self._arrive()
            return
        call = self.calls.get(call_id)
        if call is None or call.event != event:
            return  # ended or taken over meanwhile
        if call.state == "waiting":
            self._look_for_agent(call)
        elif call.state == "ringing":
            self._stop_ringing(call)
        else:
            self._stop_talking_or_holding(call)

    # The life of a call

    def _called_queue(self) -> QueueInfo:
        return any_queue(self._chance)

    def _plan(self, call: LiveCall) -> None:
        call.event = 0
        if not call.pinned:
            lasts_s = {
                "waiting": self._chance.uniform(3, 40),
                "ringing": self._chance.uniform(3, 12),
                "talking": 15 + self._chance.expovariate(1 / 110),
                "hold": self._chance.uniform(10, 60),
            }
            call.event = self._schedule(lasts_s[call.state], call.call_id)

    def _arrive(self) -> None:
        self._pending_arrivals -= 1
        if len(self.calls) < self.target:
            self.add(self.new_call())

    def _look_for_agent(self, call: LiveCall) -> None:
        agent = self._free_agent(call.queue_id)
        if self._chance.random() < 0.06:
            self.end(call.call_id, "gave_up")
        elif agent is None:
            call.event = self._schedule(self._chance.uniform(2, 6), call.call_id)
        else:
            call.agent_id, call.agent_name = agent.agent_id, agent.name
            self.become(call, "ringing")

    def _stop_ringing(self, call: LiveCall) -> None:
        if self._chance.random() < 0.88:
            call.answered_ms = self.now_ms
            self.become(call, "talking")
        else:
            call.agent_id = call.agent_name = ""
            self.become(call, "waiting")

    def _stop_talking_or_holding(self, call: LiveCall) -> None:
        goes_on = self._chance.random() < (0.3 if call.state == "talking" else 0.95)
        if goes_on:
            self.become(call, "hold" if call.state == "talking" else "talking")
        else:
            self.end(call.call_id, "talked")

    # Filling the floor

    def _open_for_business(self, calls: int) -> None:
        self.target = calls
        self._hire()
        for _ in range(calls):
            self._add_earlier_call()
        self.changes = 0

    def _add_earlier_call(self) -> None:
        """A call that came before we looked: most talk, some wait or are on hold."""
        call = self.new_call()
        states: tuple[State, ...] = ("waiting", "ringing", "talking", "hold")
        state = self._chance.choices(states, (18, 6, 62, 14))[0]
        call.entered_ms -= int(self._chance.uniform(4, 95) * 1000)
        talked_ms = int(min(1500, 10 + self._chance.expovariate(1 / 150)) * 1000)
        agent = self._free_agent(call.queue_id)
        if agent is not None and state != "waiting":
            call.state, call.agent_id, call.agent_name = state, agent.agent_id, agent.name
        if call.state in ("talking", "hold"):
            call.entered_ms -= talked_ms
            call.answered_ms = self.now_ms - talked_ms
        self.add(call)

    def _refill(self) -> None:
        while len(self.calls) + self._pending_arrivals < self.target:
            self._pending_arrivals += 1
            self._schedule(self._chance.uniform(0.5, 12), "")

    def _hire(self) -> None:
        while len(self.agents) < max(FEWEST_AGENTS, round(self.target * AGENTS_PER_CALL)):
            self.agents.append(hire(len(self.agents), self._chance))

    def _free_agent(self, queue_id: str) -> Agent | None:
        busy = {call.agent_id for call in self.calls.values()}
        free = [a for a in self.agents if queue_id in a.queue_ids and a.agent_id not in busy]
        return self._chance.choice(free) if free else None
