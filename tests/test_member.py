"""One socket: its queue has an end, its acknowledgements prove reading, and it does not live for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pytest_django import Settings

from dashboard import member as members
from dashboard.access import Viewer
from dashboard.allowance import Allowance, Allowances
from dashboard.fanout import COALESCE_S, Hub
from dashboard.member import MISSED_TICKS, RESTART, SIGN_IN, TOO_SLOW, Member
from tests.makers import EVERYTHING, board, call, mirror_of, soon
from tests.test_fanout import Page, bring, settled

LIMIT = 1000


class Line:
    """What a socket's frames leave through: `stuck` takes one and never another."""

    def __init__(self) -> None:
        self.sent, self.stuck = list[str](), False
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.member = Member(Viewer(7, "Sita", EVERYTHING), "session", self.send, self.close)

    async def send(self, text: str) -> None:
        self.sent.append(text)
        if self.stuck:
            await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        self.code.set_result(code)


@pytest.fixture
async def line() -> AsyncIterator[Callable[[], Line]]:
    made: list[Line] = []

    def make() -> Line:
        made.append(Line())
        return made[-1]

    yield make
    for one in made:
        one.member.gone()
        await asyncio.gather(one.member._task, return_exceptions=True)


# ── a queue with an end ────────────────────────────────────────────────────────────────────────────
async def test_what_is_queued_is_bounded_even_when_everything_is_acknowledged(line: Callable[[], Line]) -> None:
    """A second socket of the same audience knows the numbers, and can tell them to one that does not read."""
    one = line()
    one.stuck = True
    taken = 0
    for seq in range(100):
        taken += one.member.write(seq, "x" * 100, LIMIT)
        await settled()
        one.member.acknowledge(seq)
    assert one.member.behind
    assert taken * 100 <= LIMIT + 200
    assert len(one.sent) == 1


async def test_behind_for_three_ticks_is_too_slow_whatever_is_acknowledged(line: Callable[[], Line]) -> None:
    one = line()
    one.stuck = True
    while one.member.write(1, "x" * 100, LIMIT):
        pass
    for seq in range(2, 2 + MISSED_TICKS):
        assert not one.member.too_slow
        one.member.tick(seq, "tick")
        one.member.acknowledge(seq)
    assert one.member.missed_ticks == 0
    assert one.member.too_slow


async def test_a_page_that_caught_up_in_time_is_not_too_slow(line: Callable[[], Line]) -> None:
    one = line()
    while one.member.write(1, "x" * 100, LIMIT):
        pass
    one.member.tick(2, "tick")
    one.member.tick(3, "tick")
    await settled()
    one.member.acknowledge(3)
    for seq in (4, 5):
        one.member.tick(seq, "tick")
    assert not one.member.too_slow
    assert not one.member.behind


# ── acknowledging is reading ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("made_up", [0, 1, 2, 10, 2**40])
async def test_a_number_that_was_not_read_answers_no_tick(made_up: int) -> None:
    hub = Hub(mirror_of(board(call("a"))))
    page = Page(hub)
    await settled()
    for _ in range(MISSED_TICKS):
        hub.tick_once()
        page.acknowledge(made_up)
    assert page.member.too_slow
    hub.leave(page.member)
    await asyncio.gather(page.member._task, return_exceptions=True)


async def test_two_streams_begin_at_numbers_that_nobody_guesses() -> None:
    hub = Hub(mirror_of(board(call("a"))))
    pages = []
    for _ in range(3):
        pages.append(page := Page(hub))
        await settled()
        hub.leave(page.member)
    assert len({page.seq for page in pages}) == 3
    await asyncio.gather(*(page.member._task for page in pages), return_exceptions=True)


# ── ending ─────────────────────────────────────────────────────────────────────────────────────────
async def test_who_does_not_read_is_not_waited_for_when_it_is_closed(
    line: Callable[[], Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "LAST_WORDS_S", 0.05)
    for code in (SIGN_IN, TOO_SLOW):
        one = line()
        one.stuck = True
        one.member.write(1, "first", LIMIT)
        one.member.write(2, "never sent", LIMIT)
        await settled()
        one.member.close(code)
        one.member.close(RESTART)
        assert await soon(one.code) == code
        assert one.sent == ["first"]


async def test_a_socket_ends_with_a_restart_after_its_life_give_or_take_a_fifth(
    line: Callable[[], Line], settings: Settings
) -> None:
    settings.SOCKET_LIFE_S = 10 * 3600
    now = asyncio.get_running_loop().time()
    lives = [line().member._life.when() - now for _ in range(50)]
    assert 8 * 3600 <= min(lives) < 9 * 3600 < 11 * 3600 < max(lives) <= 12 * 3600 + 1
    settings.SOCKET_LIFE_S = 0
    assert await soon(line().code) == RESTART


async def test_what_has_gone_leaves_no_timer_behind(line: Callable[[], Line]) -> None:
    one = line()
    one.member.gone()
    assert one.member._life.cancelled()


# ── a burst of changes ─────────────────────────────────────────────────────────────────────────────
async def test_a_thousand_changes_in_a_second_are_ten_frames_and_the_last_board_is_right() -> None:
    mirror = mirror_of(board(call("a")))
    hub = Hub(mirror)
    mirror.on_change = hub.wake
    page, running = Page(hub), asyncio.ensure_future(hub.run())
    await settled()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(1000):
        bring(mirror, str(number % 50), str(number % 7))
        await asyncio.sleep(max(0.0, began + number / 1000 - loop.time()))
    bring(mirror, "last")
    took_s = loop.time() - began
    while "1-last" not in page.screen.rows:
        page.came.clear()
        await soon(page.came.wait())
    assert len(page.texts) <= 2 + (took_s + COALESCE_S) / COALESCE_S
    assert list(page.screen.rows) == ["1-last"]
    running.cancel()
    hub.leave(page.member)
    await asyncio.gather(running, page.member._task, return_exceptions=True)


# ── so many a second ───────────────────────────────────────────────────────────────────────────────
def test_an_allowance_is_so_many_at_once_and_so_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [100.0]
    monkeypatch.setattr("dashboard.allowance.time.monotonic", lambda: times[0])
    allowance = Allowance(5, 20)
    assert [allowance.take() for _ in range(22)] == [True] * 20 + [False] * 2
    times[0] += 1
    assert [allowance.take() for _ in range(7)] == [True] * 5 + [False] * 2


def test_each_address_has_its_own_and_only_so_many_are_remembered() -> None:
    allowances = Allowances(0, 1, most=2)
    assert [allowances.take(name) for name in "aabbcc"] == [True, False] * 3
    assert len(allowances._known) == 2
