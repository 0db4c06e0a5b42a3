"""Signing in: who gives wrong passwords waits, nobody is kept out from afar, and no answer tells who exists."""

import contextlib
import os
import re
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import F
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard import client_address, sign_ins, throttle
from dashboard.known_browser import COOKIE as KNOWN
from dashboard.models import SignIn, WrongPassword
from dashboard.sign_in import AT_ONCE, GATE, WAIT_S
from dashboard.throttle import hashed as hashed_name
from tests.canaries import ANSWER, aviary
from tests.conftest import PASSWORD
from tests.processes import until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("admin")]  # without one every door is the set-up
OFFICE, HOME, ELSEWHERE = "192.0.2.10", "198.51.100.7", "203.0.113.99"
WRONG = "not-the-password"
LOGIN = "/accounts/login/"


def attempt(password: str, address: str = OFFICE, username: str = "sita", client: Client | None = None,
            door: str = LOGIN, **headers: Any) -> Any:
    client = client or Client()
    return client.post(door, {"username": username, "password": password}, REMOTE_ADDR=address, **headers)


def wrongs(count: int, address: str = OFFICE, username: str = "sita") -> list[int]:
    """Wrong passwords as the page hands them on; the status of each answer."""
    statuses = []
    for _ in range(count):
        request = RequestFactory().post(LOGIN, REMOTE_ADDR=address)
        assert authenticate(request, username=username, password=WRONG) is None
        statuses.append(429 if WAIT_S in request.META else 200)
    return statuses


def flood(people: int, each: int = 2, username: str = "sita") -> None:
    """Wrong passwords for one name from many addresses."""
    for number in range(people):
        wrongs(each, f"203.0.113.{number}", username)


def later(seconds: float) -> None:
    """As if so much time had passed since."""
    WrongPassword.objects.update(at=F("at") - timedelta(seconds=seconds))


def is_in(response: Any) -> bool:
    return bool(response.status_code == 302 and "sessionid" in response.cookies)


# ── S06: one person, one address ───────────────────────────────────────────────────────────────────
def test_s06_the_sixth_wrong_try_is_refused_with_the_time_to_wait(supervisor: User) -> None:
    assert [attempt(WRONG).status_code for _ in range(5)] == [200] * 5
    refused = attempt(WRONG)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert "Too many tries. Wait 1 minute, or ask an administrator." in refused.content.decode()
    assert 'name="password"' in refused.content.decode()


def test_s06_four_wrong_tries_lock_nobody_and_the_right_one_forgets_them(supervisor: User) -> None:
    for _ in range(3):
        wrongs(4)
        assert is_in(attempt(PASSWORD))
    assert not WrongPassword.objects.exists()


def test_s06_signing_in_often_is_never_too_often(supervisor: User) -> None:
    assert all(is_in(attempt(PASSWORD)) for _ in range(12))


def test_s06_waits_grow_and_end_and_what_is_refused_meanwhile_does_not_count(supervisor: User) -> None:
    wrongs(5)
    for minutes in (1, 2, 4, 8, 15, 15):
        assert wrongs(1) == [429]
        later(minutes * 60 - 5)
        assert wrongs(1) == [429]
        later(6)
        assert wrongs(1) == [200]
    later(15 * 60)
    assert is_in(attempt(PASSWORD))


def test_s06_after_an_hour_everything_is_forgotten(supervisor: User) -> None:
    wrongs(5)
    later(3601)
    assert wrongs(4) == [200] * 4


def test_s06_the_right_password_from_another_address_works_meanwhile(supervisor: User) -> None:
    wrongs(6)
    assert attempt(PASSWORD, OFFICE).status_code == 429
    assert is_in(attempt(PASSWORD, HOME))


def test_s06_another_name_from_the_same_address_works_meanwhile(supervisor: User, observer: User) -> None:
    wrongs(6)
    assert is_in(attempt(PASSWORD, username="omar"))


def test_s06_a_forged_forwarded_address_changes_nothing(supervisor: User) -> None:
    for number in range(5):
        attempt(WRONG, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}", HTTP_X_REAL_IP=f"10.0.0.{number}")
    assert attempt(PASSWORD, HTTP_X_FORWARDED_FOR="10.0.0.99", HTTP_X_REAL_IP="10.0.0.99").status_code == 429


