"""Sessions: two lives, what renews the shorter one, where a person is signed in, and what the page says of the end."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dashboard import sessions, sign_ins
from dashboard.browser_words import words
from dashboard.fanout import Hub
from dashboard.mirror import Mirror
from dashboard.models import SignIn
from dashboard.signed_out import COOKIE, sentence
from dashboard.station import Station, station
from tests.conftest import PASSWORD
from tests.makers import soon
from tests.test_sessions import SIGN_IN, Page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("admin")]
LOGIN = "/accounts/login/"
IDLE, LIFE = timedelta(hours=12), timedelta(hours=160)
ANOTHER = "another-long-password"


def signed_in(user: User, agent: str = "", address: str = "192.0.2.10") -> Client:
    client = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    response = client.post(LOGIN, {"username": user.get_username(), "password": PASSWORD})
    assert response.status_code == 302
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def row_of(client: Client) -> SignIn:
    return SignIn.objects.get(session_key=key_of(client))


def expires(client: Client) -> Any:
    return Session.objects.get(session_key=key_of(client)).expire_date


def later(**time: float) -> None:
    """As if so much time had passed since everything that is written down."""
    passed = timedelta(**time)
    SignIn.objects.update(began_at=F("began_at") - passed, last_seen_at=F("last_seen_at") - passed,
                          ends_at=F("ends_at") - passed, ended_at=F("ended_at") - passed)
    Session.objects.update(expire_date=F("expire_date") - passed)
    for row in Session.objects.all():
        data = row.get_decoded()
        if sign_ins.ENDS in data:
            data[sign_ins.ENDS] -= passed.total_seconds()
            Session.objects.filter(pk=row.pk).update(session_data=Session.objects.encode(data))
    sessions.decoded.cache_clear()


def about(moment: Any, wanted: Any) -> bool:
    return bool(abs(moment - wanted) < timedelta(minutes=1))


# ── two lives ──────────────────────────────────────────────────────────────────────────────────────
def test_s09_a_session_ends_when_it_was_idle_and_the_page_says_so(supervisor: User) -> None:
    client = signed_in(supervisor)
    assert about(expires(client), timezone.now() + IDLE)
    later(hours=11.9)
    assert client.get("/").status_code == 200
    later(hours=12.1)
    page = client.get("/", follow=True)
    assert page.redirect_chain == [("/accounts/login/?next=/", 302)]
    assert "for 12 hours no board was open here" in page.content.decode()


def test_s09_using_it_renews_it_at_most_every_five_minutes(supervisor: User) -> None:
    client = signed_in(supervisor)
    for minutes, renewed in ((4, False), (2, True), (4, False)):
        later(minutes=minutes)
        before = expires(client)
        client.get("/")
        assert (expires(client) > before) is renewed


def test_s09_however_busy_it_is_it_ends_in_the_end_and_the_page_says_so(supervisor: User) -> None:
    client = signed_in(supervisor)
    for _ in range(15):
        later(hours=10)
        assert client.get("/").status_code == 200
    assert expires(client) == row_of(client).ends_at
    later(hours=9.9)
    assert client.get("/").status_code == 200
    later(hours=0.2)
    page = client.get("/", follow=True)
    assert page.redirect_chain
    assert "a sign-in lasts 160 hours at most" in page.content.decode()


def test_s09_the_cookie_outlives_the_idle_life_so_that_the_page_can_say_why(supervisor: User) -> None:
    client = signed_in(supervisor)
    assert abs(int(client.cookies["sessionid"]["max-age"]) - LIFE.total_seconds()) < 60


def test_s09_saving_something_in_the_session_does_not_stretch_its_life(supervisor: User) -> None:
    client = signed_in(supervisor)
    for _ in range(14):
        later(hours=11)
        assert client.get("/").status_code == 200
    session = client.session
    session["more"] = "x"
    session.save()
    assert about(expires(client), timezone.now() + LIFE - timedelta(hours=154))


def test_s09_a_watched_board_renews_and_an_ended_session_is_not_revived(supervisor: User) -> None:
    watched, left, over = signed_in(supervisor), signed_in(supervisor), signed_in(supervisor)
    later(hours=6)
    Session.objects.filter(session_key=key_of(over)).update(expire_date=timezone.now() - timedelta(seconds=1))
    sign_ins.seen([key_of(watched), key_of(over), "no-such-key"])
    assert about(expires(watched), timezone.now() + IDLE)
    assert about(row_of(watched).last_seen_at, timezone.now())
    assert about(expires(left), timezone.now() + timedelta(hours=6))
    assert expires(over) < timezone.now()


def test_s09_renewing_many_costs_one_question_when_nothing_is_due(
    supervisor: User, django_assert_num_queries: Any
) -> None:
    keys = [key_of(signed_in(supervisor)) for _ in range(2)] + [f"other-{number}" for number in range(490)]
    with django_assert_num_queries(1):
        sign_ins.seen(keys)


def test_s09_a_session_from_before_these_lives_ends_by_itself(supervisor: User) -> None:
    client = Client()
    client.force_login(supervisor)
    SignIn.objects.all().delete()
    session = client.session
    del session[sign_ins.ENDS]
    session.save()
    assert about(expires(client), timezone.now() + IDLE)
    later(hours=11)
    assert client.get("/").status_code == 200
    assert about(expires(client), timezone.now() + timedelta(hours=1))


def test_s09_what_has_expired_is_tidied_away_and_still_explained_for_a_month(supervisor: User) -> None:
    idle = signed_in(supervisor)
    later(hours=13)
    kept = signed_in(supervisor)
    sign_ins.tidy()
    assert [row.session_key for row in Session.objects.all()] == [key_of(kept)]
    assert (row_of(idle).why, row_of(kept).why) == ("idle", "")
    assert sign_ins.why(key_of(idle)) == "idle"
    later(days=31)
    sign_ins.tidy()
    assert not SignIn.objects.filter(session_key=key_of(idle)).exists()


# ── the sockets ────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Station]:
    mirror = Mirror()
    station = Station(mirror, Hub(mirror))

    async def no_polling() -> None:
        """The pollers are not what is looked at."""

    monkeypatch.setattr(station.polls, "update", no_polling)
    yield station
    for member in station.hub.members:
        station.hub.leave(member)
    await station.polls.stop()
    station.desk.close()


@pytest.mark.django_db(transaction=True)
async def test_s09_the_station_renews_the_sessions_whose_boards_are_open(desk: Station, supervisor: User) -> None:
    watching, away = await sync_to_async(signed_in)(supervisor), await sync_to_async(signed_in)(supervisor)
    await sync_to_async(later)(hours=8)
    page = Page(desk.hub, (supervisor.pk, key_of(watching)))
    await desk.read_once()
    assert about(await sync_to_async(expires)(watching), timezone.now() + IDLE)
    assert about(await sync_to_async(expires)(away), timezone.now() + timedelta(hours=4))
    assert not page.member.closing
    await sync_to_async(later)(hours=13)
    await desk.read_once()
    assert await soon(page.code) == SIGN_IN


@pytest.mark.django_db(transaction=True)
async def test_s09_the_station_tidies_at_its_start(desk: Station, supervisor: User) -> None:
    await sync_to_async(signed_in)(supervisor)
    await sync_to_async(later)(hours=13)
    await desk.read_once()
    assert await sync_to_async(Session.objects.count)() == 0


# ── why ────────────────────────────────────────────────────────────────────────────────────────────
def said(client: Client, path: str = "/") -> str:
    page = client.get(path, follow=True)
    text: str = page.content.decode()
    assert 'name="password"' in text
    return text.partition('id="signed-out">')[2].partition("<")[0]


def test_s09_a_changed_password_ends_the_sessions_of_before_and_the_page_says_so(supervisor: User) -> None:
    client = signed_in(supervisor)
    supervisor.set_password(ANOTHER)
    supervisor.save()
    assert said(client) == "You were signed out: your password was changed."


def test_s09_changing_ones_own_password_ends_the_others_and_keeps_this_one(admin: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "offered"
    here, other = signed_in(admin), signed_in(admin)
    before = key_of(here)
    changed = here.post(reverse("admin:password_change"), {
        "old_password": PASSWORD, "new_password1": ANOTHER, "new_password2": ANOTHER})
    assert changed.status_code == 302
    assert here.get("/").status_code == 200
    assert key_of(here) != before
    assert said(other) == "You were signed out: your password was changed."
    assert "Sign out there" not in here.get("/me/sessions/").content.decode()


def test_s09_who_was_switched_off_reads_it(supervisor: User) -> None:
    client = signed_in(supervisor)
    User.objects.filter(pk=supervisor.pk).update(is_active=False)
    assert said(client) == "Your account is switched off. Ask an administrator."


def test_s09_the_sign_in_page_itself_says_it_too_and_once(supervisor: User) -> None:
    client = signed_in(supervisor)
    later(hours=13)
    assert said(client, LOGIN) == "You were signed out: for 12 hours no board was open here."
    assert said(client, LOGIN) == ""


@pytest.mark.parametrize("cookies", [
    {}, {"sessionid": "a" * 32}, {"sessionid": "\x00"}, {"sessionid": "\x00" * 32},
    {"sessionid": "a" * 5000}, {COOKIE: "nonsense"}, {COOKIE: "<b>"}, {COOKIE: "signed-out"},
])
def test_s09_a_stranger_is_told_nothing(supervisor: User, cookies: dict[str, str]) -> None:
    signed_in(supervisor)
    later(hours=13)
    stranger = Client()
    for name, value in cookies.items():
        stranger.cookies[name] = value
    assert said(stranger) == ""


def test_s09_who_signed_out_by_themselves_is_told_nothing(supervisor: User) -> None:
    client = signed_in(supervisor)
    key = key_of(client)
    client.post("/accounts/logout/")
    assert said(client) == ""
    assert SignIn.objects.get(session_key=key).why == "signed-out"


def test_every_reason_that_somebody_else_or_time_gives_has_its_sentence() -> None:
    silent = {SignIn.Why.SIGNED_OUT}
    assert all(bool(sentence(reason)) is (reason not in silent) for reason in SignIn.Why)


# ── one's own browsers ─────────────────────────────────────────────────────────────────────────────
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions whose sockets are closed."""
    keys: list[str] = []
    monkeypatch.setattr(station, "signed_out", keys.append)
    return keys


