"""/metrics: who may read it, and that its numbers are those of the process."""

import re
from collections.abc import Iterator

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from dashboard import counts
from dashboard.clock import now_ms
from dashboard.counts import Counted, Durations, poll_result, polled
from dashboard.mirror import Card, News, mirror
from dashboard.models import Queue
from dashboard.refs import call_ref
from dashboard.station import station
from queue_api.errors import LIST, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid
from queue_api.models import Account
from tests.makers import board, call
from tests.takeovers import CALL, SUCCESS, beside, click, error, live, show, signed_in

TOKEN = "a-token-of-its-own-for-metrics"

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return Client()


def numbers(client: Client) -> dict[str, float]:
    """Every sample of a reading, named as in the text: name{label="value"}."""
    text = client.get("/metrics").content.decode()
    return {
        sample.name + labelled(sample.labels): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples}


def labelled(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""


# ── who may read ───────────────────────────────────────────────────────────────────────────────────
def test_this_machine_may_read_it_without_a_token(browser: Client) -> None:
    answer = browser.get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("forwarded", [
    {"REMOTE_ADDR": "192.0.2.7"}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "::ffff:192.0.2.7"},
    {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"HTTP_X_REAL_IP": "127.0.0.1"}, {"HTTP_FORWARDED": "for=192.0.2.7"},
])
def test_others_may_not_nor_who_comes_through_a_proxy_nobody_told_us_of(
    browser: Client, forwarded: dict[str, str]
) -> None:
    answer = browser.get("/metrics", **forwarded)  # type: ignore[arg-type]
    assert answer.status_code == 403
    assert b"CALLBOARD_METRICS_TOKEN" in answer.content
    assert b"callboard_" not in answer.content


@pytest.mark.parametrize(("given", "status"), [
    (f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 403), (f"Bearer {TOKEN[:-1]}", 403),
    ("Bearer ", 403), ("", 403), (TOKEN, 403), (f"Basic {TOKEN}", 403), ("Bearer é", 403),
])
@pytest.mark.parametrize("behind_proxy", [True, False])
def test_where_a_token_is_set_it_is_asked_of_everybody(
    browser: Client, settings: Settings, given: str, status: int, behind_proxy: bool
) -> None:
    settings.METRICS_TOKEN, settings.BEHIND_PROXY = TOKEN, behind_proxy
    assert browser.get("/metrics", headers={"Authorization": given}).status_code == status


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer "])
def test_behind_a_proxy_without_a_token_nobody_is_local(
    browser: Client, settings: Settings, authorization: str
) -> None:
    settings.BEHIND_PROXY = True
    assert browser.get("/metrics", headers={"Authorization": authorization}).status_code == 403


def test_an_administrator_may_from_anywhere_and_a_supervisor_may_not(
    settings: Settings, admin: User, supervisor: User
) -> None:
    settings.BEHIND_PROXY = True
    assert [signed_in(user).get("/metrics").status_code for user in (admin, supervisor)] == [200, 403]


def test_nothing_is_done_by_reading(browser: Client) -> None:
    assert [browser.generic(method, "/metrics").status_code for method in ("POST", "PUT", "DELETE")] == [405] * 3


# ── what it says ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def fresh(account: Account) -> Iterator[Account]:
    """An account whose last list is three seconds old."""
    mirror.take(News(cards={account.pk: Card(pk=account.pk, name=account.name, interval_s=2)}, boards=[], attempts=[],
                     generations={}))
    mirror.offer(board(call("a"), account=account.pk, heard_at=now_ms() - 3000))
    yield account
    counts.polls.__init__()  # type: ignore[misc]
    counts.poll_s.clear()


def test_a_board_has_an_age_and_one_state(browser: Client, fresh: Account) -> None:
    read, pk = numbers(browser), fresh.pk
    assert 3 <= read[f'callboard_board_age_seconds{{account="{pk}"}}'] < 30
    states = {name: value for name, value in read.items() if name.startswith("callboard_feed_state")}
    assert [name for name, value in states.items() if value == 1] == [
        f'callboard_feed_state{{account="{pk}",state="fresh"}}']
    assert len(states) == 5
    assert read[f'callboard_poll_interval_seconds{{account="{pk}"}}'] == 2
    assert read[f'callboard_poller_leads{{account="{pk}"}}'] == 0


def test_what_never_had_a_list_has_no_age(browser: Client, fresh: Account) -> None:
    """An age of 0 would say that it is new, and -1 would be the smallest of all."""
    mirror.offer(board(account=fresh.pk, heard_at=None, health="failing", fence=2))
    read = numbers(browser)
    assert not [name for name in read if name.startswith("callboard_board_age")]
    assert read[f'callboard_feed_state{{account="{fresh.pk}",state="failing"}}'] == 1


