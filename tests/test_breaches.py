"""What is out of its limits, on the screens of those whose queues it is about, and on nobody else's."""

import html
import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from dashboard.access import WALL, Audience, Scope
from dashboard.board import Board, LiveCall
from dashboard.breach_views import limits_said
from dashboard.frames import Picture, change, picture
from dashboard.limits import Breach, Level, Limit, Limits
from dashboard.mirror import Card, Mirror
from dashboard.numbers import Day, Tally
from dashboard.queue_cards import QueueCard
from dashboard.wall import wall_picture
from queue_api.calls import CallState
from tests.makers import EVERYTHING, NORTHGATE, NOW, SALES, board, call, live, mirror_of

LIMITS = Limits(wait=Limit(60, 120), talk=Limit(600, 900), hold=Limit(30, 60), waiting=Limit(1, 3),
                service_level=Limit(80, 60, below=True))
QUEUES = {1: {"302": QueueCard(12, "Sales", limits=LIMITS), "303": QueueCard(11, "Billing", limits=LIMITS)}}
BILLING = Audience(scope=Scope(queues=frozenset({(1, "303")})))
AMBER, RED = Level.AMBER, Level.RED


def out(measure: str = "waiting", level: Level = RED, since: int = NOW - 60_000, **fields: Any) -> Breach:
    return Breach(measure, level, since, **fields)


def with_breaches(of: Board, **breaches: tuple[Breach, ...]) -> Board:
    """Keys of queues are numbers: `q302=…`."""
    return msgspec.structs.replace(of, breaches={key.removeprefix("q"): found for key, found in breaches.items()})


def shown(of: Board, audience: Audience = EVERYTHING, now: int = NOW, queues: Any = None) -> Picture:
    return picture(mirror_of(of, queues=QUEUES if queues is None else queues), audience, now)


def line(of: Picture) -> list[str]:
    """What the line over the list says, one entry each, its sum first."""
    entries = re.findall(r"<li.*?</li>", of.parts["breaches"])
    texts = (re.sub(r"<[^>]+>", "", entry).replace("\u00a0", " ") for entry in entries)
    return [html.unescape(" ".join(text.split())) for text in texts]


def level_of(of: str) -> str:
    found = re.search(r' data-level="(\w+)"', of)
    return found[1] if found else ""


def long(state: CallState, seconds: int, **fields: Any) -> LiveCall:
    return live(call(state=state), since=NOW - 1000 * seconds, **fields)


def alone(one: LiveCall, **fields: Any) -> Board:
    return msgspec.structs.replace(board(heard_at=NOW, **fields), calls={one.call.key: one})


# ── the line over the list ─────────────────────────────────────────────────────────────────────────
def test_red_comes_first_and_each_says_what_is_out_and_of_what() -> None:
    calls = [call("c-1"), call("c-2", queue_id="303", queue_name="Billing", state=CallState.HOLD)]
    day = Day(since=NOW, queues={"302": Tally(offered=10, answered=10, within=5)})
    of = msgspec.structs.replace(board(*calls), day=day)
    made = shown(with_breaches(of, q302=(out("waiting", AMBER), out("service-level", RED)), q303=(out("hold", RED),)))
    assert line(made) == ["2 critical · 1 warning", "Billing longest hold critical, over 1:00",
                          "Sales service level 50 % critical, below 60 %", "Sales 1 waiting from 1"]


def test_a_time_ticks_with_its_call() -> None:
    made = shown(with_breaches(alone(long(CallState.WAITING, 90, at_least=True)), q302=(out("wait", AMBER),)))
    assert f'data-since="{NOW - 90_000}" data-at-least="yes"' in made.parts["breaches"]


def test_what_gets_better_says_so() -> None:
    made = shown(with_breaches(board(), q302=(out(better_since=NOW - 2000),)))
    assert line(made)[1] == "Sales 0 waiting easing"


def test_what_gets_better_calls_nobody() -> None:
    made = shown(with_breaches(board(), q302=(out(better_since=NOW - 2000),), q303=(out(),)))
    assert re.findall(r'data-breach="(\d+)-[^>]*data-eases', made.parts["breaches"]) == ["12"]


