"""S08 at the doors: the code after the password, the admin behind it, and a person's own page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard import roles, second_factor, second_step, sign_ins
from dashboard.models import AuditEvent, SecondFactor, SignIn, WrongPassword
from dashboard.roles import Role
from dashboard.second_factor_views import OFFER
from dashboard.station import Station, station
from queue_api.credentials import Secret
from tests.conftest import PASSWORD, person
from tests.doors import DOORS, build_site, routes
from tests.factors import Phone, by_password, enrolled, stale, unused
from tests.makers import soon
from tests.takeovers import signed_in
from tests.test_sessions import SIGN_IN, Page
from tests.test_sign_ins import desk, key_of, said  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("admin")]
LOGIN, CODE, OWN, ADMIN = "/accounts/login/", "/accounts/code/", "/me/second-factor/", "/admin/login/"
WRONG = "000000"


@pytest.fixture
def phone(supervisor: User) -> Phone:
    phone = enrolled(supervisor)
    SecondFactor.objects.update(last_step=1)
    return phone


@pytest.fixture(autouse=True)
def _no_code_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """`WRONG` is right once in 300,000 runs."""
    real = second_factor._step_of
    monkeypatch.setattr(second_factor, "_step_of", lambda seed, typed: None if typed == WRONG else real(seed, typed))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions whose sockets are closed."""
    keys: list[str] = []
    monkeypatch.setattr(station, "signed_out", keys.append)
    return keys


def text(response: Any) -> str:
    assert response.status_code in (200, 429)
    return str(response.content.decode())


def code(client: Client, typed: str, **more: Any) -> Any:
    return client.post(CODE, {"code": typed}, **more)


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def later(seconds: float) -> None:
    WrongPassword.objects.update(at=F("at") - timedelta(seconds=seconds))


def both(user: User, phone: Phone) -> Client:
    """A browser that has come in with password and code."""
    client = by_password(user)
    unused(user)
    assert code(client, phone.code()).status_code == 302
    return client


# ── password, then code ────────────────────────────────────────────────────────────────────────────
def test_s08_the_right_password_alone_signs_nobody_in(supervisor: User, phone: Phone) -> None:
    client = by_password(supervisor)
    assert not is_in(client)
    assert not SignIn.objects.exists()
    assert "known" not in client.cookies
    assert client.get("/takeover/").status_code == 405
    assert client.post("/takeover/", {"call": "1-x"}).status_code == 403


def test_s08_with_a_code_of_the_app_the_person_is_in_and_goes_where_they_wanted(
    supervisor: User, phone: Phone
) -> None:
    client = Client()
    first = client.post(f"{LOGIN}?next=/me/sessions/", {"username": "sita", "password": PASSWORD})
    assert first["Location"] == CODE
    assert 'autocomplete="one-time-code"' in text(client.get(CODE))
    assert code(client, phone.code())["Location"] == "/me/sessions/"
    assert is_in(client)
    assert client.session[second_factor.PROVED]
    assert second_step.PENDING not in client.session
    assert "known" in client.cookies


def test_s08_without_a_second_factor_the_password_is_enough(supervisor: User) -> None:
    assert is_in(by_password(supervisor))


def test_s09_the_sessions_key_changes_with_each_step(supervisor: User, phone: Phone) -> None:
    client = Client()
    session = client.session
    session["theirs"] = "planted"
    session.save()
    keys = [key_of(client)]
    by_password(supervisor, client)
    keys.append(key_of(client))
    code(client, phone.code())
    keys.append(key_of(client))
    assert len(set(keys)) == 3
    assert not Session.objects.filter(session_key__in=keys[:2]).exists()


def test_s08_a_replayed_code_is_refused(supervisor: User, phone: Phone) -> None:
    typed = phone.code()
    assert code(by_password(supervisor), typed).status_code == 302
    client = by_password(supervisor)
    assert "not right, or it was used before" in text(code(client, typed))
    assert not is_in(client)


