"""The numbers of now, out of live calls. Pure.

    by_queue(account, calls) -> {queue key: Now}     in one go over an account's calls
    together(nows) -> Now                            queues add up to a screen
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from dashboard.agents import agent_key
from dashboard.board import LiveCall
from queue_api.calls import CallState

SPOKEN = (CallState.TALKING, CallState.HOLD)
TIMED = (CallState.WAITING, *SPOKEN)
COUNTED = {"waiting": CallState.WAITING, "ringing": CallState.RINGING, "talking": CallState.TALKING,
           "hold": CallState.HOLD}


class Now(msgspec.Struct):
    """`oldest`: state -> the call that has been in it longest and may not be stuck, of the states with a limit on time.

    `stuck`: calls that wait and may be stuck. `agents`: account and key of each who is on a call.

    `unnamed`: calls that are talked on or held and name no agent.
    """

    states: Counter[CallState] = msgspec.field(default_factory=Counter)
    oldest: dict[CallState, LiveCall] = msgspec.field(default_factory=dict)
    stuck: int = 0
    agents: set[tuple[int, str]] = msgspec.field(default_factory=set)
    unnamed: int = 0

    @property
    def waiting(self) -> int:
        return self.states[CallState.WAITING]

    @property
    def unstuck(self) -> int:
        """Who waits and may not be stuck: a call that DeepCall forgot alarms nobody."""
        return self.waiting - self.stuck

    @property
    def longest(self) -> LiveCall | None:
        """Of those who wait."""
        return self.oldest.get(CallState.WAITING)

    def values(self, at: int) -> dict[str, float | None]:
        """By the number's name: counts, and times in ms. None: there is none."""
        longest = float(max(0, at - self.longest.since)) if self.longest else None
        return {name: float(self.states[state]) for name, state in COUNTED.items()} | {
            "longest-wait": longest, "live": float(self.states.total()), "agents-on-calls": float(len(self.agents))}


def by_queue(account: int, calls: Iterable[LiveCall]) -> dict[str, Now]:
    """One agent id in two accounts is two agents."""
    found: dict[str, Now] = {}
    for live in calls:
        key = live.call.queue_key
        if key not in found:
            found[key] = Now()
        _take(found[key], account, live)
    return found


def _take(now: Now, account: int, live: LiveCall) -> None:
    state = live.call.state
    now.states[state] += 1
    if state in TIMED and not live.stuck:
        now.oldest[state] = longer(now.oldest.get(state), live)
    if state is CallState.WAITING:
        now.stuck += live.stuck
    elif state in SPOKEN:
        key = agent_key(live.call)
        now.unnamed += not key
        if key:
            now.agents.add((account, key))


def together(nows: Iterable[Now]) -> Now:
    total = Now()
    for now in nows:
        total.states.update(now.states)
        for state, live in now.oldest.items():
            total.oldest[state] = longer(total.oldest.get(state), live)
        total.stuck += now.stuck
        total.agents |= now.agents
        total.unnamed += now.unnamed
    return total


def longer(one: LiveCall | None, other: LiveCall) -> LiveCall:
    """The call that is in its state longer; of two that came at once always the same."""
    return other if one is None else min(one, other, key=lambda live: (live.since, live.call.key))