def test_of_too_many_the_newest_have_a_place_and_all_are_counted() -> None:
    keys = [str(number) for number in range(300)]
    cards = {1: {key: QueueCard(int(key), f"Queue {key}", limits=LIMITS) for key in keys}}
    of = msgspec.structs.replace(board(), breaches={key: (out(since=NOW - 1000 * int(key)),) for key in keys})
    made = shown(of, queues=cards).parts["breaches"]
    places = [int(number) for number in re.findall(r'data-breach="(\d+)-', made)]
    assert places == [*range(299, 249, -1), *range(49, -1, -1)]
    assert 'data-red="300"' in made
    assert line(shown(of, queues=cards))[0] == "300 critical"


def test_of_two_accounts_each_is_named_with_its_queue() -> None:
    queues = QUEUES | {2: {"302": QueueCard(22, "Sales", limits=LIMITS)}}
    boards = [with_breaches(board(call(), account=account), q302=(out("waiting", AMBER),)) for account in (1, 2)]
    cards = (NORTHGATE, Card(pk=2, name="Southgate", interval_s=2.0))
    made = picture(mirror_of(*boards, cards=cards, queues=queues), EVERYTHING, NOW)
    assert line(made) == ["2 warnings", "Northgate · Sales 1 waiting from 1", "Southgate · Sales 1 waiting from 1"]


def test_a_limit_that_has_just_been_taken_away_leaves_no_half_a_sentence() -> None:
    queues = {1: {"302": QueueCard(12, "Sales", limits=Limits(wait=Limit(60)))}}
    made = shown(with_breaches(board(call()), q302=(out(),)), queues=queues)
    assert line(made)[1] == "Sales 1 waiting critical"


def test_nothing_is_out_and_nothing_is_said() -> None:
    assert line(shown(board(call()))) == []


def test_who_has_other_queues_hears_nothing_of_it() -> None:
    of = with_breaches(board(call()), q302=(out(),))
    assert len(line(shown(of, SALES))) == 2
    assert line(shown(of, BILLING)) == []
    assert "Sales" not in "".join(shown(of, BILLING).parts.values())


def test_a_queue_called_by_a_number_shows_its_last_digits_alone() -> None:
    queues = {1: {"302": QueueCard(12, "+91 98123 45678", limits=LIMITS)}}
    of = with_breaches(board(call()), q302=(out(),))
    assert line(shown(of, SALES, queues=queues))[1].startswith("•••• 5678 ")
    whole = msgspec.structs.replace(SALES, full_numbers=True)
    assert line(shown(of, whole, queues=queues))[1].startswith("+91 98123 45678 ")


@pytest.mark.parametrize("health", ["failing", "never"])
def test_old_numbers_alarm_nobody(health: str) -> None:
    made = shown(with_breaches(alone(long(CallState.WAITING, 500), health=health), q302=(out("wait"),)))
    assert line(made) == []
    assert "data-level" not in "".join([*made.parts.values(), *made.rows.values()])


def test_a_late_list_alarms_nobody_and_an_incomplete_one_does() -> None:
    late = with_breaches(board(call()), q302=(out(),))
    assert line(shown(late, now=NOW + 20_000)) == []
    assert len(line(shown(with_breaches(board(call(), health="incomplete"), q302=(out(),))))) == 2


def test_a_breach_has_a_name_that_is_new_with_each_level() -> None:
    names = [re.search(r'data-breach="([^"]+)"', shown(with_breaches(board(), q302=(one,))).parts["breaches"])
             for one in (out(), out(level=AMBER, since=NOW))]
    assert [found and found[1] for found in names] == [f"12-waiting-{NOW - 60_000}", f"12-waiting-{NOW}"]


# ── numbers, queues and rows ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("measure", "part"), [
    ("waiting", "kpi-box-waiting"), ("wait", "kpi-box-longest-wait"), ("service-level", "day-box-service-level")])
