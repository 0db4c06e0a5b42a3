"""One registry of what the numbers mean: the board, /metrics and docs/numbers.md say the same.

To write the document anew after a meant change:
`python manage.py shell -c "from tests.test_definitions import write; write()"`
"""

import html
import re
from pathlib import Path

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dashboard import queue_metrics
from dashboard.clock import now_ms
from dashboard.days import midnight_ms
from dashboard.definitions import BY_NAME, DEFINITIONS, NOW, PERCENT, TIME, TODAY, Definition, of_window
from dashboard.frames import picture
from dashboard.mirror import Card, News, mirror
from dashboard.models import Queue
from dashboard.numbers import Day, Tally
from dashboard.queue_cards import QueueCard
from queue_api.calls import CallState
from queue_api.models import Account
from tests.makers import EVERYTHING, NUMBER, board, call, live, mirror_of
from tests.takeovers import signed_in

DOCUMENT = Path(__file__).parent.parent / "docs" / "numbers.md"
HEAD = """# What the numbers mean

The board explains each number where it stands: point at it, move to it with the keyboard, or tap it. `/metrics` has the
same numbers by account and queue. All of it comes from `dashboard/definitions.py`, and so does this page.

A number that is not known is a dash, never a zero; in `/metrics` it is absent. An account of which nothing is known, or
whose list is too old, is left out, and named. When nobody looked for a while, the numbers since midnight say so.
"""


def document() -> str:
    return HEAD + _section("Now", NOW) + _section("Since midnight, where the account is", TODAY)


def _section(title: str, window: str) -> str:
    ones = list(of_window(window))
    [source] = {str(one.source) for one in ones}
    return f"\n## {title}\n\nSource: {source}\n" + "".join(map(_entry, ones))


def _entry(one: Definition) -> str:
    sample = f"Drawn from the calls of: {BY_NAME[one.sample].label}.\n" if one.sample else ""
    left_out = f"Left out: {one.left_out}.\n" if one.left_out else ""
    return (f"\n**{one.label}** (`{one.name}`, {one.unit_word}). {one.formula}\n{left_out}{sample}"
            f"In `/metrics`: `callboard_{queue_metrics.metric_name(one)}`.\n")


def write() -> None:
    DOCUMENT.write_text(document())


# ── the registry ───────────────────────────────────────────────────────────────────────────────────
def test_every_number_over_the_list_has_a_definition_and_none_is_left_over() -> None:
    boxes = re.findall(r'data-kpi="([^"]+)"', "".join(picture(mirror_of(), EVERYTHING, 0).parts.values()))
    assert boxes == [one.name for one in DEFINITIONS]


@pytest.mark.parametrize("one", DEFINITIONS, ids=lambda one: one.name)
def test_a_definition_is_whole_sentences_and_leads_nowhere_else(one: Definition) -> None:
    for text in (one.formula, one.source):
        assert re.fullmatch(r"[A-Z].*\.", str(text))
    assert not re.search(r"^[A-Z]|\.$", str(one.left_out))  # goes on after “Left out:”
    assert one.sample in BY_NAME or not one.sample
    assert all(map(str, (one.label, one.unit_word, one.window_words)))


def test_the_document_says_what_the_registry_says() -> None:
    assert DOCUMENT.read_text() == document()


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_a_page_holds_each_explanation_once(supervisor: User) -> None:
    page = html.unescape(signed_in(supervisor).get("/").content.decode())
    for one in DEFINITIONS:
        assert page.count(f'data-word="explain-{one.name}"') == 1
        assert str(one.formula) in page
    assert page.count('id="explain"') == 1


# ── /metrics ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def noted(account: Account, sales: Queue) -> Account:
    """Sales with a call that waits, one talked on, and a day; nothing is known of a second account."""
    now = now_ms()
    cards = {account.pk: Card(account.pk, "Northgate", 2.0), 99: Card(99, "Southgate", 2.0)}
    mirror.take(News(cards=cards, boards=[], attempts=[], generations={}, queues={
        account.pk: {"302": QueueCard(sales.pk, "Sales")}, 99: {"1": QueueCard(98, "Harbour")}}))
    calls = {"a": live(call("a"), now - 90_000),
             "b": live(call("b", state=CallState.TALKING, agent_id="7", agent_name="Ben"), now)}
    day = Day(since=midnight_ms("UTC", now), queues={
        "302": Tally(offered=4, answered=3, within=2, unanswered=1, waits=4, wait_ms=6000, wait_most_ms=3500)})
    mirror.offer(msgspec.structs.replace(board(account=account.pk, heard_at=now), calls=calls, day=day))
    return account


def families() -> dict[str, Metric]:
    text = Client().get("/metrics").content.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


@pytest.mark.django_db
def test_metrics_say_the_same_of_each_number_in_its_help(noted: Account) -> None:
    read = families()
    for one in DEFINITIONS:
        said = read[f"callboard_{queue_metrics.metric_name(one)}"].documentation
        assert str(one.formula) in said
        assert str(one.left_out) in said


@pytest.mark.django_db
def test_metrics_have_each_known_number_by_account_and_queue(noted: Account, sales: Queue) -> None:
    found = {one.name: [(sample.labels, sample.value) for sample in
                        families()[f"callboard_{queue_metrics.metric_name(one)}"].samples] for one in DEFINITIONS}
    labels = {"account": str(noted.pk), "queue": str(sales.pk)}
    for name, value in (("waiting", 1), ("talking", 1), ("live", 2), ("agents-on-calls", 1), ("offered", 4),
                        ("left-unanswered", 1), ("service-level", 50), ("average-wait", 1.5), ("worst-wait", 3.5)):
        assert found[name] == [(labels, value)]
    [(of, waited)] = found["longest-wait"]
    assert (of, 90 <= waited < 150) == (labels, True)
    assert found["average-talk"] == []


@pytest.mark.django_db
def test_metrics_name_nobody_and_no_call(noted: Account) -> None:
    text = Client().get("/metrics").content.decode()
    named = re.sub(r"(?m) \S+$", "", text)  # without the values: bytes and seconds may hold any digits
    for secret in ("Sales", "Northgate", "Ben", "302"):
        assert secret not in named
    assert NUMBER not in text


def test_past_a_limit_queues_are_told_together() -> None:
    known = {1: {str(number): QueueCard(number, f"Queue {number}") for number in range(queue_metrics.QUEUES + 50)}}
    calls = [call(f"c{number}", queue_id=str(number)) for number in range(queue_metrics.QUEUES + 50)]
    source = mirror_of(board(*calls, call("none", queue_id="", queue_name=""), heard_at=now_ms()), queues=known)
    [waiting] = [values for name, _what, values in queue_metrics.queue_numbers(source, now_ms())
                 if name == "queue_waiting"]
    assert len(waiting) == queue_metrics.QUEUES + 2
    assert dict(waiting)[(1, "other")] == 50
    assert dict(waiting)[(1, "none")] == 1


@pytest.mark.parametrize("one", DEFINITIONS, ids=lambda one: one.name)
def test_a_metrics_name_ends_with_its_unit(one: Definition) -> None:
    ends = {TIME: "_seconds", PERCENT: "_percent"}.get(one.unit, one.name.replace("-", "_"))
    assert queue_metrics.metric_name(one).endswith(ends)
