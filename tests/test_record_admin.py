"""The record's pages: who did what to which call, found again, every try told, and verdicts on what was never known."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard import audit, record_words, takeover
from dashboard.audit import Source
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.station import station
from dashboard.takeover_states import Event, State
from queue_api.errors import NoUsableAnswer, Refused, Try
from queue_api.models import Account
from tests.conftest import person
from tests.takeovers import NUMBER, signed_in
from tests.test_takeover import another_call, begun

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
LINES, ATTEMPTS = (reverse(f"admin:dashboard_{model}_changelist") for model in ("auditevent", "takeoverattempt"))
PAGES = (LINES, ATTEMPTS)
BUSY, GONE = Try("1501", "Busy", 900), Try("1000", f"No call of {NUMBER} <b>", 60)


@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def refused(supervisor: User, account: Account) -> TakeoverAttempt:
    """Busy twice, then gone: three tries."""
    attempt = begun(supervisor, account)
    takeover.mark_sent(attempt)
    takeover.settle(attempt, Refused("takeover", code="1000", message=GONE.message, tries=3, log=(BUSY, BUSY, GONE)))
    return attempt


@pytest.fixture
def abandoned(supervisor: User, account: Account) -> TakeoverAttempt:
    return never_known(supervisor, account, 2)


def never_known(user: User, account: Account, number: int) -> TakeoverAttempt:
    attempt = begun(user, account, another_call(number))
    takeover.mark_sent(attempt)
    takeover.settle(attempt, NoUsableAnswer("takeover", message="It took too long"))
    takeover.move(attempt, Event.OUT_OF_TIME)
    assert attempt.state == State.ABANDONED
    return attempt


def page(response: "Response") -> str:
    assert response.status_code == 200
    return response.content.decode()


def cells(html: str) -> list[dict[str, str]]:
    """The list's rows: column -> text."""
    rows = re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[-1], re.DOTALL)
    found = [re.findall(r'<t[dh] class="field-([a-z_0-9]+)[^>]*>(.*?)</t[dh]>', row, re.DOTALL) for row in rows]
    return [{name: re.sub(r"<[^>]*>", "", text) for name, text in row} for row in found]


def shown(html: str, field: str) -> str:
    """A field's text on the page of one thing."""
    found = re.search(rf'field-{field}".*?<div class="readonly">(.*?)</div>', html, re.DOTALL)
    assert found, field
    return found[1]


# ── a line ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_list_says_who_when_which_call_from_where_and_what_came_of_it(
    office: Client, refused: TakeoverAttempt
) -> None:
    newest, *_, first = cells(page(office.get(LINES)))
    assert newest["when"] == f"{AuditEvent.objects.latest('seq').at:%Y-%m-%d %H:%M:%S}"
    assert (newest["seq"], newest["what"], newest["actor_name"]) == ("3", "Takeover: refused", "Sita")
    assert (newest["account_name"], newest["call_ref"], newest["caller"]) == (
        "Northgate", refused.call_ref, "•••• 5678")
    assert (newest["address"], newest["code"], newest["tries"]) == ("192.0.2.7", "1000", "3 tries, 1.9 s")
    assert newest["message"] == "No call of •••• 5678 &lt;b&gt;"
    assert (first["seq"], first["what"], first["tries"]) == ("1", "Takeover: about to ask", "-")


def test_a_lines_page_tells_every_try_and_what_an_administrator_can_do(
    office: Client, refused: TakeoverAttempt
) -> None:
    told = page(office.get(reverse("admin:dashboard_auditevent_change", args=[AuditEvent.objects.latest("seq").pk])))
    assert shown(told, "tries_listed").count("<li>") == 3
    assert shown(told, "tries_listed").count("<b>1501</b> Busy <i>(900 ms)</i>") == 2
    assert "<b>1000</b> No call of •••• 5678 &lt;b&gt; <i>(60 ms)</i>" in told
    assert shown(told, "for_administrator").startswith("Call not found: If this happens to calls that are live")
    assert shown(told, "where") == "192.0.2.7, browser 0a1b2c3d"
    assert NUMBER not in told


def test_every_kind_of_line_has_a_name(supervisor: User) -> None:
    assert {f"takeover.{state}" for state in State} < set(record_words.KINDS)
    assert len({str(label) for label in record_words.KINDS.values()}) == len(record_words.KINDS)


