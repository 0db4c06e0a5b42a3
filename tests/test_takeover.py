"""An attempt's life in the database: begun before DeepCall is asked, settled after, moved on by age."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from dashboard import audit, generation, takeover
from dashboard.access import viewer_of
from dashboard.audit import Source
from dashboard.clock import now_ms
from dashboard.models import AuditEvent, Generation, TakeoverAttempt
from dashboard.takeover import AlreadyOpen, SameClick, TooMany
from dashboard.takeover_states import EDGES, OPEN, Event, State, stays_open
from queue_api.calls import Call
from queue_api.client import Accepted
from queue_api.errors import Busy, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid, Untrusted
from queue_api.models import Account
from queue_api.naming import TakeoverTarget
from tests.takeovers import CALL, KEY, NUMBER, in_threads, live


def begun(user: User, account: Account, call: Call = CALL, key: str = "") -> TakeoverAttempt:
    viewer = viewer_of(user)
    assert viewer is not None
    return takeover.begin(
        viewer, account, live(call), f"{account.pk}-{call.call_id}", takeover.clean_key(key),
        target=TakeoverTarget(call_id=call.call_id, agentid=call.agent_id), own_session=False,
        source=Source("192.0.2.7", "0a1b2c3d"))


def another_call(number: int) -> Call:
    return Call(key=f"c-{number}", call_id=f"c-{number}", caller=NUMBER, queue_id="302")


def put(attempt: TakeoverAttempt, state: str, age_s: float = 0) -> None:
    """As if it had come to `state` so long ago."""
    TakeoverAttempt.objects.filter(pk=attempt.pk).update(
        state=state, is_open=state in OPEN, changed_at=timezone.now() - timedelta(seconds=age_s))
    attempt.refresh_from_db()


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
    with pytest.raises(SameClick) as twin:
        begun(supervisor, account, key=KEY)
    assert twin.value.attempt == takeover.same_click(supervisor.pk, KEY) == first
    assert AuditEvent.objects.count() == 1


def test_one_click_on_two_calls_is_the_first_calls_alone(supervisor: User, account: Account) -> None:
    """Else the second call would be moved while the record names the first."""
    first = begun(supervisor, account, key=KEY)
    with pytest.raises(SameClick) as twin:
        begun(supervisor, account, another_call(2), key=KEY)
    assert twin.value.attempt == first


def test_two_people_may_make_the_same_key(supervisor: User, outsider: User, account: Account) -> None:
    mine = begun(supervisor, account, key=KEY)
    assert begun(outsider, account, another_call(2), key=KEY).pk != mine.pk


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_attempt_blocks_everybody_elses_by_name(
    supervisor: User, outsider: User, account: Account, state: str
) -> None:
    put(begun(supervisor, account), state)
    with pytest.raises(AlreadyOpen) as other:
        begun(outsider, account)
    assert other.value.attempt.actor_name == "Sita"
    assert TakeoverAttempt.objects.count() == 1


@pytest.mark.parametrize("state", sorted(set(State) - OPEN))
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
    with pytest.raises(SameClick) as twin:
        begun(supervisor, account, key=KEY)
    assert twin.value.attempt == tenth


def test_attempts_of_a_time_to_come_do_not_count_either(supervisor: User, account: Account) -> None:
    written(supervisor, account, 10, age_s=-600)  # the clock was set back since
    assert begun(supervisor, account).state == State.INTENT


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
@pytest.mark.parametrize(("start", "event", "to"), [(*edge, to) for edge, to in EDGES.items()])
def test_each_way_of_the_table_is_gone_with_a_line_in_the_record(
    supervisor: User, account: Account, start: State, event: Event, to: State
) -> None:
    attempt = begun(supervisor, account)
    put(attempt, start)
    version = attempt.version
    assert takeover.move(attempt, event)
    assert (attempt.state, attempt.is_open) == (to, stays_open(to, event))
    assert attempt.version > version
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.detail["event"]) == (f"takeover.{to}", event)


@pytest.mark.parametrize(("start", "event"), [
    (start, event) for start in State for event in Event if (start, event) not in EDGES])
def test_any_other_way_changes_nothing(supervisor: User, account: Account, start: State, event: Event) -> None:
    attempt = begun(supervisor, account)
    put(attempt, start)
    before = TakeoverAttempt.objects.values().get()
    assert not takeover.move(attempt, event)
    assert TakeoverAttempt.objects.values().get() == before
    assert AuditEvent.objects.count() == 1


def test_an_acceptance_that_was_closed_stays_as_it_is(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    put(attempt, State.ACCEPTED)
    assert takeover.move(attempt, Event.OUT_OF_TIME)
    assert (attempt.state, attempt.is_open) == (State.ACCEPTED, False)
    assert not takeover.move(attempt, Event.ANOTHER_AGENT)


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
        state, reason, code, "Fine.", 0 if reason == "set-up" else 1)
    assert attempt.is_open == (state in (State.ACCEPTED, State.UNKNOWN))
    line = AuditEvent.objects.latest("seq")
    assert line.kind == f"takeover.{state}"
    assert [line.detail.get(name, "") for name in ("code", "message", "reason")] == [code, "Fine.", reason]


def test_a_vendors_message_of_any_length_fits(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    assert takeover.settle(attempt, Refused("takeover", code="1" * 10, message="x" * 5000))
    assert len(attempt.message) == 300


# ── what a person says ─────────────────────────────────────────────────────────────────────────────
def test_the_first_verdict_on_an_abandoned_takeover_counts(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    put(attempt, State.ABANDONED)
    version = attempt.version
    assert takeover.judge(attempt, "moved", "Sita", Source("192.0.2.9"))
    assert not takeover.judge(attempt, "not-moved", "Dev", Source())
    assert (attempt.state, attempt.verdict, attempt.verdict_by) == (State.ABANDONED, "moved", "Sita")
    assert attempt.version > version
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.detail["verdict"], line.detail["by"], line.detail["address"]) == (
        "takeover.judged", "moved", "Sita", "192.0.2.9")


@pytest.mark.parametrize("state", sorted(set(State) - {State.ABANDONED}))
def test_there_is_no_verdict_on_what_is_known_or_still_looked_for(
    supervisor: User, account: Account, state: str
) -> None:
    attempt = begun(supervisor, account)
    put(attempt, state)
    assert not takeover.judge(attempt, "moved", "Sita", Source())
    assert attempt.verdict == ""


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
    put(attempt, State.ACCEPTED)
    version = attempt.version
    takeover.move(attempt, Event.OUT_OF_TIME)
    (news,) = takeover.news_since(version)
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
