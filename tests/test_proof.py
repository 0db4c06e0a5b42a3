"""S19: a secret is changed only by who has given their own password within ten minutes."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from dashboard import throttle
from dashboard.models import Queue, Seat, WrongPassword
from queue_api.models import Account
from tests.conftest import PASSWORD
from tests.factors import enrolled, stale
from tests.takeovers import signed_in
from tests.test_admin import CANARY, FORM, add, change, errors, page, save_person

pytestmark = pytest.mark.django_db
ASKS, FIELD = "Give your own password: you last did more than 10 minutes ago.", 'name="own_password"'
ANOTHER = "another-long-password"


@pytest.fixture
def office(admin: User) -> Client:
    """An administrator's browser, left open for eleven minutes."""
    client = signed_in(admin)
    stale(client)
    return client


def ssid_of(account: Account) -> str:
    account.refresh_from_db()
    secret = account.credentials().ssid
    return secret.reveal() if secret else ""


# ── accounts ───────────────────────────────────────────────────────────────────────────────────────
def test_s19_with_a_fresh_sign_in_nothing_more_is_asked(admin: User, account: Account) -> None:
    fresh = signed_in(admin)
    stale(fresh, 590)
    assert FIELD not in page(fresh.get(reverse("admin:queue_api_account_change", args=[account.pk])))
    assert change(fresh, account, ssid=CANARY).status_code == 302
    assert ssid_of(account) == CANARY


@pytest.mark.parametrize("fields", [
    {"ssid": CANARY}, {"token": CANARY, "user_id": "u-1"}, {"ssid": "-", "token": CANARY, "user_id": "u-1"},
    {"base_url": "https://evil.example", "ssid": CANARY}, {"base_url": "https://deepcall.example/elsewhere"},
])
def test_s19_a_changed_secret_or_address_needs_the_password(
    office: Client, account: Account, fields: dict[str, str]
) -> None:
    assert ASKS in errors(change(office, account, **fields))
    assert "not your password" in errors(change(office, account, **fields, own_password="wrong"))
    before = (ssid_of(account), account.token_sealed, account.base_url)
    assert before == ("account-ssid", "", "https://deepcall.example")
    assert change(office, account, **fields, own_password=PASSWORD).status_code == 302
    assert (ssid_of(account), account.token_sealed, account.base_url) != before


def test_s19_everything_else_is_saved_without_it(office: Client, account: Account) -> None:
    assert FIELD in page(office.get(reverse("admin:queue_api_account_change", args=[account.pk])))
    assert change(office, account, line="Night desk").status_code == 302
    account.refresh_from_db()
    assert account.line == "Night desk"


def test_s19_a_new_account_needs_it(office: Client) -> None:
    assert ASKS in errors(add(office))
    assert not Account.objects.exists()
    assert add(office, own_password=PASSWORD).status_code == 302
    assert Account.objects.exists()


def test_s19_a_page_of_minute_nine_sent_in_minute_eleven_keeps_what_is_no_secret(
    admin: User, account: Account
) -> None:
    client = signed_in(admin)
    stale(client, 540)
    assert FIELD not in page(client.get(reverse("admin:queue_api_account_change", args=[account.pk])))
    stale(client, 120)
    back = change(client, account, ssid=CANARY, line="Night desk")
    shown = page(back)
    assert ASKS in errors(back)
    assert "Type the secrets on this page again" in errors(back)
    assert FIELD in shown
    assert 'value="Night desk"' in shown
    assert CANARY not in shown
    assert ssid_of(account) == "account-ssid"


def test_s19_a_right_password_is_a_proof_for_ten_more_minutes(office: Client, account: Account) -> None:
    assert change(office, account, ssid=CANARY, own_password=PASSWORD).status_code == 302
    assert change(office, account, ssid="the-next-one").status_code == 302
    stale(office)
    assert ASKS in errors(change(office, account, ssid="one-too-late"))


def test_s19_it_is_a_proof_even_when_something_else_on_the_page_is_wrong(office: Client, account: Account) -> None:
    wrong = errors(change(office, account, ssid=CANARY, misses="0", own_password=PASSWORD))
    assert "greater than or equal to 1" in wrong
    assert "password" not in wrong
    assert change(office, account, ssid=CANARY).status_code == 302


def test_s19_a_clock_that_was_set_back_proves_nothing(office: Client, account: Account) -> None:
    stale(office, -100_000)
    assert ASKS in errors(change(office, account, ssid=CANARY))


def test_s19_a_session_from_before_this_was_asked_has_proved_nothing(office: Client, account: Account) -> None:
    session = office.session
    del session["proved_at"]
    session.save()
    assert ASKS in errors(change(office, account, ssid=CANARY))


@pytest.mark.parametrize("whose", [PASSWORD.upper(), f" {PASSWORD}", "supervisors", "\0", "x" * 5000])
def test_s19_only_ones_own_password_is_one(office: Client, account: Account, supervisor: User, whose: str) -> None:
    if whose == "supervisors":
        supervisor.set_password(ANOTHER)
        supervisor.save()
        whose = ANOTHER
    assert change(office, account, ssid=CANARY, own_password=whose).status_code == 200
    assert ssid_of(account) == "account-ssid"


