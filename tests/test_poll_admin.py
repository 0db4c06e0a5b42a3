"""How an account is polled, as the admin shows it in any process."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from msgspec import structs

from dashboard import tally as tallying
from dashboard.clock import now_ms
from dashboard.lease import acquire, release, renew
from dashboard.mirror import mirror
from dashboard.poll_admin import briefly, polling_of
from dashboard.tally import CODES, OTHER, Tally, kind_of
from queue_api.calls import Call
from queue_api.errors import NothingNamed, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid, Untrusted
from queue_api.models import Account
from tests.makers import board, call
from tests.takeovers import signed_in
from tests.test_admin import FORM
from tests.test_mirror import Clock

pytestmark = pytest.mark.django_db


# ── counting ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tallying, "time", clock)
    return clock


def test_requests_of_the_last_minute_are_counted(clock: Clock) -> None:
    tally = Tally()
    for _ in range(30):
        tally.asked()
        clock.now += 4
    assert (tally.last_minute(), tally.total) == (14, 30)
    clock.now += 60
    assert (tally.last_minute(), tally.total) == (0, 30)


def test_errors_leave_the_hour_but_not_the_count_since_the_start(clock: Clock) -> None:
    tally = Tally()
    tally.failed(Refused("list", code="1032"))
    clock.now += 1800
    for _ in range(2):
        tally.failed(NotSent("list"))
    assert (tally.last_hour(), tally.ever()) == ({"not-sent": 2, "1032": 1}, {"not-sent": 2, "1032": 1})
    clock.now += 1900
    assert (tally.last_hour(), tally.ever()) == ({"not-sent": 2}, {"not-sent": 2, "1032": 1})


def test_a_deepcall_that_makes_up_codes_fills_no_memory(clock: Clock) -> None:
    tally = Tally()
    for number in range(5000):
        tally.asked()
        tally.failed(Refused("list", code=str(number)))
        clock.now += 1
    assert max(len(tally.ever()), len(tally.last_hour()), len(tally.errors) - 1) <= CODES
    assert len(tally._hour) <= 61
    assert tally.ever()[OTHER] == 5000 - CODES


@pytest.mark.parametrize(("error", "kind"), [
    (Refused("list", code="1501"), "1501"), (NoUsableAnswer("list", code="502"), "502"), (NotSent("list"), "not-sent"),
    (Untrusted("list"), "not-sent"), (NoUsableAnswer("list"), "no-answer"), (RequestInvalid("list"), "not-asked"),
    (NothingNamed("list", rows=3), "no-answer"),
])
def test_what_has_no_code_is_counted_by_what_happened(error: QueueApiError, kind: str) -> None:
    assert kind_of(error) == kind


# ── shown ──────────────────────────────────────────────────────────────────────────────────────────
def report(**fields: Any) -> dict[str, Any]:
    now = now_ms()
    return {"at": now - 1000, "began_at": now - 90_000, "asked_at": now - 2500, "heard_at": now - 2500,
            "interval_s": 2.0, "why": "watched", "failures": 0, "last_minute": 27, "errors_hour": {}, "errors": {},
            "total": 41} | fields


def polled(account: Account, **fields: Any) -> int:
    """Another process leads and has written down how it goes; its fence."""
    name = f"account:{account.pk}"
    fence = acquire(name, "a1b2c3d4e5f60718")
    assert fence
    assert renew(name, "a1b2c3d4e5f60718", fence, report(**fields))
    return fence


@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


def change_page(office: Client, account: Account) -> str:
    response = office.get(reverse("admin:queue_api_account_change", args=[account.pk]))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_the_accounts_page_says_how_often_it_is_asked_and_why(office: Client, account: Account) -> None:
    fence = polled(account)
    html = change_page(office, account)
    assert "Asked every 2 s: there are calls, and somebody watches." in html
    assert "Requests in the last minute: 27." in html
    assert f"by process a1b2c3d4 (fence {fence}): 41 requests in 9" in html
    assert "No errors" in html


def test_errors_are_shown_by_code_with_their_meaning(office: Client, account: Account) -> None:
    polled(account, failures=3, why="back-off", interval_s=4.1, errors_hour={"1032": 2},
           errors={"1032": 7, "no-answer": 1, "other": 1})
    html = change_page(office, account)
    assert "Asked again after 4.1 s: the last list failed (failures in a row: 3)." in html
    assert '<tr data-code="1032"><td>1032</td><td>DeepCall has trouble of its own</td><td>2</td><td>7</td></tr>' in html
    assert "<td>No usable answer</td><td>0</td><td>1</td>" in html


def test_refused_credentials_say_what_ends_the_wait(office: Client, account: Account) -> None:
    polled(account, failures=1, why="credentials", interval_s=60.0)
    assert "saving this account asks again at once" in change_page(office, account)


def test_numbers_of_a_poller_that_is_gone_are_said_to_be_old(office: Client, account: Account) -> None:
    fence = polled(account)
    release(f"account:{account.pk}", "a1b2c3d4e5f60718", fence)
    html = change_page(office, account)
    assert "No process polls this account." in html
    assert "Asked every" not in html


def test_an_account_that_is_not_enabled_or_was_never_polled_says_so(office: Client, account: Account) -> None:
    assert "not been polled yet" in change_page(office, account)
    polled(account)
    Account.objects.update(enabled=False)
    assert "Not enabled: DeepCall is not asked." in change_page(office, account)


def test_the_list_of_accounts_shows_interval_and_state(office: Client, account: Account) -> None:
    url = reverse("admin:queue_api_account_changelist")
    assert "no process polls" in office.get(url).content.decode()
    polled(account, why="idle", interval_s=10.0)
    assert "every 10 s: there are no calls, and nobody watches" in office.get(url).content.decode()
    polled_again = report(failures=2, why="busy", interval_s=2.2)
    renew(f"account:{account.pk}", "a1b2c3d4e5f60718", 1, polled_again)
    assert "again after 2.2 s: DeepCall is still working" in office.get(url).content.decode()


# ── health at a glance ─────────────────────────────────────────────────────────────────────────────
def listed(office: Client, account: Account) -> tuple[str, str, str, str]:
    """What the list says of an account: health, calls, what is wrong, polling."""
    html = office.get(reverse("admin:queue_api_account_changelist")).content.decode()
    row = html[html.index(f">{account.name} <small>"):].split("</tr>")[0]
    cells = [re.sub(r"<[^>]+>", " ", cell) for cell in re.findall(r'<td class="field-.*?>(.*?)</td>', row, re.DOTALL)]
    health, calls, trouble, polling = (" ".join(cell.split()) for cell in cells)
    return health, calls, trouble, polling


@pytest.fixture
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment for the list and for what is put into it."""
    moment = now_ms()
    for where in ("dashboard.poll_admin", "tests.test_poll_admin"):
        monkeypatch.setattr(f"{where}.now_ms", lambda: moment)


