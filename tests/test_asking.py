"""From the click to its answer: who may, what is written before DeepCall is asked, what is said after."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from dashboard import audit, in_flight, takeover
from dashboard.mirror import mirror, read_news
from dashboard.models import AuditEvent, Queue, Seat, TakeoverAttempt
from dashboard.roles import Role, give
from dashboard.takeover_states import CELLS, OPEN, State
from queue_api import client as queue_client
from queue_api import tries
from queue_api.calls import Call
from queue_api.models import Account
from tests.conftest import person
from tests.peer import Peer, answer, close
from tests.processes import free_port
from tests.takeovers import CALL, KEY, NUMBER, SUCCESS, Held, beside, click, error, in_threads, live, show, signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SLOTS = 32


@pytest.fixture(autouse=True)
def _beside_this_machine(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    monkeypatch.setattr(tries, "BUSY_WAITS_S", (0.01, 0.01))


@pytest.fixture
def deepcall(account: Account) -> Iterator[Peer]:
    """The account's DeepCall; it says success unless a test gives it another script."""
    with beside(SUCCESS) as peer:
        account.base_url = peer.url
        account.save()
        yield peer


@pytest.fixture
def ref(deepcall: Peer, account: Account) -> str:
    return show(account, live())


def the_attempt() -> TakeoverAttempt:
    return TakeoverAttempt.objects.get()


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("seq").values_list("kind", flat=True))


def text(response: Any) -> str:
    body: str = response.content.decode()
    return body


# ── the plain case ─────────────────────────────────────────────────────────────────────────────────
def test_one_click_is_one_post_that_names_the_call_in_text(supervisor: User, deepcall: Peer, ref: str) -> None:
    response = click(signed_in(supervisor), ref)
    assert response.status_code == 200
    (asked,) = deepcall.journal
    assert (asked.method, asked.path.lower()) == ("POST", "/api/v2/queue/calltakeover")
    assert asked.json == {"ssid": "account-ssid", "callId": "c-1", "agentid": "1102"}
    assert all(isinstance(value, str) for value in asked.json.values())


def test_the_answer_is_the_cell_and_a_notice_for_oneself(supervisor: User, deepcall: Peer, ref: str) -> None:
    said = text(click(signed_in(supervisor), ref, KEY))
    assert f'id="t-cell-{ref}" data-takeover="accepted"' in said
    assert 'aria-disabled="true"' in said
    assert f'data-notice="{KEY}"' in said
    assert "Call taken over" in said
    assert kinds() == ["takeover.intent", "takeover.sent", "takeover.accepted"]
    attempt = the_attempt()
    assert (attempt.state, attempt.message, attempt.tries, attempt.address) == (
        State.ACCEPTED, "Call taken over", 1, "127.0.0.1")


def test_fields_of_the_form_beside_call_and_key_change_nothing(supervisor: User, deepcall: Peer, ref: str) -> None:
    signed_in(supervisor).post("/takeover/", {"call": ref, "key": KEY, "agentid": "6666", "callernumber": "1"})
    assert deepcall.journal[0].json["agentid"] == "1102"


def test_the_callers_number_is_in_no_answer_and_no_record(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(1000, f"No live call from +{NUMBER}")]
    said = text(click(signed_in(supervisor), ref))
    assert NUMBER[:-4] not in said
    assert NUMBER[-4:] in said
    assert NUMBER[:-4] not in repr(list(AuditEvent.objects.values_list()))


@pytest.mark.django_db(transaction=True)
def test_the_intent_is_on_disk_before_deepcall_hears_of_it(supervisor: User, deepcall: Peer, ref: str) -> None:
    held = Held()
    deepcall.script = [held]
    clients = [signed_in(supervisor)]
    with in_threads(1) as pool:
        clicked = pool.submit(click, clients[0], ref, KEY)
        assert held.asked.wait(10)
        attempt = the_attempt()  # read over another connection than the view's
        assert (attempt.state, attempt.is_open, attempt.key) == (State.SENT, True, KEY)
        assert kinds() == ["takeover.intent", "takeover.sent"]
        held.release()
        assert clicked.result().status_code == 200
    assert the_attempt().state == State.ACCEPTED


# ── how it is named, and in whose name ─────────────────────────────────────────────────────────────
def seat_of(user: User, **values: str) -> Seat:
    seat = user.seats.get()
    for name, value in values.items():
        seat.set_ssid(value) if name == "ssid" else setattr(seat, name, value)
    seat.save()
    return seat


