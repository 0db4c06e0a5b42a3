"""An administrator's own list and the poller's take turns, whichever process the poller is in."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse

from dashboard import borrowing, lease
from dashboard.borrowing import borrowed
from dashboard.lease import account_lease, acquire, release, renew, want, want_no_more
from dashboard.models import Lease
from queue_api import turns
from queue_api.models import Account
from queue_api.turns import Occupied
from tests.processes import until
from tests.takeovers import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def name(account: Account) -> str:
    return account_lease(account.pk)


# ── the lease that is wanted ───────────────────────────────────────────────────────────────────────
def test_a_lease_that_is_wanted_is_not_renewed_and_only_who_wants_it_gets_it(name: str) -> None:
    fence = acquire(name, "poller")
    assert fence
    want(name, "guest")
    assert not renew(name, "poller", fence)
    release(name, "poller", fence)
    assert acquire(name, "another poller") is None
    assert acquire(name, "guest") == fence + 1


def test_of_two_who_want_it_the_first_is_next(name: str) -> None:
    fence = acquire(name, "poller")
    assert fence
    want(name, "first")
    want(name, "second")
    release(name, "poller", fence)
    assert (acquire(name, "second"), acquire(name, "first")) == (None, fence + 1)
    release(name, "first", fence + 1)
    want_no_more(name, "second")  # it never was its
    assert acquire(name, "second") is None
    want_no_more(name, "first")
    assert acquire(name, "second") == fence + 2


def test_who_wanted_it_and_died_is_waited_for_no_longer_than_a_moment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = lease.database_now()
    want(name, "guest")
    assert acquire(name, "poller") is None
    monkeypatch.setattr(lease, "database_now", lambda: now + lease.WANT_S + 0.5)
    assert acquire(name, "poller")
    monkeypatch.setattr(lease, "database_now", lambda: now - 3600)  # the clock was set back meanwhile
    assert acquire(name, "another")


# ── one list ───────────────────────────────────────────────────────────────────────────────────────
def test_a_list_of_ones_own_holds_the_lease_and_lets_it_go(account: Account, name: str) -> None:
    with borrowed(account):
        assert acquire(name, "poller") is None
    assert acquire(name, "poller")


def test_the_lease_is_let_go_also_after_a_crash(account: Account, name: str) -> None:
    with pytest.raises(RuntimeError), borrowed(account):
        raise RuntimeError
    assert acquire(name, "poller")


@pytest.mark.django_db(transaction=True)
def test_a_poller_is_waited_for_until_it_lets_go(account: Account, name: str) -> None:
    fence = acquire(name, "poller")
    assert fence
    told: list[int] = []

    def guest() -> None:
        with borrowed(account):
            told.append(Lease.objects.get(name=name).fence)
        connection.close()

    waiting = threading.Thread(target=guest)
    waiting.start()
    until(lambda: not renew(name, "poller", fence), 5, "the poller is told")
    assert told == []
    release(name, "poller", fence)
    waiting.join(5)
    assert told == [fence + 1]


def test_a_poller_that_never_lets_go_is_not_disturbed(
    account: Account, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowing, "PATIENCE_S", 0.0)
    fence = acquire(name, "poller")
    assert fence
    with pytest.raises(Occupied), borrowed(account):
        pytest.fail("asked beside the poller")
    assert renew(name, "poller", fence)


def test_the_admin_then_says_so(account: Account, admin: User, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrowing, "PATIENCE_S", 0.0)
    acquire(name, "poller")
    response = signed_in(admin).get(reverse("admin:queue_api_account_inspect", args=[account.pk]))
    assert "still in flight" in response.content.decode()


def test_an_account_that_was_never_saved_is_nobodys(db: Any) -> None:
    with borrowed(Account(name="New")):
        assert not Lease.objects.exists()
    assert turns.take is borrowed
