"""The last hour beside the numbers: read once a minute, summed for who looks, drawn with breaks where nobody did."""

import re
from html import unescape

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard import noting
from dashboard.access import Audience, Scope
from dashboard.board import Board, heard, same_news
from dashboard.frames import picture
from dashboard.history import day_of
from dashboard.minutes import trend_of
from dashboard.mirror import Card
from dashboard.models import CallMinute, Queue, Watched
from dashboard.noting import Noted, note_history
from dashboard.numbers import Minutes, Trend
from dashboard.queue_cards import QueueCard
from dashboard.snapshots import pack, unpack
from dashboard.trends import HEIGHT, RUN, SHOWN, hour, path
from queue_api.calls import CallState
from queue_api.models import Account
from tests.makers import EVERYTHING, NOW, SALES, board, call, listing, mirror_of

NOW_MINUTE = NOW // 60_000
KEPT = SHOWN + RUN - 1
QUEUES = {1: {"302": QueueCard(12, "Sales"), "303": QueueCard(11, "Billing")}, 2: {"501": QueueCard(21, "Harbour")}}
SOUTHGATE = Card(pk=2, name="Southgate", interval_s=2)


def of(waiting: int, within: int = 0, decided: int = 0) -> Minutes:
    return Minutes((waiting,) * KEPT, (within,) * KEPT, (decided,) * KEPT)


def trend(queues: dict[str, Minutes], unseen: range = range(0), first: int = NOW_MINUTE - KEPT) -> Trend:
    return Trend(first=first, watched=tuple(at not in unseen for at in range(KEPT)), queues=queues)


def with_trend(of: Board, trend: Trend) -> Board:
    return msgspec.structs.replace(of, trend=trend)