def test_ones_own_session_is_used_when_there_is_one(supervisor: User, deepcall: Peer, ref: str) -> None:
    seat_of(supervisor, ssid="own-ssid")
    said = text(click(signed_in(supervisor), ref))
    assert deepcall.journal[0].json["ssid"] == "own-ssid"
    assert the_attempt().own_session
    assert "rings" not in said


def test_without_one_the_button_says_whose_phone_rings(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor)
    assert "rings Front desk" in text(client.get("/"))
    assert "rings Front desk" not in text(click(client, ref))  # asked: the button is off and promises nothing
    assert not the_attempt().own_session


def test_user_id_and_token_are_sent_when_that_is_all_there_is(
    supervisor: User, account: Account, deepcall: Peer, ref: str
) -> None:
    account.user_id = "u-1"
    account.set_ssid("")
    account.set_token("t-1")
    account.save()
    click(signed_in(supervisor), ref)
    assert deepcall.journal[0].json == {"userId": "u-1", "token": "t-1", "callId": "c-1", "agentid": "1102"}


@pytest.mark.parametrize(("meaning", "own_id", "agentid"), [
    (Account.AgentMeaning.ON_CALL, "1101", "1102"),
    (Account.AgentMeaning.TAKING, "1101", "1101"),
])
def test_agentid_is_whom_the_account_says_it_is(
    supervisor: User, account: Account, deepcall: Peer, ref: str, meaning: str, own_id: str, agentid: str
) -> None:
    account.agent_meaning = meaning
    account.save()
    seat_of(supervisor, agent_id=own_id)
    click(signed_in(supervisor), ref)
    assert deepcall.journal[0].json["agentid"] == agentid
    assert (the_attempt().agentid_sent, the_attempt().agent_before) == (agentid, "1102")


def test_the_present_agent_is_never_named_as_the_one_who_takes_it(
    supervisor: User, account: Account, deepcall: Peer, ref: str
) -> None:
    account.agent_meaning = Account.AgentMeaning.TAKING
    account.save()
    click(signed_in(supervisor), ref)
    assert deepcall.journal[0].json == {"ssid": "account-ssid", "callId": "c-1", "callernumber": NUMBER}


def test_the_accounts_way_of_naming_is_used(supervisor: User, account: Account, deepcall: Peer, ref: str) -> None:
    account.naming = Account.Naming.CALL_ONLY
    account.save()
    click(signed_in(supervisor), ref)
    assert deepcall.journal[0].json == {"ssid": "account-ssid", "callId": "c-1"}


def test_where_an_own_session_is_required_nothing_goes_out_without_one(
    supervisor: User, account: Account, deepcall: Peer, ref: str
) -> None:
    account.own_session_required = True
    account.save()
    client = signed_in(supervisor)
    response = click(client, ref)
    assert (response.status_code, the_attempt().state, the_attempt().reason) == (200, State.NOT_SENT, "own-session")
    assert deepcall.journal == []
    assert 'href="/me/"' in text(response)
    seat_of(supervisor, ssid="own-ssid")
    assert click(client, ref).status_code == 200
    assert [asked.json["ssid"] for asked in deepcall.journal] == ["own-ssid"]


