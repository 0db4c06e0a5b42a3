"""What a process knows: the newest board per account and the takeovers on it, whatever way the news came."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import generation, overlay
from dashboard import mirror as mirroring
from dashboard.board import Board
from dashboard.mirror import SILENT_S, Card, Health, Mirror, News, read_news
from dashboard.models import BoardSnapshot, Queue
from dashboard.overlay import AttemptNews
from dashboard.queue_cards import QueueCard
from dashboard.refs import call_ref
from dashboard.snapshots import save_board
from queue_api.models import Account
from tests.makers import NORTHGATE, NOW, attempt, board, call, mirror_of, nameless

POSITIONS = st.tuples(st.integers(1, 3), st.integers(0, 4))


class Clock:
    """The process's monotonic clock, in our hands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(mirroring, "time", clock)
    monkeypatch.setattr(mirroring, "now_ms", lambda: NOW + int((clock.now - 1000) * 1000))
    return clock


def numbered(position: tuple[int, int]) -> Board:
    """The one board that a poller published under this number."""
    fence, seq = position
    return board(call(f"{fence}-{seq}"), fence=fence, seq=seq)


# ── boards ─────────────────────────────────────────────────────────────────────────────────────────
@given(st.lists(POSITIONS, min_size=1, max_size=12))
def test_lost_doubled_late_and_reordered_boards_end_in_the_newest(positions: list[tuple[int, int]]) -> None:
    mirror = Mirror()
    for position in positions:
        mirror.offer(numbered(position))
    assert mirror.boards[1] == numbered(max(positions))


@given(st.lists(POSITIONS, min_size=1, max_size=12))
def test_each_older_fence_is_counted(positions: list[tuple[int, int]]) -> None:
    mirror = Mirror()
    for position in positions:
        mirror.offer(numbered(position))
    expected = sum(fence < max(f for f, _ in positions[:place]) for place, (fence, _) in enumerate(positions) if place)
    assert mirror.refused == expected


def test_only_a_newer_board_wakes_the_screens() -> None:
    woken: list[int] = []
    mirror = Mirror(lambda: woken.append(1))
    taken = [mirror.offer(board(fence=2, seq=seq)) for seq in (1, 1, 2, 1)]
    assert (taken, len(woken)) == ([True, False, True, False], 2)


def test_accounts_do_not_touch_each_other() -> None:
    mirror = mirror_of(board(fence=9), board(call("a"), account=2, fence=1))
    assert set(mirror.boards[2].calls) == {"a"}
    assert mirror.refused == 0


# ── beats ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_beat_brings_the_newest_lists_time() -> None:
    mirror = mirror_of(board(fence=1, seq=5))
    assert mirror.beat(1, 1, 5, NOW + 2000)
    assert mirror.boards[1].heard_at == NOW + 2000


@pytest.mark.parametrize("position", [(1, 6), (2, 0)])
def test_a_beat_of_a_board_we_do_not_have_asks_for_the_database(position: tuple[int, int]) -> None:
    mirror = mirror_of(board(fence=1, seq=5))
    assert not mirror.beat(1, *position, NOW + 2000)
    assert mirror.boards[1].heard_at == NOW


def test_a_beat_of_an_account_we_never_heard_of_asks_for_the_database() -> None:
    assert not Mirror().beat(1, 1, 0, NOW)


def test_an_older_beat_changes_nothing(clock: Clock) -> None:
    mirror = mirror_of(board(fence=2, seq=5))
    clock.now += SILENT_S + 1
    assert mirror.beat(1, 1, 99, NOW + 2000)
    assert mirror.boards[1].heard_at == NOW
    assert mirror.health(NORTHGATE, NOW).hop == "poller"


# ── health ─────────────────────────────────────────────────────────────────────────────────────────
def test_nothing_heard_yet_is_never_and_no_sign_of_a_poller_names_it(clock: Clock) -> None:
    assert mirror_of().health(NORTHGATE, NOW) == Health("never", "poller", blank=True)


def test_a_poller_that_has_no_list_yet_is_never_without_blame(clock: Clock) -> None:
    assert mirror_of(board(heard_at=None, health="never")).health(NORTHGATE, NOW) == Health("never", "", blank=True)


def test_a_good_list_is_fresh(clock: Clock) -> None:
    assert mirror_of(board()).health(NORTHGATE, NOW + 6000) == Health("fresh", "", NOW)


def test_a_list_older_than_three_intervals_is_late_since_that_list(clock: Clock) -> None:
    assert mirror_of(board()).health(NORTHGATE, NOW + 6001) == Health("late", "deepcall", NOW)