def heard(account: Account, ago_s: float, *calls: Call, **feed: Any) -> None:
    """This process has a list of then; its poller was heard just now."""
    now = now_ms()
    mirror.offer(board(*calls, account=account.pk, heard_at=now - int(ago_s * 1000), **feed))


@pytest.mark.usefixtures("_still")
def test_a_fresh_account_has_its_age_and_its_calls(office: Client, account: Account) -> None:
    polled(account)
    heard(account, 1, call("a"), call("b"))
    health, calls, trouble, polling = listed(office, account)
    assert (health, calls, trouble) == ("fresh list 1 s old", "2", "–")
    assert polling == "process a1b2c3d4, every 2 s: there are calls, and somebody watches"


@pytest.mark.usefixtures("_still")
def test_no_calls_is_a_zero_only_when_a_fresh_list_says_so(office: Client, account: Account) -> None:
    assert listed(office, account)[:3] == ("no list yet", "–", "No list has come from DeepCall yet.")
    heard(account, 1)
    assert listed(office, account)[1] == "0"


@pytest.mark.usefixtures("_still")
def test_a_failing_account_says_since_when_and_why_and_its_calls_are_as_last_known(
    office: Client, account: Account
) -> None:
    since = {"since": now_ms() - 30_000}
    before = board(call("a"), account=account.pk, heard_at=now_ms() - 31_000, health="failing", code="1014",
                   message="Expired")
    mirror.offer(structs.replace(before, feed=structs.replace(before.feed, **since)))
    health, calls, trouble, _polling = listed(office, account)
    assert (health, calls) == ("failing list 31 s old", "1, as last known")
    assert trouble.startswith("For 30 s: Token invalid or expired (code 1014: Expired). ")