@pytest.mark.parametrize("detail", [
    None, [], 7, "text", {"tries": 3}, {"tries": [[]]}, {"tries": [{"ms": "long"}]}, {"code": 1000}, {"address": {}},
    {"verdict": "perhaps"}, {"reason": "no reason of ours"}, {"code": "4711"},
])
@pytest.mark.parametrize("kind", ["takeover.refused", "of.later"])
def test_a_line_that_is_none_of_ours_can_still_be_looked_at(office: Client, kind: str, detail: Any) -> None:
    """An edited one: what is wrong with it is `verify_audit`'s to say."""
    event = AuditEvent.objects.create(seq=1, at=timezone.now(), kind=kind, detail=detail if detail is not None else {})
    page(office.get(LINES))
    page(office.get(reverse("admin:dashboard_auditevent_change", args=[event.pk])))
    page(office.get(f"{LINES}csv/"))


# ── a takeover ─────────────────────────────────────────────────────────────────────────────────────
def test_the_list_of_takeovers_says_the_outcome_the_agents_and_whose_session(
    office: Client, refused: TakeoverAttempt
) -> None:
    TakeoverAttempt.objects.update(agent_after="2001", agent_after_name="Meera", tried_until=refused.sent_at)
    row, = cells(page(office.get(ATTEMPTS)))
    assert (row["actor_name"], row["account"], row["call_ref"], row["caller"]) == (
        "Sita", "Northgate", refused.call_ref, "•••• 5678")
    assert (row["outcome"], row["code"], row["said"]) == ("refused", "1000", "No call of •••• 5678 &lt;b&gt;")
    assert (row["agents"], row["session"], row["address"]) == ("Ben → Meera", "the account’s", "192.0.2.7")
    assert row["tries_made"] == "3 tries, 0.0 s"


def test_a_takeovers_page_tells_every_try_and_leads_to_its_lines(office: Client, refused: TakeoverAttempt) -> None:
    begun(User.objects.get(username="sita"), refused.account, another_call(2))
    told = page(office.get(reverse("admin:dashboard_takeoverattempt_change", args=[refused.pk])))
    assert shown(told, "tries_listed").count("<li>") == 3
    assert shown(told, "for_administrator").startswith("Call not found: ")
    assert NUMBER not in told
    link = re.search(r'href="([^"]+)">its lines', told)
    assert link
    assert [row["seq"] for row in cells(page(office.get(link[1])))] == ["3", "2", "1"]


# ── found again ────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def busy_day(refused: TakeoverAttempt, abandoned: TakeoverAttempt, outsider: User) -> None:
    """Seven lines of Sita's two takeovers, then one each of Ola and of the verdict."""
    audit.denied("Ola", 7, Source("198.51.100.9"), account="Southgate", call_ref="2-c-9")
    takeover.judge(abandoned, "moved", "Dev", Source("203.0.113.4"))


@pytest.mark.parametrize(("asked", "seqs"), [
    ({"q": "Sita"}, "9 7 6 5 4 3 2 1"), ({"q": "ola"}, "8"), ({"q": "Dev"}, "9"), ({"q": "2-c-9"}, "8"),
    ({"q": "c-2"}, "9 7 6 5 4"), ({"q": "5678 192.0.2.7"}, "7 6 5 4 3 2 1"), ({"q": "567"}, ""),
    ({"q": "198.51"}, "8"), ({"q": "1000"}, "3"), ({"q": "' OR 1=1 --"}, ""), ({"q": '"%'}, ""),
    ({"q": "x" * 201}, ""),
    ({"kind": "takeover.refused"}, "3"), ({"kind": "takeover.judged"}, "9"), ({"kind": "takeover.nothing"}, ""),
    ({"code": "1000"}, "3"), ({"code": "4711"}, ""), ({"code": '1000"'}, ""), ({"account_name": "Southgate"}, "8"),
    ({"at__year": "1999"}, ""), ({"code": "1000", "kind": "takeover.sent"}, ""), ({"o": "1"}, "1 2 3 4 5 6 7 8 9"),
])
def test_lines_are_found_by_person_call_digits_address_code_kind_account_and_date(
    office: Client, busy_day: None, asked: dict[str, str], seqs: str
) -> None:
    listed = cells(page(office.get(LINES, asked)))
    assert [row["seq"] for row in listed if "seq" in row] == seqs.split()


