"""S18: what is sealed can go under another key while Callboard runs, belongs to its row, and is in no dump."""

import io
import itertools
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from dashboard import rotation
from dashboard.models import BoardSnapshot, Generation, Queue, Seat
from dashboard.rotation import SEALED, rotate
from dashboard.snapshots import load_board, save_board
from queue_api.credentials import Secret, Unsealable, seal, seal_bytes
from queue_api.models import Account
from tests.conftest import person
from tests.makers import board, call

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
NUMBER = "919876500011"


def account_of(number: int) -> Account:
    account = Account(name=f"Site {number}", base_url="https://deepcall.example", user_id="who")
    account.set_ssid(f"canary-ssid-{number}")
    account.set_token(f"canary-token-{number}")
    account.save()
    save_board(board(call(caller=NUMBER), account=account.pk), account)
    return account


@pytest.fixture
def sealed(db: None, settings: Settings) -> list[Account]:
    """Seven accounts, a seat and their boards, all under the old key; then the new one stands in front."""
    settings.FIELD_KEYS = [OLD]
    accounts = [account_of(number) for number in range(7)]
    sales = Queue.objects.create(account=accounts[0], key="302", name="Sales")
    person("sita", (), (sales,))
    seat = Seat.objects.get()
    seat.set_ssid("canary-own-ssid")
    seat.save()
    settings.FIELD_KEYS = [NEW, OLD]
    return accounts


def rotated(**options: Any) -> str:
    out = io.StringIO()
    call_command("rotate_field_keys", stdout=out, **options)
    return out.getvalue()


def secrets_of(accounts: list[Account]) -> list[Any]:
    """Everything sealed, opened with the keys in force."""
    found: list[Any] = []
    for account in Account.objects.filter(pk__in=[one.pk for one in accounts]).order_by("pk"):
        credentials, kept = account.credentials(), load_board(account)
        assert kept is not None
        found += [credentials.ssid, credentials.token, kept.calls["c-1"].call.caller]
    return [*found, Seat.objects.get().own_ssid()]


def expected() -> list[Any]:
    parts = ([Secret(f"canary-ssid-{number}"), Secret(f"canary-token-{number}"), NUMBER] for number in range(7))
    return [*itertools.chain(*parts), Secret("canary-own-ssid")]


# ── rotating ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_s18_after_a_rotation_the_old_key_can_be_dropped(
    sealed: list[Account], settings: Settings, batch: int
) -> None:
    said = rotated(batch=batch)
    settings.FIELD_KEYS = [NEW]
    assert secrets_of(sealed) == expected()
    assert said.splitlines() == [
        "account session ids: 7 renewed, 0 under the first key before.",
        "account tokens: 7 renewed, 0 under the first key before.",
        "people's own session ids: 1 renewed, 0 under the first key before.",
        "second factors: 0 renewed, 0 under the first key before.",
        "recovery codes: 0 renewed, 0 under the first key before.",
        "kept boards: 7 renewed, 0 under the first key before.",
        "Everything is under the first key. The others may be dropped."]
    settings.FIELD_KEYS = [OLD]
    with pytest.raises(Unsealable):
        Account.objects.all()[0].credentials()


def test_s18_before_it_the_old_key_cannot(sealed: list[Account], settings: Settings) -> None:
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(Unsealable, match="Add the key it was stored with"):
        secrets_of(sealed)


