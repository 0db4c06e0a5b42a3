"""A person's own page and their verdict: only about themselves, never shown back, never a traceback."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard import takeover
from dashboard.access import viewer_of
from dashboard.draining import refuse_takeovers_while_draining
from dashboard.models import AuditEvent, Preference, Seat, TakeoverAttempt
from dashboard.station import station
from dashboard.takeover_states import State
from queue_api.models import Account
from tests.takeovers import signed_in
from tests.test_asking import same_but_for_the_clock
from tests.test_takeover import begun, put

pytestmark = pytest.mark.django_db
SSID = "canary-ssid-7f3a"


def seat_of(user: User) -> Seat:
    return Seat.objects.get(user=user)


def store(user: User, ssid: str = SSID, **fields: str) -> Any:
    return signed_in(user).post("/me/", {"seat": str(seat_of(user).uid), "ssid": ssid, **fields}, follow=True)


# ── one's own session ──────────────────────────────────────────────────────────────────────────────
def test_the_page_is_for_people_who_are_signed_in() -> None:
    assert Client().get("/me/").status_code == 302
    assert Client().post("/me/", {"ssid": SSID}).status_code == 302


def test_a_session_is_stored_sealed_used_and_never_rendered(supervisor: User) -> None:
    page = store(supervisor)
    seat = seat_of(supervisor)
    secret = seat.own_ssid()
    assert secret is not None
    assert secret.reveal() == SSID
    assert SSID not in seat.ssid_sealed
    assert "is stored" in page.content.decode()
    assert SSID not in page.content.decode()
    line = AuditEvent.objects.get()
    assert (line.kind, line.actor_name, line.detail["address"]) == ("session.stored", "Sita", "127.0.0.1")
    assert SSID not in repr(AuditEvent.objects.values_list())
    viewer = viewer_of(supervisor)
    assert viewer is not None
    assert viewer.audience.own_sessions == {seat.account_id}


def test_removing_it_forgets_it(supervisor: User) -> None:
    store(supervisor)
    assert "is removed" in store(supervisor, "", remove="yes").content.decode()
    assert seat_of(supervisor).own_ssid() is None
    assert AuditEvent.objects.latest("seq").kind == "session.removed"


@pytest.mark.parametrize(("typed", "says"), [
    ("", "Paste the session id"), ("   ", "Paste the session id"), ("two words", "no spaces"), ("a\nb", "no spaces"),
    ("a\x00b", "Null characters"), ("x" * 2001, "at most 2000"),
])
def test_what_cannot_be_a_session_is_refused_in_words_and_keeps_the_stored_one(
    supervisor: User, typed: str, says: str
) -> None:
    store(supervisor)
    page = store(supervisor, typed)
    assert page.status_code == 200
    assert says in page.content.decode()
    secret = seat_of(supervisor).own_ssid()
    assert secret is not None
    assert secret.reveal() == SSID


@pytest.mark.parametrize("seat", ["", "x", "00000000-0000-0000-0000-000000000000", "theirs"])
def test_nobody_stores_anything_on_a_seat_that_is_not_theirs(supervisor: User, outsider: User, seat: str) -> None:
    uid = str(seat_of(outsider).uid) if seat == "theirs" else seat
    response = signed_in(supervisor).post("/me/", {"seat": uid, "ssid": SSID}, follow=True)
    assert response.status_code == 200
    assert not Seat.objects.exclude(ssid_sealed="").exists()
    assert str(seat_of(outsider).uid) not in response.content.decode()


def test_who_has_no_seat_is_told_whom_to_ask(admin: User) -> None:
    assert "no seat in any account" in signed_in(admin).get("/me/").content.decode()


def test_where_an_own_session_is_required_the_page_says_so(supervisor: User, account: Account) -> None:
    account.own_session_required = True
    account.save()
    said = signed_in(supervisor).get("/me/").content.decode()
    assert "needed for takeovers here" in said
    assert "you cannot take over calls here until you enter one" in said


def test_a_session_that_was_refused_is_renewed_by_a_new_one(supervisor: User) -> None:
    store(supervisor)
    Seat.objects.update(ssid_refused_at="2026-01-01T00:00:00Z", ssid_refused_code="1014")
    assert "Renew my session" in signed_in(supervisor).get("/").content.decode()
    store(supervisor, "another")
    assert "Renew my session" not in signed_in(supervisor).get("/").content.decode()


# ── arm first ──────────────────────────────────────────────────────────────────────────────────────
def test_a_second_click_is_wanted_or_not_by_each_person(supervisor: User, observer: User) -> None:
    client = signed_in(supervisor)
    assert 'data-arm="yes"' not in client.get("/").content.decode()
    client.post("/me/", {"preference": "yes", "arm_first": "on"})
    assert 'data-arm="yes"' in client.get("/").content.decode()
    assert 'data-arm="yes"' not in signed_in(observer).get("/").content.decode()
    client.post("/me/", {"preference": "yes"})
    assert not Preference.objects.get(user=supervisor).arm_first


# ── what became of a takeover ──────────────────────────────────────────────────────────────────────
@pytest.fixture
def lost(supervisor: User, account: Account) -> TakeoverAttempt:
    attempt = begun(supervisor, account)
    put(attempt, State.ABANDONED)
    return attempt


def judge(user: User, attempt: object, verdict: str = "moved") -> Any:
    return signed_in(user).post("/takeover/verdict/", {"attempt": attempt, "verdict": verdict})


def test_who_clicked_says_what_became_of_it_and_reads_it_in_the_notice(
    supervisor: User, lost: TakeoverAttempt
) -> None:
    response = judge(supervisor, lost.pk)
    assert response.status_code == 200
    assert "It moved, says Sita" in response.content.decode()
    lost.refresh_from_db()
    assert (lost.verdict, lost.verdict_by) == ("moved", "Sita")
    assert "It moved, says Sita" in judge(supervisor, lost.pk, "not-moved").content.decode()  # the first one counts


def test_an_administrator_may_say_it_too_and_anybody_else_finds_nothing(
    admin: User, observer: User, outsider: User, lost: TakeoverAttempt
) -> None:
    for stranger in (observer, outsider):
        foreign, missing = (same_but_for_the_clock(judge(stranger, number)) for number in (lost.pk, 999_999))
        assert foreign == missing
        assert foreign[0] == 404
    assert judge(admin, lost.pk, "not-moved").status_code == 200
    lost.refresh_from_db()
    assert (lost.verdict, lost.verdict_by) == ("not-moved", "dev")


@pytest.mark.parametrize("attempt", ["", "x", "-1", "1e3", "٣", "9" * 30, "1 OR 1=1"])
def test_an_odd_number_is_no_takeover(supervisor: User, lost: TakeoverAttempt, attempt: str) -> None:
    assert judge(supervisor, attempt).status_code == 404


def test_an_odd_verdict_is_none(supervisor: User, lost: TakeoverAttempt) -> None:
    assert judge(supervisor, lost.pk, "perhaps").status_code == 400
    lost.refresh_from_db()
    assert lost.verdict == ""


def test_without_signing_in_there_is_no_verdict(lost: TakeoverAttempt) -> None:
    assert Client().post("/takeover/verdict/", {"attempt": lost.pk, "verdict": "moved"}).status_code == 404
    assert Client().get("/takeover/verdict/").status_code == 405


def test_what_is_still_looked_for_is_not_judged(supervisor: User, account: Account) -> None:
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    assert judge(supervisor, attempt.pk).status_code == 404


# ── while the server drains ────────────────────────────────────────────────────────────────────────
async def test_a_draining_server_says_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def untouched(*_args: Any) -> None:
        pytest.fail("the application was asked")

    monkeypatch.setattr(station, "draining", True)
    await refuse_takeovers_while_draining(untouched)({"type": "http", "path": "/takeover/"}, None, send)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"retry-after"], headers[b"hx-reswap"]) == (503, b"5", b"none")
    body = sent[1]["body"].decode()
    assert "Nothing was sent" in body
    assert "<hx-partial" in body
