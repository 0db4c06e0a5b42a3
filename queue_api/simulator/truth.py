"""What became of each call of a simulated centre: the truth that a list now and then can only sample.

The world writes it as it plays; `GET /_simulator/truth` tells it. Times are the world's, epoch milliseconds.
"""

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from queue_api.simulator.world import LiveCall

KEPT = 50_000  # calls that are over, the oldest forgotten first
LISTS_KEPT = 100_000


class Connected(msgspec.Struct, frozen=True):
    """An agent has the call now: who answered it first, then who took it over."""

    at_ms: int
    agent_id: str


class Life(msgspec.Struct):
    """One call. `shown_ms`: from when on a list would show it; `entered_ms`: when it came, as rows say.

    `how` it ended: gave_up (nobody had answered), no_answer (an agent called out), talked, or switched (a verb took it
    off the list). With `ended_ms` None it is live.
    """

    call_id: str
    queue_id: str
    kind: str
    entered_ms: int
    shown_ms: int
    connected: list[Connected] = []
    ended_ms: int | None = None
    how: str = ""


class Truth:
    """The live calls and the last `KEPT` that are over; when the last `LISTS_KEPT` lists were made."""

    def __init__(self) -> None:
        self._live: dict[str, Life] = {}
        self._over: deque[Life] = deque(maxlen=KEPT)
        self._lists: deque[int] = deque(maxlen=LISTS_KEPT)

    def note(self, call: "LiveCall", now_ms: int) -> None:
        """The call as it is now. It belongs to the queue in which it came."""
        life = self._live.get(call.call_id)
        if life is None:
            life = self._live[call.call_id] = Life(
                call.call_id, call.queue_id, call.kind, call.entered_ms, now_ms)
        last = life.connected[-1].at_ms if life.connected else None
        if call.answered_ms not in (None, last):
            life.connected.append(Connected(call.answered_ms or 0, call.agent_id))

    def over(self, call_id: str, now_ms: int, how: str) -> None:
        life = self._live.pop(call_id)
        life.ended_ms, life.how = now_ms, how
        self._over.append(life)

    def listed(self, now_ms: int) -> None:
        """A list has been made, whoever got it."""
        self._lists.append(now_ms)

    @property
    def lives(self) -> list[Life]:
        """Those that are over in the order of their end, then the live ones."""
        return [*self._over, *self._live.values()]

    @property
    def lists(self) -> list[int]:
        return list(self._lists)
