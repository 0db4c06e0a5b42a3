"""What later lists tell of a takeover, and what age decides: nothing is guessed, and nothing stays open for ever."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.board import Board, heard
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.reconcile import age, age_unpolled, reconcile
from dashboard.takeover import move
from dashboard.takeover_states import OPEN, State
from queue_api.calls import Call, CallState
from queue_api.models import Account
from tests.makers import listing, nameless
from tests.takeovers import CALL
from tests.test_takeover import another_call, begun, put

pytestmark = pytest.mark.django_db
WITH_ASHA = msgspec.structs.replace(CALL, agent_id="1101", agent_name="Asha Rao")
NOBODY = msgspec.structs.replace(CALL, agent_id="", agent_name="")


@pytest.fixture
def attempt(supervisor: User, account: Account) -> TakeoverAttempt:
    """Sent ten seconds ago, given up a second later, and nobody knows."""
    return unknown(begun(supervisor, account))


def unknown(attempt: TakeoverAttempt, state: str = State.UNKNOWN, sent_ago_s: float = 10) -> TakeoverAttempt:
    put(attempt, state)
    sent = timezone.now() - timedelta(seconds=sent_ago_s)
    TakeoverAttempt.objects.filter(pk=attempt.pk).update(sent_at=sent, tried_until=sent + timedelta(seconds=1))
    attempt.refresh_from_db()
    return attempt


class Lists:
    """DeepCall's lists one after the other, as the poller makes boards of them."""

    def __init__(self, account: Account) -> None:
        self.board = Board(account=account.pk, fence=1)
        self.unusable = 0

    def bring(self, *calls: Call, after_s: float = 0, total: int | None = None) -> int:
        """One more list, asked for so many seconds after now; how many attempts it moved."""
        at = int((timezone.now() + timedelta(seconds=after_s)).timestamp() * 1000)
        one = listing(*calls, declared_total=total, unusable=self.unusable)
        self.board = heard(self.board, one, asked_at=at, now=at, misses=2, gap_ms=10_000)
        return reconcile(self.board)


@pytest.fixture
def lists(account: Account) -> Lists:
    lists = Lists(account)
    lists.bring(CALL, after_s=-20)
    return lists


def state_of(attempt: TakeoverAttempt) -> tuple[str, bool]:
    attempt.refresh_from_db()
    return attempt.state, attempt.is_open


# ── confirmed ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("state", [State.ACCEPTED, State.UNKNOWN])
def test_another_agent_confirms_and_is_named(attempt: TakeoverAttempt, lists: Lists, state: str) -> None:
    unknown(attempt, state)
    assert lists.bring(WITH_ASHA) == 1
    assert state_of(attempt) == (State.CONFIRMED, False)
    assert (attempt.agent_after, attempt.agent_after_name) == ("1101", "Asha Rao")
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.actor_name, line.detail["agent_after_name"]) == ("takeover.confirmed", "Sita", "Asha Rao")


def test_an_agent_where_there_was_none_confirms(supervisor: User, account: Account, lists: Lists) -> None:
    lists.bring(NOBODY, after_s=-15)
    attempt = unknown(begun(supervisor, account, NOBODY))
    assert lists.bring(WITH_ASHA) == 1
    assert state_of(attempt)[0] == State.CONFIRMED


def test_a_list_asked_for_before_the_takeover_was_sent_says_nothing(attempt: TakeoverAttempt, lists: Lists) -> None:
    assert lists.bring(WITH_ASHA, after_s=-11) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACCEPTED, State.UNKNOWN}))
def test_lists_change_nothing_that_is_settled_or_still_being_asked(
    attempt: TakeoverAttempt, lists: Lists, state: str
) -> None:
    unknown(attempt, state)
    assert lists.bring(WITH_ASHA) == 0
    assert state_of(attempt)[0] == state


@pytest.mark.parametrize("same", [
    CALL, msgspec.structs.replace(CALL, agent_name=""), msgspec.structs.replace(CALL, agent_id=""),
    msgspec.structs.replace(CALL, agent_id="", agent_name="BEN"), msgspec.structs.replace(CALL, agent_name="Benjamin"),
])
def test_a_list_that_words_the_same_agent_differently_confirms_nothing(
    attempt: TakeoverAttempt, lists: Lists, same: Call
) -> None:
    assert lists.bring(same) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


def test_a_call_between_two_agents_settles_nothing(attempt: TakeoverAttempt, lists: Lists) -> None:
    for after_s in (6, 8, 10):
        assert lists.bring(NOBODY, after_s=after_s) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


def test_each_account_is_looked_up_in_its_own_lists(attempt: TakeoverAttempt) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    assert Lists(other).bring(WITH_ASHA) == 0
    assert state_of(attempt)[0] == State.UNKNOWN


