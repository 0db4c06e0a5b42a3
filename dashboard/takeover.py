"""Takeover attempts: record -> upstream -> outcome. The only place that changes an attempt's state.

    intent ──> sent ──> accepted | refused | busy | unknown | not-sent
       └─────> not-sent                       unknown ──(2 min)──> abandoned

The row of the intent is committed before DeepCall is asked, the outcome after; every transition names the state it
starts from, so whoever comes second changes nothing. At most one attempt per call is open (a database constraint).
Never sent twice: the client repeats only what proves that nothing happened.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from dashboard import audit, generation
from dashboard.access import Audience, Viewer, last4, shown_text
from dashboard.board import LiveCall
from dashboard.models import TakeoverAttempt
from queue_api.client import Accepted
from queue_api.errors import Busy, NotSent, QueueApiError, Refused, RequestInvalid
from queue_api.models import Account
from queue_api.naming import TakeoverTarget

State = TakeoverAttempt.State

PER_PERSON, PER_ACCOUNT, WINDOW_S = 10, 60, 60
INTENT_LIMIT_S, SENT_LIMIT_S, UNKNOWN_LIMIT_S, ACCEPTED_LIMIT_S = 20, 20, 120, 30
SHOWN_S = 60  # how long an outcome stays on the row

# state -> what the cell is called; whether it blocks others is the row's `is_open`
CELLS: dict[str, str] = {
    State.INTENT: "pending", State.SENT: "pending", State.ACCEPTED: "accepted", State.CONFIRMED: "confirmed",
    State.REFUSED: "refused", State.BUSY: "busy", State.NOT_SENT: "not-sent", State.UNKNOWN: "unknown",
    State.NOT_CONFIRMED: "not-confirmed", State.ENDED: "ended", State.ABANDONED: "abandoned",
}
OPEN = frozenset({State.INTENT, State.SENT, State.ACCEPTED, State.UNKNOWN})


class AttemptNews(msgspec.Struct, frozen=True):
    """An attempt as screens show it. Times in epoch ms; `version` grows with every change of any attempt."""

    id: int
    account: int
    call_key: str
    call_ref: str
    state: str
    is_open: bool
    version: int
    code: str
    message: str
    reason: str
    actor_id: int
    actor_name: str
    caller_last4: str
    began: int
    changed: int

    def shown(self, now: int) -> bool:
        return self.is_open or now - self.changed < SHOWN_S * 1000

    def rev(self, now: int) -> int:
        """Grows with every change, the outcome's disappearance after SHOWN_S included."""
        return 2 * self.version + (0 if self.shown(now) else 1)


class AlreadyOpen(Exception):
    """Somebody else's attempt on this call is open."""

    def __init__(self, attempt: TakeoverAttempt) -> None:
        super().__init__(attempt.actor_name)
        self.attempt = attempt


class TooMany(Exception):
    """Over the limit; `wait_s` until the next one may be tried."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


def clean_key(text: str) -> str:
    """The click's key as the browser made it (32 hex digits), or a fresh one when it is missing or odd."""
    usable = len(text) == 32 and all(character in "0123456789abcdef" for character in text)
    return text if usable else secrets.token_hex(16)


def same_click(user_id: int, key: str) -> TakeoverAttempt | None:
    return TakeoverAttempt.objects.filter(actor_id=user_id, key=key).first()


def begin(viewer: Viewer, account: Account, live: LiveCall, ref: str, key: str, *, target: TakeoverTarget,
          own_session: bool, address: str | None) -> TakeoverAttempt:
    """Commits the intent and its audit line; nothing has been sent yet.

    Raises AlreadyOpen when another attempt on this call is open, TooMany over the limits.
    """
    attempt = TakeoverAttempt(
        key=key, actor=User(pk=viewer.user_id), actor_name=viewer.name, account=account, call_key=live.call.key,
        call_ref=ref, call_id=live.call.call_id, queue_key=live.call.queue_key,
        caller_last4=last4(live.call.caller), agent_before=live.call.agent_id, agentid_sent=target.agentid,
        own_session=own_session, address=address,
    )
    try:
        with transaction.atomic():
            attempt.version = generation.bump(generation.TAKEOVER)
            attempt.save(force_insert=True)
            _check_limits(viewer.user_id, account.pk)
            _record(attempt, "takeover.intent", queue=attempt.queue_key, caller_last4=attempt.caller_last4,
                    agent_before=attempt.agent_before, own_session=own_session, address=address)
    except IntegrityError:
        first = _who_was_first(viewer.user_id, account.pk, live.call.key, key)
        if first is None:  # the record itself cannot be written
            raise
        return first
    return attempt


def _who_was_first(user_id: int, account: int, call_key: str, key: str) -> TakeoverAttempt | None:
    """The same click twice is one attempt; another's open one is AlreadyOpen. None: nobody's was in the way."""
    twin = same_click(user_id, key)
    if twin is not None:
        return twin
    others = TakeoverAttempt.objects.filter(account_id=account, call_key=call_key)
    if (other := others.order_by("is_open", "version").last()) is not None:
        raise AlreadyOpen(other)
    return None


def _check_limits(user_id: int, account: int) -> None:
    """Counts the attempt just inserted, too: its transaction holds the counter's row, so clicks come one by one."""
    now = timezone.now()
    recent = TakeoverAttempt.objects.filter(created_at__gt=now - timedelta(seconds=WINDOW_S))
    mine, everybodys = recent.filter(actor_id=user_id), recent.filter(account=account)
    for attempts, most in ((mine, PER_PERSON), (everybodys, PER_ACCOUNT)):
        oldest_first = list(attempts.order_by("created_at").values_list("created_at", flat=True)[: most + 1])
        if len(oldest_first) > most:
            raise TooMany(max(1, WINDOW_S - int((now - oldest_first[0]).total_seconds())))


