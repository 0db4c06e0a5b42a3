"""Agents as the calls show them. Pure. Who is not on a call is "no call seen": nobody told us that they are available.

    note(known, before, after, …) -> known      what to remember: where each agent was last seen today
    seen(known, calls in scope) -> views        who is with whom now, for one audience

DeepCall's own agent status is not documented; this is what the call lists alone can tell.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

import msgspec
from django.conf import settings

from queue_api.calls import Call, CallState

LIMIT = 5000  # agents remembered per account; more than that are not people
ORDER = (CallState.TALKING, CallState.HOLD, CallState.RINGING, CallState.UNKNOWN, CallState.WAITING)


class Queueing(msgspec.Struct, frozen=True):
    """An agent's last call in one queue: `at`, epoch ms, is when it was last seen (of a live one: first)."""

    name: str
    at: int


class SeenAgent(msgspec.Struct, frozen=True):
    """An agent seen today and the queues they had calls in: queue key -> Queueing."""

    name: str
    queues: dict[str, Queueing]


Known = dict[str, SeenAgent]


class Presence(msgspec.Struct, frozen=True):
    """One agent for one audience. `call`: the call they have, None: no call seen since `since` (epoch ms)."""

    key: str
    name: str
    queue: str
    since: int
    at_least: bool
    call: Call | None


def agent_key(call: Call) -> str:
    """An agent's identity inside the account: the id, else the casefolded name, "" for none."""
    return call.agent_id or call.agent_name.casefold()


def agent_ref(account: int, key: str) -> str:
    """A safe id for the page; never the agent's own id, which may be an extension or a number."""
    digest = hmac.new(settings.SECRET_KEY.encode(), f"agent:{account}:{key}".encode(), hashlib.sha256)
    return f"{account}-{digest.hexdigest()[:16]}"


def note(known: Known, before: Iterable[Call], after: Iterable[Call], *, now: int, midnight: int) -> Known:
    """What is known after a list: agents on calls, when the others were last on one, nobody from before midnight."""
    present = {(agent_key(call), call.queue_key): call for call in after if agent_key(call)}
    left = {(agent_key(call), call.queue_key): call for call in before if agent_key(call)}
    touched = {at: call for at, call in present.items() if not _has(known, *at)}
    touched |= {at: call for at, call in left.items() if at not in present}
    result = {key: agent for key, agent in known.items() if key in {k for k, _ in present} or _today(agent, midnight)}
    for (key, queue_key), call in touched.items():
        had = result.get(key)
        queues = (had.queues if had else {}) | {queue_key: Queueing(call.queue_name or call.queue_id, now)}
        name = call.agent_name or (had.name if had else "") or call.agent_id
        if had is not None or len(result) < LIMIT:
            result[key] = SeenAgent(name=name, queues=queues)
    return result


def _has(known: Known, key: str, queue_key: str) -> bool:
    return key in known and queue_key in known[key].queues


def _today(agent: SeenAgent, midnight: int) -> bool:
    return any(queueing.at >= midnight for queueing in agent.queues.values())


def seen(known: Known, live: Mapping[str, tuple[Call, int, bool]], in_scope: frozenset[str]) -> list[Presence]:
    """Agents for one audience, by name. `live`: agent key -> (call, since, at least) of their calls in scope.

    An agent on a call elsewhere reads as "no call seen": what happens in foreign queues is nobody's business here.
    """
    views = []
    for key, agent in known.items():
        if key in live:
            call, since, at_least = live[key]
            views.append(Presence(key, agent.name, call.queue_name or call.queue_id, since, at_least, call))
        elif mine := [queueing for queue, queueing in agent.queues.items() if queue in in_scope]:
            last = max(mine, key=lambda queueing: queueing.at)
            views.append(Presence(key, agent.name, last.name, last.at, at_least=False, call=None))
    return sorted(views, key=lambda view: (view.name.casefold(), view.key))