# ── read by the lease holder ───────────────────────────────────────────────────────────────────────
class Leader:
    """Hears lists and notes them, as a lease holder does."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.noted = Noted(board=Board(account=account.pk))
        self.board = self.noted.board

    def hears(self, at: int, waiting: int = 0, answered: int = 0) -> Trend:
        calls = [call(f"w-{at}-{number}", entered_at=at) for number in range(waiting)]
        calls += [call(f"{at}-{number}", entered_at=at, answered_at=at + 1000, agent_id="1102",
                       state=CallState.TALKING) for number in range(answered)]
        self.board = heard(self.board, listing(*calls), asked_at=at, now=at, misses=1, gap_ms=6000)
        self.noted = note_history(self.noted, self.board, self.account) or self.noted
        self.board = self.noted.onto(self.board)
        return self.board.trend


@pytest.fixture
def leader(account: Account, sales: Queue) -> Leader:
    return Leader(account)


@pytest.mark.django_db
def test_a_minute_is_in_the_trend_once_it_is_over(leader: Leader) -> None:
    start = NOW - NOW % 60_000
    first = leader.hears(start + 1000, waiting=3)
    assert (first.until, first.queues) == (start // 60_000, {})
    for second in range(3, 63, 2):
        leader.hears(start + 1000 * second, waiting=1)
    kept = leader.board.trend
    assert (kept.until, kept.watched[-2:]) == (start // 60_000 + 1, (False, True))
    assert kept.queues["302"].waiting_most[-2:] == (0, 3)


@pytest.mark.django_db
def test_the_trend_is_read_once_a_minute_and_not_with_each_list(
    leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noticed(account: Account, at: int) -> Trend:
        read.append(at)
        return trend_of(account, at)

    monkeypatch.setattr(noting, "trend_of", noticed)
    for after in range(0, 180_000, 2000):
        leader.hears(NOW + after)
    assert [at // 60_000 - NOW_MINUTE for at in read] == [0, 1, 2]


@pytest.mark.django_db
def test_a_call_that_is_answered_later_still_counts_for_the_minute_it_came_in(leader: Leader) -> None:
    leader.hears(NOW, answered=2)
    leader.hears(NOW + 60_000)
    assert leader.board.trend.queues["302"].within[-1] == 2
    assert leader.board.trend.queues["302"].decided[-1] == 2


@pytest.mark.django_db
def test_what_is_read_is_one_queues_minutes_at_their_places(account: Account) -> None:
    CallMinute.objects.create(account=account, queue_key="302", minute=NOW_MINUTE - 10, waiting_most=4,
                              answered=3, unanswered=1, within=2)
    CallMinute.objects.create(account=account, queue_key="302", minute=NOW_MINUTE - KEPT - 1, waiting_most=9)
    Watched.objects.create(account=account, began_at=NOW - 600_000, until=NOW - 540_000)
    read = trend_of(account, NOW)
    at = NOW_MINUTE - 10 - read.first
    minutes = read.queues["302"]
    assert (minutes.waiting_most[at], minutes.within[at], minutes.decided[at]) == (4, 2, 4)
    assert sum(minutes.waiting_most) == 4
    assert [place for place, seen in enumerate(read.watched) if seen] == [at, at + 1]


def test_the_trend_travels_with_the_board_and_is_news() -> None:
    here = with_trend(board(), trend({"302": of(1)}))
    assert unpack(pack(here)).trend == here.trend
    assert not same_news(board(), here)


# ── a target that changes ──────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_a_changed_target_counts_for_the_whole_of_today(leader: Leader, sales: Queue) -> None:
    leader.hears(NOW - 3_600_000, answered=2)
    leader.hears(NOW)
    assert leader.noted.day.queues["302"].within == 2
    Queue.objects.filter(pk=sales.pk).update(target_s=0)
    leader.hears(NOW + 2000)
    assert leader.noted.day.queues["302"].within == 0
    assert set(CallMinute.objects.values_list("within", flat=True)) == {0}


@pytest.mark.django_db
def test_yesterday_keeps_the_target_of_yesterday(leader: Leader, sales: Queue) -> None:
    yesterday = NOW - 86_400_000
    leader.hears(yesterday, answered=1)
    leader.hears(NOW, answered=1)
    Queue.objects.filter(pk=sales.pk).update(target_s=0)
    leader.hears(NOW + 2000)
    assert dict(CallMinute.objects.filter(answered=1).values_list("minute", "within")) == {
        yesterday // 60_000: 1, NOW_MINUTE: 0}


@pytest.mark.django_db
def test_a_target_that_was_changed_while_nobody_led_is_noticed_by_who_leads_next(
    account: Account, sales: Queue
) -> None:
    Leader(account).hears(NOW, answered=1)
    Queue.objects.filter(pk=sales.pk).update(target_s=0)
    after = Leader(account)
    after.hears(NOW + 2000)
    assert after.noted.day.queues["302"].within == 0


@pytest.mark.django_db
def test_counting_a_day_anew_writes_nothing_when_nothing_has_changed(leader: Leader) -> None:
    leader.hears(NOW, answered=3)
    with CaptureQueriesContext(connection) as asked:
        noting.recount(leader.account, NOW)
    assert [query for query in asked.captured_queries if "INSERT" in query["sql"]] == []


@pytest.mark.django_db
def test_the_days_numbers_are_those_of_all_its_minutes_however_they_are_added_up(leader: Leader) -> None:
    for after in range(0, 4 * 3_600_000, 240_000):  # long enough for what is settled to be moved on
        leader.hears(NOW + after, waiting=after // 240_000 % 3, answered=after // 240_000 % 4)
        assert leader.noted.day == day_of(leader.account, NOW + after)
    assert leader.noted.settled.queues["302"].offered > 0


# ── summed for who looks ───────────────────────────────────────────────────────────────────────────
def test_queues_of_the_scope_are_added_up_and_no_others() -> None:
    here = trend({"302": of(2), "303": of(5), "": of(1)})
    assert hour([(1, here)], QUEUES, SALES)[0][-1] == 2
    assert hour([(1, here)], QUEUES, EVERYTHING)[0][-1] == 8
    assert hour([(1, here)], QUEUES, Audience(scope=Scope(queues=frozenset({(1, "302"), (1, "303")}))))[0][-1] == 7


def test_a_quiet_minute_is_zero_and_one_that_nobody_saw_is_none() -> None:
    waiting, level = hour([(1, trend({}, unseen=range(KEPT - 3, KEPT)))], QUEUES, EVERYTHING)
    assert waiting[-5:] == (0, 0, None, None, None)
    assert set(level) == {None}  # no call: no service level


def test_a_minutes_service_level_is_that_of_the_calls_of_a_quarter_of_an_hour() -> None:
    decided = (0,) * (KEPT - RUN) + (4,) * RUN
    level = hour([(1, trend({"302": Minutes((0,) * KEPT, (0,) * (KEPT - 1) + (3,), decided)}))], QUEUES, EVERYTHING)[1]
    assert level[-1] == pytest.approx(100 * 3 / (4 * RUN))
    assert level[-2] == 0
    assert level[-RUN - 1] is None


def test_calls_without_a_target_wait_in_the_line_and_are_left_out_of_the_service_level() -> None:
    gone = of(1, within=0, decided=4)  # of a queue that was deleted since
    waiting, level = hour([(1, trend({"302": of(2, within=3, decided=4), "": of(1, decided=4), "999": gone}))],
                          QUEUES, EVERYTHING)
    assert (waiting[-1], level[-1]) == (4, 75)


def test_a_percentage_that_missed_its_target_is_not_rounded_up_to_it() -> None:
    part = shown((NORTHGATE, trend({"302": of(0, within=799, decided=1000)})))["trend-service-level"]
    assert "lowest 79 %, highest 79 %, at last 79 %" in part
    assert "<b>79 %</b>" in part


def test_of_two_accounts_a_minute_is_known_when_both_were_watched() -> None:
    both = [(1, trend({"302": of(2)}, unseen=range(KEPT - 2, KEPT - 1))), (2, trend({"501": of(3)}))]
    assert hour(both, QUEUES, EVERYTHING)[0][-3:] == (5, None, 5)


def test_an_account_whose_lists_stopped_breaks_the_line_where_they_did() -> None:
    stopped = trend({"501": of(3)}, first=NOW_MINUTE - KEPT - 20)
    waiting = hour([(1, trend({"302": of(2)})), (2, stopped)], QUEUES, EVERYTHING)[0]
    assert waiting[-21:] == (5,) + (None,) * 20


def test_without_a_board_nothing_is_known() -> None:
    assert set(sum(hour([], QUEUES, EVERYTHING), ())) <= {None}


# ── drawn ──────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_not_known_is_a_break_in_the_line_and_never_its_floor() -> None:
    assert path((0, 1, None, 2, None, None, 2, 2), 2) == "M0 22L2 12h0M6 2h0M12 2L14 2h0"
    assert path((None, None), 1) == ""


def shown(*trends: tuple[Card, Trend], audience: Audience = EVERYTHING, now: int = NOW) -> dict[str, str]:
    cards = tuple(card for card, _trend in trends)
    boards = (with_trend(board(account=card.pk), trend) for card, trend in trends)
    mirror = mirror_of(*boards, cards=cards, queues=QUEUES)
    return {name: unescape(html) for name, html in picture(mirror, audience, now).parts.items() if "trend" in name}


NORTHGATE = Card(pk=1, name="Northgate", interval_s=2.0)


def test_a_line_is_a_part_of_the_frame_and_says_in_words_what_it_shows() -> None:
    uneven = Minutes((1,) * (KEPT - 2) + (7, 3), (3,) * KEPT, (4,) * KEPT)
    parts = shown((NORTHGATE, trend({"302": uneven}, unseen=range(KEPT - 12, KEPT - 2))))
    assert set(parts) == {"trend-waiting", "trend-service-level"}
    assert ('role="img" aria-label="Waiting at most, last hour: lowest 1, highest 7, at last 3; '
            'not known in 10 of 60 minutes"') in parts["trend-waiting"]
    assert "lowest 75 %, highest 75 %, at last 75 %" in parts["trend-service-level"]
    assert "<b>3</b>" in parts["trend-waiting"]
    assert parts["trend-waiting"].count("M") == 4  # the floor, two strokes, the end


def test_a_line_stays_within_its_picture() -> None:
    part = shown((NORTHGATE, trend({"302": of(40, within=1, decided=1)})))["trend-waiting"]
    drawn = re.findall(r"[ML](\d+) (\d+)", part.split('class="run" d="')[1].split('"')[0])
    assert {0 < int(y) < HEIGHT for _x, y in drawn} == {True}
    assert (drawn[0][0], drawn[-1][0]) == ("0", str(2 * (SHOWN - 1)))


def test_when_the_newest_minute_is_not_known_no_value_and_no_end_are_shown() -> None:
    part = shown((NORTHGATE, trend({"302": of(2)}, unseen=range(KEPT - 1, KEPT))))["trend-waiting"]
    assert "<b>–</b>" in part
    assert 'class="end" d=""' in part
    assert "at last –" in part


def test_an_account_that_is_too_old_for_the_numbers_is_left_out_of_the_lines() -> None:
    part = shown((NORTHGATE, trend({"302": of(2)})), now=NOW + 3_600_000)["trend-waiting"]
    assert "Waiting at most, last hour: not known" in part
    assert "<b>–</b>" in part


def test_the_picture_needs_no_style_of_its_own() -> None:
    parts = shown((NORTHGATE, trend({"302": of(2)})))
    assert not any("style=" in part or "<style" in part for part in parts.values())