def test_a_failing_feed_is_failing_since_its_first_failure(clock: Clock) -> None:
    assert mirror_of(board(health="failing")).health(NORTHGATE, NOW + 60_000) == Health("failing", "deepcall", NOW)


def test_a_feed_that_fails_from_the_start_is_failing_and_not_never(clock: Clock) -> None:
    assert mirror_of(board(heard_at=None, health="failing")).health(NORTHGATE, NOW).state == "failing"


def test_an_incomplete_list_is_incomplete(clock: Clock) -> None:
    assert mirror_of(board(health="incomplete")).health(NORTHGATE, NOW).state == "incomplete"


def test_an_incomplete_list_that_grew_old_is_late(clock: Clock) -> None:
    assert mirror_of(board(health="incomplete")).health(NORTHGATE, NOW + 6001).state == "late"


@pytest.mark.parametrize("health", ["fresh", "failing", "incomplete"])
def test_a_poller_that_fell_silent_is_named_since_its_last_beat(clock: Clock, health: str) -> None:
    mirror = mirror_of(board(health=health))
    clock.now += SILENT_S + 0.1
    assert mirror.health(NORTHGATE, NOW + 10_100) == Health("late", "poller", NOW)


def test_the_silence_of_a_poller_began_at_one_moment_whenever_it_is_asked() -> None:
    """Else every screen would get a frame a second for a change of one millisecond."""
    mirror = mirror_of(board())
    beat, at = mirror._beat[1]
    mirror._beat[1] = beat - SILENT_S - 1, at
    seen = {mirror.health(NORTHGATE, at + later) for later in (11_000, 11_999, 13_501)}
    assert seen == {Health("late", "poller", at)}


def test_beats_keep_a_quiet_board_fresh(clock: Clock) -> None:
    mirror = mirror_of(board())
    for number in range(1, 20):
        clock.now += 2
        mirror.beat(1, 1, 1, NOW + number * 2000)
        assert mirror.health(NORTHGATE, NOW + number * 2000 + 500).state == "fresh"


def test_newer_boards_from_the_database_are_signs_of_life_while_the_layer_is_dead(clock: Clock) -> None:
    mirror = mirror_of(board(seq=1))
    for seq in range(2, 6):
        clock.now += 5
        now = NOW + (seq - 1) * 5000
        mirror.take(news(board(seq=seq, heard_at=now)))
        assert mirror.health(NORTHGATE, now + 1000).state == "fresh"


def test_an_old_board_read_at_start_is_late_and_the_poller_is_named(clock: Clock) -> None:
    mirror = Mirror()
    mirror.take(news(board()))
    assert mirror.health(NORTHGATE, NOW + 3_600_000) == Health("late", "poller", NOW, blank=True)


@pytest.mark.parametrize("health", ["fresh", "failing"])
def test_a_kept_board_whose_poller_is_never_heard_is_late_however_slowly_it_was_polled(
    clock: Clock, health: str
) -> None:
    mirror = Mirror()
    mirror.take(news(msgspec.structs.replace(board(health=health), interval_s=30.0)))
    assert mirror.health(NORTHGATE, NOW + 5000).hop != "poller"
    clock.now += SILENT_S + 1
    assert mirror.health(NORTHGATE, NOW + 16_000) == Health("late", "poller", NOW)


@pytest.mark.parametrize("health", ["fresh", "failing", "incomplete"])
def test_after_a_minute_without_a_list_nothing_of_it_is_a_number_any_more(clock: Clock, health: str) -> None:
    mirror = mirror_of(board(health=health))
    assert not mirror.health(NORTHGATE, NOW + 60_000).blank
    assert mirror.health(NORTHGATE, NOW + 60_001).blank
    mirror.beat(1, 1, 1, NOW + 60_000)
    assert not mirror.health(NORTHGATE, NOW + 60_001).blank  # fresh data, and nothing else, makes it known again


# ── what the database brings ───────────────────────────────────────────────────────────────────────
def news(*boards: Board, attempts: tuple[AttemptNews, ...] = (), cards: tuple[Card, ...] = (NORTHGATE,)) -> News:
    return News(cards={card.pk: card for card in cards}, boards=list(boards), attempts=list(attempts), generations={})


def test_an_older_board_from_the_database_changes_nothing() -> None:
    mirror = mirror_of(board(seq=5))
    mirror.take(news(board(call("a"), seq=4)))
    assert mirror.boards[1] == board(seq=5)


def test_an_account_that_is_gone_takes_its_board_along() -> None:
    mirror = mirror_of(board())
    mirror.take(news(cards=()))
    assert not mirror.boards
    assert list(mirror.known()) == []


