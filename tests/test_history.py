"""What was observed, in the database: calls, minutes counted from them, when somebody looked, the day's numbers."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard import history
from dashboard.board import Board, heard
from dashboard.models import CallMinute, ObservedCall, Queue, Watched
from dashboard.numbers import Gap, Tally
from dashboard.snapshots import save_board
from queue_api.calls import Call, CallState
from queue_api.models import Account
from tests.makers import NOW, call, listing

pytestmark = pytest.mark.django_db
MIDNIGHT = 1_799_951_400_000  # in Kolkata, before NOW


class Desk:
    """Hears lists and notes them, as a lease holder does. `blind`: lists that come are not written down."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.board = self.noted = Board(account=account.pk)

    def hears(self, at: int, *calls: Call, blind: bool = False, **fields: Any) -> None:
        self.board = heard(self.board, listing(*calls, **fields), asked_at=at, now=at + 50, misses=2, gap_ms=6000)
        if not blind:
            history.note_board(self.noted, self.board, self.account)
            self.noted = self.board

    def takes_over_from(self, kept: Board) -> None:
        """Another process leads now, and begins from the board that was kept last."""
        self.noted, self.board = kept, msgspec.structs.replace(kept, fence=self.board.fence + 1, seq=0)


@pytest.fixture
def desk(account: Account, sales: Queue) -> Desk:
    return Desk(account)


def waiting(key: str = "c-1", came: int | None = NOW, **fields: Any) -> Call:
    return call(key, entered_at=came, **fields)


def talking(key: str = "c-1", came: int = NOW, after: int = 5000, **fields: Any) -> Call:
    return call(key, entered_at=came, answered_at=came + after, state=CallState.TALKING, agent_id="1102", **fields)


def sums(account: Account, at: int = NOW + 600_000) -> dict[str, Tally]:
    return history.day_of(account, at).queues


# ── calls and their minutes ────────────────────────────────────────────────────────────────────────
def test_a_call_is_one_row_however_often_it_changes(desk: Desk) -> None:
    for at, one in enumerate((waiting(), talking(), call(state=CallState.HOLD, entered_at=NOW, agent_id="1102"))):
        desk.hears(NOW + at * 2000, one)
    assert ObservedCall.objects.get().wait_ms == 5000


def test_a_day_counts_offered_answered_in_time_and_left_unanswered(desk: Desk) -> None:
    late = talking("late", after=21_000)
    desk.hears(NOW + 1000, waiting("quick"), waiting("late"), waiting("gone"), waiting("still"))
    desk.hears(NOW + 22_000, talking("quick"), late, waiting("gone"), waiting("still"))
    desk.hears(NOW + 24_000, talking("quick"), late, waiting("still"))
    desk.hears(NOW + 26_000, talking("quick"), late, waiting("still"))
    day = sums(desk.account)["302"]
    assert (day.offered, day.answered, day.within, day.unanswered, day.unknown) == (4, 2, 1, 1, 0)
    assert day.service_level == pytest.approx(100 / 3)
    assert (day.wait_most_ms, day.waits) == (23_000, 3)


def test_a_call_that_an_agent_made_is_offered_to_no_queue(desk: Desk) -> None:
    desk.hears(NOW, talking(kind="OBD"))
    assert not sums(desk.account)
    assert ObservedCall.objects.count() == 1


def test_a_call_whose_queue_is_told_later_is_counted_there_alone(desk: Desk) -> None:
    desk.hears(NOW, waiting(queue_id="", queue_name=""))
    desk.hears(NOW + 2000, waiting())
    assert {key: tally.offered for key, tally in sums(desk.account).items()} == {"": 0, "302": 1}


def test_each_queue_has_a_target_of_its_own(desk: Desk, billing: Queue) -> None:
    Queue.objects.filter(pk=billing.pk).update(target_s=4)
    desk.hears(NOW, talking("a"), talking("b", queue_id="303", queue_name="Billing"))
    assert {key: tally.within for key, tally in sums(desk.account).items()} == {"302": 1, "303": 0}


