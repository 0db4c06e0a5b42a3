"""An attempt's life in the database: begun before DeepCall is asked, settled after, moved on by age."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from dashboard import audit, generation, takeover
from dashboard.access import viewer_of
from dashboard.clock import now_ms
from dashboard.models import AuditEvent, Generation, TakeoverAttempt
from dashboard.takeover import AlreadyOpen, State, TooMany
from queue_api.calls import Call
from queue_api.client import Accepted
from queue_api.errors import Busy, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid, Untrusted
from queue_api.models import Account
from queue_api.naming import TakeoverTarget
from tests.takeovers import CALL, KEY, NUMBER, in_threads, live

WAYS_ON = {  # what each function may start from, and where it leads
    "mark_sent": ({State.INTENT}, State.SENT),
    "settle": ({State.INTENT, State.SENT, State.UNKNOWN}, State.ACCEPTED),
    "not_sent": ({State.INTENT}, State.NOT_SENT),
}
WRONG_STARTS = [(name, state) for name, (starts, _to) in WAYS_ON.items() for state in State if state not in starts]


def begun(user: User, account: Account, call: Call = CALL, key: str = "") -> TakeoverAttempt:
    viewer = viewer_of(user)
    assert viewer is not None
    return takeover.begin(
        viewer, account, live(call), f"{account.pk}-{call.call_id}", takeover.clean_key(key),
        target=TakeoverTarget(call_id=call.call_id, agentid=call.agent_id), own_session=False, address="192.0.2.7")


def another_call(number: int) -> Call:
    return Call(key=f"c-{number}", call_id=f"c-{number}", caller=NUMBER, queue_id="302")


def put(attempt: TakeoverAttempt, state: str, age_s: float = 0) -> None:
    """As if it had come to `state` so long ago."""
    TakeoverAttempt.objects.filter(pk=attempt.pk).update(
        state=state, is_open=state in takeover.OPEN, changed_at=timezone.now() - timedelta(seconds=age_s))
    attempt.refresh_from_db()


def go(name: str, attempt: TakeoverAttempt) -> bool:
    if name == "settle":
        return takeover.settle(attempt, Accepted("Call taken over", tries=1))
    return takeover.not_sent(attempt, "call-gone") if name == "not_sent" else takeover.mark_sent(attempt)


def written(user: User, account: Account, count: int, age_s: float = 0) -> None:
    """So many settled attempts of that age."""
    at = timezone.now() - timedelta(seconds=age_s)
    TakeoverAttempt.objects.bulk_create(
        TakeoverAttempt(key=f"{number:032x}", actor=user, actor_name="x", account=account, is_open=False,
                        call_key=f"old-{number}", call_ref="x", state=State.REFUSED, created_at=at, changed_at=at)
        for number in range(count))


# ── the click's key ────────────────────────────────────────────────────────────────────────────────
def test_a_key_as_the_browser_makes_it_is_kept() -> None:
    assert takeover.clean_key(KEY) == KEY


@pytest.mark.parametrize("odd", ["", "ABCDEF" * 6, KEY[:-1], f"{KEY}0", f"{KEY[:-1]}\n", "٣" * 32])
def test_a_missing_or_odd_key_is_replaced_by_a_fresh_one(odd: str) -> None:
    fresh = takeover.clean_key(odd)
    assert fresh != odd
    assert takeover.clean_key(fresh) == fresh
    assert fresh != takeover.clean_key(odd)


# ── beginning ──────────────────────────────────────────────────────────────────────────────────────
def test_the_intent_says_who_what_and_from_where(supervisor: User, account: Account) -> None:
    attempt = TakeoverAttempt.objects.get(pk=begun(supervisor, account, key=KEY).pk)
    assert (attempt.state, attempt.is_open, attempt.key) == (State.INTENT, True, KEY)
    assert (attempt.actor, attempt.actor_name, attempt.address) == (supervisor, "Sita", "192.0.2.7")
    assert (attempt.call_id, attempt.queue_key, attempt.agent_before) == ("c-1", "302", "1102")
    assert (attempt.caller_last4, attempt.agentid_sent, attempt.tries) == ("5678", "1102", 0)
    line = AuditEvent.objects.get()
    assert (line.kind, line.actor_name, line.account_name, line.attempt_id) == (
        "takeover.intent", "Sita", "Northgate", attempt.pk)
    assert line.detail["address"] == "192.0.2.7"


def test_the_callers_number_is_kept_in_no_column_of_attempt_or_record(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    takeover.settle(attempt, Refused("takeover", code="1000", message="No."))
    rows = [*TakeoverAttempt.objects.values_list(), *AuditEvent.objects.values_list()]
    assert NUMBER[:-4] not in repr(rows)
    assert NUMBER[-4:] in repr(rows)


def test_an_intent_whose_line_cannot_be_written_does_not_exist(
    supervisor: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_detail: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(DatabaseError):
        begun(supervisor, account)
    assert not TakeoverAttempt.objects.exists()


def test_a_record_that_does_not_chain_is_an_error_and_not_somebody_elses_attempt(
    supervisor: User, account: Account
) -> None:
    audit.record("takeover.denied")
    Generation.objects.filter(name=generation.AUDIT).update(value=0)
    with pytest.raises(IntegrityError):
        begun(supervisor, account)
    assert not TakeoverAttempt.objects.exists()


def test_the_same_click_again_is_the_attempt_that_there_is(supervisor: User, account: Account) -> None:
    first = begun(supervisor, account, key=KEY)
    assert begun(supervisor, account, key=KEY).pk == first.pk
    assert takeover.same_click(supervisor.pk, KEY) == first
    assert AuditEvent.objects.count() == 1


def test_two_people_may_make_the_same_key(supervisor: User, outsider: User, account: Account) -> None:
    mine = begun(supervisor, account, key=KEY)
    assert begun(outsider, account, another_call(2), key=KEY).pk != mine.pk


@pytest.mark.parametrize("state", sorted(takeover.OPEN))
def test_an_open_attempt_blocks_everybody_elses_by_name(
    supervisor: User, outsider: User, account: Account, state: str
) -> None:
    put(begun(supervisor, account), state)
    with pytest.raises(AlreadyOpen) as other:
        begun(outsider, account)
    assert other.value.attempt.actor_name == "Sita"
    assert TakeoverAttempt.objects.count() == 1


@pytest.mark.parametrize("state", sorted(set(State) - takeover.OPEN))
def test_a_settled_attempt_blocks_nobody(supervisor: User, outsider: User, account: Account, state: str) -> None:
    put(begun(supervisor, account), state)
    assert begun(outsider, account).state == State.INTENT


def test_two_accounts_may_use_the_same_call_id(supervisor: User, account: Account) -> None:
    begun(supervisor, account)
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    assert begun(supervisor, other).state == State.INTENT


def test_the_database_itself_refuses_a_second_open_attempt(supervisor: User, account: Account) -> None:
    first, second = begun(supervisor, account), begun(supervisor, account, another_call(2))
    with pytest.raises(IntegrityError), transaction.atomic():
        TakeoverAttempt.objects.filter(pk=second.pk).update(call_key=first.call_key)


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_eleventh_takeover_in_a_minute_must_wait(supervisor: User, account: Account) -> None:
    written(supervisor, account, 10, age_s=20)
    with pytest.raises(TooMany) as limit:
        begun(supervisor, account)
    assert 35 <= limit.value.wait_s <= 41
    assert TakeoverAttempt.objects.count() == 10
    assert not AuditEvent.objects.exists()


def test_attempts_of_more_than_a_minute_ago_do_not_count(supervisor: User, account: Account) -> None:
    written(supervisor, account, 10, age_s=61)
    assert begun(supervisor, account).state == State.INTENT


def test_one_persons_limit_is_not_anothers(supervisor: User, outsider: User, account: Account) -> None:
    written(supervisor, account, 10)
    assert begun(outsider, account).state == State.INTENT


def test_an_account_takes_sixty_a_minute_from_everybody_together(
    supervisor: User, outsider: User, account: Account
) -> None:
    written(outsider, account, 60)
    with pytest.raises(TooMany):
        begun(supervisor, account)
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    assert begun(supervisor, other).state == State.INTENT


def test_the_click_that_reached_the_limit_still_finds_itself(supervisor: User, account: Account) -> None:
    written(supervisor, account, 9)
    tenth = begun(supervisor, account, key=KEY)
    assert begun(supervisor, account, key=KEY).pk == tenth.pk


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_instant_do_not_slip_past_the_limit(supervisor: User, account: Account) -> None:
    def one(number: int) -> bool:
        try:
            return bool(begun(supervisor, account, another_call(number)).pk)
        except TooMany:
            return False

    with in_threads(14) as pool:
        came_through = [job.result() for job in [pool.submit(one, number) for number in range(14)]]
    assert came_through.count(True) == TakeoverAttempt.objects.count() == takeover.PER_PERSON


# ── transitions ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", WAYS_ON)
def test_each_transition_goes_from_where_it_may_start(supervisor: User, account: Account, name: str) -> None:
    starts, to = WAYS_ON[name]
    for number, start in enumerate(sorted(starts)):
        attempt = begun(supervisor, account, another_call(number))
        put(attempt, start)
        version, rows = attempt.version, AuditEvent.objects.count()
        assert go(name, attempt)
        assert (attempt.state, attempt.is_open) == (to, to in takeover.OPEN)
        assert attempt.version > version
        assert AuditEvent.objects.count() == rows + 1
        assert AuditEvent.objects.latest("seq").kind == f"takeover.{to}"


@pytest.mark.parametrize(("name", "state"), WRONG_STARTS)
def test_a_transition_from_a_wrong_state_changes_nothing(
    supervisor: User, account: Account, name: str, state: str
) -> None:
    attempt = begun(supervisor, account)
    put(attempt, state)
    before = TakeoverAttempt.objects.values().get()
    assert not go(name, attempt)
    assert TakeoverAttempt.objects.values().get() == before
    assert AuditEvent.objects.count() == 1


def test_who_comes_second_learns_what_is_true(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    stale = TakeoverAttempt.objects.get(pk=attempt.pk)
    takeover.not_sent(attempt, "call-gone")
    assert not takeover.mark_sent(stale)
    assert (stale.state, stale.reason) == (State.NOT_SENT, "call-gone")


@pytest.mark.parametrize(("outcome", "state", "reason"), [
    (Accepted("Fine.", tries=1), State.ACCEPTED, ""),
    (Refused("takeover", code="1000", message="Fine."), State.REFUSED, ""),
    (Refused("takeover", code="4242", message="Fine."), State.REFUSED, ""),
    (Refused("takeover", code="403", message="Fine.", http_status=403), State.REFUSED, ""),
    (Busy("takeover", code="1501", message="Fine."), State.BUSY, ""),
    (NoUsableAnswer("takeover", code="1032", message="Fine."), State.UNKNOWN, ""),
    (NoUsableAnswer("takeover", code="1000", message="Fine."), State.UNKNOWN, ""),
    (NoUsableAnswer("takeover", message="Fine."), State.UNKNOWN, ""),
    (QueueApiError("takeover", message="Fine."), State.UNKNOWN, ""),
    (NotSent("takeover", message="Fine."), State.NOT_SENT, "no-connection"),
    (Untrusted("takeover", message="Fine."), State.NOT_SENT, "no-connection"),
    (RequestInvalid("takeover", message="Fine."), State.NOT_SENT, "set-up"),
])
def test_what_came_is_written_down_as_what_it_proves(
    supervisor: User, account: Account, outcome: Accepted | QueueApiError, state: str, reason: str
) -> None:
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    assert takeover.settle(attempt, outcome)
    code = "" if isinstance(outcome, Accepted) else outcome.code
    attempt = TakeoverAttempt.objects.get()
    assert (attempt.state, attempt.reason, attempt.code, attempt.message, attempt.tries) == (
        state, reason, code, "Fine.", 1)
    assert attempt.is_open == (state in (State.ACCEPTED, State.UNKNOWN))
    line = AuditEvent.objects.latest("seq")
    assert line.kind == f"takeover.{state}"
    assert line.detail == {"code": code, "message": "Fine.", "tries": 1, "reason": reason}


def test_a_vendors_message_of_any_length_fits(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    assert takeover.settle(attempt, Refused("takeover", code="1" * 10, message="x" * 5000))
    assert len(attempt.message) == 300


# ── what was left behind ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("start", "age_s", "to", "still_open"), [
    (State.INTENT, 19, State.INTENT, True),
    (State.INTENT, 21, State.NOT_SENT, False),
    (State.SENT, 19, State.SENT, True),
    (State.SENT, 21, State.UNKNOWN, True),
    (State.UNKNOWN, 119, State.UNKNOWN, True),
    (State.UNKNOWN, 121, State.ABANDONED, False),
    (State.ACCEPTED, 29, State.ACCEPTED, True),
    (State.ACCEPTED, 31, State.ACCEPTED, False),
    *((state, 86_400, state, False) for state in sorted(set(State) - takeover.OPEN)),
])
def test_age_moves_on_what_nobody_else_will(
    supervisor: User, account: Account, start: str, age_s: float, to: str, still_open: bool
) -> None:
    attempt = begun(supervisor, account)
    put(attempt, start, age_s)
    was_open = attempt.is_open
    changes = takeover.age(account.pk)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.is_open) == (to, still_open)
    assert changes == int((start, was_open) != (to, still_open))
    assert takeover.age(account.pk) == 0


def test_a_crash_before_sending_and_one_after_are_told_apart(supervisor: User, account: Account) -> None:
    for number, state in enumerate((State.INTENT, State.SENT)):
        put(begun(supervisor, account, another_call(number)), state, age_s=30)
    assert takeover.age(account.pk) == 2
    before, after = TakeoverAttempt.objects.order_by("pk")
    assert (before.state, before.reason) == (State.NOT_SENT, "interrupted")
    assert (after.state, after.reason) == (State.UNKNOWN, "interrupted")
    assert {line.kind for line in AuditEvent.objects.all()} == {
        "takeover.intent", "takeover.not-sent", "takeover.unknown"}


def test_each_account_ages_by_itself(supervisor: User, account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    put(begun(supervisor, other), State.UNKNOWN, age_s=500)
    assert takeover.age(account.pk) == 0


def test_an_old_acceptance_lets_the_next_one_try(supervisor: User, outsider: User, account: Account) -> None:
    put(begun(supervisor, account), State.ACCEPTED, age_s=31)
    takeover.age(account.pk)
    assert begun(outsider, account).state == State.INTENT


# ── news for the screens ───────────────────────────────────────────────────────────────────────────
def test_every_change_is_news_after_the_last(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    (intent,) = takeover.news_since(0)
    takeover.mark_sent(attempt)
    (sent,) = takeover.news_since(intent.version)
    takeover.settle(attempt, Accepted("Fine.", tries=1))
    (accepted,) = takeover.news_since(sent.version)
    assert (intent.state, sent.state, accepted.state) == (State.INTENT, State.SENT, State.ACCEPTED)
    assert takeover.news_since(accepted.version) == []
    assert intent.rev(now_ms()) < sent.rev(now_ms()) < accepted.rev(now_ms())


def test_closing_an_acceptance_is_news_too(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    put(attempt, State.ACCEPTED, age_s=31)
    takeover.age(account.pk)
    (news,) = takeover.news_since(attempt.version)
    assert not news.is_open


def test_an_outcome_is_shown_for_a_minute_and_its_end_is_a_revision(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    takeover.not_sent(attempt, "call-gone")
    news = takeover.news_of(attempt)
    assert news.shown(news.changed + 59_999)
    assert not news.shown(news.changed + 60_000)
    assert news.rev(news.changed + 60_000) > news.rev(news.changed)


def test_a_cold_start_does_not_read_the_past(supervisor: User, account: Account) -> None:
    old, new = begun(supervisor, account), begun(supervisor, account, another_call(2))
    put(old, State.REFUSED, age_s=90_000)
    assert [news.id for news in takeover.news_since(0)] == [new.pk]