def test_a_late_board_of_an_account_that_is_gone_is_not_shown() -> None:
    mirror = mirror_of(cards=())
    mirror.offer(board(call("a")))
    assert list(mirror.known()) == []
    assert mirror.find("1-a") is None


def test_an_account_without_a_board_is_known_all_the_same() -> None:
    assert list(mirror_of().known()) == [(NORTHGATE, None)]


# ── takeovers on it ────────────────────────────────────────────────────────────────────────────────
@given(st.permutations([attempt("a", "intent", 1), attempt("a", "sent", 2), attempt("b", "refused", 3),
                        attempt("a", "accepted", 4)]))
def test_attempts_in_any_order_end_in_the_newest_of_each_call(attempts: list[AttemptNews]) -> None:
    mirror = Mirror()
    for one in attempts:
        mirror.note([one])
    assert {key: one.version for (_, key), one in mirror.overlay.by_call.items()} == {"a": 4, "b": 3}
    assert mirror.overlay.version == 4


def test_one_call_id_in_two_accounts_is_two_calls() -> None:
    cards = NORTHGATE, Card(pk=2, name="Southgate", interval_s=2)
    mirror = mirror_of(board(call("a")), board(call("a"), account=2), attempts=(attempt("a"),), cards=cards)
    assert mirror.attempt(1, "a") is not None
    assert mirror.attempt(2, "a") is None
    found = [mirror.find(ref) for ref in ("1-a", "2-a")]
    assert [at[0].name for at in found if at] == ["Northgate", "Southgate"]


def test_a_call_is_found_by_its_reference_until_its_board_drops_it() -> None:
    mirror = mirror_of(board(call("a"), nameless(), seq=1))
    ref = call_ref(1, nameless())
    assert (found := mirror.find(ref)) is not None
    assert found[2].call == nameless()
    mirror.offer(board(call("a"), seq=2))
    assert mirror.find(ref) is None


def test_the_overlay_forgets_outcomes_of_calls_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "LIMIT", 2)
    mirror = mirror_of(board(call("live")))
    mirror.note([attempt("live", "refused", 1), attempt("gone", "refused", 2), attempt("open", "unknown", 3)])
    assert {key for _, key in mirror.overlay.by_call} == {"live", "open"}


# ── reading the database ───────────────────────────────────────────────────────────────────────────
def test_a_reading_brings_cards_queues_boards_and_generations(account: Account, sales: Queue) -> None:
    kept = board(call("a"), account=account.pk)
    save_board(kept, account)
    generation.bump("config")
    read = read_news({}, 0)
    assert read.cards == {account.pk: Card(pk=account.pk, name="Northgate", interval_s=2.0, line="Front desk",
                                            zone="Asia/Kolkata")}
    assert read.queues == {account.pk: {"302": QueueCard(sales.pk, "Sales", target_percent=80, target_s=20)}}
    assert read.boards == [kept]
    assert read.generations["config"] >= 1


@pytest.mark.parametrize(("have", "read"), [((1, 4), 1), ((0, 99), 1), ((1, 5), 0), ((2, 0), 0)])
def test_only_newer_snapshots_are_read(account: Account, have: tuple[int, int], read: int) -> None:
    save_board(board(account=account.pk, fence=1, seq=5), account)
    assert len(read_news({account.pk: have}, 0).boards) == read


def test_a_disabled_account_is_not_read(account: Account) -> None:
    save_board(board(account=account.pk), account)
    Account.objects.update(enabled=False)
    read = read_news({}, 0)
    assert (read.cards, read.boards) == ({}, [])


def test_a_snapshot_that_cannot_be_opened_leaves_the_rest_of_the_reading_whole(account: Account) -> None:
    BoardSnapshot.objects.create(account=account, fence=1, seq=1, payload=b"of another version")
    read = read_news({}, 0)
    assert (read.boards, set(read.cards)) == ([], {account.pk})


def test_a_quiet_boards_age_comes_from_the_database_when_the_layer_says_nothing() -> None:
    mirror = mirror_of(board(call("a"), seq=4, heard_at=NOW))
    mirror.take(News(cards=mirror.cards, boards=[], attempts=[], generations={}, kept={1: (1, 4, NOW + 6000)}))
    assert mirror.boards[1].heard_at == NOW + 6000
    mirror.take(News(cards=mirror.cards, boards=[], attempts=[], generations={}, kept={1: (1, 4, NOW + 3000)}))
    assert mirror.boards[1].heard_at == NOW + 6000
