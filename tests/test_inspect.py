"""“Inspect live rows”: a raw answer beside what the tables make of it, and the tables edited there."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from dashboard import generation
from queue_api.calls import FIELD_NAMES, FieldMap, parse_rows
from queue_api.inspect import Reading, read, structure
from queue_api.models import Account
from queue_api.simulator.dialects import FOREIGN
from tests.peer import Peer, Step, answer
from tests.takeovers import beside, error, signed_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

NOW = 1_800_000_000_000
ZONE = "Asia/Kolkata"
ROW = {"callId": "a", "callernumber": "919812345678", "agentid": "7", "status": "talking",
       "queueTime": "2026-11-23 10:00:00"}
FOREIGN_ROW = {"legRef": 4711, "customerMsisdn": "+919812345678", "phase": "IN_ROTATION", "joinedMs": NOW - 60_000,
               "bridgedMs": None, "skillNo": 302, "note": {"vip": True}}
FOREIGN_ANSWER = answer({"status": "success", "data": {"calls": [FOREIGN_ROW, FOREIGN_ROW | {"legRef": 4712}]}})
FOREIGN_MAP = FieldMap.with_overrides(
    {ours: [theirs] for ours, theirs in FOREIGN.fields.items()},
    {state: [word] for state, word in FOREIGN.words.items()})


def reading(*rows: Any, field_map: FieldMap | None = None) -> Reading:
    return read(rows, field_map or FieldMap.default(), ZONE, NOW)


def uses(told: Reading) -> dict[str, str]:
    return {cell.name: cell.use for cell in told.rows[0].cells}


# ── a row explained ────────────────────────────────────────────────────────────────────────────────
def test_each_raw_field_says_which_of_ours_it_fed() -> None:
    cells = {cell.name: cell.ours for cell in reading(ROW).rows[0].cells}
    assert cells == {"callId": ("call_id",), "callernumber": ("caller",), "agentid": ("agent_id",),
                     "status": ("state",), "queueTime": ("entered_at",)}


def test_a_field_nobody_reads_is_marked_and_listed() -> None:
    told = reading(ROW | {"vip": 1})
    assert uses(told)["vip"] == "unknown"
    assert told.unread == ("vip",)


@pytest.mark.parametrize(("fields", "name", "use"), [
    ({"id": "b"}, "id", "spare"),
    ({"answerTime": ""}, "answerTime", "empty"),
    ({"answerTime": "0000-00-00 00:00:00"}, "answerTime", "empty"),
    ({"answerTime": "soon"}, "answerTime", "unreadable"),
    ({"did": {"number": "1"}}, "did", "unreadable"),
])
def test_a_field_of_the_tables_that_fed_nothing_says_why(fields: dict[str, Any], name: str, use: str) -> None:
    assert uses(reading(ROW | fields))[name] == use


def test_a_field_of_the_tables_that_no_row_was_read_from_is_told_from_one_that_was() -> None:
    fed = {field.name: field.fed for field in reading(ROW | {"answerTime": ""}, {"callId": "b"}).upstream}
    assert (fed["callId"], fed["answerTime"]) == (True, False)


def test_times_are_shown_in_the_accounts_zone() -> None:
    told = reading(ROW | {"queueTime": 1_700_000_000})
    assert told.rows[0].parsed["entered_at"] == "2023-11-15 03:43:20"


def test_a_state_word_in_no_table_is_marked_and_counted() -> None:
    told = reading(ROW | {"status": "daydreaming"}, {"callId": "b", "status": "Daydreaming"}, ROW | {"callId": "c"})
    assert told.rows[0].word_known is False
    assert told.unknown_words == ("daydreaming", "Daydreaming")
    assert [(word.word, word.rows, word.state) for word in told.words] == [
        ("daydreaming", 1, ""), ("Daydreaming", 1, ""), ("talking", 1, "talking")]


def test_rows_that_are_no_call_of_their_own_say_so() -> None:
    told = reading(ROW, {"status": "talking"}, ROW, "not an object")
    assert [row.verdict for row in told.rows] == ["call", "unnamed", "again", "no-object"]
    assert (told.calls, told.unusable, told.duplicates) == (1, 2, 1)


def test_the_first_rows_are_shown_and_all_are_counted() -> None:
    told = reading(*({"callId": str(number)} for number in range(30)))
    assert (len(told.rows), told.looked_at, told.calls) == (8, 30, 30)


def test_a_long_value_is_cut() -> None:
    told = reading(ROW | {"note": "x" * 5000, "tags": ["y"] * 5000})
    assert all(len(cell.value) <= 81 for cell in told.rows[0].cells)


def test_a_foreign_row_is_all_unknown_until_it_is_mapped() -> None:
    before, after = reading(FOREIGN_ROW), reading(FOREIGN_ROW, field_map=FOREIGN_MAP)
    assert (before.calls, set(uses(before).values())) == (0, {"unknown"})
    assert (after.calls, after.unread, after.unknown_words) == (1, ("note",), ())
    assert after.fields["queue_id"].names == ("skillNo",)


NAMES = st.sampled_from([name for names in FIELD_NAMES.values() for name in names] + ["other"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-10**20, 10**20), st.text(max_size=150), st.just({"a": 1}),
                   st.sampled_from(["", "0", "2026-11-23 10:00:00", "talking", "x" * 129, "1" * 41]))


@given(st.dictionaries(NAMES, VALUES, max_size=12))
def test_what_is_said_to_be_read_is_exactly_what_the_call_is_made_of(row: dict[str, Any]) -> None:
    told = {cell.name for cell in reading(row).rows[0].cells if cell.use == "read"}
    rest = {name: value for name, value in row.items() if name in told}
    default = FieldMap.default()
    assert parse_rows([rest], default, ZONE, NOW).calls == parse_rows([row], default, ZONE, NOW).calls


def test_an_answer_without_a_list_we_know_shows_what_it_holds() -> None:
    parts = structure({"status": "success", "result": {"live": [{"legRef": 1, "phase": "x"}], "at": 5}})
    assert [(part.path, part.kind, part.size, part.text) for part in parts] == [
        ("status", "value", 0, "success"), ("result", "object", 2, "live, at"),
        ("result.live", "list", 1, "legRef, phase"), ("result.at", "value", 0, "5")]


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def deepcall(settings: Any, account: Account) -> Iterator[Peer]:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    with beside(FOREIGN_ANSWER) as peer:
        account.base_url = peer.url
        account.save()
        yield peer


def address(account: Account) -> str:
    return reverse("admin:queue_api_account_inspect", args=[account.pk])


def page(response: "Response") -> str:
    assert response.status_code == 200
    return response.content.decode()


def answers(deepcall: Peer, *steps: Step) -> None:
    deepcall.script = list(steps)


def sealed(html: str) -> str:
    """The answer as the page hands it on to “Try”."""
    found = re.search(r'name="answer" value="([^"]+)"', html)
    assert found
    return found[1]


MAPPED = {"field-call_id": "legRef", "field-queue_id": "groupId, skillNo", "field-state": "phase",
          "word-waiting": "IN_ROTATION"}


def test_the_accounts_page_leads_there(office: Client, account: Account) -> None:
    change = page(office.get(reverse("admin:queue_api_account_change", args=[account.pk])))
    assert f'href="{address(account)}"' in change


def test_a_foreign_feed_shows_its_fields_and_that_none_is_read(
    office: Client, account: Account, deepcall: Peer
) -> None:
    html = page(office.get(address(account)))
    assert "None of 2 rows is read as a call" in html
    assert len(re.findall(r'data-upstream="\w+" class="unknown"', html)) == len(FOREIGN_ROW)
    assert html.count('data-verdict="unnamed"') == 2
    assert 'placeholder="callId, call_id, callid, id"' in html
    assert len(deepcall.journal) == 1


def test_trying_reads_the_same_answer_again_and_saves_nothing(
    office: Client, account: Account, deepcall: Peer
) -> None:
    first = page(office.get(address(account)))
    html = page(office.post(address(account), MAPPED | {"answer": sealed(first), "_try": "1"}))
    assert "2 of 2 rows are read as calls" in html
    assert "nothing is saved yet" in html
    assert 'value="groupId, skillNo"' in html
    assert "call 4712" in html
    assert len(deepcall.journal) == 1
    account.refresh_from_db()
    assert (account.field_names, account.state_words) == ({}, {})


def test_an_answer_that_is_not_ours_is_asked_for_again(office: Client, account: Account, deepcall: Peer) -> None:
    html = page(office.post(address(account), MAPPED | {"answer": "made-up", "_try": "1"}))
    assert "2 of 2 rows are read as calls" in html
    assert len(deepcall.journal) == 1


def test_the_answer_in_the_form_cannot_be_read(office: Client, account: Account, deepcall: Peer) -> None:
    assert "legRef" not in sealed(page(office.get(address(account))))


def test_saving_keeps_both_tables_and_wakes_the_pollers(office: Client, account: Account, deepcall: Peer) -> None:
    before = generation.bump(generation.CONFIG)
    html = page(office.post(address(account), MAPPED | {"_save": "1"}, follow=True))
    account.refresh_from_db()
    assert account.field_names == {"call_id": ["legRef"], "queue_id": ["groupId", "skillNo"], "state": ["phase"]}
    assert account.state_words == {"waiting": ["IN_ROTATION"]}
    assert generation.current()[generation.CONFIG] > before
    assert "Running screens follow" in html
    assert "2 of 2 rows are read as calls" in html
    history = reverse("admin:queue_api_account_history", args=[account.pk])
    assert "Inspect live rows" in page(office.get(history))


def test_an_emptied_line_is_the_default_again(office: Client, account: Account, deepcall: Peer) -> None:
    office.post(address(account), MAPPED | {"_save": "1"})
    office.post(address(account), {"field-call_id": " , ", "_save": "1"})
    account.refresh_from_db()
    assert (account.field_names, account.state_words) == ({}, {})


def test_a_word_for_two_states_is_refused_beside_its_line(office: Client, account: Account, deepcall: Peer) -> None:
    html = page(office.post(address(account), MAPPED | {"word-hold": "in rotation", "_save": "1"}))
    assert "“in rotation” is a word for “waiting” already" in html
    assert "2 of 2 rows are read as calls" in html
    account.refresh_from_db()
    assert account.field_names == {}


@pytest.mark.parametrize(("body", "words"), [
    ({"status": "success", "result": {"live": [FOREIGN_ROW]}}, ("no list of rows", "result.live", "legRef")),
    ({"result": [FOREIGN_ROW]}, ("no usable status", "result", "legRef")),
    ({"status": "fine", "data": [ROW]}, ("no usable status", "1 of 1 rows are read as calls")),
    ({"status": "success", "data": []}, ("The list is empty",)),
    ({"status": "success", "data": [ROW], "total": 900}, ("declares 900 calls and sent 1",)),
    ({"status": "success", "data": [ROW | {"status": "daydreaming"}]}, ("State words in no table: daydreaming",)),
    ({"status": "success", "data": [ROW, {"x": 1}]}, ("1 of 2 rows are read as calls; 1 have no identity",)),
    ({"status": "success", "data": [{"callId": number} for number in range(600)]}, ("600 rows came", "first 500")),
])
def test_the_page_says_what_is_odd_about_an_answer(
    office: Client, account: Account, deepcall: Peer, body: dict[str, Any], words: tuple[str, ...]
) -> None:
    answers(deepcall, answer(body))
    html = page(office.get(address(account)))
    assert [word for word in words if word not in html] == []


@pytest.mark.parametrize(("step", "words"), [
    (error(1014, "Invalid token"), ("Token invalid or expired", "1014", "Renew the credentials")),
    (answer(b"<html>Oops</html>", status=502), ("502", "Check the base URL")),
])
def test_a_question_that_fails_says_what_the_connection_test_says(
    office: Client, account: Account, deepcall: Peer, step: Step, words: tuple[str, ...]
) -> None:
    answers(deepcall, step)
    html = page(office.get(address(account)))
    assert [word for word in words if word not in html] == []
    assert 'name="field-call_id"' in html


def test_an_answer_too_large_for_a_form_is_asked_for_again(
    office: Client, account: Account, deepcall: Peer
) -> None:
    row = ROW | {"note": "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(8000))}
    answers(deepcall, answer({"status": "success", "data": [row] * 120}))
    html = page(office.get(address(account)))
    assert 'name="answer"' not in html
    page(office.post(address(account), {"_try": "1"}))
    assert len(deepcall.journal) == 2


def test_what_deepcall_sends_is_text_here(office: Client, account: Account, deepcall: Peer) -> None:
    answers(deepcall, answer({"status": "success", "data": [{"callId": "<b>1", "<i>x": "<script>alert(1)</script>"}]}))
    html = page(office.get(address(account)))
    assert "<script>alert" not in html
    assert "<i>x" not in html
    assert "<b>1" not in html


@pytest.mark.parametrize(("rights", "status"), [(("change_account",), 200), (("view_account",), 403)])
def test_it_takes_the_right_to_change_accounts(
    account: Account, deepcall: Peer, rights: tuple[str, ...], status: int
) -> None:
    helper = User.objects.create_user("hema", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=rights))
    assert signed_in(helper).get(address(account)).status_code == status
    assert len(deepcall.journal) == (1 if status == 200 else 0)


def test_a_supervisor_is_sent_to_sign_in(supervisor: User, account: Account) -> None:
    response = signed_in(supervisor).get(address(account))
    assert (response.status_code, "login" in response["Location"]) == (302, True)
