"""What later lists tell of open takeovers, and what age decides when nothing tells. In the lease holder only.

    reconcile(board)    after each good list: another agent than before, the call gone, or the old agent twice
    age(account)        a crash, a lost answer, or nobody could tell: nothing stays open for ever

What proves what, and what does not: docs/decisions/008-what-a-list-proves.md.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from dashboard.board import Board
from dashboard.lease import database_ahead_ms, database_time
from dashboard.models import TakeoverAttempt
from dashboard.takeover import move
from dashboard.takeover_states import LOOKED_UP, TIME_S, Event, State
from queue_api.calls import Call, CallState

SETTLE_MS = 5000  # a list asked for sooner after the last try may be older than its effect
UNMOVED_LISTS = 2
INTERRUPTED = frozenset({State.INTENT, State.SENT})


def reconcile(board: Board) -> int:
    """Looks up the account's open attempts in its newest good list; how many changed. Blocking: run off the loop."""
    attempts = list(TakeoverAttempt.objects.filter(
        account=board.account, is_open=True, state__in=LOOKED_UP).select_related("account"))
    if not attempts or board.heard_at is None:
        return 0
    skew_ms = database_ahead_ms()  # attempts are stamped by the database's clock
    return sum(_look_up(attempt, board, board.heard_at, skew_ms) for attempt in attempts
               if attempt.list_mark == attempt.account.list_mark())


def _look_up(attempt: TakeoverAttempt, board: Board, heard_at: int, skew_ms: int) -> bool:
    if heard_at <= (attempt.looked_at or 0) or heard_at + skew_ms <= _ms(attempt.sent_at or attempt.created_at):
        return False
    event = _evidence(attempt, board)
    if isinstance(event, Call):
        return move(attempt, Event.ANOTHER_AGENT, agent_after=event.agent_id, agent_after_name=event.agent_name)
    late = heard_at + skew_ms >= _ms(attempt.tried_until or attempt.changed_at) + SETTLE_MS
    unmoved = attempt.unmoved_lists + (1 if event is Event.OLD_AGENT_TWICE and late else 0)
    gone = attempt.gone_lists + 1 if event is Event.CALL_GONE else 0
    TakeoverAttempt.objects.filter(pk=attempt.pk).update(looked_at=heard_at, unmoved_lists=unmoved, gone_lists=gone)
    if gone >= attempt.account.misses:
        return move(attempt, Event.CALL_GONE)
    return unmoved >= UNMOVED_LISTS and move(attempt, Event.OLD_AGENT_TWICE)


def _evidence(attempt: TakeoverAttempt, board: Board) -> Call | Event | None:
    """What one list speaks for: the call under another agent, an event if more lists agree, or None: nothing."""
    live = board.calls.get(attempt.call_key)
    if live is not None and live.listed:
        return {True: live.call, False: Event.OLD_AGENT_TWICE, None: None}[_another_agent(attempt, live.call)]
    if not attempt.call_id:
        return _under_another_key(attempt, board)
    whole = board.feed.health == "fresh" and not board.feed.unusable  # a row without an identity may be this call
    return Event.CALL_GONE if whole else None


def _under_another_key(attempt: TakeoverAttempt, board: Board) -> Call | None:
    """A call without an id is known by caller and agent: with another agent it is one more call of that caller."""
    caller = attempt.call_key.rpartition("|")[0]
    same = [live.call for live in board.calls.values()
            if live.listed and not live.call.call_id and live.call.caller == caller]
    return same[0] if len(same) == 1 else None


def _another_agent(attempt: TakeoverAttempt, call: Call) -> bool | None:
    """Whether somebody else has the call than before. None: this list cannot tell.

    Ids are compared when both lists gave one, else names. A list that leaves one of them out, or gives a known name
    another id (read from another field, perhaps), shows no new agent.
    """
    before_id, before_name = attempt.agent_before, attempt.agent_before_name.casefold()
    name = call.agent_name.casefold()
    if not before_id and not before_name:
        if call.agent_id or name:
            return True
        return False if call.state in (CallState.WAITING, CallState.RINGING) else None
    if before_id and call.agent_id:
        if before_id == call.agent_id:
            return False
        return None if name and name == before_name else True
    return before_name != name if before_name and name else None


def age(account: int) -> int:
    """Moves on the account's attempts that were left in a state for too long; how many. Blocking: run off the loop."""
    return _age(TakeoverAttempt.objects.filter(account=account))


def age_unpolled() -> int:
    """The same for accounts that nobody polls any more. Each process may: who comes second changes nothing."""
    return _age(TakeoverAttempt.objects.filter(account__enabled=False))


def _age(attempts: "QuerySet[TakeoverAttempt]") -> int:
    now, changes = database_time(), 0
    for state, limit_s in TIME_S.items():
        limit = timedelta(seconds=limit_s)
        over = Q(changed_at__lt=now - limit) | Q(changed_at__gt=now + limit)  # the clock was set back since
        values: dict[str, Any] = {"reason": "interrupted"} if state in INTERRUPTED else {}
        for attempt in attempts.filter(over, state=state, is_open=True).select_related("account"):
            seen = {"state": state, "changed_at": attempt.changed_at}  # an answer may come meanwhile
            changes += move(attempt, Event.OUT_OF_TIME, only=seen, **values)
    return changes


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