def test_s06_behind_a_proxy_the_address_is_the_proxys_word(supervisor: User) -> None:
    with override_settings(BEHIND_PROXY=True):
        for _ in range(5):
            attempt(WRONG, "127.0.0.1", HTTP_X_REAL_IP=OFFICE)
        assert attempt(PASSWORD, "127.0.0.1", HTTP_X_REAL_IP=OFFICE, HTTP_X_FORWARDED_FOR=HOME).status_code == 429
        assert is_in(attempt(PASSWORD, "127.0.0.1", HTTP_X_REAL_IP=HOME))


@pytest.mark.parametrize(("first", "second", "same"), [
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True), ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ("::ffff:192.0.2.10", OFFICE, True), ("192.0.2.10", "192.0.2.11", False),
])
def test_s06_a_household_of_ipv6_counts_as_one_address(first: str, second: str, same: bool) -> None:
    assert (client_address.network(first) == client_address.network(second)) is same


def test_s06_the_admins_door_counts_together_with_the_other(admin: User) -> None:
    door = reverse("admin:login")
    assert attempt(WRONG, username="dev", door=door).status_code == 200
    wrongs(4, username="dev")
    refused = attempt(PASSWORD, username="dev", door=door)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert "Too many tries. Wait 1 minute" in refused.content.decode()
    assert attempt(PASSWORD, username="dev").status_code == 429
    assert is_in(attempt(PASSWORD, HOME, "dev", door=door))


def test_s06_a_clock_that_was_set_back_makes_nobody_wait_longer(supervisor: User) -> None:
    wrongs(5)
    later(-3 * 3600)
    assert int(attempt(WRONG)["Retry-After"]) <= 900


