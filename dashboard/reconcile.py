"""What later lists tell of open takeovers, and what age decides when nothing tells. In the lease holder only.

    reconcile(board)    after each good list: another agent than before, the call gone, or the old agent twice
    age(account)        a crash, a lost answer, or nobody could tell: nothing stays open for ever

A list counts as evidence only when it was asked for after the takeover was sent, and only for calls it really named.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.board import Board
from dashboard.models import TakeoverAttempt
from dashboard.takeover import move
from dashboard.takeover_states import LOOKED_UP, TIME_S, Event, State
from queue_api.calls import Call, CallState

SETTLE_MS = 5000  # a list asked for sooner after the last try may be older than its effect
INTERRUPTED = frozenset({State.INTENT, State.SENT})


def reconcile(board: Board) -> int:
    """Looks up the account's open attempts in its newest good list; how many changed. Blocking: run off the loop."""
    attempts = TakeoverAttempt.objects.filter(account=board.account, is_open=True, state__in=LOOKED_UP)
    return sum(_look_up(attempt, board) for attempt in attempts.select_related("account"))


def _look_up(attempt: TakeoverAttempt, board: Board) -> bool:
    sent_ms = int((attempt.sent_at or attempt.created_at).timestamp() * 1000)
    if board.heard_at is None or board.heard_at <= sent_ms:
        return False
    live = board.calls.get(attempt.call_key)
    if live is None:
        return move(attempt, Event.CALL_GONE)
    if not live.listed:
        return False
    with_another = _another_agent(attempt, live.call)
    if with_another:
        return move(attempt, Event.ANOTHER_AGENT, agent_after=live.call.agent_id, agent_after_name=live.call.agent_name)
    return with_another is False and attempt.state == State.UNKNOWN and _still_unmoved(attempt, board.heard_at)


def _another_agent(attempt: TakeoverAttempt, call: Call) -> bool | None:
    """Whether somebody else has the call than before. None: this list cannot tell.

    Ids are compared when both lists gave one, else names: a list that leaves one of them out shows no new agent.
    """
    before_id, before_name = attempt.agent_before, attempt.agent_before_name.casefold()
    if not before_id and not before_name:
        if call.agent_id or call.agent_name:
            return True
        return False if call.state in (CallState.WAITING, CallState.RINGING) else None
    if before_id and call.agent_id:
        return before_id != call.agent_id
    return before_name != call.agent_name.casefold() if before_name and call.agent_name else None


def _still_unmoved(attempt: TakeoverAttempt, heard_at: int) -> bool:
    """The second late list with the old agent settles it; the first is noted."""
    over = int((attempt.tried_until or attempt.changed_at).timestamp() * 1000)
    if heard_at < over + SETTLE_MS:
        return False
    if attempt.unmoved_at is None:
        TakeoverAttempt.objects.filter(pk=attempt.pk, unmoved_at=None).update(unmoved_at=heard_at)
        return False
    return heard_at > attempt.unmoved_at and move(attempt, Event.OLD_AGENT_TWICE)


def age(account: int) -> int:
    """Moves on the account's attempts that were left in a state for too long; how many. Blocking: run off the loop."""
    return _age(TakeoverAttempt.objects.filter(account=account))


def age_unpolled() -> int:
    """The same for accounts that nobody polls any more. Each process may: who comes second changes nothing."""
    return _age(TakeoverAttempt.objects.filter(account__enabled=False))


def _age(attempts: "QuerySet[TakeoverAttempt]") -> int:
    now, changes = timezone.now(), 0
    for state, limit_s in TIME_S.items():
        limit = timedelta(seconds=limit_s)
        over = Q(changed_at__lt=now - limit) | Q(changed_at__gt=now + limit)  # the clock was set back since
        values: dict[str, Any] = {"reason": "interrupted"} if state in INTERRUPTED else {}
        for attempt in attempts.filter(over, state=state, is_open=True).select_related("account"):
            changes += move(attempt, Event.OUT_OF_TIME, **values)
    return changes