def test_s18_a_rotation_that_was_stopped_goes_on_where_it_stood(
    sealed: list[Account], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = itertools.count()

    def stops(text: str, context: str) -> str:
        if next(made) == 4:
            raise KeyboardInterrupt
        return seal(text, context)

    monkeypatch.setattr(rotation, "seal", stops)
    with pytest.raises(KeyboardInterrupt):
        rotated(batch=2)
    assert secrets_of(sealed) == expected(), "both keys open what is there in between"
    monkeypatch.setattr(rotation, "seal", seal)
    assert "account session ids: 3 renewed, 4 under the first key before." in rotated(batch=2)
    assert "account session ids: 0 renewed, 7 under the first key before." in rotated()
    settings.FIELD_KEYS = [NEW]
    assert secrets_of(sealed) == expected()


def test_s18_what_somebody_saves_meanwhile_is_not_overwritten(
    sealed: list[Account], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator enters another session between the reading and the writing of that row."""
    once = iter([True])

    def late(text: str, context: str) -> str:
        if next(once, False):
            account = Account.objects.order_by("pk")[0]
            account.set_ssid("entered-meanwhile")
            account.save()
        return seal(text, context)

    monkeypatch.setattr(rotation, "seal", late)
    assert "account session ids: 6 renewed, 1 under the first key before." in rotated()
    settings.FIELD_KEYS = [NEW]
    assert Account.objects.order_by("pk")[0].credentials().ssid == Secret("entered-meanwhile")


def test_s18_a_board_written_under_the_old_key_all_the_while_is_said(
    sealed: list[Account], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was not restarted writes faster than the command."""
    def slow(data: bytes, context: str) -> bytes:
        renewed = seal_bytes(data, context)
        settings.FIELD_KEYS = [OLD]
        for account in sealed:
            save_board(board(call(caller=NUMBER), account=account.pk), account)
        settings.FIELD_KEYS = [NEW, OLD]
        return renewed

    monkeypatch.setattr(rotation, "seal_bytes", slow)
    with pytest.raises(CommandError, match="written all the while"):
        rotated()


def test_s18_what_no_key_opens_is_named_and_left_as_it_is(sealed: list[Account], settings: Settings) -> None:
    foreign = Fernet(Fernet.generate_key()).encrypt(b'["x", "y"]').decode()
    Account.objects.filter(pk=sealed[2].pk).update(ssid_sealed=foreign)
    with pytest.raises(CommandError, match=f"account:{sealed[2].uid}:ssid.*Do not drop a key yet"):
        rotated()
    assert Account.objects.get(pk=sealed[2].pk).ssid_sealed == foreign
    assert "canary" not in str(foreign)


def test_s18_an_unreasonable_batch_is_refused() -> None:
    with pytest.raises(CommandError, match="--batch"):
        rotated(batch=0)


def test_s18_a_rotation_holds_up_nobody_and_wakes_nobody(sealed: list[Account]) -> None:
    """No signal, so no process reads its configuration again; no transaction over more than one row."""
    before = list(Generation.objects.values_list())
    rotated(batch=2)
    assert list(Generation.objects.values_list()) == before


def test_s18_no_sealed_column_is_forgotten() -> None:
    """Every column that looks sealed is among those that are rotated."""
    columns = {(model, field.name) for model in apps.get_models() for field in model._meta.get_fields()
               if field.name.endswith("_sealed") or type(field).__name__ == "BinaryField"}
    assert columns == {(kind.model, kind.field) for kind in SEALED}


# ── bound to a row ─────────────────────────────────────────────────────────────────────────────────
def test_s18_what_was_moved_from_another_row_is_refused_and_not_renewed(sealed: list[Account]) -> None:
    first, second = Account.objects.order_by("pk")[:2]
    Account.objects.filter(pk=first.pk).update(ssid_sealed=second.ssid_sealed, token_sealed=first.ssid_sealed)
    BoardSnapshot.objects.filter(account=first).update(payload=BoardSnapshot.objects.get(account=second).payload)
    swapped = Account.objects.get(pk=first.pk)
    with pytest.raises(Unsealable, match="another row"):
        swapped.credentials()
    assert load_board(swapped) is None
    lost = [context for kind in SEALED for context in rotate(kind).lost]
    assert lost == [f"account:{first.uid}:ssid", f"account:{first.uid}:token", f"board:{first.uid}"]


# ── at rest ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("when", ["before", "after"])
def test_s18_a_dump_of_the_database_tells_no_secret_and_no_number(sealed: list[Account], when: str) -> None:
    if when == "after":
        rotated()
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    assert "canary" not in dump.getvalue()
    assert NUMBER not in dump.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM dashboard_boardsnapshot")
        assert not [row for (row,) in cursor.fetchall() if NUMBER.encode() in bytes(row)]


def test_s19_no_admin_page_gives_a_stored_secret_back(sealed: list[Account], admin: User, client: Any) -> None:
    client.force_login(admin)
    for path in (f"/admin/queue_api/account/{sealed[0].pk}/change/", "/me/",
                 f"/admin/auth/user/{User.objects.get(username='sita').pk}/change/"):
        page = client.get(path).content.decode()
        assert "canary" not in page
        assert "gAAAA" not in page
