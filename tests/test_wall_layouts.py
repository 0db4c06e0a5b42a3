"""What each layout of a wall shows, how many rows its screen has room for, and what is never sent to it."""

import datetime
import re

import msgspec
import pytest
from django.test import Client

from dashboard.access import WALL, Audience, Scope, viewer_of_display
from dashboard.board import Board
from dashboard.clock import now_ms
from dashboard.fanout import Stream
from dashboard.limits import Breach, Level, Limit, Limits
from dashboard.mirror import Mirror
from dashboard.models import Display, Queue
from dashboard.numbers import Tally
from dashboard.pairing import PAGE_COOKIE, hashed
from dashboard.queue_cards import QueueCard
from dashboard.wall import wall_picture
from dashboard.wall_figures import NUMBERS, STRIP
from dashboard.wall_lists import QUEUES as MOST_QUEUES
from dashboard.wall_type import least_rows, letter_px, most_rows, rows_that_fit
from queue_api.calls import CallState
from tests.makers import NORTHGATE, NOW, board, call, live, mirror_of
from tests.test_day_numbers import BUSY, with_day

LAYOUTS = [value for value, _label in Display.Layout.choices]
LIMITS = Limits(wait=Limit(60, 120), waiting=Limit(3, 6), service_level=Limit(80, 60, below=True))
QUEUES = {1: {"302": QueueCard(12, "Sales", limits=LIMITS), "303": QueueCard(11, "Billing", limits=LIMITS)}}
BOTH = Scope(queues=frozenset({(1, "302"), (1, "303")}))
CANARY = "919988776655"


def audience(layout: str, **more: object) -> Audience:
    given: dict[str, object] = {"scope": BOTH, "screen": WALL, "layout": layout, "letter": 52.4}
    return Audience(**given | more)  # type: ignore[arg-type]


def parts(layout: str, source: Mirror | Board, **more: object) -> dict[str, str]:
    of = source if isinstance(source, Mirror) else mirror_of(source, cards=(NORTHGATE,), queues=QUEUES)
    return wall_picture(of, audience(layout, **more), NOW).parts


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ").strip()


def out(measure: str, level: Level = Level.RED) -> Breach:
    return Breach(measure=measure, level=level, since=NOW)


def breached(**queues: tuple[Breach, ...]) -> Board:
    of = with_day(board(*(call(f"c-{n}") for n in range(7))), {"302": BUSY})
    of.calls["c-0"] = live(call("c-0"), since=NOW - 150_000)
    return msgspec.structs.replace(of, breaches={key.removeprefix("q"): found for key, found in queues.items()})


# ── what is in which layout ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("layout", "figures", "queues", "calls"), [
    ("numbers", NUMBERS, False, False), ("queues", STRIP, True, False), ("calls", STRIP, False, True),
    ("mixed", STRIP, True, True)])
def test_a_layout_is_sent_what_it_shows_and_nothing_else(
    layout: str, figures: tuple[str, ...], queues: bool, calls: bool
) -> None:
    found = parts(layout, board(call()))
    assert [name for name in found if name.startswith("kpi-box-")] == [f"kpi-box-{name}" for name in figures]
    assert [name for name in found if name.startswith("q-")] == (["q-11", "q-12"] if queues else [])
    assert ("waiting" in found) == calls
    assert ("5678" in "".join(found.values())) == calls


def test_numbers_has_six_figures_each_of_which_with_a_limit_or_target_says_it() -> None:
    found = parts("numbers", with_day(board(call()), {"302": BUSY}))
    said = {name: words(found[f"kpi-box-{name}"]) for name in NUMBERS}
    assert len(said) == 6
    assert said["waiting"].endswith("1 limit 3")
    assert "limit 1:00" in said["longest-wait"]
    assert said["service-level"].endswith("60 % target 80 %")
    assert said["left-unanswered"].endswith("2 today")


def test_a_figure_out_of_its_limit_says_which_limit_of_which_queue() -> None:
    found = parts("numbers", breached(q302=(out("wait"), out("waiting", Level.AMBER))))
    assert words(found["kpi-box-longest-wait"]).endswith("critical over 2:00 Sales")
    assert words(found["kpi-box-waiting"]).endswith("7 from 3 Sales")
    assert "critical" not in found["kpi-box-waiting"]