# ── guessing ───────────────────────────────────────────────────────────────────────────────────────
def test_s06_an_open_browser_is_no_place_to_guess_the_password(office: Client, account: Account) -> None:
    for _ in range(5):
        assert change(office, account, ssid=CANARY, own_password="wrong").status_code == 200
    refused = change(office, account, ssid=CANARY, own_password=PASSWORD)
    assert (refused.status_code, 30 < int(refused["Retry-After"]) <= 60) == (429, True)
    assert "Too many tries. Wait 1 minute" in refused.content.decode()
    assert ssid_of(account) == "account-ssid"
    door = Client().post("/accounts/login/", {"username": "dev", "password": PASSWORD})
    assert door.status_code == 429, "counted together"


def test_s19_what_was_typed_stands_nowhere(
    office: Client, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    typed = "hunter2-in-the-password-field"
    shown = page(change(office, account, ssid=CANARY, own_password=typed))
    assert typed not in shown + caplog.text + repr(list(WrongPassword.objects.values()))


@pytest.mark.django_db(transaction=True)
def test_s19_no_transaction_is_open_while_a_password_is_checked(
    office: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite one would keep every takeover waiting, and whoever signs in would wait for this one's turn."""
    seen: list[bool] = []
    wait = throttle.wait

    def watched(one: throttle.Knock) -> throttle.Wait:
        seen.append(connection.in_atomic_block)
        return wait(one)

    monkeypatch.setattr(throttle, "wait", watched)
    assert change(office, account, ssid=CANARY, own_password=PASSWORD).status_code == 302
    assert seen
    assert not any(seen)


# ── people ─────────────────────────────────────────────────────────────────────────────────────────
def test_s19_a_seats_session_needs_it_and_the_rest_of_the_page_does_not(
    office: Client, supervisor: User, account: Account
) -> None:
    seat = {"id": supervisor.seats.get().pk, "account": account.pk, "queues": [Queue.objects.get().pk]}
    assert save_person(office, supervisor, seat | {"agent_id": "1107"}).status_code == 302
    asked = save_person(office, supervisor, seat | {"ssid": CANARY, "agent_id": "1108"})
    assert ASKS in errors(asked)
    assert 'value="1108"' in page(asked)
    assert (Seat.objects.get().ssid_sealed, Seat.objects.get().agent_id) == ("", "1107")
    assert save_person(office, supervisor, seat | {"ssid": CANARY}, own_password=PASSWORD).status_code == 302
    assert Seat.objects.get().ssid_sealed


def test_s19_a_new_person_is_given_a_password_only_with_ones_own(office: Client) -> None:
    form = {"username": "nina", "password1": ANOTHER, "password2": ANOTHER, "usable_password": "true"}
    asked = office.post(reverse("admin:auth_user_add"), form)
    assert ASKS in errors(asked)
    assert 'value="nina"' in page(asked)
    assert not User.objects.filter(username="nina").exists()
    assert office.post(reverse("admin:auth_user_add"), form | {"own_password": PASSWORD}).status_code == 302
    assert User.objects.get(username="nina").check_password(ANOTHER)


@pytest.mark.parametrize("form", [
    {"password1": ANOTHER, "password2": ANOTHER, "usable_password": "true", "set-password": "1"},
    {"usable_password": "false", "unset-password": "1"}, {"unset-password": "1"},
])
def test_s19_somebody_elses_password_needs_ones_own(
    office: Client, supervisor: User, form: dict[str, str]
) -> None:
    address = reverse("admin:auth_user_password_change", args=[supervisor.pk])
    assert FIELD in page(office.get(address))
    assert ASKS in errors(office.post(address, form))
    assert "not your password" in errors(office.post(address, form | {"own_password": "wrong"}))
    supervisor.refresh_from_db()
    assert supervisor.check_password(PASSWORD)
    office.post(address, form | {"own_password": PASSWORD})
    supervisor.refresh_from_db()
    assert supervisor.check_password(PASSWORD) is ("usable_password" not in form)


def test_s19_the_form_of_one_request_is_not_the_next_ones(office: Client, admin: User, supervisor: User) -> None:
    address = reverse("admin:auth_user_password_change", args=[supervisor.pk])
    assert FIELD in page(office.get(address))
    assert FIELD not in page(signed_in(admin).get(address))


def test_s19_resetting_a_second_factor_asks_for_it_on_a_page_of_its_own(office: Client, supervisor: User) -> None:
    enrolled(supervisor)
    address = reverse("admin:auth_user_changelist")
    form: dict[str, Any] = {"action": "reset_second_factor", "_selected_action": [supervisor.pk]}
    asked = page(office.post(address, form))
    assert FIELD in asked
    assert re.search(rf'name="_selected_action" value="{supervisor.pk}"', asked)
    wrong = page(office.post(address, form | {"own_password": "wrong"}))
    assert "This is not your password." in wrong
    assert hasattr(User.objects.get(pk=supervisor.pk), "second_factor")
    assert office.post(address, form | {"own_password": PASSWORD}).status_code == 302
    assert not hasattr(User.objects.get(pk=supervisor.pk), "second_factor")


def test_s19_who_may_not_open_a_page_is_not_asked_for_a_password_there(supervisor: User, account: Account) -> None:
    client = signed_in(supervisor)
    stale(client)
    address = reverse("admin:queue_api_account_change", args=[account.pk])
    assert client.post(address, FORM | {"own_password": "wrong"}).status_code == 302
    assert not WrongPassword.objects.exists()