def test_an_own_session_that_deepcall_refuses_is_said_to_be_ones_own_and_where_to_renew_it(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    seat_of(supervisor, ssid="own-ssid")
    deepcall.script = [error(1014, "Token expired")]
    client = signed_in(supervisor)
    said = text(click(client, ref))
    assert "Sita’s own session, not the account’s" in said
    assert 'href="/me/"' in said
    seat = supervisor.seats.get()
    assert (seat.ssid_refused_code, seat.ssid_refused_at is not None) == ("1014", True)
    page = text(client.get("/me/"))
    assert "DeepCall refused this session (code 1014: Token invalid or expired)" in page
    assert "Renew" in page
    seat_of(supervisor, ssid="fresh-ssid")
    assert "refused" not in text(client.get("/me/"))


def test_an_agent_who_is_not_logged_in_is_no_reason_to_renew_a_session_and_success_clears_the_mark(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    seat_of(supervisor, ssid="own-ssid")
    deepcall.script = [error(1043), error(1014), SUCCESS]
    client, marks = signed_in(supervisor), []
    for _ in range(3):
        click(client, ref)
        marks.append(supervisor.seats.get().ssid_refused_code)
    assert marks == ["", "1014", ""]


def test_one_click_never_moves_another_call(supervisor: User, account: Account, deepcall: Peer) -> None:
    other = live(Call(key="c-2", call_id="c-2", queue_id="302"))
    ref = show(account, live(), other)
    client = signed_in(supervisor)
    assert click(client, ref, KEY).status_code == 200
    response = click(client, f"{account.pk}-c-2", KEY)
    assert response.status_code == 409
    assert "This click was for another call" in text(response)
    assert "data-takeover" not in text(response)
    assert [asked.json["callId"] for asked in deepcall.journal] == ["c-1"]


def test_the_accounts_refused_credentials_are_the_administrators_to_mend(
    supervisor: User, admin: User, deepcall: Peer, ref: str
) -> None:
    deepcall.script = [error(1014, "Token expired")]
    said = text(click(signed_in(supervisor), ref))
    assert "the account’s credentials, not Sita’s" in said
    assert 'href="/me/"' not in said
    assert "/admin/" not in said
    assert "/admin/queue_api/account/" in text(click(signed_in(admin), ref))
    assert supervisor.seats.get().ssid_refused_code == ""


# ── what DeepCall said ─────────────────────────────────────────────────────────────────────────────
def test_a_code_nobody_knows_is_shown_with_deepcalls_own_words(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(4242, "Flux capacitor not charged (17%)")]
    said = text(click(signed_in(supervisor), ref))
    cell, notice = said.split("<hx-partial")
    for part in (cell, notice):
        assert "<code>4242</code>" in part
        assert "Flux capacitor not charged (17%)" in part


def test_deepcalls_words_are_text_and_never_markup(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(4242, '<img src=x onerror=alert(1)>"\'&</q><script>alert(2)</script>\u202e')]
    said = text(click(signed_in(supervisor), ref))
    assert "<img" not in said
    assert "<script" not in said
    assert "\u202e" not in said
    assert said.count("&lt;img src=x onerror=alert(1)&gt;") == 2


def test_an_unknown_outcome_never_says_that_nothing_happened(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [close]
    said = text(click(signed_in(supervisor), ref))
    assert "Outcome not known" in said
    assert "Nothing was sent" not in said
    assert "Refused" not in said


def test_without_a_connection_it_says_that_nothing_was_sent(
    supervisor: User, account: Account, deepcall: Peer, ref: str
) -> None:
    account.base_url = f"http://127.0.0.1:{free_port()}"
    account.save()
    response = click(signed_in(supervisor), ref)
    assert (response.status_code, the_attempt().state, the_attempt().reason) == (200, State.NOT_SENT, "no-connection")
    assert "Nothing was sent" in text(response)
    assert the_attempt().tries == 2


# ── refused before asking ──────────────────────────────────────────────────────────────────────────
def test_a_call_that_the_newest_list_lacks_is_not_asked_for(supervisor: User, account: Account, deepcall: Peer) -> None:
    response = click(signed_in(supervisor), show(account, live(missed=1)))
    assert (response.status_code, the_attempt().state, the_attempt().reason) == (200, State.NOT_SENT, "call-gone")
    assert deepcall.journal == []
    assert kinds() == ["takeover.intent", "takeover.not-sent"]


@pytest.mark.parametrize(("interval_s", "heard_ago_s", "asked"), [
    (2, 14, True), (2, 16, False), (10, 29, True), (10, 31, False), (2, None, False),
])
def test_a_list_that_is_too_old_is_not_acted_on(
    supervisor: User, account: Account, deepcall: Peer, interval_s: float, heard_ago_s: float | None, asked: bool
) -> None:
    account.poll_interval_s = interval_s
    account.save()
    click(signed_in(supervisor), show(account, live(), heard_ago_s=heard_ago_s))
    assert len(deepcall.journal) == asked
    assert (the_attempt().reason == "old-board") != asked


def test_a_call_that_cannot_be_named_is_not_sent_and_the_field_is_said(
    supervisor: User, account: Account, deepcall: Peer
) -> None:
    nameless = Call(key="anonymous|", caller="anonymous", queue_id="302")
    response = click(signed_in(supervisor), show(account, live(nameless)))
    assert (the_attempt().state, the_attempt().reason) == (State.NOT_SENT, "set-up")
    assert "callId" in text(response)
    assert deepcall.journal == []


def test_settings_that_stopped_fitting_are_a_sentence_and_nothing_is_sent(
    supervisor: User, account: Account, deepcall: Peer, ref: str, settings: Any
) -> None:
    settings.ALLOW_PRIVATE_UPSTREAM = False
    response = click(signed_in(supervisor), ref)
    assert (response.status_code, the_attempt().state, the_attempt().reason) == (200, State.NOT_SENT, "set-up")
    assert "https://" in text(response)
    assert deepcall.journal == []


def test_credentials_that_no_key_opens_are_a_sentence_and_nothing_is_sent(
    supervisor: User, account: Account, deepcall: Peer, ref: str, settings: Any
) -> None:
    settings.FIELD_KEYS = ["mQd0bZ1Lw2aJ4c6n8s0u2w4y6A8C0E2G4I6K8M0O2Q4="]
    response = click(signed_in(supervisor), ref)
    assert (response.status_code, the_attempt().reason) == (200, "set-up")
    assert "CALLBOARD_FIELD_KEYS" in text(response)
    assert deepcall.journal == []


@pytest.mark.parametrize("change", ["delete", "disable"])
def test_an_account_that_was_just_taken_away_is_not_asked(
    admin: User, account: Account, sales: Queue, deepcall: Peer, ref: str, change: str
) -> None:
    if change == "delete":
        account.delete()
    else:
        Account.objects.update(enabled=False)
    assert click(signed_in(admin), ref).status_code == 404
    assert deepcall.journal == []


# ── who may ────────────────────────────────────────────────────────────────────────────────────────
def same_but_for_the_clock(response: Any) -> tuple[int, str, dict[str, str]]:
    headers = {name: value for name, value in response.headers.items() if name not in ("Expires", "X-Request-ID")}
    return response.status_code, re.sub(r'data-at="\d+"', "", text(response)), headers


def test_a_foreign_call_and_a_missing_one_are_answered_alike(outsider: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(outsider)
    foreign = same_but_for_the_clock(click(client, ref))
    missing = same_but_for_the_clock(click(client, "1-no-such-call"))
    assert foreign == missing
    assert foreign[0] == 404
    assert ref not in foreign[1]
    assert deepcall.journal == []
    lines = AuditEvent.objects.order_by("seq")
    assert [(line.kind, line.actor_name, line.call_ref) for line in lines] == [
        ("takeover.denied", "Ola", ref), ("takeover.denied", "Ola", "1-no-such-call")]


def test_nobody_fills_the_record_with_refused_clicks(outsider: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(outsider)
    assert {click(client, ref).status_code for _ in range(15)} == {404}
    assert kinds() == ["takeover.denied"] * audit.DENIALS


def test_a_made_up_reference_is_not_written_down(outsider: User, deepcall: Peer) -> None:
    click(signed_in(outsider), "+919812345678 <b>")
    assert AuditEvent.objects.get().call_ref == ""


def test_without_the_right_nothing_is_sent_though_the_post_came(observer: User, deepcall: Peer, ref: str) -> None:
    response = click(signed_in(observer), ref)
    assert response.status_code == 403
    assert deepcall.journal == []
    assert not TakeoverAttempt.objects.exists()
    line = AuditEvent.objects.get()
    assert (line.kind, line.actor_name, line.call_ref, line.detail["address"]) == (
        "takeover.denied", "Omar", ref, "127.0.0.1")


def test_a_right_that_was_just_taken_away_is_gone(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor)
    give(supervisor, Role.OBSERVER)
    assert click(client, ref).status_code == 403
    assert deepcall.journal == []


def test_a_queue_that_was_just_taken_away_is_gone(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor)
    supervisor.seats.get().queues.clear()
    assert click(client, ref).status_code == 404
    assert deepcall.journal == []


def test_who_is_signed_out_is_told_so_and_nothing_is_sent(deepcall: Peer, ref: str) -> None:
    response = click(Client(), ref)
    assert response.status_code == 403
    assert "Sign in" in text(response)
    assert response["HX-Reswap"] == "none"
    assert deepcall.journal == []


def test_a_call_without_a_queue_is_for_those_with_all_queues(
    supervisor: User, account: Account, deepcall: Peer
) -> None:
    ref = show(account, live(msgspec.structs.replace(CALL, queue_id="", queue_name="")))
    client = signed_in(supervisor)
    assert click(client, ref).status_code == 404
    Seat.objects.update(all_queues=True)
    assert click(client, ref).status_code == 200


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete", "trace"])
def test_nothing_but_a_post_acts(supervisor: User, deepcall: Peer, ref: str, method: str) -> None:
    response = getattr(signed_in(supervisor), method)(f"/takeover/?call={ref}&key={KEY}")
    assert response.status_code == 405
    assert deepcall.journal == []
    assert not TakeoverAttempt.objects.exists()


def test_a_post_from_a_stale_page_says_where_the_click_was_what_to_do(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    response = click(signed_in(supervisor, enforce_csrf_checks=True), ref, headers=HTMX)
    assert response.status_code == 403
    assert "Nothing was sent" in text(response)
    assert "Reload" in text(response)
    assert "hx-target" in text(response)
    assert response["HX-Reswap"] == "none"
    assert deepcall.journal == []


def test_a_cross_site_form_is_refused_with_a_page(supervisor: User, deepcall: Peer, ref: str) -> None:
    response = click(signed_in(supervisor, enforce_csrf_checks=True), ref)
    assert response.status_code == 403
    assert "Nothing was changed" in text(response)
    assert deepcall.journal == []


def test_signing_in_from_a_stale_page_is_a_page_too(supervisor: User) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "sita", "password": "x"})
    assert response.status_code == 403
    assert "reload the page" in text(response)


def test_the_token_of_the_page_lets_the_post_through(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor, enforce_csrf_checks=True)
    client.get("/")
    token = client.cookies["csrftoken"].value
    assert click(client, ref, headers=HTMX | {"X-CSRFToken": token}).status_code == 200
    assert len(deepcall.journal) == 1


@pytest.mark.parametrize("call", ["", "x", "\x00", "1-c-1' OR 1=1 --", "9" * 5000, "🤷"])
def test_an_odd_reference_is_a_missing_call(supervisor: User, deepcall: Peer, ref: str, call: str) -> None:
    assert click(signed_in(supervisor), call).status_code == 404


# ── one click, and two people ──────────────────────────────────────────────────────────────────────
def test_the_same_click_again_gets_the_saved_outcome(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(1000, "Gone"), SUCCESS]
    client = signed_in(supervisor)
    first, again = click(client, ref, KEY), click(client, ref, KEY)
    assert (first.status_code, again.status_code) == (200, 200)
    assert same_but_for_the_clock(first)[1] == same_but_for_the_clock(again)[1]
    assert len(deepcall.journal) == 1


def test_the_saved_outcome_is_there_when_the_call_has_gone(
    supervisor: User, account: Account, deepcall: Peer, ref: str
) -> None:
    client = signed_in(supervisor)
    click(client, ref, KEY)
    show(account)
    assert mirror.find(ref) is None
    response = click(client, ref, KEY)
    assert response.status_code == 200
    assert 'data-takeover="accepted"' in text(response)


def test_a_click_without_a_key_is_a_click(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(1000)]
    client = signed_in(supervisor)
    assert [client.post("/takeover/", {"call": ref}).status_code for _ in range(2)] == [200, 200]
    assert len(deepcall.journal) == 2


@pytest.mark.parametrize("state", sorted(OPEN))
def test_while_anothers_attempt_is_open_their_name_is_the_answer(
    supervisor: User, sales: Queue, deepcall: Peer, ref: str, state: str
) -> None:
    second = person("anil", ("take_over",), (sales,))
    click(signed_in(supervisor), ref)
    TakeoverAttempt.objects.update(state=state, is_open=True)
    response = click(signed_in(second), ref)
    assert response.status_code == 409
    assert "Sita is taking this over" in text(response)
    assert f'data-takeover="{CELLS[state]}"' in text(response)
    assert 'aria-disabled="true"' in text(response)
    assert len(deepcall.journal) == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_posts_of_one_click_are_one_takeover(supervisor: User, deepcall: Peer, ref: str) -> None:
    held = Held()
    deepcall.script = [held]
    clients = [signed_in(supervisor) for _ in range(20)]
    with in_threads(20) as pool:
        jobs = [pool.submit(click, client, ref, KEY) for client in clients]
        assert held.asked.wait(10)
        early = 0
        for job in as_they_finish(jobs, 19):
            assert job.result().status_code == 202
            assert "Sita is taking over" in text(job.result())
            assert "data-outcome" not in text(job.result())
            early += 1
        assert early == 19
        held.release()
    assert sorted(job.result().status_code for job in jobs) == [200] + [202] * 19
    assert len(deepcall.journal) == TakeoverAttempt.objects.count() == 1
    assert kinds() == ["takeover.intent", "takeover.sent", "takeover.accepted"]


def as_they_finish(jobs: list[Any], count: int) -> list[Any]:
    """The first `count` that are done; the rest wait for DeepCall."""
    done: list[Any] = []
    enough = threading.Event()

    def note(job: Any) -> None:
        done.append(job)
        if len(done) == count:
            enough.set()

    for job in jobs:
        job.add_done_callback(note)
    assert enough.wait(20)
    return done[:count]


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_asks_and_the_other_reads_the_name(
    supervisor: User, sales: Queue, deepcall: Peer, ref: str
) -> None:
    held = Held()
    deepcall.script = [held]
    people = [supervisor, person("anil", ("take_over",), (sales,))]
    clients = [signed_in(user) for user in people]
    with in_threads(2) as pool:
        jobs = [pool.submit(click, client, ref) for client in clients]
        (loser,) = as_they_finish(jobs, 1)
        assert held.asked.wait(10)
        held.release()
    winner = the_attempt().actor_name
    assert sorted(job.result().status_code for job in jobs) == [200, 409]
    assert f"{winner} is taking this over" in text(loser.result())
    assert len(deepcall.journal) == 1


@pytest.mark.django_db(transaction=True)
def test_a_takeover_that_hangs_holds_up_no_other(
    supervisor: User, sales: Queue, account: Account, deepcall: Peer
) -> None:
    ref = show(account, live(), live(Call(key="c-2", call_id="c-2", queue_id="302")))
    held = Held()
    deepcall.script = [held, SUCCESS]
    clients = [signed_in(supervisor), signed_in(person("anil", ("take_over",), (sales,)))]
    with in_threads(1) as pool:
        first = pool.submit(click, clients[0], ref)
        assert held.asked.wait(10)
        assert click(clients[1], f"{account.pk}-c-2").status_code == 200
        held.release()
        assert first.result().status_code == 200


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_eleventh_click_in_a_minute_is_told_when_to_try_again(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    deepcall.script = [error(1000)]
    client = signed_in(supervisor)
    assert [click(client, ref).status_code for _ in range(10)] == [200] * 10
    response = click(client, ref)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "Nothing was sent" in text(response)
    assert f'id="t-cell-{ref}" data-takeover="not-sent"' in text(response)
    assert len(deepcall.journal) == TakeoverAttempt.objects.count() == 10


def test_a_pause_that_deepcall_asks_for_is_kept_and_said(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [answer({}, status=429, headers={"Retry-After": "7"}), SUCCESS]
    client = signed_in(supervisor)
    assert click(client, ref).status_code == 200
    assert (the_attempt().state, the_attempt().code) == (State.REFUSED, "429")
    mirror.note(takeover.news_since(0))
    assert "asks for a pause of 7 s" in text(client.get("/"))
    response = click(client, ref)
    assert response.status_code == 429
    assert 5 <= int(response["Retry-After"]) <= 8
    assert "DeepCall asked for a pause" in text(response)
    assert len(deepcall.journal) == 1
    TakeoverAttempt.objects.update(retry_at=timezone.now())
    assert click(client, ref).status_code == 200


@contextlib.contextmanager
def all_places_taken(user_id: int = 0) -> Iterator[list[str]]:
    """So many clicks are in flight; their keys. Fails when one of the places had not been free."""
    keys = [f"{number:032x}" for number in range(SLOTS)]
    assert [in_flight.IN_FLIGHT.enter(user_id, key) for key in keys] == [True] * SLOTS
    try:
        yield keys
    finally:
        for key in keys:
            in_flight.IN_FLIGHT.leave(user_id, key)


def test_the_33rd_in_flight_is_refused_before_anything_is_written(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    client = signed_in(supervisor)
    with all_places_taken():
        response = click(client, ref)
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "Nothing was sent" in text(response)
    assert deepcall.journal == []
    assert kinds() == []
    assert not TakeoverAttempt.objects.exists()


def test_posts_of_a_click_in_flight_need_no_place_of_their_own(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor)
    with all_places_taken(supervisor.pk) as keys:
        assert click(client, ref, keys[0]).status_code == 200
        assert click(client, ref, KEY).status_code == 503
    assert click(client, ref, keys[0]).status_code == 200
    assert len(deepcall.journal) == 1


def test_every_slot_comes_back_whatever_happened(supervisor: User, account: Account, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(1000), close, error(1501)]
    client = signed_in(supervisor)
    for _ in range(3):
        click(client, ref)
    with all_places_taken():
        pass


# ── when it cannot be written down ─────────────────────────────────────────────────────────────────
@pytest.fixture
def read_only() -> Iterator[None]:
    """From here on the database takes no writes, as on a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
    yield
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = OFF")


def no_writes(when: Callable[[str], object]) -> contextlib.AbstractContextManager[None]:
    """The database refuses to write what `when` picks out."""
    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE")) and when(sql):
            raise OperationalError("attempt to write a readonly database")
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


def test_what_cannot_be_written_down_is_not_sent(supervisor: User, deepcall: Peer, ref: str, request: Any) -> None:
    client = signed_in(supervisor)
    request.getfixturevalue("read_only")
    response = click(client, ref)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "nothing was sent" in text(response)
    assert deepcall.journal == []


def test_a_refusal_that_cannot_be_written_down_is_still_a_refusal(
    observer: User, deepcall: Peer, ref: str, request: Any
) -> None:
    client = signed_in(observer)
    request.getfixturevalue("read_only")
    assert click(client, ref).status_code in (403, 503)
    assert deepcall.journal == []


def test_without_the_mark_that_it_goes_out_it_does_not_go_out(supervisor: User, deepcall: Peer, ref: str) -> None:
    client = signed_in(supervisor)
    with no_writes(lambda sql: sql.startswith('UPDATE "dashboard_takeoverattempt"')):
        response = click(client, ref)
    assert response.status_code == 503
    assert deepcall.journal == []
    assert the_attempt().state == State.INTENT


def test_an_outcome_that_cannot_be_written_down_is_not_called_nothing(
    supervisor: User, deepcall: Peer, ref: str
) -> None:
    client = signed_in(supervisor)
    with no_writes(lambda _sql: deepcall.journal):
        response = click(client, ref)
    assert len(deepcall.journal) == 1
    assert the_attempt().state == State.SENT  # found by age, later
    assert response.status_code == 202
    assert "othing was sent" not in text(response)
    assert 'aria-disabled="true"' in text(response)


def test_an_error_nobody_foresaw_is_an_unknown_outcome(
    supervisor: User, deepcall: Peer, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: Any) -> None:
        raise RuntimeError("account-ssid")

    monkeypatch.setattr(queue_client.QueueClient, "take_over", broken)
    response = click(signed_in(supervisor), ref)
    assert (response.status_code, the_attempt().state, the_attempt().message) == (202, State.UNKNOWN, "RuntimeError")
    assert "account-ssid" not in text(response)


# ── on the screens of the others ───────────────────────────────────────────────────────────────────
def test_the_cell_of_an_observer_has_no_button(supervisor: User, observer: User, deepcall: Peer, ref: str) -> None:
    click(signed_in(supervisor), ref)
    mirror.note(takeover.news_since(0))
    page = text(signed_in(observer).get("/"))
    assert 'data-takeover="accepted"' in page
    assert 'data-action="takeover"' not in page


def test_the_outcome_is_on_the_board_of_who_loads_it_anew(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(4242, "Flux capacitor not charged")]
    client = signed_in(supervisor)
    click(client, ref)
    mirror.note(takeover.news_since(0))
    page = text(client.get("/"))
    assert 'data-takeover="refused"' in page
    assert "Flux capacitor not charged" in page
    assert NUMBER[:-4] not in page


def test_an_answer_is_never_older_than_what_it_replaces(supervisor: User, deepcall: Peer, ref: str) -> None:
    deepcall.script = [error(1000), SUCCESS]
    client = signed_in(supervisor)
    revisions = [int(re.findall(r'data-rev="(\d+)"', text(click(client, ref)))[0]) for _ in range(2)]
    assert revisions[0] < revisions[1]


def test_without_a_named_phone_the_button_says_whose_account_it_is(
    supervisor: User, account: Account, ref: str
) -> None:
    account.line = ""
    account.save()
    mirror.take(read_news({}, 0))
    assert f"rings {account.name}" in text(signed_in(supervisor).get("/"))