def test_polls_are_counted_by_what_came_of_them_and_timed_when_they_went_out(browser: Client, fresh: Account) -> None:
    def poll(failure: QueueApiError | None = None) -> None:
        with polled(fresh.pk):
            if failure is not None:
                raise failure

    poll()
    for failure in (Refused(LIST, code="1014"), RequestInvalid(LIST), NoUsableAnswer(LIST), NoUsableAnswer(LIST)):
        with pytest.raises(QueueApiError):
            poll(failure)
    with pytest.raises(KeyboardInterrupt), polled(fresh.pk):
        raise KeyboardInterrupt
    read, pk = numbers(browser), fresh.pk
    assert {name: value for name, value in read.items() if name.startswith("callboard_polls")} == {
        f'callboard_polls_total{{account="{pk}",code="{code}"}}': value
        for code, value in {"ok": 1, "1014": 1, "not_sent": 1, "no_usable_answer": 2}.items()}
    assert read[f'callboard_poll_duration_seconds_count{{account="{pk}"}}'] == 4
    assert read[f'callboard_poll_duration_seconds_bucket{{account="{pk}",le="+Inf"}}'] == 4


@pytest.mark.parametrize(("failure", "result"), [
    (Refused(LIST, code="1014"), "1014"), (NoUsableAnswer(LIST, code="502"), "502"), (NotSent(LIST), "not_sent"),
    (Refused(LIST, code="31337"), "other"), (Refused(LIST, code="९८७"), "other"),
    (NoUsableAnswer(LIST), "no_usable_answer"),
])
def test_what_deepcall_makes_up_makes_no_label(failure: QueueApiError, result: str) -> None:
    assert poll_result(failure) == result


@pytest.mark.django_db(transaction=True)
def test_takeovers_are_counted_by_the_outcome_and_timed(
    browser: Client, account: Account, sales: Queue, supervisor: User, settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_UPSTREAM = True
    with beside(SUCCESS, error(1000)) as peer:
        Account.objects.filter(pk=account.pk).update(base_url=peer.url)
        before, client = numbers(browser), signed_in(supervisor)
        other = msgspec.structs.replace(CALL, key="c-2", call_id="c-2")
        show(account, live(), live(other))
        refs = [call_ref(account.pk, call) for call in (CALL, other)]
        answers = [click(client, ref).status_code for ref in (*refs, "1-nowhere")]
    grown = {name: value - before.get(name, 0) for name, value in numbers(browser).items()}
    assert answers[2] == 404
    assert grown["callboard_takeovers_begun_total"] == 2
    assert grown['callboard_takeovers_total{outcome="accepted"}'] == 1
    assert grown['callboard_takeovers_total{outcome="refused"}'] == 1
    assert grown['callboard_takeovers_total{outcome="confirmed"}'] == 0
    assert grown["callboard_takeover_duration_seconds_count"] == 2
    assert grown['callboard_takeover_answers_total{status="404"}'] == 1
    assert grown["callboard_takeovers_in_flight"] == 0


def test_the_layer_the_database_and_the_requests_are_told_of(browser: Client) -> None:
    browser.get("/nowhere")
    before = numbers(browser)
    browser.get("/nowhere")
    station.layer.failures += 1
    after, refused = numbers(browser), 'callboard_http_requests_total{status="4xx"}'
    assert after[refused] - before[refused] == 1
    assert after["callboard_layer_failures_total"] - before["callboard_layer_failures_total"] == 1
    assert after["callboard_database_reading_age_seconds"] >= 0
    assert after['callboard_info{version="0.1.0"}'] == 1


def test_names_are_in_one_style_and_carry_their_units(browser: Client, fresh: Account) -> None:
    text = browser.get("/metrics").content.decode()
    kinds = dict(re.findall(r"# TYPE (\S+) (\S+)", text))
    ours = {name: kind for name, kind in kinds.items() if name.startswith("callboard_")}
    assert len(ours) > 25
    assert not [name for name in kinds if not re.fullmatch(r"(callboard|process)_[a-z_]+", name)]
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in ours.items())
    assert fresh.name not in text


def test_durations_fall_into_the_bucket_that_still_holds_them() -> None:
    durations = Durations(0.1, 1)
    for took_s in (0.05, 0.1, 0.5, 2):
        durations.add(took_s)
    assert durations.buckets() == ([("0.1", 2), ("1", 3), ("+Inf", 4)], 2.65)


def test_a_tally_begins_at_zero_for_what_is_known() -> None:
    tally = Counted("2xx")
    tally.add("5xx")
    assert tally.all() == [("2xx", 0), ("5xx", 1)]
