"""The administrator's pages: accounts and their test, people with seats and rights, the record to look at only."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from dashboard import audit, generation
from dashboard.access import viewer_of
from dashboard.models import AuditEvent, Queue, Seat, TakeoverAttempt
from queue_api.admin import test_connection as connection_tested
from queue_api.models import Account
from tests.conftest import PASSWORD, person
from tests.peer import Peer, Step, answer
from tests.processes import free_port
from tests.takeovers import NUMBER, beside, click, error, live, show, signed_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
COMMITS = pytest.mark.django_db(transaction=True)  # DeepCall is asked once the page's transaction is over
CANARY = "canary-1f7e-secret"
CHANGELISTS = ("queue_api_account", "dashboard_queue", "dashboard_takeoverattempt", "dashboard_auditevent", "auth_user")
READ_ONLY = ("dashboard_takeoverattempt", "dashboard_auditevent")
ROWS = answer({"status": "success", "data": [
    {"callId": "a", "callernumber": NUMBER, "groupId": "302", "status": "talking"},
    {"callId": "b", "status": "daydreaming"}, {"nothing": 1},
]})
FORM = {
    "name": "Southgate", "enabled": "on", "base_url": "https://deepcall.example", "line": "Front desk",
    "ssid": CANARY, "user_id": "", "token": "", "poll_interval_s": "2", "time_zone": "Asia/Kolkata", "misses": "2",
    "list_path": "queue/list", "list_request": "{}", "naming": "auto", "agent_meaning": "on-call",
    "field_names": "{}", "state_words": "{}",
}


@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def deepcall(settings: Any) -> Iterator[Peer]:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    with beside(ROWS) as peer:
        yield peer


def page(response: "Response") -> str:
    assert response.status_code == 200
    return response.content.decode()


def errors(response: "Response") -> str:
    """What the page says is wrong; it must not have been saved."""
    found = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', page(response), re.DOTALL)
    assert found, "nothing was wrong"
    return " ".join(found)


def add(office: Client, **fields: str) -> "Response":
    return office.post(reverse("admin:queue_api_account_add"), FORM | fields)


def change(office: Client, account: Account, **fields: str) -> "Response":
    address = reverse("admin:queue_api_account_change", args=[account.pk])
    return office.post(address, FORM | {"name": account.name, "ssid": ""} | fields)


def said(response: "Response") -> str:
    """The messages on the page after a redirect."""
    return " ".join(re.findall(r'<ul class="messagelist">(.*?)</ul>', page(response), re.DOTALL))


# ── every page opens ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def one_of_each(supervisor: User, account: Account, settings: Any) -> dict[str, int]:
    """A row of everything, a settled attempt and its record included; the primary key by model."""
    settings.ALLOW_PRIVATE_UPSTREAM = True
    with beside(error(1000, "Gone")) as peer:
        account.base_url = peer.url
        account.save()
        click(signed_in(supervisor), show(account, live()))
    return {
        "queue_api_account": account.pk, "dashboard_queue": Queue.objects.get().pk, "auth_user": supervisor.pk,
        "dashboard_takeoverattempt": TakeoverAttempt.objects.get().pk,
        "dashboard_auditevent": AuditEvent.objects.first().pk,  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("model", CHANGELISTS)
def test_every_page_of_a_model_opens(office: Client, one_of_each: dict[str, int], model: str) -> None:
    page(office.get(reverse(f"admin:{model}_changelist")))
    page(office.get(reverse(f"admin:{model}_changelist"), {"q": "no-such-thing"}))
    page(office.get(reverse(f"admin:{model}_change", args=[one_of_each[model]])))
    page(office.get(reverse(f"admin:{model}_history", args=[one_of_each[model]])))
    assert office.get(reverse(f"admin:{model}_add")).status_code == (403 if model in READ_ONLY else 200)


def test_an_administrator_may_set_a_persons_password(office: Client, supervisor: User) -> None:
    page(office.get(reverse("admin:auth_user_password_change", args=[supervisor.pk])))


def test_the_index_shows_all_that_there_is_to_set_up(office: Client) -> None:
    index = page(office.get(reverse("admin:index")))
    assert all(reverse(f"admin:{model}_changelist") in index for model in CHANGELISTS)


def test_nobody_but_staff_comes_in(supervisor: User) -> None:
    response = signed_in(supervisor).get(reverse("admin:queue_api_account_changelist"))
    assert response.status_code == 302
    assert "login" in response["Location"]


# ── accounts ───────────────────────────────────────────────────────────────────────────────────────
def test_an_account_is_added_with_all_its_settings(office: Client) -> None:
    response = add(
        office, base_url=" https://deepcall.example/brand/api/v2/ ", token="t-1", user_id="u-1", poll_interval_s="0.5",
        time_zone="Europe/Berlin", misses="3", list_path="queue/live", list_request='{"limit": 500}',
        naming="call-only", agent_meaning="taking", field_names='{"caller": ["msisdn"]}',
        state_words='{"hold": ["parked"]}')
    assert response.status_code == 302
    account = Account.objects.get()
    assert (account.name, account.base_url, account.line) == (
        "Southgate", "https://deepcall.example/brand", "Front desk")
    assert (account.poll_interval_s, account.time_zone, account.misses) == (0.5, "Europe/Berlin", 3)
    assert (account.list_path, account.list_request) == ("queue/live", {"limit": 500})
    assert (account.naming, account.agent_meaning, account.enabled) == ("call-only", "taking", True)
    assert (account.field_names, account.state_words) == ({"caller": ["msisdn"]}, {"hold": ["parked"]})
    credentials = account.credentials()
    assert credentials.ssid is not None
    assert credentials.token is not None
    assert (credentials.ssid.reveal(), credentials.user_id, credentials.token.reveal()) == (CANARY, "u-1", "t-1")


def test_credentials_are_never_rendered_back(office: Client, account: Account) -> None:
    change(office, account, ssid=CANARY, user_id="u-1", token=f"{CANARY}-token")
    account.refresh_from_db()
    assert account.credentials().for_takeover() == {"ssid": CANARY}
    pages = [
        office.get(reverse("admin:queue_api_account_change", args=[account.pk])),
        office.get(reverse("admin:queue_api_account_changelist")),
        office.get(reverse("admin:queue_api_account_history", args=[account.pk])),
        change(office, account, base_url="nonsense", ssid=CANARY),
        office.get(reverse("admin:index")),
    ]
    for response in pages:
        assert CANARY not in page(response)
        assert account.ssid_sealed not in page(response)
    assert page(pages[0]).count("Stored. Leave empty to keep it") == 2


def test_what_is_stored_is_sealed(office: Client) -> None:
    add(office)
    assert CANARY not in repr(Account.objects.values_list())


def test_an_empty_field_keeps_what_is_stored(office: Client, account: Account) -> None:
    change(office, account, user_id="u-1", token="t-1")
    change(office, account, user_id="u-1", line="Night desk")
    account.refresh_from_db()
    assert account.line == "Night desk"
    assert account.credentials().for_takeover() == {"ssid": "account-ssid"}
    assert account.credentials().for_lists() == {"userId": "u-1", "token": "t-1"}


def test_a_dash_removes_what_is_stored(office: Client, account: Account) -> None:
    change(office, account, user_id="u-1", token="t-1")
    change(office, account, ssid="-", user_id="u-1")
    account.refresh_from_db()
    assert account.credentials().ssid is None
    assert account.credentials().for_takeover() == {"userId": "u-1", "token": "t-1"}


@pytest.mark.parametrize("fields", [
    {"ssid": "-"}, {"ssid": "-", "user_id": "u-1"}, {"ssid": "-", "token": "t-1"},
])
def test_an_account_is_never_left_without_credentials(
    office: Client, account: Account, fields: dict[str, str]
) -> None:
    assert "credentials" in errors(change(office, account, **fields))
    account.refresh_from_db()
    assert account.has_credentials()


def test_a_token_alone_is_asked_for_its_user_id(office: Client) -> None:
    assert "user id it belongs to" in errors(add(office, token="t-1"))


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("base_url", "http://deepcall.example", "must begin with https://"),
    ("base_url", "deepcall.example", "must begin with https://"),
    ("base_url", "https://user:pw@deepcall.example", "without a user"),
    ("base_url", "https://deepcall.example\\@evil.example", "backslashes"),
    ("base_url", "https://deepcall.example:99999", "cannot be read"),
    ("base_url", "", "required"),
    ("name", "", "required"),
    ("time_zone", "Mars/Olympus", "no time zone"),
    ("time_zone", "../../etc/passwd", "no time zone"),
    ("time_zone", "Europe", "no time zone"),
    ("poll_interval_s", "0.1", "greater than or equal to 0.5"),
    ("poll_interval_s", "31", "less than or equal to 30"),
    ("poll_interval_s", "nan", "Enter a number"),
    ("misses", "0", "greater than or equal to 1"),
    ("list_path", "../../admin", "letters, digits"),
    ("list_path", "https://evil.example/", "letters, digits"),
    ("list_request", "{", "valid JSON"),
    ("list_request", "[]", "must be a JSON object"),
    ("list_request", '{"SSID": "x"}', "Credentials do not belong here"),
    ("list_request", '{"user_id": "x"}', "Credentials do not belong here"),
    ("field_names", '{"colour": ["x"]}', "is no field of ours"),
    ("field_names", '{"caller": "msisdn"}', "must be a list of text"),
    ("field_names", '{"caller": []}', "must be a list of text"),
    ("field_names", "[1]", "must be a JSON object"),
    ("state_words", '{"asleep": ["x"]}', "is no state of ours"),
    ("state_words", '{"hold": [1]}', "must be a list of text"),
    ("naming", "by-guessing", "not one of the available choices"),
])
def test_a_bad_value_is_a_sentence_beside_its_field(office: Client, field: str, value: str, sentence: str) -> None:
    response = add(office, **{field: value})
    assert sentence in errors(response)
    assert list(response.context["adminform"].form.errors) == [field]
    assert not Account.objects.exists()


def test_an_emptied_table_is_the_default_again(office: Client, account: Account) -> None:
    change(office, account, field_names='{"caller": ["msisdn"]}', list_request='{"limit": 5}')
    assert change(office, account, field_names="", state_words="", list_request="").status_code == 302
    account.refresh_from_db()
    assert (account.field_names, account.state_words, account.list_request) == ({}, {}, {})


def test_a_name_is_used_once(office: Client, account: Account) -> None:
    assert "already exists" in errors(add(office, name=account.name))


def test_an_account_with_takeovers_on_record_cannot_be_deleted(office: Client, one_of_each: dict[str, int]) -> None:
    address = reverse("admin:queue_api_account_delete", args=[one_of_each["queue_api_account"]])
    office.post(address, {"post": "yes"})
    assert Account.objects.exists()
    assert TakeoverAttempt.objects.exists()


# ── save and test connection ───────────────────────────────────────────────────────────────────────
def tried(office: Client, peer_url: str, *script: Step) -> str:
    response = office.post(reverse("admin:queue_api_account_add"), FORM | {"base_url": peer_url, "_test": "1"},
                           follow=True)
    assert Account.objects.get().base_url == peer_url
    stays = reverse("admin:queue_api_account_change", args=[Account.objects.get().pk])
    assert response.redirect_chain == [(stays, 302)]
    assert CANARY not in page(response)
    return said(response)


@COMMITS
def test_a_good_connection_says_what_came_and_what_is_odd(office: Client, deepcall: Peer) -> None:
    sentence = tried(office, deepcall.url)
    assert "DeepCall answered in" in sentence
    assert "3 rows, 2 calls" in sentence
    assert "1 rows have no usable identity: check the field names" in sentence
    assert "State words not known: daydreaming" in sentence
    assert 'class="success"' in sentence
    assert deepcall.journal[0].json == {"ssid": CANARY}


@COMMITS
def test_a_list_that_is_cut_short_is_said_to_be(office: Client, deepcall: Peer) -> None:
    deepcall.script = [answer({"status": "success", "data": [{"callId": "a"}], "total": 900})]
    assert "declares 900 calls: the list is incomplete" in tried(office, deepcall.url)


@COMMITS
@pytest.mark.parametrize(("step", "words"), [
    (error(1014, "Invalid token"), ("Token invalid or expired", "1014", "Invalid token", "Renew the credentials")),
    (error(1000, "Bad request"), ("1000", "Check the credentials, the list path and the list request")),
    (error(4242, "Flux"), ("4242", "Flux", "Ask DeepCall’s support")),
    (answer({}, status=401), ("Not let in", "401", "Renew the credentials")),
    (answer({}, status=404), ("Address not found", "404", "Check the base URL and the list path")),
    (answer(b"<html>Welcome</html>"), ("not JSON", "Check the base URL")),
    (answer(b"<html>Oops</html>", status=502), ("502", "error page", "Check the base URL")),
    (answer({"status": "success"}), ("no list of rows",)),
    (answer({}, status=307, headers={"Location": "http://169.254.169.254/"}), ("307", "redirect", "base URL")),
])
def test_a_bad_answer_says_what_an_administrator_can_do(
    office: Client, deepcall: Peer, step: Step, words: tuple[str, ...]
) -> None:
    deepcall.script = [step]
    sentence = tried(office, deepcall.url)
    assert 'class="error"' in sentence
    assert [word for word in words if word not in sentence] == []
    assert not re.search(r"\.\.|\.\)", sentence)
    assert "Traceback" not in sentence
    assert len(deepcall.journal) == 1


@COMMITS
def test_deepcalls_words_are_text_here_too(office: Client, deepcall: Peer) -> None:
    deepcall.script = [error(4242, "<script>alert(1)</script>")]
    assert "<script>" not in tried(office, deepcall.url)


@COMMITS
def test_a_host_nobody_listens_on_is_said_to_be_out_of_reach(office: Client, deepcall: Peer) -> None:
    sentence = tried(office, f"http://127.0.0.1:{free_port()}")
    assert "Could not connect" in sentence
    assert "Check the base URL and the network" in sentence
    assert ".." not in sentence


def test_credentials_no_key_opens_are_a_sentence(account: Account, settings: Any) -> None:
    settings.FIELD_KEYS = ["mQd0bZ1Lw2aJ4c6n8s0u2w4y6A8C0E2G4I6K8M0O2Q4="]
    fine, sentence = connection_tested(account)
    assert not fine
    assert "CALLBOARD_FIELD_KEYS" in sentence


def test_saving_without_the_test_asks_nobody(office: Client, deepcall: Peer) -> None:
    assert add(office, base_url=deepcall.url).status_code == 302
    assert deepcall.journal == []


# ── people ─────────────────────────────────────────────────────────────────────────────────────────
def seat_form(user: User, *seats: dict[str, Any], **fields: str) -> dict[str, Any]:
    """The person's page as a browser would post it; `seats` as the inline's fields, known ones first."""
    form: dict[str, Any] = {
        "username": user.username, "first_name": user.first_name, "last_name": "", "email": "", "is_active": "on",
        "seats-TOTAL_FORMS": len(seats), "seats-INITIAL_FORMS": sum("id" in seat for seat in seats),
        "seats-MIN_NUM_FORMS": 0, "seats-MAX_NUM_FORMS": 1000,
    }
    for number, seat in enumerate(seats):
        form |= {f"seats-{number}-{name}": value for name, value in ({"user": user.pk, "ssid": ""} | seat).items()}
    return form | fields


def save_person(office: Client, user: User, *seats: dict[str, Any], **fields: str) -> "Response":
    return office.post(reverse("admin:auth_user_change", args=[user.pk]), seat_form(user, *seats, **fields))


def audience(user: User) -> Any:
    viewer = viewer_of(User.objects.get(pk=user.pk))
    assert viewer is not None
    return viewer.audience


def test_a_new_person_sees_nothing_and_may_nothing(office: Client) -> None:
    response = office.post(reverse("admin:auth_user_add"), {
        "username": "nina", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"})
    nina = User.objects.get(username="nina")
    assert response["Location"] == reverse("admin:auth_user_change", args=[nina.pk])
    assert not audience(nina).scope
    assert not audience(nina).may_take_over


def test_a_seat_with_queues_and_a_session_is_given_on_the_persons_page(
    office: Client, account: Account, sales: Queue, billing: Queue
) -> None:
    nina = person("nina")
    seat = {"account": account.pk, "queues": [sales.pk, billing.pk], "agent_id": "1107", "ssid": CANARY}
    assert save_person(office, nina, seat).status_code == 302
    saved = Seat.objects.get(user=nina)
    assert (saved.agent_id, set(saved.queues.all())) == ("1107", {sales, billing})
    session = saved.own_ssid()
    assert session is not None
    assert session.reveal() == CANARY
    assert audience(nina).own_sessions == {account.pk}
    shown = page(office.get(reverse("admin:auth_user_change", args=[nina.pk])))
    assert CANARY not in shown
    assert "Stored. Leave empty to keep it" in shown
    assert "Northgate: Billing, Sales" in page(office.get(reverse("admin:auth_user_changelist")))


def test_a_seats_session_is_kept_replaced_and_removed(office: Client, supervisor: User, account: Account) -> None:
    seat = supervisor.seats.get()
    form = {"id": seat.pk, "account": account.pk, "queues": [Queue.objects.get().pk]}
    for typed, held in (("own-1", "own-1"), ("", "own-1"), ("own-2", "own-2"), ("-", None)):
        assert save_person(office, supervisor, form | {"ssid": typed}).status_code == 302
        session = Seat.objects.get(pk=seat.pk).own_ssid()
        assert (session.reveal() if session else None) == held


def test_a_queue_of_another_account_is_refused(office: Client, account: Account) -> None:
    nina = person("nina")
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    foreign = Queue.objects.create(account=other, key="9", name="Elsewhere")
    response = save_person(office, nina, {"account": account.pk, "queues": [foreign.pk]})
    assert "Not queues of this account: Southgate · Elsewhere" in errors(response)
    assert not Seat.objects.exists()


def test_a_person_has_one_seat_in_an_account(office: Client, supervisor: User, account: Account) -> None:
    kept = {"id": supervisor.seats.get().pk, "account": account.pk}
    assert "duplicate" in errors(save_person(office, supervisor, kept, {"account": account.pk})).lower()
    assert Seat.objects.count() == 1


def test_a_seat_is_taken_away(office: Client, supervisor: User, account: Account) -> None:
    kept = {"id": supervisor.seats.get().pk, "account": account.pk, "DELETE": "on"}
    assert save_person(office, supervisor, kept).status_code == 302
    assert not audience(supervisor).scope


# ── the record ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_the_record_cannot_be_written_here(
    office: Client, one_of_each: dict[str, int], model: str, action: str
) -> None:
    before = [*TakeoverAttempt.objects.values(), *AuditEvent.objects.values()]
    args = [] if action == "add" else [one_of_each[model]]
    response = office.post(reverse(f"admin:{model}_{action}", args=args), {"post": "yes", "state": "accepted"})
    assert response.status_code == 403
    assert [*TakeoverAttempt.objects.values(), *AuditEvent.objects.values()] == before


@pytest.mark.parametrize("model", READ_ONLY)
def test_the_record_has_no_bulk_delete(office: Client, one_of_each: dict[str, int], model: str) -> None:
    address = reverse(f"admin:{model}_changelist")
    assert "delete_selected" not in page(office.get(address))
    office.post(address, {"action": "delete_selected", "_selected_action": [one_of_each[model]], "post": "yes"})
    assert TakeoverAttempt.objects.count() == 1
    assert list(audit.problems()) == []


def test_the_record_shows_no_callers_number(office: Client, one_of_each: dict[str, int]) -> None:
    TakeoverAttempt.objects.update(call_key=f"{NUMBER}|1102")  # as it is for a call without an id
    for model in READ_ONLY:
        assert NUMBER not in page(office.get(reverse(f"admin:{model}_change", args=[one_of_each[model]])))
        assert NUMBER not in page(office.get(reverse(f"admin:{model}_changelist")))


def test_deepcalls_words_in_the_record_are_text(office: Client, one_of_each: dict[str, int]) -> None:
    TakeoverAttempt.objects.update(message="<script>alert(1)</script>")
    one_of_each["dashboard_auditevent"] = audit.record("takeover.refused", message="<script>alert(1)</script>").pk
    for model in READ_ONLY:
        shown = page(office.get(reverse(f"admin:{model}_change", args=[one_of_each[model]])))
        listed = page(office.get(reverse(f"admin:{model}_changelist")))
        assert "<script>alert" not in shown + listed


# ── running processes hear of it ───────────────────────────────────────────────────────────────────
def configured() -> int:
    return generation.current().get(generation.CONFIG, 0)


@pytest.fixture
def writes(office: Client, supervisor: User, account: Account, sales: Queue) -> dict[str, Any]:
    kept = {"id": supervisor.seats.get().pk, "account": account.pk, "queues": [sales.pk]}
    delete = {"post": "yes"}
    queue = {"account": account.pk, "key": "302", "name": "Sales (new)", "target_percent": 90, "target_s": 10}
    return {
        "an account added": lambda: add(office),
        "an account changed": lambda: change(office, account, line="Night desk"),
        "an account deleted": lambda: office.post(
            reverse("admin:queue_api_account_delete", args=[account.pk]), delete),
        "a queue renamed": lambda: office.post(reverse("admin:dashboard_queue_change", args=[sales.pk]), queue),
        "a queue deleted": lambda: office.post(reverse("admin:dashboard_queue_delete", args=[sales.pk]), delete),
        "a role taken away": lambda: save_person(office, supervisor, kept, role="none"),
        "a number right given": lambda: save_person(office, supervisor, kept, numbers="held"),
        "a queue taken from a seat": lambda: save_person(office, supervisor, kept | {"queues": []}),
        "a seat taken away": lambda: save_person(office, supervisor, kept | {"DELETE": "on"}),
        "a person made inactive": lambda: save_person(office, supervisor, kept, is_active=""),
        "a person deleted": lambda: office.post(reverse("admin:auth_user_delete", args=[supervisor.pk]), delete),
    }


@pytest.mark.parametrize("what", [
    "an account added", "an account changed", "an account deleted", "a queue renamed", "a queue deleted",
    "a role taken away", "a number right given", "a queue taken from a seat", "a seat taken away",
    "a person made inactive", "a person deleted",
])
def test_every_change_here_is_a_new_generation(writes: dict[str, Any], what: str) -> None:
    before = configured()
    assert writes[what]().status_code == 302
    assert configured() > before


def test_signing_in_is_no_change_of_configuration(supervisor: User) -> None:
    before = configured()
    assert Client().post("/accounts/login/", {"username": "sita", "password": PASSWORD}).status_code == 302
    assert configured() == before


@pytest.mark.parametrize("what", ["a right", "a group", "a queue", "a group's right"])
def test_a_relation_changed_by_itself_is_a_new_generation_too(supervisor: User, billing: Queue, what: str) -> None:
    group, right = Group.objects.create(name="night"), Permission.objects.get(codename="see_full_numbers")
    before = configured()
    {
        "a right": lambda: supervisor.user_permissions.add(right),
        "a group": lambda: supervisor.groups.add(group),
        "a queue": lambda: supervisor.seats.get().queues.add(billing),
        "a group's right": lambda: group.permissions.add(right),
    }[what]()
    assert configured() > before
