"""The numbers of now and since midnight, on the screens of those whose queues they are about, and on nobody else's."""

import html
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.access import WALL, Audience, Scope
from dashboard.board import Board
from dashboard.days import midnight_ms
from dashboard.fanout import Stream
from dashboard.frames import Picture, change, picture
from dashboard.mirror import Card, Mirror
from dashboard.numbers import Day, Gap, Tally
from dashboard.queue_cards import QueueCard
from dashboard.queue_rows import day_page
from dashboard.wall import wall_picture
from queue_api.calls import Call, CallState
from tests.makers import EVERYTHING, NORTHGATE, NOW, SALES, board, call, live, mirror_of

SINCE = midnight_ms("UTC", NOW)
SOUTHGATE = Card(pk=2, name="Southgate", interval_s=2.0, zone="Asia/Kolkata")
SOUTH_SINCE = midnight_ms("Asia/Kolkata", NOW)
WHOLE = Audience(scope=Scope(whole=frozenset({1})))
QUEUES = {1: {"302": QueueCard(12, "Sales"), "303": QueueCard(11, "Billing")}}
BUSY = Tally(offered=12, answered=8, unanswered=2, unknown=1, within=6, waits=9, wait_ms=189_000, wait_most_ms=61_999,
             talks=4, talk_ms=484_000)
DAY_NAMES = ["offered", "answered", "left-unanswered", "service-level", "average-wait", "worst-wait", "average-talk"]
TALLIES = st.builds(Tally, offered=st.integers(0, 9), answered=st.integers(0, 9), unanswered=st.integers(0, 9),
                    within=st.integers(0, 9), waits=st.integers(0, 9), wait_ms=st.integers(0, 9_000))


def with_day(of: Board, queues: dict[str, Tally], gaps: tuple[Gap, ...] = (), since: int = SINCE) -> Board:
    return msgspec.structs.replace(of, day=Day(since=since, gaps=gaps, queues=queues))


def noted(*calls: Call, seq: int = 1, gaps: tuple[Gap, ...] = (), **queues: Tally) -> Board:
    """A board with a day. Keys of queues are numbers: `q302=…`."""
    day = {key.removeprefix("q"): tally for key, tally in queues.items()}
    return with_day(board(*calls, seq=seq), day, gaps)


def shown(mirror: Mirror, audience: Audience = EVERYTHING, now: int = NOW) -> Picture:
    return picture(mirror, audience, now)


def kpi(of: Picture, name: str) -> tuple[str, str]:
    """(known, text) of a number."""
    found = re.search(rf'data-kpi="{name}" data-known="(yes|no)"[^>]*>([^<]*)</b>', "".join(of.parts.values()))
    assert found is not None
    return found[1], found[2].replace("\u00a0", " ")


def box(of: Picture, name: str) -> str:
    return html.unescape(of.parts[f"day-box-{name}"])


def day(of: Picture) -> list[str]:
    return [kpi(of, name)[1] for name in DAY_NAMES]


def queue(of: Picture, pk: int | str) -> dict[str, str]:
    """What a queue's row says, by number."""
    found = re.findall(r'data-number="([^"]+)"[^>]*>([^<]*)<', of.parts[f"q-{pk}"])
    return {name: html.unescape(text).replace("\u00a0", " ") for name, text in found}


# ── what was noted is added up ─────────────────────────────────────────────────────────────────────
def test_a_days_numbers_are_shown_as_they_were_noted() -> None:
    assert day(shown(mirror_of(noted(q302=BUSY), queues=QUEUES))) == [
        "12", "8", "2", "60 %", "0:21", "1:01", "2:01"]


def test_queues_add_up_and_times_are_weighed_by_their_calls() -> None:
    other = Tally(offered=1, answered=1, within=1, waits=1, wait_ms=1000, wait_most_ms=1000, talks=1, talk_ms=1000)
    seen = shown(mirror_of(noted(q302=BUSY, q303=other), queues=QUEUES))
    assert day(seen) == ["13", "9", "2", "63 %", "0:19", "1:01", "1:37"]


def test_a_percentage_is_never_rounded_up_to_a_target_it_missed() -> None:
    missed = Tally(offered=1000, answered=1000, within=799, waits=1000)
    seen = shown(mirror_of(noted(q302=missed), queues=QUEUES))
    assert kpi(seen, "service-level") == ("yes", "79 %")
    assert queue(seen, 12)["service-level"] == "79 % < 80"


def test_a_level_that_is_met_says_so_by_its_sign() -> None:
    met = Tally(offered=10, answered=10, within=8, waits=10)
    assert queue(shown(mirror_of(noted(q302=met), queues=QUEUES)), 12)["service-level"] == "80 % ≥ 80"