def test_the_page_lists_where_one_is_signed_in_and_nobody_else(supervisor: User, observer: User) -> None:
    here, other = signed_in(supervisor, FIREFOX), signed_in(supervisor, CHROME, "2001:db8::5")
    signed_in(observer, "Foreign/1.0")
    text = here.get("/me/sessions/").content.decode()
    assert text.index("Firefox on Windows") < text.index("this one") < text.index("Chrome on Linux")
    assert "192.0.2.10" in text
    assert "2001:db8::5" in text
    assert "Foreign" not in text
    assert key_of(here) not in text
    assert key_of(other) not in text
    assert 'href="/me/sessions/"' in here.get("/").content.decode()


def test_signing_one_out_ends_that_one_alone_and_tells_its_browser(supervisor: User, told: list[str]) -> None:
    here, other, third = signed_in(supervisor), signed_in(supervisor), signed_in(supervisor)
    del told[:]
    page = here.post("/me/sessions/", {"end": row_of(other).pk}, follow=True)
    assert "1 browser is signed out." in page.content.decode()
    assert told == [key_of(other)]
    assert third.get("/").status_code == 200
    assert said(other) == "You were signed out from another browser of yours."


def test_signing_out_all_others_leaves_this_one(supervisor: User, observer: User, told: list[str]) -> None:
    here, others, stranger = signed_in(supervisor), [signed_in(supervisor) for _ in range(3)], signed_in(observer)
    del told[:]
    page = here.post("/me/sessions/", {"end": "others"}, follow=True)
    assert "3 browsers are signed out." in page.content.decode()
    assert sorted(told) == sorted(map(key_of, others))
    assert [client.get("/").status_code for client in (here, stranger, *others)] == [200, 200, 302, 302, 302]