def test_what_waited_at_once_at_most_is_kept_for_each_minute(desk: Desk) -> None:
    desk.hears(NOW, waiting("a"), waiting("b"))
    desk.hears(NOW + 2000, waiting("a"))
    assert CallMinute.objects.get(minute=NOW // 60_000).waiting_most == 2


def test_a_call_that_turns_out_to_have_come_before_is_counted_in_that_minute_alone(desk: Desk) -> None:
    minute = NOW // 60_000 * 60_000
    desk.hears(minute - 2000)
    desk.hears(minute + 1000, waiting(came=None))
    desk.hears(minute + 3000, waiting(came=minute - 1000))
    offered = CallMinute.objects.filter(offered__gt=0).values_list("minute", "offered")
    assert list(offered) == [(minute // 60_000 - 1, 1)]


def test_a_name_that_is_used_again_is_offered_again(desk: Desk) -> None:
    for at, calls in enumerate(((talking("x"),), (), (), (talking("x", came=NOW + 60_000),))):
        desk.hears(NOW + at * 2000, *calls)
    assert sums(desk.account)["302"].offered == 2
    assert list(ObservedCall.objects.order_by("life").values_list("life", "talk_ms")) == [(0, 0), (1, None)]


def test_a_call_of_yesterday_is_not_in_todays_numbers(desk: Desk) -> None:
    desk.hears(NOW, talking("old", came=MIDNIGHT - 1000), talking("new", came=MIDNIGHT))
    assert sums(desk.account)["302"].offered == 1


# ── twice, and again ───────────────────────────────────────────────────────────────────────────────
def everything() -> list[list[tuple[object, ...]]]:
    return [sorted(model.objects.values_list(*[field.attname for field in model._meta.concrete_fields
                                               if field.attname != "id"]), key=repr)
            for model in (ObservedCall, CallMinute)]


def test_a_board_that_is_noted_twice_changes_nothing(desk: Desk) -> None:
    desk.hears(NOW, waiting("a"), talking("b"))
    before = everything()
    history.note_board(Board(account=desk.account.pk), desk.board, desk.account)
    assert everything() == before


def test_a_leader_that_begins_from_an_older_board_doubles_nothing(desk: Desk) -> None:
    kept, chance = desk.noted, random.Random(7)
    for tick in range(60):
        desk.hears(NOW + tick * 2000, *_floor(tick, chance))
        if tick == 20:
            kept = desk.noted
        if tick == 40:
            desk.takes_over_from(kept)
    assert ObservedCall.objects.count() == len({row.call_key for row in ObservedCall.objects.all()})
    assert _by_hand(desk.account) == sums(desk.account)


def test_what_was_kept_and_never_noted_is_told_by_the_next_leader(desk: Desk) -> None:
    """The old one died between keeping its board and noting it; nothing about the call changes after that."""
    desk.hears(NOW, waiting())
    desk.hears(NOW + 2000, talking(), blind=True)
    desk.takes_over_from(desk.board)
    for at in (4000, 6000):
        desk.hears(NOW + at, talking())
    for at in (8000, 10_000):
        desk.hears(NOW + at)
    row = ObservedCall.objects.get()
    assert (row.outcome, row.wait_ms, row.talk_ms) == ("answered", 5000, 2000)


def test_a_call_that_no_board_has_any_more_is_over_with_the_first_list_of_the_next_leader(desk: Desk) -> None:
    """It came after the newest board that was kept, and went before anybody looked again."""
    desk.hears(NOW)
    kept = desk.board
    desk.hears(NOW + 2000, waiting(came=NOW + 1000))
    desk.takes_over_from(kept)
    desk.hears(NOW + 4000)
    row = ObservedCall.objects.get()
    assert (row.outcome, row.gone_at, row.wait_ms) == ("unanswered", NOW + 4000, 2000)


def test_an_incomplete_list_of_a_new_leader_ends_nothing(desk: Desk) -> None:
    desk.hears(NOW)
    kept = desk.board
    desk.hears(NOW + 2000, waiting())
    desk.takes_over_from(kept)
    desk.hears(NOW + 4000, declared_total=1)
    assert ObservedCall.objects.get().outcome == "live"


def test_a_leader_that_wakes_after_the_next_has_kept_a_board_writes_nothing(desk: Desk) -> None:
    desk.hears(NOW, waiting())
    before = everything()
    save_board(msgspec.structs.replace(desk.board, fence=desk.board.fence + 1), desk.account)
    late = heard(desk.board, listing(talking()), asked_at=NOW + 2000, now=NOW + 2050, misses=2, gap_ms=6000)
    assert history.note_board(desk.noted, late, desk.account) is None
    assert everything() == before


def test_what_could_not_be_written_is_told_with_the_next_list(desk: Desk) -> None:
    desk.hears(NOW, waiting())
    desk.hears(NOW + 2000, talking(), blind=True)
    desk.hears(NOW + 4000, talking())
    assert sums(desk.account)["302"].answered == 1


def _floor(tick: int, chance: random.Random) -> Iterable[Call]:
    """Calls that come every tick, wait three or so, talk for some, and go."""
    for number in range(max(0, tick - 12), tick):
        age = tick - number
        came, key = NOW + number * 2000, f"c-{number}"
        if age <= 2 + number % 3:
            yield waiting(key, came)
        elif number % 4 and age < 6 + number % 7 and chance.random() < 0.97:
            yield talking(key, came, after=(3 + number % 3) * 2000)


def _by_hand(account: Account) -> dict[str, Tally]:
    """The same numbers, one call after the other."""
    total = Tally()
    for row in ObservedCall.objects.filter(account=account):
        wait, talk = row.wait_ms, row.talk_ms
        total += Tally(
            offered=1, answered=int(row.answered), unanswered=int(row.outcome == "unanswered"),
            unknown=int(row.outcome == "unknown"), within=int(row.answered and wait is not None and wait <= 20_000),
            waits=int(wait is not None), wait_ms=wait or 0, wait_most_ms=wait or 0,
            talks=int(talk is not None), talk_ms=talk or 0)
    return {"302": total}


# ── when somebody looked ───────────────────────────────────────────────────────────────────────────
def test_lists_one_after_the_other_are_one_stretch(desk: Desk) -> None:
    for after in range(0, 30_000, 2000):
        desk.hears(NOW + after)
    assert list(Watched.objects.values_list("began_at", "until")) == [(NOW, NOW + 28_000)]


def test_a_silence_is_a_gap_and_so_is_a_feed_that_is_incomplete(desk: Desk) -> None:
    desk.hears(NOW)
    desk.hears(NOW + 60_000)
    for after in range(62_000, 100_000, 2000):
        desk.hears(NOW + after, declared_total=9)
    desk.hears(NOW + 100_000)
    gaps = history.day_of(desk.account, NOW + 100_000).gaps
    assert [(gap.began - NOW, gap.ended - NOW) for gap in gaps[1:]] == [(0, 60_000), (60_000, 100_000)]


def test_what_was_before_the_first_list_of_the_day_is_a_gap_since_midnight(desk: Desk) -> None:
    desk.hears(NOW)
    assert history.day_of(desk.account, NOW).gaps == (Gap(MIDNIGHT, NOW),)


# ── at what cost ───────────────────────────────────────────────────────────────────────────────────
def test_a_quiet_list_of_a_thousand_calls_costs_a_few_questions(desk: Desk) -> None:
    calls = [talking(f"c-{number}") for number in range(1000)]
    desk.hears(NOW, *calls)
    with CaptureQueriesContext(connection) as asked:
        desk.hears(NOW + 2000, *calls)
    assert len(asked) <= 7