def test_calls_without_a_queue_are_offered_and_have_no_service_level() -> None:
    late = Tally(offered=5, answered=5, within=0, waits=5)
    seen = shown(mirror_of(noted(call(queue_id="", queue_name=""), q302=BUSY, q=late), queues=QUEUES), WHOLE)
    assert (kpi(seen, "offered")[1], kpi(seen, "service-level")[1]) == ("17", "60 %")
    assert 'data-of="10"' in box(seen, "service-level")
    assert queue(seen, "0-1")["service-level"] == "–"


@pytest.mark.parametrize(("target_s", "note"), [(20, "aim 80 % in 20 s"), (30, "each queue’s own target")])
def test_the_service_level_names_the_target_when_all_queues_share_it(target_s: int, note: str) -> None:
    queues = {1: QUEUES[1] | {"303": QueueCard(11, "Billing", 80, target_s)}}
    assert f"<small>{note}</small>" in box(shown(mirror_of(noted(q302=BUSY), queues=queues)), "service-level")
    assert "<small>aim 80 % in 20 s</small>" in box(shown(mirror_of(noted(), queues=queues), SALES), "service-level")


def test_a_number_says_of_how_many_calls_it_is() -> None:
    seen = shown(mirror_of(noted(q302=BUSY), queues=QUEUES))
    for name, calls in (("service-level", 10), ("average-wait", 9), ("average-talk", 4)):
        assert f'data-of="{calls}"' in box(seen, name)


# ── what is not known is no number ─────────────────────────────────────────────────────────────────
def test_a_day_of_which_nothing_was_noted_is_dashes_and_never_zeros() -> None:
    for mirror in (mirror_of(board(call()), queues=QUEUES), mirror_of(queues=QUEUES), mirror_of(cards=())):
        assert [kpi(shown(mirror), name) for name in DAY_NAMES] == [("no", "–")] * 7
    assert queue(shown(mirror_of(board(call()), queues=QUEUES)), 12) == {
        "waiting": "1", "longest-wait": "", "service-level": "–", "left-unanswered": "– left",
        "agents-on-calls": "0 on calls"}


def test_a_quiet_day_has_honest_zeros_and_no_averages_of_nothing() -> None:
    seen = shown(mirror_of(noted(), queues=QUEUES))
    assert [kpi(seen, name) for name in DAY_NAMES] == [("yes", "0")] * 3 + [("no", "–")] * 4


def test_after_midnight_yesterdays_numbers_are_not_todays() -> None:
    mirror = mirror_of(with_day(board(call(), heard_at=SINCE + 86_400_000 - 1), {"302": BUSY}), queues=QUEUES)
    assert kpi(shown(mirror, now=SINCE + 86_399_999), "offered") == ("yes", "12")
    assert kpi(shown(mirror, now=SINCE + 86_400_000), "offered") == ("no", "–")


def test_numbers_that_grew_too_old_are_dashes_on_the_strip_and_in_the_queues() -> None:
    mirror = mirror_of(with_day(board(call(), health="failing"), {"302": BUSY}), queues=QUEUES)
    assert kpi(shown(mirror, now=NOW + 59_000), "offered") == ("yes", "12")
    seen = shown(mirror, now=NOW + 61_000)
    assert [kpi(seen, name) for name in (*DAY_NAMES, "agents-on-calls")] == [("no", "–")] * 8
    assert set(queue(seen, 12).values()) == {"–", "– left", "– on calls"}


def test_an_account_without_a_day_is_left_out_and_named() -> None:
    mirror = mirror_of(noted(q302=BUSY), board(account=2), cards=(NORTHGATE, SOUTHGATE), queues=QUEUES)
    assert kpi(shown(mirror), "offered") == ("yes", "12")
    assert "without Southgate" in box(shown(mirror), "offered")
    assert "without" not in shown(mirror).parts["kpi-box-waiting"]


# ── since when, and when nobody looked ─────────────────────────────────────────────────────────────
def said(of: Picture, what: str) -> str:
    found = re.search(rf'data-say="{what}" hidden>([^<]*)<', html.unescape(of.parts["day-head"]))
    return found[1] if found else ""


def test_the_heading_says_since_when_and_where_that_is_midnight() -> None:
    card = msgspec.structs.replace(NORTHGATE, zone="Asia/Kolkata")
    seen = shown(mirror_of(with_day(board(), {}, since=SOUTH_SINCE), cards=(card,)))
    assert said(seen, "since") == "since 00:00 on 15 January (Asia/Kolkata)"
    assert "each in its zone" not in seen.parts["day-head"]


