"""The same calls, looked at in every place that has numbers of a day: board, lines, day page, file, /metrics."""

import csv
import io
import random
import re
from html import unescape
from typing import NamedTuple

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from dashboard import history
from dashboard.board import Board, heard
from dashboard.mirror import mirror, read_news
from dashboard.models import ObservedCall, Queue, Watched
from dashboard.noting import Noted, note_history
from dashboard.observing import Outcome
from dashboard.rows import elapsed
from queue_api.models import Account
from tests.makers import NOW, call, listing
from tests.takeovers import signed_in

pytestmark = pytest.mark.django_db
MIDNIGHT = 1_799_951_400_000  # in Kolkata, before NOW
LIVE = call("live", entered_at=NOW - 1000)
WITHOUT = ""  # the key of calls without a queue
COUNTS = {"offered": "offered", "answered": "answered", "left_unanswered": "unanswered"}  # in /metrics, on the page
TIMES = {"average_wait": "average_wait", "worst_wait": "worst_wait", "average_talk": "average_talk"}


class Site(NamedTuple):
    client: Client
    queues: dict[str, Queue]  # by key


@pytest.fixture
def site(account: Account, sales: Queue, billing: Queue, admin: User, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A day with calls that are answered in time and late, left, not known, and without a queue."""
    for module in ("queue_views", "views", "metrics"):
        monkeypatch.setattr(f"dashboard.{module}.now_ms", lambda: NOW)
    Queue.objects.filter(pk=billing.pk).update(target_s=5, target_percent=90)
    Watched.objects.create(account=account, began_at=MIDNIGHT, until=NOW)
    chance = random.Random(7)
    rows = [_row(account, number, chance) for number in range(1500)]
    ObservedCall.objects.bulk_create(rows)
    history.count_anew(account.pk, {row.minute for row in rows})
    board = heard(Board(account=account.pk), listing(LIVE), asked_at=NOW, now=NOW, misses=2, gap_ms=6000)
    noted = note_history(Noted(board=Board(account=account.pk)), board, account)
    assert noted is not None
    mirror.take(read_news({}, 0))
    mirror.offer(noted.onto(board))
    return Site(signed_in(admin), {"302": sales, "303": billing})


def _row(account: Account, number: int, chance: random.Random) -> ObservedCall:
    came = chance.randrange(MIDNIGHT, NOW)
    outcome = chance.choices((Outcome.ANSWERED, Outcome.UNANSWERED, Outcome.UNKNOWN, Outcome.LIVE), (80, 10, 5, 5))[0]
    wait = chance.randrange(26_000) if outcome in (Outcome.ANSWERED, Outcome.UNANSWERED) else None
    return ObservedCall(
        account=account, call_key=f"c-{number}", minute=came // history.MINUTE_MS, offered_at=came, last_seen_at=came,
        queue_key=chance.choice(("302", "303", WITHOUT)), kind=chance.choice(("IBD", "IBD", "IBD", "OBD")),
        answered=outcome is Outcome.ANSWERED, outcome=outcome, wait_ms=wait,
        talk_ms=chance.randrange(600_000) if outcome is Outcome.ANSWERED else None)


def metrics(site: Site) -> dict[str, dict[str, float]]:
    """Number -> queue -> value."""
    names = {str(queue.pk): key for key, queue in site.queues.items()} | {"none": WITHOUT}
    text = site.client.get("/metrics").content.decode()
    return {family.name.removeprefix("callboard_queue_"): {
        names[sample.labels["queue"]]: sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text) if family.name.startswith("callboard_queue_")}


def figures(site: Site, key: str) -> dict[str, str]:
    text = unescape(site.client.get(f"/queues/{site.queues[key].pk}/").content.decode()).replace("\u00a0", " ")
    return dict(re.findall(r'data-figure="(\w+)">([^<]*)<', text))


def board(site: Site) -> str:
    return unescape(site.client.get("/").content.decode()).replace("\u00a0", " ")


def boxes(site: Site) -> dict[str, str]:
    return dict(re.findall(r'data-kpi="([^"]+)" data-known="yes"[^>]*>([^<]*)<', board(site)))


def row(site: Site, ref: object) -> dict[str, str]:
    [html] = re.findall(rf'<li class="queue" id="q-{ref}".*?</li>', board(site), re.S)
    return dict(re.findall(r'data-number="([^"]+)"[^>]*>([^<]*)<', html))


def test_a_queues_day_page_says_what_metrics_say(site: Site) -> None:
    told = metrics(site)
    for key in site.queues:
        shown = figures(site, key)
        assert {name: shown[on_page] for name, on_page in COUNTS.items()} == {
            name: str(int(told[name][key])) for name in COUNTS}
        assert {name: shown[on_page] for name, on_page in TIMES.items()} == {
            name: elapsed(int(1000 * told[f"{name}_seconds"][key] + 0.001)) for name in TIMES}
        assert shown["service_level"] == f"{int(told['service_level_percent'][key])} %"


def test_a_queues_row_on_the_board_says_what_its_day_page_says(site: Site) -> None:
    for key, queue in site.queues.items():
        shown, of_row = figures(site, key), row(site, queue.pk)
        assert of_row["service-level"].startswith(f"{shown['service_level']} ")
        assert of_row["left-unanswered"] == f"{shown['unanswered']} left"


def test_the_boards_sums_are_those_of_all_queues_and_of_the_calls_without_one(site: Site) -> None:
    told, of_board = metrics(site), boxes(site)
    assert {name: of_board[name.replace("_", "-")] for name in COUNTS} == {
        name: str(int(sum(told[name].values()))) for name in COUNTS}
    assert of_board["worst-wait"] == elapsed(int(1000 * max(told["worst_wait_seconds"].values()) + 0.001))
    assert told["offered"][WITHOUT] > 0


def test_no_service_level_anywhere_is_about_a_call_without_a_queue(site: Site) -> None:
    within = decided = 0
    for key in site.queues:
        shown = figures(site, key)
        within, decided = within + int(shown["within"]), decided + int(shown["answered"]) + int(shown["unanswered"])
    assert boxes(site)["service-level"] == f"{100 * within // decided} %"
    assert f'data-of="{decided}"' in board(site)
    assert set(metrics(site)["service_level_percent"]) == set(site.queues)
    assert row(site, f"0-{site.queues['302'].account_id}")["service-level"] == "–"


def test_the_line_of_the_service_level_is_about_the_calls_of_queues_alone(site: Site) -> None:
    ObservedCall.objects.filter(queue_key=WITHOUT).update(outcome=Outcome.UNANSWERED, answered=False)
    without = _line(site)
    ObservedCall.objects.filter(queue_key=WITHOUT).delete()
    assert _line(site) == without


def _line(site: Site) -> str:
    """As a leader draws it that counts anew."""
    account = site.queues["302"].account
    history.count_anew(account.pk, range(MIDNIGHT // history.MINUTE_MS, NOW // history.MINUTE_MS + 1))
    held = mirror.boards[account.pk]
    listed = heard(held, listing(LIVE), asked_at=(held.heard_at or 0) + 1, now=NOW, misses=2, gap_ms=6000)
    noted = note_history(Noted(board=held), listed, account)
    assert noted is not None
    mirror.offer(noted.onto(listed))
    found = re.search(r'<div class="trend" id="trend-service-level".*?</div>', board(site), re.S)
    assert found is not None
    assert "%" in found[0]
    return found[0]


def test_a_days_file_adds_up_to_its_page(site: Site) -> None:
    for key, queue in site.queues.items():
        shown = figures(site, key)
        for per in ("1", "15", "30"):
            text = site.client.get(f"/queues/{queue.pk}/day.csv", {"per": per}).content.decode("utf-8-sig")
            lines = list(csv.DictReader(io.StringIO(text, newline="")))
            for name in ("offered", "answered", "unanswered", "unknown", "within"):
                assert str(sum(int(line[name] or 0) for line in lines)) == shown[name]
