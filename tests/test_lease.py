"""Exactly one poller per account: leases, fences, and what an older fence may not do any more."""

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dashboard import lease
from dashboard.lease import TTL_S, acquire, held_by_others, release, renew
from dashboard.models import BoardSnapshot
from dashboard.snapshots import load_board, save_board
from queue_api.models import Account
from tests.conftest import needs
from tests.makers import board, call, mirror_of
from tests.processes import ROOT


class Clock:
    """The database's clock, in our hands: epoch seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease, "database_now", clock)
    return clock


def test_of_two_who_ask_one_gets_the_lease(clock: Clock) -> None:
    assert acquire("account:1", "first") == 1
    assert acquire("account:1", "second") is None


def test_each_account_has_its_own_lease(clock: Clock) -> None:
    assert acquire("account:1", "first") == 1
    assert acquire("account:2", "second") == 1


def test_the_fence_grows_with_every_holder(clock: Clock) -> None:
    fences = []
    for holder in ("first", "second", "first"):
        fences.append(acquire("account:1", holder))
        clock.now += TTL_S + 0.1
    assert fences == [1, 2, 3]


def test_a_renewed_lease_is_not_free(clock: Clock) -> None:
    acquire("account:1", "first")
    clock.now += TTL_S - 1
    assert renew("account:1", "first", 1)
    clock.now += TTL_S - 1
    assert acquire("account:1", "second") is None


def test_a_late_renewal_is_refused_even_when_nobody_else_came(clock: Clock) -> None:
    acquire("account:1", "first")
    clock.now += TTL_S + 0.1
    assert not renew("account:1", "first", 1)
    assert acquire("account:1", "first") == 2


@pytest.mark.parametrize(("holder", "fence"), [("second", 1), ("first", 2), ("first", 0)])
def test_only_the_holder_of_the_fence_may_renew(clock: Clock, holder: str, fence: int) -> None:
    acquire("account:1", "first")
    assert not renew("account:1", holder, fence)


def test_a_released_lease_is_free_at_once(clock: Clock) -> None:
    acquire("account:1", "first")
    release("account:1", "first", 1)
    assert not renew("account:1", "first", 1)
    assert acquire("account:1", "second") == 2


def test_a_former_holder_cannot_release_the_next_ones_lease(clock: Clock) -> None:
    acquire("account:1", "first")
    clock.now += TTL_S + 0.1
    acquire("account:1", "second")
    release("account:1", "first", 1)
    assert acquire("account:1", "third") is None


def test_a_clock_set_back_by_an_hour_stops_nobody_for_an_hour(clock: Clock) -> None:
    acquire("account:1", "first")
    clock.now -= 3600
    assert acquire("account:1", "second") == 2
    assert not renew("account:1", "first", 1)


def test_a_holder_whose_clock_is_set_back_renews_in_the_new_time(clock: Clock) -> None:
    acquire("account:1", "first")
    clock.now -= 3600
    assert renew("account:1", "first", 1)
    clock.now += TTL_S + 0.1
    assert acquire("account:1", "second") == 2


def test_running_leases_of_others_are_named_with_their_end(clock: Clock) -> None:
    acquire("account:1", "first")
    acquire("account:2", "second")
    assert held_by_others("first") == {"account:2": clock.now + TTL_S}
    clock.now += TTL_S + 0.1
    assert held_by_others("first") == {}


@pytest.mark.django_db(transaction=True)
def test_of_many_threads_exactly_one_gets_the_lease() -> None:
    assert sum(fence is not None for fence in race("account:1")) == 1


def race(name: str, threads: int = 6) -> list[int | None]:
    """`threads` holders ask at the same moment; what each got."""
    from django.db import connection

    start, got = threading.Barrier(threads), []

    def ask(holder: str) -> None:
        try:
            start.wait()
            got.append(acquire(name, holder))
        finally:
            connection.close()

    running = [threading.Thread(target=ask, args=(f"holder-{number}",)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return got


# ── what an older fence may not do ─────────────────────────────────────────────────────────────────
def test_a_snapshot_comes_back_as_it_was_kept(account: Account) -> None:
    kept = board(call("a"), account=account.pk)
    assert save_board(kept, account)
    assert load_board(account) == kept


def test_an_older_fence_never_overwrites_a_snapshot(account: Account) -> None:
    save_board(board(account=account.pk, fence=2), account)
    assert not save_board(board(call("a"), account=account.pk, fence=1, seq=99), account)
    assert load_board(account) == board(account=account.pk, fence=2)


def test_the_holder_and_the_next_one_overwrite_it(account: Account) -> None:
    for fence, seq in ((1, 1), (1, 2), (2, 1)):
        assert save_board(board(account=account.pk, fence=fence, seq=seq), account)
    assert BoardSnapshot.objects.values_list("fence", "seq").get() == (2, 1)


def test_a_snapshot_holds_no_readable_number(account: Account) -> None:
    save_board(board(call("a", caller="919812345678"), account=account.pk), account)
    assert b"919812345678" not in bytes(BoardSnapshot.objects.get().payload)


@pytest.mark.parametrize("payload", [b"", b"not sealed"])
def test_a_snapshot_that_cannot_be_read_counts_as_none(account: Account, payload: bytes) -> None:
    BoardSnapshot.objects.create(account=account, fence=1, seq=1, payload=payload)
    assert load_board(account) is None


def test_another_accounts_snapshot_cannot_be_passed_off(account: Account) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    save_board(board(call("a"), account=account.pk), account)
    BoardSnapshot.objects.create(account=other, fence=1, seq=1, payload=BoardSnapshot.objects.get().payload)
    assert load_board(other) is None


def test_an_older_fence_is_refused_and_counted_by_the_mirror() -> None:
    mirror = mirror_of(board(fence=2))
    assert not mirror.offer(board(call("a"), fence=1, seq=99))
    assert mirror.refused == 1
    assert mirror.boards[1] == board(fence=2)


# ── PostgreSQL: the same on the database of a cluster ──────────────────────────────────────────────
POSTGRES = os.environ.get("CALLBOARD_TEST_POSTGRES", "postgres://root@127.0.0.1:5432")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A throw-away database; its address."""
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=1).close()
        found = True
    except OSError:
        found = False
    needs(found, "PostgreSQL on 127.0.0.1:5432", "apt install postgresql, with trust for 127.0.0.1")
    import psycopg

    name = f"callboard_lease_{secrets.token_hex(4)}"
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{POSTGRES}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


PROBE = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
from dashboard.lease import acquire, database_now, release, renew
from dashboard.models import Lease
from tests.test_lease import race
assert connection.vendor == "postgresql"
got = race("account:1", threads=6)
assert sorted(map(str, got)) == ["1"] + ["None"] * 5, got
holder = Lease.objects.get(name="account:1").holder
assert renew("account:1", holder, 1)
Lease.objects.update(expires_at=database_now() - 1)
assert not renew("account:1", holder, 1)
assert acquire("account:1", "next") == 2
Lease.objects.update(expires_at=database_now() + 3600)
assert acquire("account:1", "after the clock was set back") == 3
release("account:1", "after the clock was set back", 3)
assert acquire("account:1", "last") == 4
print("all held")
connection.close()
"""


@pytest.mark.processes
def test_the_same_holds_on_postgresql(postgres_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": postgres_url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "all held\n", done.stderr