def test_several_midnights_are_each_named() -> None:
    seen = shown(mirror_of(noted(), with_day(board(account=2), {}, since=SOUTH_SINCE), cards=(NORTHGATE, SOUTHGATE)))
    assert "each in its zone" in seen.parts["day-head"]
    assert said(seen, "since") == ("since midnight, each in its zone: Northgate: since 00:00 on 15 January (UTC)"
                                   " · Southgate: since 00:00 on 15 January (Asia/Kolkata)")


def test_a_day_with_gaps_carries_a_mark_and_says_when_nobody_looked() -> None:
    gaps = (Gap(SINCE, SINCE + 612 * 60_000), Gap(SINCE + 620 * 60_000, SINCE + 620 * 60_000 + 9000))
    head = shown(mirror_of(noted(gaps=gaps, q302=BUSY), queues=QUEUES))
    assert "with gaps" in head.parts["day-head"]
    assert said(head, "gaps") == "without 00:00–10:12, 9 s at 10:20"
    assert said(head, "unknown") == "what became of 1 call is not known"


def test_of_many_gaps_the_newest_are_named() -> None:
    gaps = tuple(Gap(SINCE + hour * 3_600_000, SINCE + hour * 3_600_000 + 60_000) for hour in range(5))
    assert said(shown(mirror_of(noted(gaps=gaps))), "gaps") == (
        "without 02:00–02:01, 03:00–03:01, 04:00–04:01 and 2 more")


def test_a_day_without_gaps_has_no_mark() -> None:
    seen = shown(mirror_of(noted(q302=Tally(offered=1)), queues=QUEUES))
    assert ("gaps" in seen.parts["day-head"], said(seen, "unknown")) == (False, "")


# ── whose numbers they are ─────────────────────────────────────────────────────────────────────────
def test_a_scope_has_the_days_of_its_own_queues() -> None:
    seen = shown(mirror_of(noted(q302=BUSY, q303=Tally(offered=100)), queues=QUEUES), SALES)
    assert kpi(seen, "offered") == ("yes", "12")
    assert [name for name in seen.parts if name.startswith("q-")] == ["q-12"]
    assert "Billing" not in "".join(seen.parts.values())


@given(TALLIES, st.lists(st.sampled_from(CallState), max_size=5))
def test_whatever_happens_in_a_foreign_queue_changes_nothing_of_what_an_audience_gets(
    tally: Tally, states: list[CallState]
) -> None:
    foreign = [call(f"f{number}", state=state, queue_id="303", queue_name="Billing", agent_id="1109")
               for number, state in enumerate(states)]
    mirror = mirror_of(noted(call(), q302=BUSY), queues=QUEUES)
    before = shown(mirror, SALES)
    mirror.offer(noted(call(), *foreign, seq=2, q302=BUSY, q303=tally))
    assert change(before, shown(mirror, SALES)) is None


def test_a_wall_shows_what_of_the_day_is_in_its_figures_and_no_agent_or_line() -> None:
    audience = Audience(scope=Scope(everything=True), screen=WALL)
    seen = wall_picture(mirror_of(noted(call(), q302=BUSY), queues=QUEUES), audience, NOW)
    assert kpi(seen, "service-level") == ("yes", "60 %")
    assert kpi(seen, "left-unanswered") == ("yes", "2")
    assert {re.sub(r"-.*", "", name) for name in seen.parts} == {"kpi", "waiting", "look", "feed", "banner"}


# ── the queues beside the calls ────────────────────────────────────────────────────────────────────
def test_queues_stand_by_name_whatever_their_numbers_are() -> None:
    few, many = noted(), noted(*(call(f"c{number}") for number in range(9)), q302=BUSY)
    for one in (few, many):
        seen = shown(mirror_of(one, queues=QUEUES))
        assert [name for name in seen.parts if name.startswith("q-")] == ["q-11", "q-12"]
        keys = [re.search(r'data-key="([^"]*)"', seen.parts[name])[1] for name in ("q-11", "q-12")]  # type: ignore[index]
        assert keys == sorted(keys)


def test_a_queues_row_has_its_own_numbers() -> None:
    calls = {"old": live(call("old"), NOW - 90_000), "ghost": live(call("ghost"), NOW - 9_000_000, stuck=True),
             "talk": live(call("talk", state=CallState.TALKING, agent_id="7")),
             "held": live(call("held", state=CallState.HOLD, agent_id="7"))}
    of = with_day(msgspec.structs.replace(board(), calls=calls), {"302": BUSY})
    seen = shown(mirror_of(of, queues=QUEUES))
    assert queue(seen, 12) == {"waiting": "2", "longest-wait": "", "service-level": "60 % < 80",
                               "left-unanswered": "2 left", "agents-on-calls": "1 on calls"}
    assert f'data-number="longest-wait" data-since="{NOW - 90_000}"' in seen.parts["q-12"]
    assert queue(seen, 11)["waiting"] == "0"


