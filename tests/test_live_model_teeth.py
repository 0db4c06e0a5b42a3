"""The live model has teeth: each mistake that could be made on the live path is made here, and the model finds it.

A mistake is looked for from the story that is known to show it (stories are repeatable), and a few further.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from dashboard import agent_rows, fanout, frames, mirror, rows, wall_lists
from dashboard.access import Scope
from dashboard.board import Board
from dashboard.fanout import Hub, Stream
from dashboard.frames import Frame, Picture
from dashboard.member import Member
from dashboard.mirror import Mirror, News
from tests.live_page import Script
from tests.live_story import Stage
from tests.test_live_model import stage  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
STORIES = 40  # at most, from the first one on
Mistake = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _nothing_rendered_before() -> Iterator[None]:
    """What was rendered without the mistake would hide it, and what is with it would outlive it."""
    caches = (rows._row_html, agent_rows._agent_html)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


# ── what comes in ──────────────────────────────────────────────────────────────────────────────────
def an_older_fence_is_taken(patch: pytest.MonkeyPatch) -> None:
    def offer(self: Mirror, board: Board) -> bool:
        self._alive(board.account)
        self.boards[board.account] = board
        self.on_change()
        return True

    patch.setattr(Mirror, "offer", offer)


def a_beat_of_an_unknown_board_is_believed(patch: pytest.MonkeyPatch) -> None:
    def beat(self: Mirror, account: int, fence: int, seq: int, heard_at: int | None) -> bool:
        if (held := self.boards.get(account)) is not None:
            self._alive(account)
            self.boards[account] = msgspec.structs.replace(held, heard_at=heard_at)
            self.on_change()
        return True

    patch.setattr(Mirror, "beat", beat)


def the_database_is_read_for_takeovers_alone(patch: pytest.MonkeyPatch) -> None:
    take = Mirror.take

    def taking(self: Mirror, news: News) -> None:
        take(self, msgspec.structs.replace(news, boards=[]))

    patch.setattr(Mirror, "take", taking)


def the_newest_change_of_a_takeover_is_not_read(patch: pytest.MonkeyPatch) -> None:
    news_since = mirror.news_since  # type: ignore[attr-defined]
    patch.setattr(mirror, "news_since", lambda version: news_since(version)[:-1])


# ── what goes out ──────────────────────────────────────────────────────────────────────────────────
def rows_that_are_gone_are_not_named(patch: pytest.MonkeyPatch) -> None:
    change = frames.change

    def forgetful(old: Picture, new: Picture) -> Frame | None:
        frame = change(old, new)
        return msgspec.structs.replace(frame, gone=[]) if frame else None

    patch.setattr(fanout, "change", forgetful)


def a_frame_keeps_the_number_of_the_one_before(patch: pytest.MonkeyPatch) -> None:
    refresh = Stream.refresh

    def unnumbered(self: Stream, source: Mirror) -> Frame | None:
        seq = self.seq
        frame = refresh(self, source)
        self.seq = max(seq, 1)
        return frame

    patch.setattr(Stream, "refresh", unnumbered)


def a_resync_is_not_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hub, "_again", lambda _self, _stream, _member: None)


def who_is_behind_stays_behind(patch: pytest.MonkeyPatch) -> None:
    acknowledge = Member.acknowledge

    def acknowledging(self: Member, seq: int) -> None:
        behind = self.behind
        acknowledge(self, seq)
        self.behind = behind

    patch.setattr(Member, "acknowledge", acknowledging)
    patch.setattr(Member, "too_slow", False)


def agents_do_not_count_in_what_a_screen_may_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stream, "limit", lambda self: max(
        fanout.BACKLOG, 2 * sum(len(html) for html in self.picture.rows.values())))


def other_rights_do_not_move_a_screen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hub, "move", lambda _self, member, viewer: setattr(member, "told", member.told))


# ── who may see what ───────────────────────────────────────────────────────────────────────────────
def a_queue_opens_its_whole_account(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "covers", lambda self, account, _queue: self.touches(account))


def numbers_are_masked_for_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rows, "shown_number", lambda number, _audience: number)


def a_walls_numbers_are_not_masked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wall_lists, "shown_number", lambda number, _audience: number)


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
def a_message_beyond_a_gap_makes_rows_look_fresh(patch: pytest.MonkeyPatch) -> None:
    apply = Script._apply

    def hopeful(self: Script, frame: dict[str, Any]) -> None:
        apply(self, frame)
        self._takes_times_of(frame)

    patch.setattr(Script, "_apply", hopeful)


MISTAKES: list[tuple[Mistake, str, int]] = [
    (an_older_fence_is_taken, "the board went back", 3),
    (a_beat_of_an_unknown_board_is_believed, "are not those of the list", 0),
    (the_database_is_read_for_takeovers_alone, "lacks the row|did not come to itself", 4),
    (the_newest_change_of_a_takeover_is_not_read, "has another row|was not told of", 3),
    (rows_that_are_gone_are_not_named, "are not those of the list|still has the row", 0),
    (a_frame_keeps_the_number_of_the_one_before, "without a number of its own", 0),
    (a_resync_is_not_answered, "after the last fault", 0),
    (who_is_behind_stays_behind, "after the last fault", 0),
    (agents_do_not_count_in_what_a_screen_may_hold, "after the last fault", 1),
    (other_rights_do_not_move_a_screen, "the last fault|are not those of", 1),
    (a_queue_opens_its_whole_account, "which is not theirs", 0),
    (numbers_are_masked_for_nobody, "was sent a full number", 0),
    (a_walls_numbers_are_not_masked, "was sent a full number", 0),
    (a_message_beyond_a_gap_makes_rows_look_fresh, "are not those of the list", 150),
]
SLOWLY_FOUND = {
    agents_do_not_count_in_what_a_screen_may_hold, the_database_is_read_for_takeovers_alone,
    the_newest_change_of_a_takeover_is_not_read, other_rights_do_not_move_a_screen,
}


@pytest.mark.parametrize(("mistake", "found", "first"), [
    pytest.param(*one, id=one[0].__name__, marks=[pytest.mark.long] if one[0] in SLOWLY_FOUND else [])
    for one in MISTAKES])
def test_the_model_finds(
    mistake: Mistake, found: str, first: int, stage: Stage, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    mistake(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        tell_all(stage, range(first, first + STORIES))


def tell_all(stage: Stage, seeds: range) -> None:  # noqa: F811
    for seed in seeds:
        stage.tell(seed)