def test_s08_a_recovery_code_signs_in_and_how_many_are_left_is_told(supervisor: User, phone: Phone) -> None:
    client = Client()
    client.post(f"{LOGIN}?next=/me/", {"username": "sita", "password": PASSWORD})
    answer = code(client, phone.codes[0].lower())
    assert answer["Location"] == f"{OWN}?next=%2Fme%2F"
    page = text(client.get(answer["Location"]))
    assert "9 are left" in page
    assert 'href="/me/"' in page
    other = by_password(supervisor)
    code(other, phone.codes[0])
    assert not is_in(other)


@pytest.mark.parametrize("foreign", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_s08_a_foreign_page_is_not_where_anybody_is_led(supervisor: User, phone: Phone, foreign: str) -> None:
    client = Client()
    client.post(LOGIN, {"username": "sita", "password": PASSWORD, "next": foreign})
    assert code(client, phone.code())["Location"] == "/"
    page = text(client.get(OWN, query_params={"next": foreign}))
    assert "evil" not in page
    assert "alert(1)" not in page


def test_s08_without_the_password_there_is_no_page_for_the_code(supervisor: User, phone: Phone) -> None:
    for client in (Client(), signed_in(supervisor)):
        assert client.get(CODE)["Location"] == LOGIN
        assert code(client, phone.code())["Location"] == LOGIN
    assert not is_in(Client())


@pytest.mark.parametrize("password", ["wrong", ""])
def test_s07_who_has_a_second_factor_is_told_only_to_who_knows_the_password(
    supervisor: User, observer: User, phone: Phone, password: str
) -> None:
    pages = [re.sub(r'csrfmiddlewaretoken" value="\w+"|sita|omar', "", text(Client().post(
        door, {"username": name, "password": password}))) for name in ("sita", "omar") for door in (LOGIN, ADMIN)]
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]


# ── what becomes of the pending step ───────────────────────────────────────────────────────────────
def pending_for(client: Client, **changes: Any) -> None:
    session = client.session
    session[second_step.PENDING] = session[second_step.PENDING] | changes
    session.save()


@pytest.mark.parametrize(("what", "says"), [
    ("late", "took longer than 5 minutes"), ("early", "took longer than 5 minutes"), ("off", "changed meanwhile"),
    ("deleted", "changed meanwhile"), ("password", "changed meanwhile"), ("reset", "changed meanwhile"),
])
def test_s08_a_step_that_cannot_be_finished_leads_back_with_a_sentence(
    supervisor: User, phone: Phone, what: str, says: str
) -> None:
    client = by_password(supervisor)
    if what == "off":
        User.objects.filter(pk=supervisor.pk).update(is_active=False)
    elif what == "deleted":
        supervisor.delete()
    elif what == "password":
        supervisor.set_password("another-long-password")
        supervisor.save()
    elif what == "reset":
        SecondFactor.objects.all().delete()
    else:
        pending_for(client, at=client.session[second_step.PENDING]["at"] + (-301 if what == "late" else 3600))
    answer = client.post(CODE, {"code": phone.code()}, follow=True)
    assert answer.redirect_chain == [(LOGIN, 302)]
    assert says in text(answer)
    assert says not in text(client.get(LOGIN)), "said once"
    assert not is_in(client)


# ── guessing ───────────────────────────────────────────────────────────────────────────────────────
def test_s06_the_sixth_wrong_code_is_refused_however_often_the_password_is_given_between(
    supervisor: User, phone: Phone
) -> None:
    for _ in range(5):
        assert code(by_password(supervisor), WRONG).status_code == 200
    client = by_password(supervisor)
    refused = code(client, phone.code())
    assert (refused.status_code, 30 < int(refused["Retry-After"]) <= 60) == (429, True)
    assert "Too many tries. Wait 1 minute" in text(refused)
    assert not is_in(client)
    later(61)
    assert code(client, phone.code()).status_code == 302
    assert not WrongPassword.objects.exists(), "the right code forgets the wrong ones"