def move(attempt: TakeoverAttempt, start: Sequence[str], to: str, **values: Any) -> bool:
    """One transition with its audit line. False when the attempt was no longer in `start`: then nothing changed."""
    with transaction.atomic():
        version = generation.bump(generation.TAKEOVER)
        changed = TakeoverAttempt.objects.filter(pk=attempt.pk, state__in=start).update(
            state=to, is_open=to in OPEN, version=version, changed_at=timezone.now(), **values
        )
        if changed:
            shown = {name: value for name, value in values.items() if name in ("code", "message", "reason", "tries")}
            if "message" in shown:  # DeepCall may repeat the number, and the record outlives its deadline
                shown["message"] = shown_text(shown["message"], Audience(), attempt.caller_last4)
            _record(attempt, f"takeover.{to}", **shown)
    attempt.refresh_from_db()
    return bool(changed)


def mark_sent(attempt: TakeoverAttempt) -> bool:
    return move(attempt, [State.INTENT], State.SENT, sent_at=timezone.now())


def settle(attempt: TakeoverAttempt, outcome: Accepted | QueueApiError) -> bool:
    """Writes down what is known after asking. Anything not proven is unknown."""
    state, reason = _class_of(outcome)
    values = {"message": outcome.message[:300], "tries": outcome.tries, "reason": reason}
    code = "" if isinstance(outcome, Accepted) else outcome.code
    late = [] if state == State.UNKNOWN else [State.UNKNOWN]  # age may have been quicker; an answer still counts
    return move(attempt, [State.INTENT, State.SENT, *late], state, code=code, **values)


def not_sent(attempt: TakeoverAttempt, reason: str, message: str = "") -> bool:
    return move(attempt, [State.INTENT], State.NOT_SENT, reason=reason, message=message[:300])


def _class_of(outcome: Accepted | QueueApiError) -> tuple[str, str]:
    if isinstance(outcome, Accepted):
        return State.ACCEPTED, ""
    table: list[tuple[type[QueueApiError], str, str]] = [
        (Busy, State.BUSY, ""), (Refused, State.REFUSED, ""),
        (RequestInvalid, State.NOT_SENT, "set-up"), (NotSent, State.NOT_SENT, "no-connection"),
    ]
    for kind, state, reason in table:
        if isinstance(outcome, kind):
            return state, reason
    return State.UNKNOWN, ""


def age(account: int) -> int:
    """Moves on what was left behind: by a crash, a lost answer, or because nobody could tell. Count of changes.

    Called by the lease holder only. A later list may still tell more; this only keeps a row from blocking for ever.
    """
    now = timezone.now()
    rules = [
        (State.INTENT, INTENT_LIMIT_S, State.NOT_SENT, {"reason": "interrupted"}),
        (State.SENT, SENT_LIMIT_S, State.UNKNOWN, {"reason": "interrupted"}),
        (State.UNKNOWN, UNKNOWN_LIMIT_S, State.ABANDONED, {}),
    ]
    changes = 0
    for start, limit_s, to, values in rules:
        old = TakeoverAttempt.objects.filter(
            account=account, state=start, changed_at__lt=now - timedelta(seconds=limit_s))
        changes += sum(move(attempt, [start], to, **values) for attempt in old)
    return changes + _close_accepted(account, now - timedelta(seconds=ACCEPTED_LIMIT_S))


def _close_accepted(account: int, before: Any) -> int:
    """An accepted takeover blocks others for ACCEPTED_LIMIT_S; then it is an outcome like any other."""
    old = list(TakeoverAttempt.objects.filter(
        account=account, state=State.ACCEPTED, is_open=True, changed_at__lt=before).values_list("pk", flat=True))
    for pk in old:
        with transaction.atomic():
            version = generation.bump(generation.TAKEOVER)
            TakeoverAttempt.objects.filter(pk=pk, state=State.ACCEPTED, is_open=True).update(
                is_open=False, version=version)
    return len(old)


def news_since(version: int, limit: int = 2000) -> list[AttemptNews]:
    """Attempts changed after `version`, oldest change first; at a cold start those of the last day."""
    rows = TakeoverAttempt.objects.filter(version__gt=version)
    if version == 0:
        rows = rows.filter(changed_at__gt=timezone.now() - timedelta(days=1))
    return [news_of(attempt) for attempt in rows.order_by("version")[:limit]]


def news_of(attempt: TakeoverAttempt) -> AttemptNews:
    return AttemptNews(
        id=attempt.pk, account=attempt.account_id, call_key=attempt.call_key, call_ref=attempt.call_ref,
        state=attempt.state, is_open=attempt.is_open, version=attempt.version, code=attempt.code,
        message=attempt.message, reason=attempt.reason, actor_id=attempt.actor_id, actor_name=attempt.actor_name,
        caller_last4=attempt.caller_last4, began=int(attempt.created_at.timestamp() * 1000),
        changed=int(attempt.changed_at.timestamp() * 1000),
    )


def _record(attempt: TakeoverAttempt, kind: str, **detail: Any) -> None:
    audit.record(kind, actor=attempt.actor_name, account=attempt.account.name, call_ref=attempt.call_ref,
                 attempt_id=attempt.pk, **detail)