def test_where_queues_have_different_limits_and_targets_none_is_said() -> None:
    other = QueueCard(11, "Billing", target_percent=90, limits=Limits(wait=Limit(30)))
    of = mirror_of(board(call()), cards=(NORTHGATE,), queues={1: QUEUES[1] | {"303": other}})
    found = parts("numbers", of)
    assert "limit" not in words(found["kpi-box-waiting"] + found["kpi-box-longest-wait"])
    assert "own targets" in found["kpi-box-service-level"]


def test_a_row_of_a_queue_has_its_four_numbers_by_name_and_its_marks() -> None:
    found = parts("queues", breached(q302=(out("wait"), out("waiting", Level.AMBER))))
    assert words(found["q-12"]) == "Sales critical 7 60 % 2"
    assert words(found["q-11"]) == "Billing 0 none – 0"
    assert re.findall(r'data-mark="(\w+)"', found["q-12"]) == ["amber", "red"]
    assert f'data-number="longest-wait" data-mark="red" data-since="{NOW - 150_000}"' in found["q-12"]


def test_the_worst_queue_is_marked_and_only_when_it_is_critical() -> None:
    found = parts("queues", breached(q303=(out("wait", Level.AMBER),), q302=(out("waiting"),)))
    assert [name for name, html in found.items() if "data-worst" in html] == ["q-12"]
    found = parts("queues", breached(q303=(out("talk"),), q302=(out("wait", Level.AMBER),)))
    assert "data-worst" not in "".join(found.values()), "the talk is not among what a row shows"


def test_of_very_many_queues_those_out_of_their_limits_are_sent_and_all_are_counted() -> None:
    many = {str(n): QueueCard(n, f"Queue {n:03}", limits=LIMITS) for n in range(100, 200)}
    of = msgspec.structs.replace(board(), breaches={"199": (out("waiting"),)})
    found = parts("queues", mirror_of(of, cards=(NORTHGATE,), queues={1: many}),
                  scope=Scope(queues=frozenset((1, key) for key in many)))
    rows = [name for name in found if name.startswith("q-")]
    assert len(rows) == MOST_QUEUES
    assert rows == sorted(rows)
    assert rows[-1] == "q-199"
    assert 'data-queues="100"' in found["look"]


def test_a_queue_whose_list_is_too_old_has_dashes_and_no_mark() -> None:
    of = msgspec.structs.replace(breached(q302=(out("wait"),)), heard_at=NOW - 61_000)
    found = parts("queues", of)
    assert words(found["q-12"]) == "Sales – – – –"
    assert "data-mark" not in found["q-12"]
    assert all(words(found[f"kpi-box-{name}"]).find("–") > 0 for name in STRIP)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wall_without_queues_says_so_in_every_layout(layout: str) -> None:
    assert "This wall has no queues yet." in "".join(parts(layout, board(call()), scope=Scope()).values())


# ── how much fits ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("diagonal_in", "distance_m", "figures", "rows"), [
    (55, 3, 3, 10), (55, 4, 3, 6), (55, 5, 3, 4), (55, 8, 2, 1), (43, 3, 3, 7), (75, 8, 2, 4), (43, 8, 1, 0)])
def test_the_farther_people_sit_the_fewer_rows_fit(
    diagonal_in: float, distance_m: float, figures: int, rows: int
) -> None:
    assert rows_that_fit("numbers", diagonal_in, distance_m) == figures
    assert {rows_that_fit(layout, diagonal_in, distance_m) for layout in ("queues", "calls", "mixed")} == {rows}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_room_on_the_usual_screen_and_none_on_a_phone_across_the_hall(layout: str) -> None:
    assert rows_that_fit(layout, 55, 4) >= least_rows(layout) >= 2
    assert rows_that_fit(layout, 10, 8) < least_rows(layout)


