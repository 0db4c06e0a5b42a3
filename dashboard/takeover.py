"""Takeover attempts: record -> upstream -> outcome. The only place that changes an attempt's state.

The row of the intent is committed before DeepCall is asked, the outcome after. Which event leads where is the table of
`dashboard/takeover_states.py`; every transition names the state it starts from, so whoever comes second changes
nothing. At most one attempt per call is open (a database constraint). Each change is a line of the record, written in
the same transaction: what cannot be recorded does not happen.
"""

import logging
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.logs import concerns
from dashboard import audit, counts, generation
from dashboard.access import Audience, Viewer, last4, shown_text, without_caller
from dashboard.board import LiveCall
from dashboard.lease import database_time
from dashboard.models import TakeoverAttempt
from dashboard.overlay import AttemptNews
from dashboard.takeover_states import Event, State, event_of, stays_open, ways
from queue_api.client import Accepted
from queue_api.errors import QueueApiError, RequestInvalid
from queue_api.models import Account
from queue_api.naming import TakeoverTarget

logger = logging.getLogger(__name__)

PER_PERSON, PER_ACCOUNT, WINDOW_S = 10, 60, 60
RETRY_LIMIT_S = WINDOW_S  # a longer wait than that is not DeepCall's to demand


class SameClick(Exception):
    """This click has its attempt already: nothing more is done for it."""

    def __init__(self, attempt: TakeoverAttempt) -> None:
        super().__init__(attempt.key)
        self.attempt = attempt


class AlreadyOpen(Exception):
    """Somebody else's attempt on this call is open."""

    def __init__(self, attempt: TakeoverAttempt) -> None:
        super().__init__(attempt.actor_name)
        self.attempt = attempt


class TooMany(Exception):
    """Over the limit; `wait_s` until the next one may be tried. `by_deepcall`: it asked for the wait, not we."""

    def __init__(self, wait_s: int, by_deepcall: bool = False) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s, self.by_deepcall = wait_s, by_deepcall


def clean_key(text: str) -> str:
    """The click's key as the browser made it (32 hex digits), or a fresh one when it is missing or odd."""
    usable = len(text) == 32 and all(character in "0123456789abcdef" for character in text)
    return text if usable else secrets.token_hex(16)


def same_click(user_id: int, key: str) -> TakeoverAttempt | None:
    return TakeoverAttempt.objects.filter(actor_id=user_id, key=key).select_related("account").first()


def begin(viewer: Viewer, account: Account, live: LiveCall, ref: str, key: str, *, target: TakeoverTarget,
          own_session: bool, source: audit.Source) -> TakeoverAttempt:
    """Commits the intent and its line in the record; nothing has been sent yet.

    Raises SameClick when this click was begun before, AlreadyOpen when another attempt on this call is open, TooMany
    over the limits.
    """
    call = live.call
    attempt = TakeoverAttempt(
        key=key, actor=User(pk=viewer.user_id), actor_name=viewer.name, account=account, call_key=call.key,
        call_ref=ref, call_id=call.call_id, queue_key=call.queue_key, caller_last4=last4(call.caller),
        agent_before=call.agent_id, agent_before_name=call.agent_name, agentid_sent=target.agentid,
        own_session=own_session, address=source.address, session_mark=source.session, list_mark=account.list_mark(),
    )
    try:
        _insert(attempt)
    except IntegrityError:
        _who_was_first(attempt)
        _insert(attempt)  # who was first has settled meanwhile; if not, the record itself cannot be written
    concerns(f"takeover {attempt.pk}")
    counts.takeovers.add(State.INTENT)
    return attempt


def _insert(attempt: TakeoverAttempt) -> None:
    with transaction.atomic():
        attempt.version = generation.bump(generation.TAKEOVER)
        attempt.save(force_insert=True)
        _check_limits(attempt.actor_id, attempt.account_id)
        _record(attempt, "takeover.intent", agent_before=attempt.agent_before, agentid_sent=attempt.agentid_sent,
                own_session=attempt.own_session)


def _who_was_first(attempt: TakeoverAttempt) -> None:
    """Raises SameClick or AlreadyOpen for the attempt that is in the way of this one, if any still is."""
    twin = same_click(attempt.actor_id, attempt.key)
    if twin is not None:
        raise SameClick(twin)
    others = TakeoverAttempt.objects.filter(account_id=attempt.account_id, call_key=attempt.call_key, is_open=True)
    other = others.select_related("account").first()
    if other is not None:
        raise AlreadyOpen(other)


def _check_limits(user_id: int, account: int) -> None:
    """Counts the attempt just inserted, too: its transaction holds the counter's row, so clicks come one by one."""
    now = timezone.now()
    window = now - timedelta(seconds=WINDOW_S), now + timedelta(seconds=1)  # later ones: the clock was set back
    recent = TakeoverAttempt.objects.filter(created_at__range=window)
    mine, everybodys = recent.filter(actor_id=user_id), recent.filter(account=account)
    for attempts, most in ((mine, PER_PERSON), (everybodys, PER_ACCOUNT)):
        oldest_first = list(attempts.order_by("created_at").values_list("created_at", flat=True)[: most + 1])
        if len(oldest_first) > most:
            raise TooMany(max(1, WINDOW_S - int((now - oldest_first[0]).total_seconds())))
    waits = TakeoverAttempt.objects.filter(account=account, created_at__gt=now - 2 * timedelta(seconds=WINDOW_S))
    asked_to_wait = waits.filter(retry_at__gt=now, retry_at__lt=window[1] + timedelta(seconds=RETRY_LIMIT_S)).last()
    if asked_to_wait is not None and asked_to_wait.retry_at is not None:
        raise TooMany(int((asked_to_wait.retry_at - now).total_seconds()) + 1, by_deepcall=True)


