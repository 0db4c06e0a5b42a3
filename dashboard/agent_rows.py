"""Agents -> HTML for one audience, beside the calls and out of the same boards."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard import agents
from dashboard.access import Audience, shown_number, shown_text
from dashboard.board import LiveCall
from dashboard.mirror import Card, Feeds
from dashboard.rows import STATES
from queue_api.calls import Call

NO_CALL = _("no call seen")
LAST_DIGITS = Audience()  # enough to find the call's row; a whole number would not fit beside it


class AgentView(msgspec.Struct, frozen=True):
    """What `dashboard/_agent.html` shows. `state`: a call's state, or "none" when no call is seen."""

    ref: str
    account: str
    name: str
    state: str
    label: Promise
    queue: str
    caller: str
    since: int
    at_least: bool
    sort_key: str


def agent_parts(feeds: Feeds, seen: list[tuple[Card, LiveCall]], audience: Audience) -> dict[str, str]:
    """Element id -> HTML, by name over all accounts: an agent's place does not change when their state does.

    In the order in which the page puts them (`data-key`), so that a page that was there and a fresh one are alike.
    """
    placed = []
    for card, board, _health in feeds:
        if board is not None and board.agents:
            live = _calls_by_agent(live for of, live in seen if of.pk == card.pk)
            scope = frozenset(key for agent in board.agents.values() for key in agent.queues
                              if audience.scope.covers(card.pk, key))
            for presence in agents.seen(board.agents, live, scope):
                ref = agents.agent_ref(card.pk, presence.key)
                html = _agent_html(card.name, ref, _masked(presence, audience), audience.language)
                placed.append((_sort_key(presence.name, ref), f"a-{ref}", html))
    return {name: html for _key, name, html in sorted(placed)}


def _masked(presence: agents.Presence, audience: Audience) -> agents.Presence:
    """An agent or a queue may be called by a number."""
    name, queue = shown_text(presence.name, audience), shown_text(presence.queue, audience)
    return msgspec.structs.replace(presence, name=name, queue=queue)


def _sort_key(name: str, ref: str) -> str:
    return f"{name.casefold()}-{ref}"


def _calls_by_agent(calls: Iterable[LiveCall]) -> dict[str, tuple[Call, int, bool]]:
    found: dict[str, LiveCall] = {}
    for live in calls:
        key = agents.agent_key(live.call)
        if key and (key not in found or _rank(live) < _rank(found[key])):
            found[key] = live
    return {key: (live.call, live.since, live.at_least) for key, live in found.items()}


def _rank(live: LiveCall) -> int:
    """With several calls at once, the one they talk on counts."""
    return agents.ORDER.index(live.call.state)


@lru_cache(maxsize=10_000)
def _agent_html(account: str, ref: str, presence: agents.Presence, language: str) -> str:
    call = presence.call
    view = AgentView(
        ref=ref, account=account, name=presence.name, queue=presence.queue, since=presence.since,
        at_least=presence.at_least, state=call.state.value if call else "none",
        label=STATES[call.state][1] if call else NO_CALL,
        caller=shown_number(call.caller, LAST_DIGITS) if call else "",
        sort_key=_sort_key(presence.name, ref),
    )
    with translation.override(language):
        return get_template("dashboard/_agent.html").render({"agent": view}).strip()