@pytest.mark.parametrize("distance_m", [2, 4, 6])
def test_a_wall_is_sent_as_many_calls_as_could_be_seen_and_their_number(distance_m: float) -> None:
    letter = letter_px(55, distance_m)
    html = parts("calls", board(*(call(f"c-{n}") for n in range(60))), letter=letter)["waiting"]
    assert rows_that_fit("calls", 55, distance_m) <= html.count("<li") == most_rows("calls", letter) < 60
    assert 'data-all="60"' in html


# ── what is never sent ─────────────────────────────────────────────────────────────────────────────
def test_a_caller_is_named_only_where_the_wall_may_show_names_and_a_number_in_a_name_is_masked() -> None:
    of = board(call(caller=CANARY, caller_name=f"Mr Canary {CANARY}"))
    assert "Canary" not in parts("calls", of)["waiting"]
    named = parts("calls", of, caller_names=True)["waiting"]
    assert "Mr Canary •••• 6655" in named
    assert CANARY not in named


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_frame_of_any_layout_holds_a_number_a_name_that_is_not_allowed_or_a_call(layout: str, names: bool) -> None:
    of = {"caller": CANARY, "caller_name": f"Mr Canary {CANARY}", "agent_name": f"Agent {CANARY}", "agent_id": "4711",
          "called_number": CANARY, "queue_name": f"Sales +{CANARY}"}
    queues = {1: {"302": QueueCard(12, f"Sales {CANARY}", limits=LIMITS)}}
    source = mirror_of(cards=(NORTHGATE,), queues=queues)
    stream, sent = Stream(audience(layout, caller_names=names)), ""
    for seq, health in enumerate(["fresh", "failing", "fresh", "incomplete"], start=1):
        one = board(*(call(f"id-{state}-{seq}", state=state, **of) for state in CallState), seq=seq, health=health,
                    heard_at=now_ms(), message=f"Call of {CANARY} failed", code=CANARY)
        source.offer(msgspec.structs.replace(one, breaches={"302": (out("wait"),)} if seq == 3 else {}))
        sent += stream.text(stream.refresh(source)) + stream.full()
    assert sent.count('data-level=\\"red\\"') > 0
    numbers = re.sub(r'data-since=\\"\d+|"(now|seq|prev|1)":\d+|"stream":"\w+', "", sent)
    assert not re.search(r"\d{7}", numbers)
    assert "Agent" not in sent
    assert not re.search(r"\bid-", sent)
    assert ("Canary" in sent) == (names and layout in ("calls", "mixed"))


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def display(sales: Queue) -> Display:
    display = Display.objects.create(name="Hall", token_hash=hashed("secret"), language="de")
    display.queues.set([sales])
    return display


def page_of(display: Display, **changes: object) -> str:
    Display.objects.filter(pk=display.pk).update(**changes)
    screen = Client()
    screen.cookies[PAGE_COOKIE] = "secret"
    return screen.get("/wall/").content.decode()


def test_the_page_knows_its_screen(display: Display) -> None:
    html = page_of(display, layout="mixed", diagonal_in=64.5, distance_m=5.5, oled=True,
                   opens_at=datetime.time(7, 30), closes_at=datetime.time(18))
    assert 'data-layout="mixed" data-diagonal="64.5" data-distance="5.5" data-oled' in html
    assert 'data-opens="450" data-closes="1080"' in html
    plain = page_of(display, oled=False, opens_at=None)
    assert "data-oled" not in plain
    assert "data-opens" not in plain


def test_a_wall_that_is_given_another_layout_or_distance_is_told_so_by_its_next_picture(display: Display) -> None:
    def look() -> str:
        return wall_picture(mirror_of(), viewer_of_display(Display.objects.get()).audience, NOW).parts["look"]

    before = look()
    Display.objects.update(layout="queues")
    assert 'data-layout="queues"' in look() != before
    Display.objects.update(layout="calls", distance_m=6)
    assert look() != before
    Display.objects.update(distance_m=4)
    assert look() == before


def test_tallies_of_queues_add_up_to_the_strip() -> None:
    tally = Tally(offered=10, answered=8, unanswered=2, within=4)
    found = parts("queues", with_day(board(), {"302": tally, "303": tally}))
    assert words(found["kpi-box-left-unanswered"]).endswith("4 today")
    assert words(found["q-11"]) == "Billing 0 none 40 % 2"
