"""A number that is held: who may, what is written down before it is shown, and what is said instead (S12, S29, F59)."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from dashboard import audit, record_words, revealing
from dashboard.audit import Source
from dashboard.models import AuditEvent, Queue, TakeoverAttempt
from dashboard.revealing import Revealed
from queue_api.models import Account
from tests.conftest import person
from tests.takeovers import CALL, NUMBER, in_threads, live, show, signed_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db


@pytest.fixture
def holder(sales: Queue) -> User:
    return person("hana", ("take_over", "reveal_numbers"), (sales,))


@pytest.fixture
def ref(account: Account) -> str:
    return show(account, live())


def hold(client: Client, ref: str) -> "Response":
    return client.post("/reveal/", {"call": ref})


def lines() -> list[AuditEvent]:
    return list(AuditEvent.objects.order_by("seq"))


# ── who may ────────────────────────────────────────────────────────────────────────────────────────
def test_who_may_is_answered_the_number_and_a_line_says_so(holder: User, ref: str) -> None:
    client = signed_in(holder)
    response = hold(client, ref)
    assert (response.status_code, json.loads(response.content)) == (200, {"number": NUMBER})
    assert "no-store" in response["Cache-Control"]
    (line,) = lines()
    assert (line.kind, line.actor_name, line.account_name, line.call_ref) == (
        "number.revealed", "Hana", "Northgate", ref)
    assert line.detail == {"actor_id": holder.pk, "caller_last4": NUMBER[-4:], "address": "127.0.0.1",
                           "session": Source.of(None, client.session.session_key).session}
    assert not list(audit.problems())


def test_what_is_shown_is_on_record_before_the_answer_goes_out(
    holder: User, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[int] = []

    def answered(*given: Any, **fields: Any) -> Revealed:
        known.append(AuditEvent.objects.count())
        return Revealed(*given, **fields)

    monkeypatch.setattr(revealing, "Revealed", answered)
    assert hold(signed_in(holder), ref).status_code == 200
    assert known == [1]


def test_who_sees_whole_numbers_anyway_may_ask_too_and_is_written_down_alike(sales: Queue, ref: str) -> None:
    assert hold(signed_in(person("fay", ("see_full_numbers",), (sales,))), ref).status_code == 200
    assert [line.kind for line in lines()] == ["number.revealed"]


@pytest.mark.parametrize("rights", [(), ("take_over", "watch")])
def test_without_the_right_there_is_no_number_whatever_is_asked_for(
    sales: Queue, ref: str, rights: tuple[str, ...]
) -> None:
    client = signed_in(person("omar", rights, (sales,)))
    own, missing = hold(client, ref), hold(client, "1-no-such-call")
    assert (own.status_code, missing.status_code) == (403, 403)
    assert own.content == missing.content
    assert NUMBER not in own.content.decode()
    assert {line.kind for line in lines()} == {"number.denied"}


def test_a_foreign_call_and_a_missing_one_are_answered_alike(billing: Queue, ref: str) -> None:
    client = signed_in(person("ola", ("reveal_numbers",), (billing,)))
    foreign, missing = hold(client, ref), hold(client, "1-no-such-call")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.content == missing.content
    assert [(line.kind, line.call_ref) for line in lines()] == [
        ("number.denied", ref), ("number.denied", "1-no-such-call")]


def test_nobody_who_is_signed_out_is_told_anything(ref: str) -> None:
    response = hold(Client(), ref)
    assert response.status_code == 403
    assert NUMBER not in response.content.decode()
    assert lines() == []


def test_a_post_from_elsewhere_shows_nothing(holder: User, ref: str) -> None:
    response = hold(signed_in(holder, enforce_csrf_checks=True), ref)
    assert response.status_code == 403
    assert NUMBER not in response.content.decode()
    assert lines() == []


def test_a_call_without_a_number_has_none_to_show_and_nothing_is_written(holder: User, account: Account) -> None:
    silent = live(msgspec.structs.replace(CALL, caller=""))
    response = hold(signed_in(holder), show(account, silent))
    assert response.status_code == 404
    assert "no number" in json.loads(response.content)["said"]
    assert lines() == []


@pytest.mark.parametrize("posted", [f"1-{NUMBER}", f"+{NUMBER}", f"1-{NUMBER[:6]}-{NUMBER[6:]}"])
@pytest.mark.parametrize("path", ["/reveal/", "/takeover/"])
def test_a_number_that_somebody_posts_as_a_call_is_not_written_down(holder: User, path: str, posted: str) -> None:
    assert signed_in(holder).post(path, {"call": posted, "key": ""}).status_code == 404
    (line,) = lines()
    assert line.call_ref in ("", "•••• 5678")


# ── no record, no number; not too many ─────────────────────────────────────────────────────────────
def test_s29_what_cannot_be_written_down_is_not_shown(
    holder: User, ref: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(audit, "record", broken)
    response = hold(signed_in(holder), ref)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert NUMBER not in response.content.decode() + caplog.text
    assert "cannot be written down" in caplog.text


def test_the_twenty_first_in_a_minute_waits_and_is_not_written_as_shown(holder: User, ref: str) -> None:
    client = signed_in(holder)
    assert {hold(client, ref).status_code for _ in range(revealing.PER_PERSON)} == {200}
    response = hold(client, ref)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= revealing.WINDOW_S
    assert NUMBER not in response.content.decode()
    assert len(lines()) == revealing.PER_PERSON
    assert not list(audit.problems())


def test_another_persons_and_an_older_minutes_numbers_are_not_counted(
    holder: User, sales: Queue, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = signed_in(person("ines", ("reveal_numbers",), (sales,)))
    assert {hold(other, ref).status_code for _ in range(revealing.PER_PERSON)} == {200}
    assert hold(signed_in(holder), ref).status_code == 200
    later = timezone.now() + timedelta(seconds=revealing.WINDOW_S + 1)
    monkeypatch.setattr("dashboard.revealing.timezone.now", lambda: later)
    assert hold(other, ref).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_at_once_and_wherever_the_limit_is_one(holder: User, ref: str) -> None:
    def four(client: Client) -> list[int]:
        return [hold(client, ref).status_code for _ in range(4)]

    clients = [signed_in(holder) for _ in range(8)]
    with in_threads(8) as pool:
        jobs = [pool.submit(four, client) for client in clients]
    statuses = [status for job in jobs for status in job.result()]
    assert (statuses.count(200), statuses.count(429)) == (revealing.PER_PERSON, 32 - revealing.PER_PERSON)
    assert len(lines()) == revealing.PER_PERSON


def test_nobody_fills_the_record_with_refusals(sales: Queue, ref: str) -> None:
    client = signed_in(person("omar", (), (sales,)))
    assert {hold(client, ref).status_code for _ in range(15)} == {403}
    assert [line.kind for line in lines()] == ["number.denied"] * audit.DENIALS


# ── the page, and the record's own ─────────────────────────────────────────────────────────────────
def test_only_who_may_hold_has_something_to_hold_and_the_text_is_the_same(
    holder: User, observer: User, admin: User, ref: str
) -> None:
    pages = {who.username: signed_in(who).get("/").content.decode() for who in (holder, observer, admin)}
    assert f'<button id="n-{ref}" type="button" data-action="reveal">•••• 5678</button> <small>Mr Khan' in pages["hana"]
    assert 'data-field="caller">•••• 5678 <small>Mr Khan' in pages["omar"]
    assert f'data-field="caller">{NUMBER} <small>Mr Khan' in pages["dev"]
    assert [('data-action="reveal"' in page) for page in pages.values()] == [True, False, False]
    assert NUMBER not in pages["hana"]


def test_the_record_and_its_file_say_in_words_whose_number_was_shown(admin: User, holder: User, ref: str) -> None:
    hold(signed_in(holder), ref)
    for path in ("/admin/dashboard/auditevent/", "/admin/dashboard/auditevent/csv/?kind=number.revealed"):
        text = signed_in(admin).get(path).content.decode()
        assert str(record_words.KINDS["number.revealed"]) == "Whole number shown"
        for word in ("Whole number shown", "Hana", ref, "•••• 5678"):
            assert word in text
        assert NUMBER not in text
    assert not TakeoverAttempt.objects.exists()
