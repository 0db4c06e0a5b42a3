"""What is too old of the history goes, in small steps, by whom it belongs to."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard import purge
from dashboard.history import MINUTE_MS
from dashboard.models import CallMinute, ObservedCall, Watched
from dashboard.purge import DAY_MS, Purge, purge_batch
from dashboard.station import Station
from queue_api.models import Account
from tests.makers import NOW
from tests.takeovers import signed_in

pytestmark = pytest.mark.django_db
HISTORY = (ObservedCall, CallMinute, Watched)


@pytest.fixture(autouse=True)
def _kept_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KEEP_CALLS_DAYS, settings.KEEP_MINUTES_DAYS = 2, 10
    monkeypatch.setattr(purge, "now_ms", lambda: NOW)


def observed(account: Account, days_ago: float, count: int = 1) -> None:
    at = NOW - int(days_ago * DAY_MS)
    have = ObservedCall.objects.count()
    ObservedCall.objects.bulk_create(
        ObservedCall(account=account, call_key=f"c-{have + number}", minute=at // MINUTE_MS, offered_at=at,
                     last_seen_at=at, outcome="answered") for number in range(count))


def counted(account: Account, days_ago: float) -> None:
    at = NOW - int(days_ago * DAY_MS)
    CallMinute.objects.create(account=account, minute=at // MINUTE_MS)
    Watched.objects.create(account=account, began_at=at - DAY_MS, until=at)


def left(model: Any) -> list[float]:
    column = "until" if model is Watched else "minute"
    unit = DAY_MS if model is Watched else DAY_MS // MINUTE_MS
    now = NOW if model is Watched else NOW // MINUTE_MS
    return sorted(round((now - value) / unit, 1) for value in model.objects.values_list(column, flat=True))


def all_of(account: Account) -> None:
    while purge_batch(account.pk, NOW):
        pass


# ── what goes ──────────────────────────────────────────────────────────────────────────────────────
def test_calls_go_before_the_minutes_that_were_counted_from_them(account: Account) -> None:
    for days in (0, 1.9, 2.1, 9.9, 10.1):
        observed(account, days)
        counted(account, days)
    all_of(account)
    assert left(ObservedCall) == [0, 1.9]
    assert left(CallMinute) == [0, 1.9, 2.1, 9.9]
    assert left(Watched) == [0, 1.9, 2.1, 9.9]


def test_another_accounts_history_stays(account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    observed(other, 5)
    all_of(account)
    assert ObservedCall.objects.count() == 1


# ── in small steps ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 10)
    monkeypatch.setattr(purge, "BATCHES", 3)


@pytest.mark.usefixtures("_small")
def test_a_great_backlog_goes_a_few_batches_at_a_time(account: Account) -> None:
    observed(account, 5, count=75)
    one = Purge(every_s=3600)
    assert [one.some({account.pk}, {account.pk}) for _ in range(4)] == [30, 30, 15, 0]
    assert ObservedCall.objects.count() == 0


@pytest.mark.usefixtures("_small")
def test_what_was_purged_to_the_end_is_not_looked_at_again_until_it_is_due(account: Account) -> None:
    one, due = Purge(every_s=3600), Purge(every_s=0)
    observed(account, 5)
    assert one.some({account.pk}, {account.pk}) == 1
    observed(account, 5)
    assert one.some({account.pk}, {account.pk}) == 0
    assert due.some({account.pk}, {account.pk}) == 1


@pytest.mark.usefixtures("_small")
def test_one_accounts_backlog_does_not_keep_another_from_its_turn_for_ever(account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    observed(account, 5, count=25)
    observed(other, 5, count=5)
    one = Purge(every_s=3600)
    for _ in range(3):
        one.some({account.pk, other.pk}, {account.pk, other.pk})
    assert ObservedCall.objects.count() == 0


# ── by whom ────────────────────────────────────────────────────────────────────────────────────────
def test_who_does_not_lead_an_account_leaves_it_to_who_does(account: Account) -> None:
    observed(account, 5)
    assert Purge(every_s=3600).some(set(), {account.pk}) == 0
    assert Purge(every_s=3600).some({account.pk}, {account.pk}) == 1


def test_who_becomes_its_leader_later_purges_it_then(account: Account) -> None:
    observed(account, 5)
    one = Purge(every_s=3600)
    one.some(set(), {account.pk})
    assert one.some({account.pk}, {account.pk}) == 1


def test_of_an_account_that_nobody_polls_any_more_whoever_comes_purges(account: Account) -> None:
    observed(account, 5)
    assert Purge(every_s=3600).some(set(), set()) == 1


@pytest.mark.django_db(transaction=True)
async def test_the_sweep_purges(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    from asgiref.sync import sync_to_async

    from dashboard.fanout import Hub
    from dashboard.mirror import Mirror

    await sync_to_async(observed)(account, 5)
    station = Station(Mirror(), Hub(Mirror()))
    await station._sweep()
    assert await ObservedCall.objects.acount() == 0
    station.desk.close()


# ── an account goes ────────────────────────────────────────────────────────────────────────────────
def test_with_an_account_all_of_its_history_goes_and_nobody_elses(account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    for one in (account, other):
        observed(one, 1, count=3)
        counted(one, 1)
    account.delete()
    assert {model: set(model.objects.values_list("account_id", flat=True)) for model in HISTORY} == {
        model: {other.pk} for model in HISTORY}


def test_what_deleting_an_account_costs_does_not_grow_with_its_calls(account: Account) -> None:
    asked = []
    for calls in (1, 300):
        one = Account.objects.create(name=f"Of {calls}", base_url="https://deepcall.example")
        observed(one, 1, count=calls)
        with CaptureQueriesContext(connection) as queries:
            one.delete()
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_page_that_asks_whether_to_delete_an_account_names_its_history_and_no_call(
    account: Account, admin: User
) -> None:
    observed(account, 1, count=3)
    text = signed_in(admin).get(f"/admin/queue_api/account/{account.pk}/delete/").content.decode()
    assert "All that was noted of their calls" in text
    assert "answered" not in text