@pytest.mark.django_db(transaction=True)
def test_s06_tries_at_the_same_moment_slip_by_no_more_than_the_gate_lets_through(
    supervisor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[None] = []
    wait = throttle.wait

    def counted(one: throttle.Knock) -> throttle.Wait:
        found = wait(one)
        looked.append(None)
        return found

    def one(_number: int) -> int:
        try:
            return wrongs(1)[0]
        finally:
            connection.close()

    monkeypatch.setattr(throttle, "wait", counted)
    with contextlib.ExitStack() as gate, ThreadPoolExecutor(16) as threads:
        for _ in range(AT_ONCE):
            gate.enter_context(GATE)
        answers = [threads.submit(one, number) for number in range(16)]
        until(lambda: len(looked) == 16, 15, "all at the gate, and none of them has to wait")
        gate.close()
        statuses = [answer.result(30) for answer in answers]
    assert set(statuses) == {200, 429}
    assert WrongPassword.objects.count() == statuses.count(200) <= throttle.FREE + AT_ONCE - 1


# ── S06: one person from everywhere ────────────────────────────────────────────────────────────────
def test_f88_a_hundred_wrong_passwords_from_fifty_addresses_are_throttled_and_the_person_still_enters(
    supervisor: User
) -> None:
    assert is_in(attempt(PASSWORD, OFFICE))
    flood(50)
    assert WrongPassword.objects.count() == throttle.PER_NAME  # the others were not even looked at
    assert attempt(WRONG, ELSEWHERE).status_code == 429
    assert is_in(attempt(PASSWORD, OFFICE))  # has signed in from there before
    refused = attempt(PASSWORD, HOME)
    assert (refused.status_code, int(refused["Retry-After"]) <= throttle.PAUSE_S) == (429, True)
    later(throttle.PAUSE_S)
    assert is_in(attempt(PASSWORD, HOME))


def test_f88_a_hundred_wrong_passwords_from_one_address_are_throttled_and_the_person_still_enters(
    supervisor: User
) -> None:
    assert wrongs(100).count(429) == 95
    assert is_in(attempt(PASSWORD, HOME))


def test_s06_a_browser_that_the_person_has_used_is_not_held_up_by_floods_nor_by_colleagues(supervisor: User) -> None:
    own = Client()
    assert is_in(attempt(PASSWORD, OFFICE, client=own))
    own.post("/accounts/logout/")
    wrongs(6, OFFICE)  # a colleague behind the same address
    flood(50)
    assert attempt(PASSWORD, OFFICE).status_code == 429
    assert is_in(attempt(PASSWORD, OFFICE, client=own))
    own.post("/accounts/logout/")
    assert is_in(attempt(PASSWORD, "2001:db8::1", client=own))


def test_s06_a_known_browser_guesses_no_oftener_than_an_address(supervisor: User, observer: User) -> None:
    own = Client()
    assert is_in(attempt(PASSWORD, client=own))
    own.post("/accounts/logout/")
    for number in range(5):
        assert attempt(WRONG, f"203.0.113.{number}", client=own).status_code == 200
    assert attempt(PASSWORD, HOME, client=own).status_code == 429
    wrongs(4, HOME, "omar")
    attempt(WRONG, HOME, "omar", client=own)  # of others the browser knows nothing
    assert attempt(PASSWORD, HOME, "omar").status_code == 429


@pytest.mark.parametrize("value", ["", "x", "eyIxIjoiYSJ9:1a:b", "[]", "\x00"])
def test_s06_a_forged_browser_cookie_is_none(supervisor: User, value: str) -> None:
    client = Client()
    client.cookies[KNOWN] = value
    for _ in range(5):
        attempt(WRONG, client=client)
    assert attempt(PASSWORD).status_code == 429


# ── S06: one address for any name ──────────────────────────────────────────────────────────────────
def test_s06_names_that_nobody_has_are_counted_by_their_address(supervisor: User) -> None:
    own = Client()
    assert is_in(attempt(PASSWORD, OFFICE, client=own))
    own.post("/accounts/logout/")
    for number in range(throttle.PER_ADDRESS):
        assert wrongs(1, OFFICE, f"guess-{number}") == [200]
    refused = attempt(WRONG, OFFICE, "guess-again")
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    assert "Wait 10 seconds" in refused.content.decode()
    assert is_in(attempt(PASSWORD, HOME))
    assert is_in(attempt(PASSWORD, OFFICE, client=own))
    later(throttle.PAUSE_S)
    assert is_in(attempt(PASSWORD, OFFICE))  # a delay for the others in that office, no lock


# ── what is kept and told ──────────────────────────────────────────────────────────────────────────
def test_s06_what_was_typed_is_neither_kept_nor_logged(supervisor: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    canary = "hunter2-typed-into-the-wrong-field"
    aviary.sow("a password typed as a name", canary, ANSWER)  # the form shows the name again to who typed it
    for _ in range(6):
        attempt(canary, username=canary)
    assert canary not in repr(list(WrongPassword.objects.values()))
    assert canary not in repr([(record.getMessage(), getattr(record, "fields", {})) for record in caplog.records])
    assert {row.person for row in WrongPassword.objects.all()} == {None}


def test_s06_each_lock_and_each_success_after_failures_is_in_the_log(
    supervisor: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "callboard.sign_in")
    wrongs(7)
    later(60)
    attempt(PASSWORD)
    told = [(record.getMessage(), record.fields) for record in caplog.records  # type: ignore[attr-defined]
            if record.name == "callboard.sign_in"]
    assert told == [
        ("too many wrong passwords", {"person": supervisor.pk, "address": OFFICE, "limit": "place", "wait_s": 60}),
        ("signed in after wrong passwords", {"person": supervisor.pk, "address": OFFICE, "wrong": 5})]


def test_s06_wrong_passwords_are_purged_after_a_day(supervisor: User) -> None:
    wrongs(2)
    later(23 * 3600)
    wrongs(1)
    later(2 * 3600)
    sign_ins.tidy()
    assert WrongPassword.objects.count() == 1


def test_s06_an_administrator_sees_who_waits_and_lifts_it(supervisor: User, admin: User) -> None:
    wrongs(5)
    attempt(WRONG, username="nobody-at-all")
    office = Client()
    office.force_login(admin)
    listing = reverse("admin:dashboard_wrongpassword_changelist")
    shown = office.get(listing).content.decode()
    assert "sita" in shown
    assert "1 minute" in shown
    assert "a name that nobody has" in shown
    assert "nobody-at-all" not in shown
    chosen = str(WrongPassword.objects.filter(person=supervisor).values_list("pk", flat=True)[0])
    office.post(listing, {"action": "lift", "_selected_action": [chosen]})
    assert is_in(attempt(PASSWORD))
    assert WrongPassword.objects.count() == 1


def test_s06_waiting_is_lifted_from_the_persons_list_too(supervisor: User, admin: User, observer: User) -> None:
    wrongs(5)
    wrongs(5, username="omar")
    office = Client()
    office.force_login(admin)
    office.post(reverse("admin:auth_user_changelist"), {"action": "lift_waiting", "_selected_action": [supervisor.pk]})
    assert is_in(attempt(PASSWORD))
    assert attempt(PASSWORD, username="omar").status_code == 429


def test_s06_who_is_no_administrator_lifts_nothing(supervisor: User) -> None:
    wrongs(1)
    client = Client()
    client.force_login(supervisor)
    assert client.post(reverse("admin:dashboard_wrongpassword_changelist"),
                       {"action": "lift", "_selected_action": ["1"]}).status_code == 302
    assert WrongPassword.objects.count() == 1


# ── S07: no answer tells who exists ────────────────────────────────────────────────────────────────
@pytest.fixture
def names(supervisor: User, observer: User) -> list[str]:
    """One that nobody has, a person's, and one that was switched off."""
    User.objects.filter(pk=observer.pk).update(is_active=False)
    return ["nobody", "sita", "omar"]


def same(response: Any, username: str) -> tuple[int, str, list[str], list[str]]:
    """Everything that could tell two answers apart, without what is new in each."""
    body = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|Wait \d+ \w+', "", response.content.decode())
    headers = sorted(f"{name}: {value}" for name, value in response.headers.items()
                     if name not in ("X-Request-ID", "Expires", "Content-Length", "Retry-After"))
    return response.status_code, body.replace(username, "NAME"), headers, sorted(response.cookies)


@pytest.mark.parametrize("door", [LOGIN, "/admin/login/"])
@pytest.mark.parametrize("password", [WRONG, PASSWORD])
def test_s07_unknown_known_and_switched_off_names_are_answered_alike(
    names: list[str], door: str, password: str
) -> None:
    if password == PASSWORD:
        names = ["nobody", "omar"]
    for before in (0, 3, 5):  # the waiting, too
        for name in names:
            wrongs(max(0, before - WrongPassword.objects.filter(name_hash=hashed_name(name)).count()), username=name)
        answers = [same(attempt(password, username=name, door=door), name) for name in names]
        assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 429


def test_s07_every_answer_costs_the_same_questions_and_one_hash(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    class Counting(MD5PasswordHasher):
        def encode(self, password: str, salt: str) -> str:
            hashed.append(password)
            return super().encode(password, salt)

    questions = {}
    with override_settings(PASSWORD_HASHERS=[f"{__name__}.Counting"]):
        monkeypatch.setattr(sys.modules[__name__], "Counting", Counting, raising=False)
        for name in names:
            with CaptureQueriesContext(connection) as captured:
                attempt(WRONG, username=name)
            questions[name] = len(captured)
    assert hashed == [WRONG] * 3
    assert len(set(questions.values())) == 1, questions


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get("CALLBOARD_LONG"), reason="full counts: make test-long")
def test_s07_two_hundred_timed_tries_each_tell_nothing(names: list[str]) -> None:
    """With the product's own hasher, in turns. This thread's own time: what else the machine does is no answer."""
    times: dict[str, list[float]] = {name: [] for name in names}
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):
        for user in User.objects.all():
            user.set_password(PASSWORD)
            user.save()
        for number in range(200):
            for name in names:
                WrongPassword.objects.all().delete()
                began = time.thread_time()
                assert attempt(WRONG, f"192.0.2.{number}", name).status_code == 200
                times[name].append(time.thread_time() - began)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    assert max(medians.values()) - min(medians.values()) < 0.020, medians


# ── S09: a new session at each sign-in ─────────────────────────────────────────────────────────────
@pytest.fixture
def browser_of_sita(supervisor: User) -> Client:
    client = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"})
    assert is_in(attempt(PASSWORD, client=client))
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def test_s09_a_key_that_was_there_before_is_not_the_one_after(supervisor: User) -> None:
    client = Client()
    session = client.session
    session["theirs"] = "planted"
    session.save()
    planted = key_of(client)
    assert is_in(attempt(PASSWORD, client=client))
    assert key_of(client) != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_s09_signing_in_once_more_changes_the_key_and_is_one_browser(browser_of_sita: Client) -> None:
    before = key_of(browser_of_sita)
    attempt(WRONG, client=browser_of_sita, door=reverse("admin:login"))
    assert key_of(browser_of_sita) == before
    assert is_in(attempt(PASSWORD, client=browser_of_sita, door=reverse("admin:login")))
    assert key_of(browser_of_sita) != before
    assert [row.session_key for row in SignIn.objects.all()] == [key_of(browser_of_sita)]


def test_s09_the_key_of_before_signing_out_is_worth_nothing_afterwards(browser_of_sita: Client) -> None:
    replayed = Client()
    replayed.cookies["sessionid"] = key_of(browser_of_sita)
    assert replayed.get("/").status_code == 200
    browser_of_sita.post("/accounts/logout/")
    assert replayed.get("/").status_code == 302


def test_s09_a_sign_in_notes_when_from_where_and_with_what(browser_of_sita: Client, supervisor: User) -> None:
    row = SignIn.objects.get()
    assert (row.user_id, row.address, row.session_key) == (supervisor.pk, OFFICE, key_of(browser_of_sita))
    assert "Firefox/141.0" in row.agent
    assert row.ends_at - row.began_at == timedelta(hours=160)
