"""A queue's day: whose it is, what it shows, where nobody looked, and the same as a file."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dashboard import roles
from dashboard.definitions import TODAY, of_window
from dashboard.minutes import bounds, cut, read_day
from dashboard.models import CallMinute, Queue, Seat, Watched
from dashboard.numbers import Gap
from dashboard.roles import Role
from queue_api.models import Account
from tests.conftest import person
from tests.takeovers import signed_in

pytestmark = pytest.mark.django_db
DAY = datetime(2027, 1, 15, tzinfo=UTC).date()  # of NOW, in Kolkata
MIDNIGHT = 1_799_951_400_000
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queue_views.now_ms", lambda: MIDNIGHT + 12 * HOUR)


@pytest.fixture
def watched(account: Account) -> Account:
    """From nine on, but for ten minutes."""
    Watched.objects.create(account=account, began_at=MIDNIGHT + 9 * HOUR, until=MIDNIGHT + 10 * HOUR)
    Watched.objects.create(account=account, began_at=MIDNIGHT + 10 * HOUR + 600_000, until=MIDNIGHT + 12 * HOUR)
    return account


def minute(queue: Queue, at: int, **counted: int) -> None:
    """`at`: ms after midnight."""
    CallMinute.objects.create(account=queue.account, queue_key=queue.key, minute=(MIDNIGHT + at) // 60_000, **counted)


def busy(queue: Queue, at: int) -> None:
    minute(queue, at, offered=4, answered=2, unanswered=1, within=1, waits=3, wait_ms=90_000, wait_most_ms=65_000,
           talks=2, talk_ms=300_000, waiting_most=3)


def page(client: Client, queue: Queue, **asked: str) -> str:
    answer = client.get(f"/queues/{queue.pk}/", asked)
    assert answer.status_code == 200
    return unescape(answer.content.decode()).replace("\u00a0", " ")


def figures(text: str) -> dict[str, str]:
    return dict(re.findall(r'data-figure="(\w+)">([^<]*)<', text))


def data(client: Client, queue: Queue, **asked: str) -> dict[str, Any]:
    text = client.get(f"/queues/{queue.pk}/", asked).content.decode()
    found: dict[str, Any] = json.loads(re.findall(r'<script id="day-data"[^>]*>(.*?)</script>', text)[0])
    return found


def table(text: str) -> dict[str, list[str]]:
    rows = re.findall(r'<tr[^>]*><th scope="row">([^<]*)</th>(.*?)</tr>', text, re.S)
    return {time: re.findall(r"<td[^>]*>([^<]*)</td>", cells) for time, cells in rows}


def lines(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


# ── whose it is ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("address", ["/queues/{}/", "/queues/{}/day.csv", "/queues/{}/?day=nonsense",
                                     "/queues/{}/day.csv?day=2999-01-01&per=1"])
def test_a_foreign_queue_is_answered_byte_for_byte_like_none(
    observer: User, sales: Queue, billing: Queue, address: str
) -> None:
    client = signed_in(observer)
    foreign, missing = (client.get(address.format(pk)) for pk in (billing.pk, 999_999))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    headers = [{name: text for name, text in answer.items() if name not in ("X-Request-ID", "Expires")}
               for answer in (foreign, missing)]
    assert headers[0] == headers[1]
    assert client.get(f"/queues/{sales.pk}/").status_code == 200


def test_nobody_who_is_not_signed_in_learns_which_queues_there_are(sales: Queue) -> None:
    for pk in (sales.pk, 999_999):
        for end in ("", "day.csv"):
            answer = Client().get(f"/queues/{pk}/{end}")
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")


def test_who_has_all_queues_of_an_account_sees_each_but_none_of_another(sales: Queue, billing: Queue) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    harbour = Queue.objects.create(account=other, key="302", name="Harbour")  # the same key, elsewhere
    wanda = person("wanda")
    roles.give(wanda, Role.OBSERVER)
    Seat.objects.create(user=wanda, account=sales.account, all_queues=True)
    client = signed_in(wanda)
    assert [client.get(f"/queues/{queue.pk}/").status_code for queue in (sales, billing, harbour)] == [200, 200, 404]


def test_other_queues_are_named_only_if_they_are_the_viewers(observer: User, admin: User, sales: Queue,
                                                             billing: Queue) -> None:
    assert "Billing" not in page(signed_in(observer), sales)
    assert "Billing" in page(signed_in(admin), sales)


def test_days_by_queue_lead_to_the_first_of_ones_queues_or_back(observer: User, sales: Queue) -> None:
    assert signed_in(observer).get("/queues/")["Location"] == f"/queues/{sales.pk}/"
    assert signed_in(person("nobody")).get("/queues/")["Location"] == "/"


# ── which day ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("day", ["nonsense", "2027-02-30", "20270115", "0000-00-00", "9999-12-31", "2027-W02-5", "-1",
                                 "2027-01-15T00:00", "٢٠٢٧-٠١-١٥", "2100-01-01", "9" * 5000, "2099-12-31"])
def test_a_day_that_is_none_or_has_not_come_is_said_to_be_so(observer: User, sales: Queue, day: str) -> None:
    client = signed_in(observer)
    for end in ("", "day.csv"):
        answer = client.get(f"/queues/{sales.pk}/{end}", {"day": day})
        assert answer.status_code == 400
        assert re.search("That is no day|That day has not come yet", answer.content.decode())


def test_today_is_the_day_where_the_call_centre_is(
    observer: User, sales: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queue_views.now_ms", lambda: MIDNIGHT + 60_000)  # yesterday still, in Greenwich
    text = page(signed_in(observer), sales)
    assert "Friday, 15 January 2027, until 00:01" in text
    assert "?day=2027-01-14" in text
    assert "Day after" not in text


def test_a_day_of_long_ago_has_one_after_it_and_nothing_known(observer: User, sales: Queue) -> None:
    text = page(signed_in(observer), sales, day="2020-02-29")
    assert "Nobody looked 00:00–24:00." in text
    assert "?day=2020-03-01" in text
    assert set(figures(text).values()) == {"–"}


@pytest.mark.parametrize(("zone", "day", "hours"), [
    ("Europe/Berlin", "2026-03-29", 23), ("Europe/Berlin", "2026-10-25", 25), ("Asia/Kathmandu", "2026-10-25", 24)])
def test_a_day_has_as_many_hours_as_its_clock_says(account: Account, zone: str, day: str, hours: int) -> None:
    account.time_zone = zone
    when = datetime.fromisoformat(day).date()
    began, ended = bounds(zone, when)
    assert ended - began == hours * HOUR
    shown = read_day(account, "302", when, 15, ended)
    assert (len(shown.bins), shown.bins[-1].ended) == (4 * hours, ended)


# ── what it shows ──────────────────────────────────────────────────────────────────────────────────
def test_the_days_figures_are_those_of_its_minutes(observer: User, sales: Queue, watched: Account) -> None:
    busy(sales, 9 * HOUR)
    busy(sales, 11 * HOUR + 59 * 60_000)
    minute(sales, 24 * HOUR, offered=100)
    minute(sales, -60_000, offered=100)
    assert figures(page(signed_in(observer), sales)) == {
        "offered": "8", "answered": "4", "unanswered": "2", "unknown": "0", "within": "2", "service_level": "33 %",
        "average_wait": "0:30", "worst_wait": "1:05", "average_talk": "2:30", "waiting_most": "3"}


def test_nothing_is_rounded_up_neither_on_the_page_nor_in_its_charts_nor_in_the_file(
    observer: User, sales: Queue, watched: Account
) -> None:
    minute(sales, 9 * HOUR, offered=10_000, answered=10_000, within=7_999, waits=10_000, wait_ms=199_990_000)
    minute(sales, 10 * HOUR, offered=1000, answered=1000, within=573, waits=1000, wait_ms=20_000_000)
    client = signed_in(observer)
    row = table(page(client, sales))["09:00–09:30"]
    assert (row[5], row[6]) == ("79 %", "0:19")
    drawn = data(client, sales)
    assert (drawn["level"][18], drawn["wait"][18]) == (79, 19)
    rows = lines(client.get(f"/queues/{sales.pk}/day.csv"))
    assert (rows[36]["service_level_percent"], rows[36]["average_wait_s"]) == ("79.9", "19.9")
    assert (rows[40]["service_level_percent"], rows[40]["average_wait_s"]) == ("57.3", "20.0")


def test_another_queues_calls_are_not_in_it(observer: User, sales: Queue, billing: Queue, watched: Account) -> None:
    busy(billing, 9 * HOUR)
    assert figures(page(signed_in(observer), sales))["offered"] == "0"


def test_gaps_are_said_and_what_nobody_saw_is_a_dash_and_no_zero(
    observer: User, sales: Queue, watched: Account
) -> None:
    busy(sales, 9 * HOUR + 900_000)
    text = page(signed_in(observer), sales)
    rows = table(text)
    assert "Nobody looked 00:00–09:00, 10:00–10:10." in text
    assert list(rows)[:3] == ["00:00–09:00", "09:00–09:30", "09:30–10:00"]
    assert rows["00:00–09:00"][0] == "nobody looked"
    assert rows["09:00–09:30"] == ["4", "2", "1", "0", "1", "33 %", "0:30", "1:05", "2:30", "3", ""]
    assert rows["09:30–10:00"] == ["0", "0", "0", "0", "0", "–", "–", "–", "–", "0", ""]
    assert rows["10:00–10:30"][-1] == "nobody looked 10:00–10:10"
    assert list(rows)[-1] == "11:30–12:00"  # what has not come is not there


@given(st.lists(st.integers(0, 60), max_size=30, unique=True), st.integers(0, 60), st.integers(0, 30))
def test_what_of_the_gaps_lies_in_a_stretch_is_the_same_as_when_each_is_looked_at(
    ends: list[int], began: int, length: int
) -> None:
    ends, ended = sorted(ends), began + length
    gaps = [Gap(one, other) for one, other in zip(ends[::2], ends[1::2], strict=False)]
    assert cut(gaps, began, ended) == [
        Gap(max(one.began, began), min(one.ended, ended)) for one in gaps if one.began < ended and one.ended > began]


def test_a_day_that_nobody_watched_to_its_end_says_so(observer: User, sales: Queue, watched: Account) -> None:
    shown = read_day(watched, "302", DAY, 15, MIDNIGHT + 48 * HOUR)
    assert shown.gaps[-1] == Gap(MIDNIGHT + 12 * HOUR, MIDNIGHT + 24 * HOUR)
    still = read_day(watched, "302", DAY, 15, MIDNIGHT + 12 * HOUR + 30_000)
    assert still.gaps[-1].ended == MIDNIGHT + 10 * HOUR + 600_000  # a list that is half a minute old is no gap yet


def test_a_call_that_deepcall_told_of_later_is_counted_where_nobody_looked(
    observer: User, sales: Queue, watched: Account
) -> None:
    minute(sales, 8 * HOUR, offered=1, answered=1)
    rows = table(page(signed_in(observer), sales))
    assert rows["08:00–08:30"][:2] == ["1", "1"]
    assert rows["08:00–08:30"][-2:] == ["–", "nobody looked 08:00–08:30"]  # how many waited was not told


def test_the_charts_are_drawn_of_the_tables_numbers(observer: User, sales: Queue, watched: Account) -> None:
    busy(sales, 9 * HOUR)
    drawn = data(signed_in(observer), sales)
    at = drawn["times"].index("09:00")
    assert len(drawn["times"]) == 48
    assert (drawn["answered"][at], drawn["unanswered"][at], drawn["rest"][at]) == (2, 1, 1)
    assert (drawn["waiting"][at], drawn["wait"][at], drawn["target"]) == (3, 30.0, 80)
    assert drawn["level"][at] == 33
    assert (drawn["waiting"][at - 1], drawn["answered"][at - 1], drawn["level"][at - 1]) == (None, None, None)
    assert drawn["answered"][-1] is None  # to come
    assert drawn["gaps"][0] == [0.0, 9 / 24]
    assert len(data(signed_in(observer), sales, per="15")["times"]) == 96
    assert len(data(signed_in(observer), sales, per="1")["times"]) == 48  # each minute is for the file


def test_a_level_is_the_same_as_on_the_board_and_never_rounded_up_to_its_target(
    observer: User, sales: Queue, watched: Account
) -> None:
    minute(sales, 9 * HOUR, offered=1000, answered=1000, within=799)
    assert figures(page(signed_in(observer), sales))["service_level"] == "79 %"


def test_a_number_that_is_on_the_board_too_is_explained_in_the_same_words(observer: User, sales: Queue) -> None:
    text = page(signed_in(observer), sales)
    for one in of_window(TODAY):
        assert f"<dt>{one.label}</dt><dd>{one.formula}" in text
        assert f"Left out: {one.left_out}." in text or not one.left_out


def test_a_queue_that_is_called_by_a_number_is_masked_for_who_may_not_see_whole_ones(
    observer: User, admin: User, sales: Queue, billing: Queue
) -> None:
    Queue.objects.update(name="919812345678")
    for end in ("", "day.csv"):
        answer = signed_in(observer).get(f"/queues/{sales.pk}/{end}")
        assert "9812345678" not in answer.content.decode() + str(answer.headers)
        assert "•••• 5678" in answer.content.decode()
    assert page(signed_in(admin), sales).count("919812345678") == 4  # the title, itself, both to go to


def test_a_queues_name_is_shown_as_text(observer: User, sales: Queue) -> None:
    Queue.objects.filter(pk=sales.pk).update(name="</script><script>alert(1)</script>")
    answer = signed_in(observer).get(f"/queues/{sales.pk}/")
    assert b"<script>alert(1)" not in answer.content


# ── as a file ──────────────────────────────────────────────────────────────────────────────────────
def test_the_file_has_a_row_for_each_quarter_and_nothing_where_nobody_looked(
    observer: User, sales: Queue, watched: Account
) -> None:
    busy(sales, 9 * HOUR)
    answer = signed_in(observer).get(f"/queues/{sales.pk}/day.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="sales-2027-01-15.csv"'
    rows = lines(answer)
    assert len(rows) == 48
    assert rows[0] == {
        "queue": "Sales", "day": "2027-01-15", "from": "00:00", "to": "00:15", "watched": "none", "offered": "",
        "answered": "", "unanswered": "", "unknown": "", "within": "", "service_level_percent": "",
        "average_wait_s": "", "worst_wait_s": "", "average_talk_s": "", "waiting_most": ""}
    assert rows[36] == rows[0] | {
        "from": "09:00", "to": "09:15", "watched": "all", "offered": "4", "answered": "2", "unanswered": "1",
        "unknown": "0", "within": "1", "service_level_percent": "33.3", "average_wait_s": "30.0",
        "worst_wait_s": "65.0", "average_talk_s": "150.0", "waiting_most": "3"}
    assert rows[40]["watched"] == "part"


def test_the_file_may_have_a_row_for_each_minute_and_for_a_whole_day(
    observer: User, sales: Queue, watched: Account
) -> None:
    rows = lines(signed_in(observer).get(f"/queues/{sales.pk}/day.csv", {"per": "1", "day": "2027-01-14"}))
    assert len(rows) == 1440
    assert rows[-1]["to"] == "24:00"


def test_a_name_that_is_a_formula_is_text_in_the_file_and_no_file_name(observer: User, sales: Queue) -> None:
    Queue.objects.filter(pk=sales.pk).update(name='=cmd|"/c calc"!A1')
    answer = signed_in(observer).get(f"/queues/{sales.pk}/day.csv")
    assert {row["queue"][:2] for row in lines(answer)} == {"'="}
    assert answer["Content-Disposition"] == 'attachment; filename="cmdc-calca1-2027-01-15.csv"'
    Queue.objects.filter(pk=sales.pk).update(name="продажи")
    answer = signed_in(observer).get(f"/queues/{sales.pk}/day.csv")
    assert f'filename="queue-{sales.pk}-2027' in answer["Content-Disposition"]