def test_calls_without_a_queue_have_a_row_for_those_who_may_see_them() -> None:
    mirror = mirror_of(noted(call(queue_id="", queue_name="")), queues=QUEUES)
    assert queue(shown(mirror, WHOLE), "0-1")["waiting"] == "1"
    assert list(shown(mirror, WHOLE).parts).index("q-0-1") > list(shown(mirror, WHOLE).parts).index("q-12")
    assert "q-0-1" not in shown(mirror, SALES).parts
    assert "q-0-1" not in shown(mirror_of(noted(), queues=QUEUES), WHOLE).parts


def test_a_queues_name_is_text_and_leads_to_its_day_where_there_is_one() -> None:
    seen = shown(mirror_of(noted(), queues={1: {"302": QueueCard(12, "<b>Sales</b>")}}))
    assert "&lt;b&gt;Sales" in seen.parts["q-12"]
    assert (f'href="{day_page(12)}"' in seen.parts["q-12"]) == bool(day_page(12))


@pytest.mark.parametrize(("full", "name"), [(False, "•••• 5678"), (True, "Hotline 919812345678")])
def test_a_queue_that_is_called_by_a_number_is_masked_like_one_on_the_board(full: bool, name: str) -> None:
    hotline = "Hotline 919812345678"
    mirror = mirror_of(noted(call(queue_name=hotline), q302=BUSY), queues={1: {"302": QueueCard(12, hotline)}})
    seen = shown(mirror, Audience(scope=Scope(everything=True), full_numbers=full))
    assert name in seen.parts["q-12"]
    assert f"{name}</small>" in seen.parts["kpi-box-longest-wait"]
    assert ("9812345678" in "".join(seen.parts.values())) == full  # nor does its place among the queues tell it


def test_agents_on_calls_are_people_and_not_calls() -> None:
    calls = [call("a", state=CallState.TALKING, agent_id="7"), call("b", state=CallState.HOLD, agent_id="7"),
             call("c", state=CallState.TALKING, agent_id="", agent_name="Ben"),
             call("d", state=CallState.RINGING, agent_id="8"), call("e", state=CallState.TALKING)]
    seen = shown(mirror_of(board(*calls)))
    assert kpi(seen, "agents-on-calls") == ("yes", "2")
    assert "1 call names none" in seen.parts["kpi-box-agents-on-calls"]


# ── frames ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_same_day_once_more_is_no_frame() -> None:
    mirror = mirror_of(noted(call(), q302=BUSY), queues=QUEUES)
    before = shown(mirror)
    mirror.offer(noted(call(), seq=2, q302=msgspec.structs.replace(BUSY)))
    assert change(before, shown(mirror, now=NOW + 2000)) is None


def test_a_call_more_is_only_the_numbers_it_changes() -> None:
    mirror = mirror_of(noted(call(), q302=BUSY), queues=QUEUES)
    before = shown(mirror)
    mirror.offer(noted(call(), seq=2, q302=msgspec.structs.replace(BUSY, offered=13)))
    frame = change(before, shown(mirror))
    assert frame is not None
    assert re.findall(r' id="((?:day|kpi|q)-[^"]+)"', frame.html) == ["day-box-offered", "kpi-offered"]


def test_one_answered_call_among_a_thousand_is_a_small_frame() -> None:
    audience = Audience(scope=Scope(everything=True), full_numbers=True, may_take_over=True)
    queues = {1: {str(number): QueueCard(number, f"Queue {number}") for number in range(300, 320)}}

    def listed(answered: str) -> list[Call]:
        return [_of_many(number, answered) for number in range(1000)]

    mirror, stream = mirror_of(noted(*listed(""), q300=BUSY), queues=queues), Stream(audience)
    stream.refresh(mirror)
    mirror.offer(noted(*listed("c300"), seq=2, q300=BUSY))
    assert len(stream.text(stream.refresh(mirror)).encode()) < 2200


def _of_many(number: int, answered: str) -> Call:
    waits = number % 3 == 0 and f"c{number}" != answered
    fields: dict[str, Any] = {"state": CallState.WAITING} if waits else {
        "state": CallState.TALKING, "agent_id": f"a{number}", "agent_name": f"Agent {number}"}
    return call(f"c{number}", queue_id=str(300 + number % 20), queue_name=f"Queue {300 + number % 20}", **fields)