@pytest.mark.parametrize("which", ["theirs", "mine", "", "x", "-1", "9" * 30, "٣", "1 OR 1=1"])
def test_nobody_ends_what_is_not_another_one_of_theirs(
    supervisor: User, observer: User, told: list[str], which: str
) -> None:
    here, stranger = signed_in(supervisor), signed_in(observer)
    del told[:]
    number = {"theirs": str(row_of(stranger).pk), "mine": str(row_of(here).pk)}.get(which, which)
    page = here.post("/me/sessions/", {"end": number}, follow=True)
    assert "Nothing to do" in page.content.decode()
    assert (told, here.get("/").status_code, stranger.get("/").status_code) == ([], 200, 200)


def test_ending_needs_a_sign_in_and_the_pages_token(supervisor: User) -> None:
    assert Client().get("/me/sessions/").status_code == 302
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(supervisor)
    other = signed_in(supervisor)
    assert careful.post("/me/sessions/", {"end": "others"}).status_code == 403
    assert other.get("/").status_code == 200


@pytest.mark.parametrize(("agent", "read"), [
    (FIREFOX, "Firefox on Windows"), (CHROME, "Chrome on Linux"), ("", "unknown browser"), ("curl/8.5.0", "curl"),
    (CHROME + " Edg/139.0", "Edge on Linux"), ("<script>alert(1)</script>", "unknown browser"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1",
     "Safari on iPhone"),
])
def test_a_browser_is_named_in_few_words(agent: str, read: str) -> None:
    assert words(agent) == read


# ── the administrator ──────────────────────────────────────────────────────────────────────────────
def test_an_administrator_signs_somebody_out_everywhere(
    supervisor: User, observer: User, admin: User, told: list[str], settings: Settings
) -> None:
    settings.SECOND_FACTOR = "offered"
    office, theirs, stranger = signed_in(admin), [signed_in(supervisor) for _ in range(2)], signed_in(observer)
    del told[:]
    page = office.post(reverse("admin:auth_user_changelist"), {
        "action": "sign_out_everywhere", "_selected_action": [supervisor.pk, admin.pk]}, follow=True)
    assert "2 browsers are signed out." in page.content.decode()
    assert sorted(told) == sorted(map(key_of, theirs))
    assert stranger.get("/").status_code == 200
    assert said(theirs[0]) == "An administrator signed you out."
    assert "Signed out everywhere." in office.get(
        reverse("admin:auth_user_history", args=[supervisor.pk])).content.decode()