def test_s06_wrong_codes_and_wrong_passwords_do_not_forgive_each_other(supervisor: User, phone: Phone) -> None:
    for _ in range(4):
        Client().post(LOGIN, {"username": "sita", "password": "wrong"})
        code(by_password(supervisor), WRONG)
    assert WrongPassword.objects.count() == 4, "the codes; the right password was the passwords' end"


def test_s06_codes_of_one_person_are_not_guessed_from_many_addresses(supervisor: User, phone: Phone) -> None:
    at_home = both(supervisor, phone)
    at_home.post("/accounts/logout/")
    for number in range(10):
        there: dict[str, Any] = {"REMOTE_ADDR": f"203.0.113.{number}"}
        assert code(by_password(supervisor, **there), WRONG, **there).status_code == 200
    there = {"REMOTE_ADDR": "203.0.113.99"}
    refused = code(by_password(supervisor, **there), WRONG, **there)
    assert (refused.status_code, int(refused["Retry-After"]) > 800) == (429, True)
    unused(supervisor)
    assert code(by_password(supervisor), phone.code()).status_code == 302, "from where she has signed in before"


def test_s06_who_does_not_know_the_password_keeps_nobody_from_the_code(supervisor: User, phone: Phone) -> None:
    for number in range(30):
        Client().post(LOGIN, {"username": "sita", "password": "wrong"}, REMOTE_ADDR=f"203.0.113.{number}")
    there: dict[str, Any] = {"REMOTE_ADDR": "198.51.100.7"}
    assert code(by_password(supervisor, **there), phone.code(), **there).status_code == 302


def test_s06_an_administrator_lifts_the_waiting_for_codes_too(supervisor: User, phone: Phone, admin: User) -> None:
    for _ in range(5):
        code(by_password(supervisor), WRONG)
    signed_in(admin).post(reverse("admin:auth_user_changelist"), {
        "action": "lift_waiting", "_selected_action": [supervisor.pk]})
    assert code(by_password(supervisor), phone.code()).status_code == 302


# ── one door ───────────────────────────────────────────────────────────────────────────────────────
def test_s08_the_admins_door_is_the_same_form_and_asks_for_the_code_as_well(admin: User) -> None:
    phone = enrolled(admin)
    page = text(Client().get(ADMIN))
    assert 'name="password"' in page
    assert "Callboard" in page
    client = by_password(admin, door=f"{ADMIN}?next=/admin/auth/user/")
    assert client.get("/admin/").status_code == 302
    assert code(client, phone.code())["Location"] == "/admin/auth/user/"
    assert client.get("/admin/auth/user/").status_code == 200
    assert client.get(ADMIN)["Location"] == "/admin/"


def test_s08_who_is_no_administrator_reads_so_at_the_admins_door(supervisor: User) -> None:
    client = by_password(supervisor)
    page = client.get("/admin/", follow=True)
    assert page.redirect_chain == [("/admin/login/?next=/admin/", 302)]
    assert "This account may not open that page" in text(page)


# ── the admin without it ───────────────────────────────────────────────────────────────────────────
def test_s08_no_page_of_the_admin_opens_without_it_nor_metrics() -> None:
    User.objects.all().delete()
    site = build_site()
    for role in ("administrator", "staff"):
        client = site.clients[role]
        session = client.session
        del session[second_factor.PROVED]
        session.save()
        for route in routes():
            if route not in DOORS["staff"]:
                continue
            for answer in (client.get(site.path(route)), client.post(site.path(route), {"post": "yes"})):
                assert answer.status_code == 302, route
                assert answer["Location"].startswith(ADMIN) or route == "admin/logout/", route
        assert client.get("/metrics").status_code == 403
        assert client.get("/").status_code == 200
    assert site.clients["administrator"].get("/setup/").status_code == 200
    assert site.attempt.__class__.objects.count() == 1