@pytest.mark.parametrize(("asked", "count"), [
    ({"q": "Sita"}, 2), ({"q": "c-2"}, 1), ({"q": "5678"}, 2), ({"q": "192.0.2."}, 2), ({"q": "1000"}, 1),
    ({"q": "x"}, 0), ({"state__exact": "refused"}, 1), ({"state__exact": "odd"}, 0), ({"code": "1000"}, 1),
    ({"code": "4711"}, 0),
])
def test_takeovers_are_found_by_person_call_digits_address_code_and_state(
    office: Client, busy_day: None, asked: dict[str, str], count: int
) -> None:
    assert len([row for row in cells(page(office.get(ATTEMPTS, asked))) if row]) == count


def test_the_filters_offer_what_there_is(office: Client, busy_day: None) -> None:
    listed = page(office.get(LINES))
    assert '<a href="?code=1000">' in listed
    assert '<a href="?kind=takeover.late-answer">' in listed
    assert '<a href="?account_name=Southgate">' in listed
    assert f"?at__day={timezone.now().day}&amp;at__month=" in listed


@pytest.mark.parametrize("address", PAGES)
def test_a_longer_list_takes_no_more_queries(
    office: Client, supervisor: User, account: Account, address: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as taken:
            page(office.get(address))
        return len(taken)

    never_known(supervisor, account, 1)
    few = queries()
    for number in range(2, 8):
        never_known(supervisor, account, number)
    assert queries() == few


# ── nonsense ───────────────────────────────────────────────────────────────────────────────────────
NONSENSE = [
    "at__year=99999", "at__year=9999", "at__year=9999&at__month=12", "at__year=9999&at__month=12&at__day=31",
    "at__year=0", "at__year=-1", "at__year=x", "at__year=2026&at__month=13", "at__year=2026&at__month=2&at__day=30",
    "at__month=x", "at__day=%00", "at__gte=yesterday", "at__gte=2026-99-99", "at__gte=0001-01-01+00:00:00%2B23:59",
    "at__year=%F0%9F%98%80", "at__year__gt=2000", "at__lt=&at__gte=", "code=", "code=%00", "code=%22%7D",
    "code=" + "9" * 3000, "kind=%00", "kind[]=x", "kind__regex=((", "code__regex=((", "account_name=%00",
    "account_name__in=x", "detail__code__regex=((", "hash__startswith=0", "call_key__startswith=9198",
    "detail__x__y__z=1", "attempt_id=x", "attempt_id=" + "9" * 30, "attempt_id=-1", "state__exact=%00",
    "account__id__exact=x", "account__id__exact=" + "9" * 30, "account__ssid_sealed__startswith=a",
    "actor__password__startswith=a", "q=%00", "q=" + "x+" * 3000, "q=%F0%9F%98%80%27%22%5C%25_", "q=%ED%A0%80",
    "o=99.-77.x..-", "o=%C2%B2", "p=x", "p=-1", "p=" + "9" * 30, "all=", "e=1", "e=1&at__year=x", "_to_field=hash",
    "_popup=1", "_facets=1", "id=x", "pk__in=" + "9" * 30, "nothing=at&all", "&&==&=", "csrfmiddlewaretoken=x",
]


@pytest.mark.django_db(transaction=True)  # as in a request: what the database refuses there aborts nothing else
@pytest.mark.parametrize("asked", NONSENSE)
def test_nonsense_in_the_address_is_answered_and_never_a_traceback(
    office: Client, refused: TakeoverAttempt, asked: str
) -> None:
    for address, moment in ((LINES, "at__"), (ATTEMPTS, "created_at__")):
        for page in ("", "csv/"):
            response = office.get(f"{address}{page}?{asked.replace('at__', moment)}", follow=True)
            assert response.status_code in (200, 400)


@pytest.mark.parametrize("asked", ["call_key__startswith=9198", "hash__startswith=0", "actor__password__startswith=p"])
def test_a_column_that_is_not_shown_cannot_be_guessed_at(office: Client, asked: str) -> None:
    for address in (LINES, ATTEMPTS, f"{LINES}csv/", f"{ATTEMPTS}csv/"):
        assert office.get(f"{address}?{asked}").status_code == 400


@pytest.mark.parametrize("key", ["x", "-1", "9" * 30, "%00", "csv", "1_3C", "é"])
def test_a_page_of_nothing_is_no_traceback(office: Client, refused: TakeoverAttempt, key: str) -> None:
    for address in PAGES:
        assert office.get(f"{address}{key}/change/?_changelist_filters=%00", follow=True).status_code in (200, 404)


# ── verdicts ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    rung: list[str] = []
    monkeypatch.setattr(station, "ring", lambda: rung.append("ring"))
    return rung


@pytest.fixture
def chief(db: None) -> User:
    return staff("chief", "view_takeoverattempt", "change_takeoverattempt")


def staff(name: str, *rights: str) -> User:
    user = person(name)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights, content_type__app_label="dashboard"))
    return user