def test_a_number_is_as_bad_as_the_worst_of_its_queues(measure: str, part: str) -> None:
    made = shown(with_breaches(board(), q302=(out(measure, AMBER),), q303=(out(measure, RED),)))
    assert level_of(made.parts[part]) == "red"
    assert "<em>critical</em>" in made.parts[part]
    amber = shown(with_breaches(board(), q302=(out(measure, AMBER),)))
    assert level_of(amber.parts[part]) == "amber"
    assert "<i class=\"icon\"></i>" in amber.parts[part]


def test_of_a_queue_the_number_that_is_out_is_marked_and_no_other() -> None:
    row = shown(with_breaches(board(), q302=(out("wait", RED),))).parts["q-12"]
    marked = re.findall(r'data-number="([a-z-]+)" data-level="(\w+)"', row)
    assert marked == [("longest-wait", "red")]


def test_a_queues_numbers_say_their_limits() -> None:
    row = shown(board()).parts["q-12"]
    assert re.findall(r'data-limits="([^"]+)"', row) == [
        "warning from 1, critical from 3", "warning over 1:00, critical over 2:00",
        "warning below 80 %, critical below 60 %"]
    assert limits_said("hold", Limit(red=90)) == "critical over 1:30"


@pytest.mark.parametrize(("state", "seconds", "level", "word"), [
    (CallState.WAITING, 59, "", ""), (CallState.WAITING, 60, "amber", "over 1:00"),
    (CallState.WAITING, 120, "red", "critical"), (CallState.TALKING, 601, "amber", "over 10:00"),
    (CallState.HOLD, 61, "red", "critical"), (CallState.RINGING, 999, "", ""),
])
def test_a_row_has_a_mark_and_in_red_a_word(state: CallState, seconds: int, level: str, word: str) -> None:
    [row] = shown(alone(long(state, seconds))).rows.values()
    assert level_of(row) == level
    assert word in row
    assert ("<small><i class=\"icon\"></i>" in row) == bool(level)


def test_a_row_comes_anew_at_its_limit_and_not_with_each_second() -> None:
    of = mirror_of(alone(long(CallState.WAITING, 57)), queues=QUEUES)
    seen = [picture(of, EVERYTHING, NOW + 1000 * second) for second in range(5)]
    frames = [change(before, after) for before, after in pairwise(seen)]
    assert [frame is not None and "data-level" in frame.html for frame in frames] == [False, False, True, False]


def test_a_changed_limit_changes_rows_at_once() -> None:
    of = mirror_of(alone(long(CallState.WAITING, 30)), queues=QUEUES)
    before = picture(of, EVERYTHING, NOW)
    of.queues = {1: {"302": QueueCard(12, "Sales", limits=Limits(wait=Limit(amber=20)))}}
    frame = change(before, picture(of, EVERYTHING, NOW))
    assert frame is not None
    assert 'data-level="amber"' in frame.html


# ── walls ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_wall_marks_its_numbers_and_who_waits_too_long() -> None:
    of = with_breaches(alone(long(CallState.WAITING, 121)), q302=(out("wait", RED), out("waiting", AMBER)))
    parts = wall_picture(walled(of), msgspec.structs.replace(SALES, screen=WALL), NOW).parts
    marks = [level_of(parts[f"kpi-box-{name}"]) for name in ("waiting", "longest-wait", "left-unanswered")]
    assert marks == ["amber", "red", ""]
    assert level_of(parts["waiting"]) == "red"


def test_a_wall_of_other_queues_marks_nothing() -> None:
    of = with_breaches(alone(long(CallState.WAITING, 121)), q302=(out("wait", RED),))
    parts = wall_picture(walled(of), msgspec.structs.replace(BILLING, screen=WALL), NOW).parts
    assert "data-level" not in "".join(parts.values())


def test_a_wall_whose_list_is_old_marks_nothing() -> None:
    of = with_breaches(alone(long(CallState.WAITING, 121), health="failing"), q302=(out("wait", RED),))
    parts = wall_picture(walled(of), msgspec.structs.replace(SALES, screen=WALL), NOW).parts
    assert "data-level" not in "".join(parts.values())


def walled(of: Board) -> Mirror:
    return mirror_of(of, cards=(NORTHGATE,), queues=QUEUES)