def test_an_agent_whose_id_is_read_from_another_field_is_no_other_agent(
    attempt: TakeoverAttempt, lists: Lists
) -> None:
    assert lists.bring(msgspec.structs.replace(CALL, agent_id="m55")) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


@pytest.mark.parametrize("change", [{"field_names": {"call_id": ["uuid"]}}, {"list_request": {"filter": ["waiting"]}}])
def test_lists_read_in_another_way_than_when_it_was_clicked_prove_nothing(
    attempt: TakeoverAttempt, account: Account, lists: Lists, change: dict[str, object]
) -> None:
    Account.objects.filter(pk=account.pk).update(**change)
    assert [lists.bring(after_s=after_s) for after_s in (0, 2, 4)] == [0, 0, 0]
    assert lists.bring(WITH_ASHA, after_s=6) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


# ── calls without an id ────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def unnamed(supervisor: User, account: Account, lists: Lists) -> TakeoverAttempt:
    """A takeover of a call that is known by its caller and agent alone, so that moving it changes its key."""
    lists.bring(nameless(agent="1102"), after_s=-15)
    return unknown(begun(supervisor, account, nameless(agent="1102")))


def test_a_call_without_an_id_is_found_under_its_new_agent(unnamed: TakeoverAttempt, lists: Lists) -> None:
    assert lists.bring(nameless(agent="1101", agent_name="Asha Rao")) == 1
    assert state_of(unnamed) == (State.CONFIRMED, False)
    assert unnamed.agent_after_name == "Asha Rao"


def test_when_one_caller_has_two_calls_without_an_id_nothing_is_guessed(
    unnamed: TakeoverAttempt, lists: Lists
) -> None:
    for after_s in (0, 2, 4):
        assert lists.bring(nameless(agent="1101"), nameless(agent="1103"), after_s=after_s) == 0
    assert state_of(unnamed) == (State.UNKNOWN, True)


def test_a_call_without_an_id_that_left_the_lists_may_have_moved(unnamed: TakeoverAttempt, lists: Lists) -> None:
    assert [lists.bring(after_s=after_s) for after_s in (0, 2, 4)] == [0, 0, 0]
    assert state_of(unnamed) == (State.UNKNOWN, True)


# ── not confirmed ──────────────────────────────────────────────────────────────────────────────────
def test_the_old_agent_in_two_late_lists_is_not_confirmed(attempt: TakeoverAttempt, lists: Lists) -> None:
    assert [lists.bring(CALL, after_s=after_s) for after_s in (0, 2)] == [0, 1]
    assert state_of(attempt) == (State.NOT_CONFIRMED, False)


def test_lists_within_five_seconds_of_the_last_try_are_too_early(attempt: TakeoverAttempt, lists: Lists) -> None:
    assert [lists.bring(CALL, after_s=after_s) for after_s in (-8, -7, -6, -5)] == [0, 0, 0, 0]
    assert [lists.bring(CALL, after_s=after_s) for after_s in (-3.9, -1.9)] == [0, 1]


def test_the_same_list_counts_once(attempt: TakeoverAttempt, lists: Lists) -> None:
    assert lists.bring(CALL) == 0
    assert reconcile(lists.board) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


def test_a_list_after_the_first_late_one_may_still_confirm(attempt: TakeoverAttempt, lists: Lists) -> None:
    assert [lists.bring(CALL), lists.bring(WITH_ASHA, after_s=2)] == [0, 1]
    assert state_of(attempt)[0] == State.CONFIRMED


def test_what_deepcall_accepted_is_not_called_unconfirmed(attempt: TakeoverAttempt, lists: Lists) -> None:
    unknown(attempt, State.ACCEPTED)
    assert [lists.bring(CALL, after_s=after_s) for after_s in (0, 2, 4)] == [0, 0, 0]
    assert state_of(attempt) == (State.ACCEPTED, True)


@pytest.mark.parametrize(("state", "settled"), [
    (CallState.WAITING, True), (CallState.RINGING, True),
    (CallState.TALKING, False), (CallState.HOLD, False), (CallState.UNKNOWN, False),
])
def test_without_any_agent_only_a_call_that_nobody_has_answered_shows_that_nobody_took_it(
    supervisor: User, account: Account, lists: Lists, state: CallState, settled: bool
) -> None:
    call = msgspec.structs.replace(NOBODY, state=state)
    lists.bring(call, after_s=-15)
    attempt = unknown(begun(supervisor, account, call))
    for after_s in (0, 2):
        lists.bring(call, after_s=after_s)
    assert (state_of(attempt)[0] == State.NOT_CONFIRMED) == settled