def judged(user: User, verdict: str, *attempts: TakeoverAttempt, **more: Any) -> str:
    """What the list says after the verdict."""
    chosen = {"action": verdict, "_selected_action": [attempt.pk for attempt in attempts], "index": 0}
    answered = page(signed_in(user).post(ATTEMPTS, chosen | more, follow=True))
    return " ".join(re.findall(r'<ul class="messagelist">(.*?)</ul>', answered, re.DOTALL))


@pytest.mark.parametrize(("action", "verdict", "words"), [
    ("it_moved", "moved", "it moved"), ("it_did_not_move", "not-moved", "it did not move"),
])
def test_who_may_judges_what_was_never_known_once(
    chief: User, abandoned: TakeoverAttempt, rings: list[str], action: str, verdict: str, words: str
) -> None:
    assert f"1 takeover judged: {words}." in judged(chief, action, abandoned)
    abandoned.refresh_from_db()
    assert (abandoned.verdict, abandoned.verdict_by) == (verdict, "Chief")
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.detail["by"], line.detail["verdict"], line.detail["address"]) == (
        "takeover.judged", "Chief", verdict, "127.0.0.1")
    assert record_words.what_happened(line) == f"Takeover: a person’s verdict: {words}, says Chief"
    assert cells(page(signed_in(chief).get(ATTEMPTS)))[0]["outcome"] == f"never known: {words}, says Chief"
    assert rings == ["ring"]
    assert "1 takeover left as it is" in judged(chief, "it_moved", abandoned)
    assert AuditEvent.objects.latest("seq") == line
    assert rings == ["ring"]


def test_the_others_are_left_as_they_are_and_counted(
    admin: User, supervisor: User, refused: TakeoverAttempt, abandoned: TakeoverAttempt, rings: list[str]
) -> None:
    said = judged(admin, "it_moved", refused, abandoned, never_known(supervisor, refused.account, 3))
    assert "2 takeovers judged: it moved." in said
    assert "1 takeover left as it is" in said
    assert TakeoverAttempt.objects.get(pk=refused.pk).verdict == ""


@pytest.mark.parametrize("rights", [["view_takeoverattempt"], ["view_takeoverattempt", "delete_takeoverattempt"]])
def test_nobody_else_sees_the_verdicts_nor_gives_one_though_the_post_came(
    abandoned: TakeoverAttempt, rings: list[str], rights: list[str]
) -> None:
    looker = staff("looker", *rights)
    assert "it_moved" not in page(signed_in(looker).get(ATTEMPTS))
    judged(looker, "it_moved", abandoned)
    abandoned.refresh_from_db()
    assert abandoned.verdict == ""
    assert rings == []


def test_who_may_sees_the_verdicts_and_still_changes_nothing_else(chief: User, abandoned: TakeoverAttempt) -> None:
    client = signed_in(chief)
    listed = page(client.get(ATTEMPTS))
    assert "It did not move" in listed
    assert "delete_selected" not in listed
    address = reverse("admin:dashboard_takeoverattempt_change", args=[abandoned.pk])
    assert client.post(address, {"state": "accepted"}).status_code == 403


@pytest.mark.parametrize("more", [
    {"action": "no_such"}, {"action": "delete_selected"}, {"_selected_action": ["x"]}, {"_selected_action": ["9" * 30]},
    {"_selected_action": []}, {"index": "x"}, {"index": "9" * 30}, {"action": ["it_moved", "x"], "index": "1"},
    {"select_across": "x"}, {"_selected_action": ["\x00"]},
])
def test_a_nonsense_action_judges_nothing_and_is_no_traceback(
    chief: User, refused: TakeoverAttempt, rings: list[str], more: dict[str, Any]
) -> None:
    judged(chief, "it_moved", refused, **more)
    assert not TakeoverAttempt.objects.exclude(verdict="").exists()


def test_all_that_the_filter_finds_can_be_judged_at_once(
    chief: User, supervisor: User, account: Account, refused: TakeoverAttempt
) -> None:
    some = [never_known(supervisor, account, number) for number in range(2, 6)]
    said = judged(chief, "it_did_not_move", some[0], select_across="1")
    assert "4 takeovers judged: it did not move." in said
    assert "1 takeover left as it is" in said
