"""A plausible hour of the simulated call centre, over and over: what `simulate --story` plays.

Calls arrive by the hour's rates, agents answer their own queue in order of waiting, callers give up when their
patience ends, and agents call out when they are free. How many calls are live follows from that. The hour begins
in its middle, with `BEGIN_MINUTE`; frozen time does not count. `World`'s promise holds: seed and elapsed time
decide everything.
"""

import msgspec

from queue_api.simulator.centre import QUEUES, Agent, QueueInfo, hire_for
from queue_api.simulator.world import LiveCall, World

MINUTE_MS = 60_000
HOUR_MINUTES = 60
BEGIN_MINUTE = 21
# Played unseen before the first answer, so that the queues stand as the hour has left them.
LEAD_IN_MINUTES = 15
# The table is written for what `--calls 24` leads one to expect; other numbers make the centre larger or smaller.
CALLS_AS_WRITTEN = 24
# A caller looks at the clock every 4 s on average: exponential patience, 4 min in the mean.
LOOK_S = (2.0, 6.0)
GIVES_UP = 4 / 240


class Usual(msgspec.Struct, frozen=True):
    """A queue on a normal day: calls a minute, agents on shift, and the share of calls that agents make."""

    per_minute: float
    agents: int
    calls_out: float


class Phase(msgspec.Struct, frozen=True):
    """What is different in a queue from one minute of the hour to another."""

    begins: int
    ends: int
    queue_ids: tuple[str, ...]
    arrivals: float  # times the usual
    agents: float  # times the usual
    what: str


SUPPORT, SALES, BILLING, RENEWALS = EVERY = tuple(queue.queue_id for queue in QUEUES)

USUAL = {
    SUPPORT: Usual(2.0, 8, 0.1),
    SALES: Usual(1.8, 7, 0.35),
    BILLING: Usual(0.9, 4, 0.1),
    RENEWALS: Usual(0.8, 4, 0.5),
}

HOUR = (
    Phase(0, 5, EVERY, 0.6, 1.0, "A calm start"),
    Phase(5, 11, (SUPPORT,), 3.0, 1.0, "Support: a rush after an outage"),
    Phase(12, 16, EVERY, 0.5, 1.0, "Quiet"),
    Phase(16, 35, (BILLING,), 3.0, 0.5, "Billing: invoices are out, and half the team is in training"),
    Phase(22, 26, (SALES,), 3.0, 1.0, "Sales: a rush after an advertisement"),
    Phase(30, 34, (SUPPORT,), 1.5, 0.75, "Support: two agents on a break"),
    Phase(35, 39, (BILLING,), 1.0, 1.5, "Billing: everybody is back, and the queue empties"),
    Phase(41, 46, (RENEWALS,), 3.0, 1.0, "Renewals: a rush on the last day"),
    Phase(47, 53, EVERY, 0.35, 0.75, "Lunch: quiet, with fewer agents"),
    Phase(54, 60, (SUPPORT, SALES), 2.0, 1.0, "Support and Sales: everybody calls after lunch"),
)


def phases(minute: float, queue_id: str = "") -> list[Phase]:
    """What is going on at a minute of the hour, everywhere or in one queue."""
    return [p for p in HOUR if p.begins <= minute < p.ends and (not queue_id or queue_id in p.queue_ids)]


class StoryWorld(World):
    """A world that follows `HOUR` instead of a target; `target` only says how large the centre is."""

    @property
    def minute(self) -> float:
        """The minute of the hour, 0 to 60."""
        return self._due_ms / MINUTE_MS % HOUR_MINUTES

    def happening(self) -> list[str]:
        return [phase.what for phase in phases(self.minute)]

    def per_minute(self, queue_id: str) -> float:
        """Calls that arrive in a queue now, on average, in a centre of the usual size."""
        rate = USUAL[queue_id].per_minute
        for phase in phases(self.minute, queue_id):
            rate *= phase.arrivals
        return rate

    def on_shift(self, queue_id: str) -> list[Agent]:
        """The agents of a queue who take calls now; who has gone ends the call they have."""
        share = 1.0
        for phase in phases(self.minute, queue_id):
            share *= phase.agents
        team = [agent for agent in self.agents if queue_id in agent.queue_ids]
        return team[: self._team_size(queue_id, share)]

    @property
    def _size(self) -> float:
        return self.target / CALLS_AS_WRITTEN

    def _team_size(self, queue_id: str, share: float) -> int:
        return max(1, round(USUAL[queue_id].agents * self._size * share))

    # Who calls, and when

    def _refill(self) -> None:
        rate = sum(map(self.per_minute, EVERY)) * self._size
        if rate and not self._pending_arrivals:
            self._pending_arrivals = 1
            self._schedule(self._chance.expovariate(rate / 60), "")

    def _arrive(self) -> None:
        self._pending_arrivals = 0
        if self.target:
            self._take_in(self.new_call())
        self._refill()

    def _take_in(self, call: LiveCall) -> None:
        call.kind = self._kind(call.queue_id)
        if call.kind == "IBD":
            self.add(call)
        # Agents call out only while nobody waits for them.
        elif self._is_next(call) and (agent := self._free_agent(call.queue_id)):
            call.agent_id, call.agent_name, call.state = agent.agent_id, agent.name, "ringing"
            self.add(call)

    def _called_queue(self) -> QueueInfo:
        return self._chance.choices(QUEUES, [self.per_minute(queue.queue_id) for queue in QUEUES])[0]

    def _kind(self, queue_id: str) -> str:
        out = USUAL[queue_id].calls_out
        return self._chance.choices(("IBD", "OBD", "CTC"), (1 - out, out * 0.7, out * 0.3))[0]

    # Who answers

    def _look_for_agent(self, call: LiveCall) -> None:
        if self._chance.random() < GIVES_UP:
            self.end(call.call_id, "gave_up")
        elif self._is_next(call) and (agent := self._free_agent(call.queue_id)):
            call.agent_id, call.agent_name = agent.agent_id, agent.name
            self.become(call, "ringing")
        else:
            call.event = self._schedule(self._chance.uniform(*LOOK_S), call.call_id)

    def _is_next(self, call: LiveCall) -> bool:
        return not any(
            other.queue_id == call.queue_id
            and other.state == "waiting"
            and not other.pinned
            and other.entered_ms < call.entered_ms
            for other in self.calls.values()
        )

    def _stop_ringing(self, call: LiveCall) -> None:
        super()._stop_ringing(call)
        if call.kind != "IBD" and call.state == "waiting":
            self.end(call.call_id, "no_answer")

    def _free_agent(self, queue_id: str) -> Agent | None:
        busy = {call.agent_id for call in self.calls.values()}
        free = [agent for agent in self.on_shift(queue_id) if agent.agent_id not in busy]
        return self._chance.choice(free) if free else None

    # The floor

    def _open_for_business(self, calls: int) -> None:
        begin_ms = self.now_ms
        self.target = calls
        self._hire()
        self._due_ms = float((BEGIN_MINUTE - LEAD_IN_MINUTES) * MINUTE_MS)
        self.now_ms -= LEAD_IN_MINUTES * MINUTE_MS
        self._refill()
        self._run_naturally(begin_ms, LEAD_IN_MINUTES * MINUTE_MS)
        self.now_ms = begin_ms
        self.changes = 0

    def _hire(self) -> None:
        for queue_id in EVERY:
            team = sum(queue_id in agent.queue_ids for agent in self.agents)
            most = max(phase.agents for phase in HOUR)
            for _ in range(self._team_size(queue_id, most) - team):
                self.agents.append(hire_for(len(self.agents), queue_id))