# ── ended ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("state", [State.ACCEPTED, State.UNKNOWN])
def test_a_call_that_two_lists_lack_has_ended(attempt: TakeoverAttempt, lists: Lists, state: str) -> None:
    unknown(attempt, state)
    assert [lists.bring(after_s=after_s) for after_s in (0, 2)] == [0, 1]
    assert state_of(attempt) == (State.ENDED, False)


def test_an_incomplete_list_ends_nothing_and_says_nothing_of_calls_it_leaves_out(
    attempt: TakeoverAttempt, lists: Lists
) -> None:
    assert [lists.bring(after_s=after_s, total=9) for after_s in (0, 2, 4, 6)] == [0, 0, 0, 0]
    assert state_of(attempt) == (State.UNKNOWN, True)
    assert (attempt.unmoved_lists, attempt.gone_lists) == (0, 0)


def test_a_new_leader_without_a_snapshot_calls_nothing_ended_after_one_list(
    attempt: TakeoverAttempt, account: Account
) -> None:
    fresh = Lists(account)
    assert fresh.bring(total=9) == 0  # an incomplete one
    assert fresh.bring(after_s=2) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)
    assert fresh.bring(after_s=4) == 1
    assert state_of(attempt)[0] == State.ENDED


def test_a_call_that_comes_back_has_not_ended(attempt: TakeoverAttempt, account: Account) -> None:
    unknown(attempt, State.ACCEPTED)
    fresh = Lists(account)
    assert [fresh.bring(), fresh.bring(CALL, after_s=2), fresh.bring(after_s=4)] == [0, 0, 0]
    assert state_of(attempt) == (State.ACCEPTED, True)


def test_a_row_without_an_identity_may_be_the_call(attempt: TakeoverAttempt, lists: Lists) -> None:
    for after_s in (0, 2, 4, 6):
        lists.unusable = 1
        assert lists.bring(after_s=after_s) == 0
    assert state_of(attempt) == (State.UNKNOWN, True)


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
    *((state, 86_400, state, False) for state in sorted(set(State) - OPEN)),
])
def test_age_moves_on_what_nobody_else_will(
    supervisor: User, account: Account, start: str, age_s: float, to: str, still_open: bool
) -> None:
    attempt = begun(supervisor, account)
    put(attempt, start, age_s)
    was_open = attempt.is_open
    changes = age(account.pk)
    assert state_of(attempt) == (to, still_open)
    assert changes == int((start, was_open) != (to, still_open))
    assert age(account.pk) == 0


def test_a_crash_before_sending_and_one_after_are_told_apart(supervisor: User, account: Account) -> None:
    for number, state in enumerate((State.INTENT, State.SENT)):
        put(begun(supervisor, account, another_call(number)), state, age_s=30)
    assert age(account.pk) == 2
    before, after = TakeoverAttempt.objects.order_by("pk")
    assert (before.state, before.reason) == (State.NOT_SENT, "interrupted")
    assert (after.state, after.reason) == (State.UNKNOWN, "interrupted")
    assert {line.kind for line in AuditEvent.objects.all()} == {
        "takeover.intent", "takeover.not-sent", "takeover.unknown"}


def test_a_clock_that_was_set_back_leaves_nothing_open(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    put(attempt, State.UNKNOWN, age_s=-3600)
    assert age(account.pk) == 1
    assert state_of(attempt) == (State.ABANDONED, False)


def test_what_moved_on_by_itself_is_not_aged_a_second_time(
    supervisor: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes age at once, or an answer comes: unknown must not be abandoned before it was looked for."""
    attempt = begun(supervisor, account)
    put(attempt, State.SENT, age_s=30)
    def second(*args: Any, **kwargs: Any) -> bool:
        assert move(*args, **kwargs)
        return move(*args, **kwargs)

    monkeypatch.setattr("dashboard.reconcile.move", second)
    age(account.pk)
    assert state_of(attempt) == (State.UNKNOWN, True)


def test_each_account_ages_by_itself(supervisor: User, account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    put(begun(supervisor, other), State.UNKNOWN, age_s=500)
    assert age(account.pk) == 0


def test_an_account_that_nobody_polls_any_more_leaves_nothing_open(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    put(attempt, State.SENT, age_s=30)
    assert age_unpolled() == 0
    Account.objects.update(enabled=False)
    assert age_unpolled() == 1
    put(attempt, State.UNKNOWN, age_s=130)
    assert age_unpolled() == 1
    assert state_of(attempt) == (State.ABANDONED, False)


def test_an_old_acceptance_lets_the_next_one_try(supervisor: User, outsider: User, account: Account) -> None:
    put(begun(supervisor, account), State.ACCEPTED, age_s=31)
    age(account.pk)
    assert begun(outsider, account).state == State.INTENT