@pytest.mark.usefixtures("_still")
def test_calls_that_are_too_old_to_be_shown_are_a_dash(office: Client, account: Account) -> None:
    heard(account, 120, call("a"), health="failing", code="1014")
    assert listed(office, account)[:2] == ("failing list 2 min old", "–")


def test_an_account_that_is_switched_off_is_neither_well_nor_ill(office: Client, account: Account) -> None:
    polled(account, failures=3, why="back-off")
    Account.objects.update(enabled=False)
    assert listed(office, account) == ("switched off", "–", "–", "DeepCall is not asked")


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize(("told", "health", "trouble"), [
    ({}, "fresh list 2 s old", "–"), ({"heard_at": 0}, "no list yet", "No list has come from DeepCall yet."),
    ({"failures": 2, "why": "back-off"}, "failing list 2 s old", "the last list failed")])
def test_a_process_without_screens_goes_by_what_the_poller_wrote_down(
    office: Client, account: Account, told: dict[str, Any], health: str, trouble: str
) -> None:
    polled(account, **told | ({"heard_at": None} if "heard_at" in told else {}))
    assert listed(office, account)[:3] == (health, "–", trouble)


def test_a_longer_list_of_accounts_takes_no_more_queries(
    office: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.setup.progress", lambda *_: None)  # in the head, while there are steps left
    url = reverse("admin:queue_api_account_changelist")
    polled(account)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert office.get(url).status_code == 200
        return len(caught)

    queries()
    few = queries()
    for number in range(6):
        polled(Account.objects.create(name=f"More {number}", base_url="https://deepcall.example"))
    assert queries() == few


@pytest.mark.parametrize(("seconds", "said"), [
    (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 d")])
def test_a_time_is_told_in_its_largest_unit(seconds: int, said: str) -> None:
    assert briefly(0, seconds * 1000) == said


def test_a_report_of_a_later_version_is_no_error(account: Account) -> None:
    polled(account, why="a reason of tomorrow", colour="blue")
    found = polling_of(account, now_ms())
    assert found is not None
    assert (found.why, found.polled) == ("", True)


def test_the_page_for_a_new_account_has_no_panel(office: Client) -> None:
    assert 'id="polling"' not in office.get(reverse("admin:queue_api_account_add")).content.decode()


# ── the slow bound ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("given", "kept"), [("", None), ("30", 30.0), ("2", 2.0)])
def test_the_slow_bound_may_be_left_empty(office: Client, given: str, kept: float | None) -> None:
    office.post(reverse("admin:queue_api_account_add"), FORM | {"idle_interval_s": given})
    assert Account.objects.get().idle_interval_s == kept


@pytest.mark.parametrize(("given", "said"), [
    ("1.5", "not be shorter than the poll interval"), ("31", "less than or equal to 30"), ("nan", "Enter a number")])
def test_a_slow_bound_that_cannot_be_is_refused_with_the_reason(office: Client, given: str, said: str) -> None:
    answer = office.post(reverse("admin:queue_api_account_add"), FORM | {"idle_interval_s": given})
    assert said in answer.content.decode()
    assert not Account.objects.exists()