def move(attempt: TakeoverAttempt, event: Event, detail: dict[str, Any] | None = None,
         only: dict[str, Any] | None = None, **values: Any) -> bool:
    """What `event` does to the attempt, with its line in the record. False when it does nothing to it any more.

    `values` are written to the row, `detail` only to the record; `only`: what else must still be true of the row.
    """
    with transaction.atomic():
        version = generation.bump(generation.TAKEOVER)
        rows = TakeoverAttempt.objects.filter(pk=attempt.pk, is_open=True, **(only or {}))
        change = {"version": version, "changed_at": database_time(), **values}
        to = next((to for start, to in ways(event)
                   if rows.filter(state=start).update(state=to, is_open=stays_open(to, event), **change)), None)
        if to is not None:
            _record(attempt, f"takeover.{to}", event=str(event), **_told(values), **(detail or {}))
    if to is None:
        attempt.refresh_from_db()
        return False
    for name, value in {"state": to, "is_open": stays_open(to, event), **change}.items():
        setattr(attempt, name, value)
    _say(attempt, event)
    return True


def _say(attempt: TakeoverAttempt, event: Event) -> None:
    """The one line, and the one count, of a transition that is committed."""
    if (attempt.state, event) != (State.ACCEPTED, Event.OUT_OF_TIME):  # it only stops blocking others
        counts.takeovers.add(attempt.state)
        logger.info("takeover %s of account %s: %s: now %s %s", attempt.pk, attempt.account_id, event, attempt.state,
                    attempt.code or attempt.reason, extra={"fields": {"object": f"takeover {attempt.pk}"}})


def _told(values: dict[str, Any]) -> dict[str, Any]:
    names = ("code", "message", "reason", "agent_after", "agent_after_name")
    return {name: value for name, value in values.items() if name in names and value}


def mark_sent(attempt: TakeoverAttempt) -> bool:
    return move(attempt, Event.SENDING, sent_at=database_time())


def settle(attempt: TakeoverAttempt, outcome: Accepted | QueueApiError) -> bool:
    """Writes down what is known after asking. False: age or a list was quicker; what came is on record all the same."""
    event, now = event_of(outcome), database_time()
    values: dict[str, Any] = {
        "code": "" if isinstance(outcome, Accepted) else outcome.code, "message": outcome.message[:300],
        "tries": 0 if isinstance(outcome, RequestInvalid) else outcome.tries, "tried_until": now,
    }
    if event is Event.NOTHING_WENT_OUT:
        values["reason"] = "set-up" if isinstance(outcome, RequestInvalid) else "no-connection"
    if isinstance(outcome, QueueApiError) and outcome.retry_after_s:
        values["retry_at"] = now + timedelta(seconds=min(outcome.retry_after_s, RETRY_LIMIT_S))
    detail = {"tries": [{"code": one.code, "message": shown_text(one.message, Audience()), "ms": one.took_ms}
                        for one in outcome.log]}
    if move(attempt, event, detail, **values):
        return True
    with transaction.atomic():
        _record(attempt, "takeover.late-answer", **{"event": str(event), **_told(values), **detail})
    return False


def not_sent(attempt: TakeoverAttempt, reason: str, message: str = "") -> bool:
    return move(attempt, Event.HELD_BACK, reason=reason, message=message[:300])


def judge(attempt: TakeoverAttempt, verdict: str, by: str, source: audit.Source, by_id: int | None = None) -> bool:
    """A person says what became of an abandoned takeover. The first one counts; False for any later one."""
    with transaction.atomic():
        version = generation.bump(generation.TAKEOVER)
        judged = TakeoverAttempt.objects.filter(pk=attempt.pk, state=State.ABANDONED, verdict="").update(
            verdict=verdict, verdict_by=by, version=version, changed_at=database_time())
        if judged:
            _record(attempt, "takeover.judged", source=source, by=by, by_id=by_id, verdict=verdict)
    attempt.refresh_from_db()
    return bool(judged)


# ── news for the screens ───────────────────────────────────────────────────────────────────────────
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
        caller_last4=attempt.caller_last4, began=_ms(attempt.created_at), changed=_ms(attempt.changed_at),
        key=attempt.key, own_session=attempt.own_session, agent=attempt.agent_after_name or attempt.agent_after,
        agent_id=attempt.agent_after, verdict=attempt.verdict, verdict_by=attempt.verdict_by,
        wait_until=_ms(attempt.retry_at) if attempt.retry_at else None,
    )


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


def _record(attempt: TakeoverAttempt, kind: str, source: audit.Source | None = None, **detail: Any) -> None:
    """Every line says by itself who, which call and from where; any number in DeepCall's words is cut to its end."""
    detail["queue"] = attempt.queue_key
    for name, text in detail.items():  # the record outlives the privacy deadline
        if name == "message":
            detail[name] = shown_text(text, Audience())
        elif isinstance(text, str):
            detail[name] = without_caller(text, attempt.caller_last4)
    source = source or audit.Source(attempt.address, attempt.session_mark)
    audit.record(kind, actor=attempt.actor_name, account=attempt.account.name, call_ref=attempt.call_ref,
                 attempt_id=attempt.pk, actor_id=attempt.actor_id, caller_last4=attempt.caller_last4,
                 **source.detail(), **detail)