def test_s08_where_it_is_only_offered_the_password_opens_the_admin(admin: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "offered"
    client = by_password(admin)
    assert client.get("/admin/").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_s08_an_administrator_without_one_is_led_to_it_and_then_on(admin: User) -> None:
    client = by_password(admin)
    page = client.get("/admin/auth/user/", follow=True)
    assert page.redirect_chain[-1][0] == f"{OWN}?next=%2Fadmin%2Fauth%2Fuser%2F"
    assert "the admin site opens only with it" in text(page)
    shown = switch_on(client, next="/admin/auth/user/")
    assert 'href="/admin/auth/user/"' in text(shown)
    assert client.get("/admin/auth/user/").status_code == 200


def test_s08_a_session_that_was_begun_while_it_was_switched_on_elsewhere_is_asked_for_a_code(admin: User) -> None:
    client = by_password(admin)
    phone = enrolled(admin)  # as if in the moment between the password and the session
    page = client.get("/admin/auth/user/", follow=True)
    assert page.redirect_chain[-1][0] == CODE
    assert code(client, phone.code())["Location"] == "/admin/auth/user/"
    assert client.get("/admin/auth/user/").status_code == 200


# ── switching it on ────────────────────────────────────────────────────────────────────────────────
def key_shown(client: Client) -> str:
    page = text(client.get(OWN))
    return page.partition("data-key>")[2].partition("<")[0].replace(" ", "")


def phone_of(client: Client) -> Phone:
    """A phone that has scanned what the page shows."""
    return Phone(Secret(key_shown(client)), [])


def switch_on(client: Client, typed: str = "", **fields: str) -> Any:
    return client.post(OWN, {"act": "confirm", "code": typed or phone_of(client).code(), **fields})


def codes_in(response: Any) -> list[str]:
    return re.findall(r"(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}", text(response))


def test_s08_everybody_may_switch_it_on_and_sees_the_codes_once(supervisor: User) -> None:
    client = by_password(supervisor)
    shown = switch_on(client)
    codes = codes_in(shown)
    assert len(codes) == 10
    page = text(client.get(OWN))
    assert "10 recovery codes are left" in page
    assert not any(each in page for each in codes)
    other = by_password(supervisor)
    assert code(other, codes[0]).status_code == 302
    assert is_in(other)


def test_s08_reading_the_page_keeps_the_key_and_switches_nothing_on(supervisor: User) -> None:
    client = by_password(supervisor)
    assert key_shown(client) == key_shown(client)
    assert len(key_shown(client)) == 32
    assert not SecondFactor.objects.exists()
    assert key_shown(client) != key_shown(by_password(supervisor))
    assert not second_factor.has(supervisor)


def test_s08_the_qr_code_is_plain_svg(supervisor: User) -> None:
    page = text(by_password(supervisor).get(OWN))
    assert 'fill="#fff"' in page
    assert "<svg" in page
    assert "style=" not in page


def test_s08_a_wrong_first_code_leaves_it_off_and_is_counted(supervisor: User) -> None:
    client = by_password(supervisor)
    assert key_shown(client)
    for _ in range(5):
        assert "not right" in text(switch_on(client, WRONG))
    assert switch_on(client).status_code == 429
    assert not SecondFactor.objects.exists()


def test_s08_a_key_that_was_shown_long_ago_is_not_taken(supervisor: User) -> None:
    client = by_password(supervisor)
    typed = phone_of(client).code()
    session = client.session
    session[OFFER] = session[OFFER] | {"at": session[OFFER]["at"] - 901}
    session.save()
    assert "shown too long ago" in text(switch_on(client, typed))
    assert not SecondFactor.objects.exists()
    assert switch_on(client).status_code == 200
    assert SecondFactor.objects.exists()


def test_s19_an_old_sign_in_binds_no_phone_without_the_password(supervisor: User) -> None:
    client = by_password(supervisor)
    stale(client)
    assert "Give your own password" in text(switch_on(client))
    assert "not your password" in text(switch_on(client, own_password="wrong"))
    assert not SecondFactor.objects.exists()
    assert len(codes_in(switch_on(client, own_password=PASSWORD))) == 10


def test_s09_switching_it_on_ends_the_persons_other_browsers_and_says_why(
    supervisor: User, observer: User, told: list[str]
) -> None:
    here, others, stranger = by_password(supervisor), [by_password(supervisor) for _ in range(2)], by_password(observer)
    del told[:]
    assert "2 other browsers of yours were signed out" in text(switch_on(here))
    assert sorted(told) == sorted(map(key_of, others))
    assert is_in(here)
    assert is_in(stranger)
    assert said(others[0]) == "You were signed out: your second factor was changed."


@pytest.mark.django_db(transaction=True)
async def test_s10_open_boards_of_those_browsers_are_closed(desk: Station, supervisor: User) -> None:  # noqa: F811
    here, other = await sync_to_async(by_password)(supervisor), await sync_to_async(by_password)(supervisor)
    kept, ended = Page(desk.hub, (supervisor.pk, key_of(here))), Page(desk.hub, (supervisor.pk, key_of(other)))
    await sync_to_async(switch_on)(here)
    await desk.read_once()
    assert await soon(ended.code) == SIGN_IN
    assert not kept.member.closing


# ── while it is on ─────────────────────────────────────────────────────────────────────────────────
def act(client: Client, what: str, typed: str) -> Any:
    return client.post(OWN, {"act": what, "code": typed}, follow=True)


def test_s08_new_recovery_codes_need_a_code_and_replace_the_old_ones(supervisor: User, phone: Phone) -> None:
    client = both(supervisor, phone)
    assert codes_in(act(client, "codes", WRONG)) == []
    fresh = codes_in(act(client, "codes", phone.codes[0]))
    assert len(fresh) == 10
    assert not set(fresh) & set(phone.codes)
    other = by_password(supervisor)
    code(other, phone.codes[1])
    assert not is_in(other)


def test_s08_another_phone_takes_over_only_with_its_own_first_code(supervisor: User, phone: Phone) -> None:
    client = both(supervisor, phone)
    unused(supervisor)
    page = act(client, "replace", phone.code())
    assert "Another phone" in text(page)
    fresh = phone_of(client)
    assert fresh.seed != phone.seed
    unused(supervisor)
    assert code(by_password(supervisor), phone.code()).status_code == 302, "the old one is in force till then"
    assert len(codes_in(switch_on(client, fresh.code()))) == 10
    other = by_password(supervisor)
    unused(supervisor)
    assert code(other, phone.code()).status_code == 200
    assert code(other, fresh.code()).status_code == 302
    assert SecondFactor.objects.count() == 1


def test_s08_one_may_think_better_of_another_phone(supervisor: User, phone: Phone) -> None:
    client = both(supervisor, phone)
    act(client, "replace", phone.codes[0])
    assert "data-key" not in text(client.post(OWN, {"act": "keep"}, follow=True))
    assert "too long ago" in text(switch_on(client, phone.code()))
    unused(supervisor)
    assert code(by_password(supervisor), phone.code()).status_code == 302


def test_s08_no_phone_is_put_in_the_place_of_another_without_a_code(supervisor: User, phone: Phone) -> None:
    client = both(supervisor, phone)
    assert "data-key" not in text(client.get(OWN))
    assert "data-key" not in text(act(client, "replace", WRONG))
    switch_on(client, phone.code())
    assert not codes_in(switch_on(client, phone.code()))


def test_s08_others_may_remove_it_and_their_other_browsers_end(supervisor: User, phone: Phone) -> None:
    client, other = both(supervisor, phone), both(supervisor, phone)
    page = act(client, "remove", phone.codes[0])
    assert "your password alone signs you in. 1 other browser of yours was signed out." in text(page)
    assert not is_in(other)
    assert second_factor.PROVED not in client.session
    assert is_in(by_password(supervisor))
    assert AuditEvent.objects.latest("seq").kind == "second-factor.removed"


def test_s08_an_administrator_replaces_it_and_cannot_remove_it(admin: User) -> None:
    phone = enrolled(admin)
    client = both(admin, phone)
    assert 'value="remove"' not in text(client.get(OWN))
    assert "can be replaced, not removed" in text(act(client, "remove", phone.codes[0]))
    assert second_factor.codes_left(admin) == 10, "and no code was used up for it"
    assert client.get("/admin/").status_code == 200
    assert "Another phone" in text(act(client, "replace", phone.codes[0]))


def test_s06_wrong_codes_on_the_page_wait_as_at_the_door(supervisor: User, phone: Phone) -> None:
    client = both(supervisor, phone)
    for _ in range(5):
        act(client, "codes", WRONG)
    refused = client.post(OWN, {"act": "codes", "code": phone.codes[0]})
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 60
    assert second_factor.codes_left(supervisor) == 10


@pytest.mark.parametrize("what", ["", "confirm", "codes", "remove", "keep", "nonsense", "x" * 5000])
def test_the_page_bears_nonsense(supervisor: User, what: str) -> None:
    client = by_password(supervisor)
    assert client.post(OWN, {"act": what}, follow=True).status_code == 200
    assert not SecondFactor.objects.exists()


# ── the administrator ──────────────────────────────────────────────────────────────────────────────
def reset(office: Client, *people: User, **fields: str) -> Any:
    return office.post(reverse("admin:auth_user_changelist"), {
        "action": "reset_second_factor", "_selected_action": [one.pk for one in people], **fields}, follow=True)


def test_s08_an_administrator_resets_it_for_a_lost_phone(
    supervisor: User, phone: Phone, admin: User, told: list[str]
) -> None:
    theirs, office = both(supervisor, phone), signed_in(admin)
    listed = text(office.get(reverse("admin:auth_user_changelist")))
    assert "since " in listed
    assert "missing" in listed, "the administrator's own"
    assert "1 second factor is reset" in text(reset(office, supervisor))
    assert key_of(theirs) in told
    assert said(theirs) == "You were signed out: your second factor was changed."
    assert is_in(by_password(supervisor))
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.actor_name, line.detail["person"]) == ("second-factor.reset", "dev", "Sita")
    history = reverse("admin:auth_user_history", args=[supervisor.pk])
    assert "Second factor reset." in text(office.get(history))


def test_s08_nobody_resets_their_own_nor_an_owners_who_is_none(supervisor: User, admin: User, phone: Phone) -> None:
    clerk = person("clara")
    roles.give(clerk, Role.ADMINISTRATOR)
    owner, own = enrolled(admin), enrolled(clerk)
    assert owner.codes
    assert own.codes
    page = text(reset(signed_in(clerk), admin, clerk, supervisor))
    assert "1 person was left out: only an owner" in page
    assert "Your own is replaced on your page" in page
    assert [second_factor.has(one) for one in (admin, clerk, supervisor)] == [True, True, False]
    assert "1 second factor is reset" in page


def test_s08_the_list_can_be_narrowed_to_those_without_one(supervisor: User, phone: Phone, admin: User) -> None:
    office = signed_in(admin)
    for chosen, there, away in (("on", "sita", "dev"), ("off", "dev", "sita")):
        rows = text(office.get(reverse("admin:auth_user_changelist"), {"second_factor": chosen}))
        assert f">{there} <small>" in rows
        assert f">{away} <small>" not in rows
    assert office.get(reverse("admin:auth_user_changelist"), {"second_factor": "nonsense"}).status_code == 200


# ── setting up ─────────────────────────────────────────────────────────────────────────────────────
def test_s08_setting_up_begins_with_it_where_it_is_required(admin: User, settings: Settings) -> None:
    client = by_password(admin)
    page = text(client.get("/setup/"))
    assert 'data-step="administrator" data-done="no" aria-current="step"' in page
    assert f'href="{OWN}?next=%2Fsetup%2F"' in page
    settings.SECOND_FACTOR = "offered"
    assert 'data-step="administrator" data-done="yes"' in text(client.get("/setup/"))
    settings.SECOND_FACTOR = "administrators"
    switch_on(client)
    assert 'data-step="administrator" data-done="yes"' in text(client.get("/setup/"))


def test_the_reason_of_a_sign_in_that_ended_is_among_those_that_are_explained() -> None:
    assert sign_ins.Why.SECOND_FACTOR in SignIn.Why.values
