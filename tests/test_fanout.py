"""One frame -> many sockets: who gets what, in which order, and what becomes of those who do not keep up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dashboard import fanout
from dashboard.access import Audience, Scope, Viewer
from dashboard.agents import Queueing, SeenAgent
from dashboard.fanout import Hub
from dashboard.frames import picture
from dashboard.member import MISSED_TICKS, TOO_SLOW, Member
from dashboard.mirror import Mirror
from tests.makers import EVERYTHING, NOW, SALES, Screen, attempt, board, call, mirror_of, soon

OBSERVERS = Audience(scope=Scope(queues=frozenset({(1, "303")})))


class Page:
    """One open page: what reached it, and a screen that shows it. `block` stops it from reading."""

    def __init__(self, hub: Hub, audience: Audience = EVERYTHING, user: int = 7) -> None:
        self.hub, self.texts, self.code = hub, list[str](), 0
        self.screen, self.stream, self.seq = Screen(), "", -1
        self._reads = asyncio.Event()
        self._reads.set()
        self.came = asyncio.Event()
        self.closed = asyncio.Event()
        self.member = Member(Viewer(user, "Sita", audience), "session", self._send, self._close)
        hub.join(self.member)

    async def _send(self, text: str) -> None:
        await self._reads.wait()
        self.texts.append(text)
        message = json.loads(text)
        if "html" in message:
            assert message["full"] or (message["stream"], message["prev"]) == (self.stream, self.seq), "a gap"
            self.screen.show(message["html"], message["gone"], message["full"])
            self.stream, self.seq = message["stream"], message["seq"]
        self.came.set()

    async def _close(self, code: int) -> None:
        self.code = code
        self.closed.set()

    def block(self) -> None:
        self._reads.clear()

    def unblock(self) -> None:
        self._reads.set()

    async def messages(self, count: int) -> list[dict[str, Any]]:
        """The first `count` messages, waiting for those that are still to come."""
        while len(self.texts) < count:
            self.came.clear()
            await soon(self.came.wait())
        return [json.loads(text) for text in self.texts[:count]]

    async def newest(self) -> dict[str, Any]:
        """The newest message once everything queued has been read."""
        await settled()
        last: dict[str, Any] = json.loads(self.texts[-1])
        return last

    def acknowledge(self, seq: int | None = None) -> None:
        self.hub.acknowledge(self.member, self.seq if seq is None else seq)


async def settled() -> None:
    """Lets the writing tasks take everything that is queued."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The server's clock, in our hands."""
    times = [NOW]
    monkeypatch.setattr(fanout, "now_ms", lambda: times[0])
    return times


@pytest.fixture
def mirror() -> Mirror:
    return mirror_of(board(call("a")))


@pytest.fixture
async def hub(mirror: Mirror) -> AsyncIterator[Hub]:
    hub = Hub(mirror)
    mirror.on_change = hub.wake
    yield hub
    members = hub.members
    for member in members:
        hub.leave(member)
    await asyncio.gather(*(member._task for member in members), return_exceptions=True)


@pytest.fixture
async def running(hub: Hub) -> AsyncIterator[Hub]:
    task = asyncio.ensure_future(hub.run())
    await settled()
    yield hub
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def publish(hub: Hub) -> None:
    for stream in list(hub.streams.values()):
        hub._publish(stream)


def bring(mirror: Mirror, *keys: str, **fields: Any) -> None:
    """The next list."""
    seq = mirror.boards[1].seq + 1 if 1 in mirror.boards else 1
    mirror.offer(board(*(call(key, **fields) for key in keys), seq=seq))


# ── joining ────────────────────────────────────────────────────────────────────────────────────────
async def test_the_first_frame_is_the_full_board(hub: Hub) -> None:
    [first] = await Page(hub).messages(1)
    assert first["full"]
    assert 'id="c-1-a"' in first["html"]
    assert first["asof"] == {"1": NOW}


async def test_members_of_one_audience_read_the_same_bytes(hub: Hub, mirror: Mirror) -> None:
    pages = [Page(hub, user=user) for user in range(3)]
    bring(mirror, "a", "b")
    publish(hub)
    await settled()
    assert len(hub.streams) == 1
    assert len({page.texts[1] for page in pages}) == 1
    assert pages[0].texts[1] is pages[2].texts[1]  # encoded once


async def test_each_audience_has_its_own_stream(hub: Hub, mirror: Mirror) -> None:
    all_queues, sales, billing = Page(hub), Page(hub, SALES), Page(hub, OBSERVERS)
    await settled()
    assert len({page.stream for page in (all_queues, sales, billing)}) == 3
    assert [set(page.screen.rows) for page in (all_queues, sales, billing)] == [{"1-a"}, {"1-a"}, set()]


async def test_a_change_outside_the_scope_sends_a_foreign_page_no_row(hub: Hub, mirror: Mirror) -> None:
    billing = Page(hub, OBSERVERS)
    bring(mirror, "a", "secret")
    publish(hub)
    await settled()
    assert not any("secret" in text for text in billing.texts)


async def test_a_late_joiner_and_the_early_one_show_the_same(hub: Hub, mirror: Mirror) -> None:
    early = Page(hub)
    await settled()
    bring(mirror, "b", "c")
    late = Page(hub)
    await settled()
    assert early.screen.listed() == late.screen.listed()
    assert early.screen.parts == late.screen.parts
    assert (early.stream, early.seq) == (late.stream, late.seq)


async def test_the_last_to_leave_ends_the_stream(hub: Hub) -> None:
    first, second = Page(hub), Page(hub)
    hub.leave(first.member)
    assert len(hub.streams) == 1
    hub.leave(second.member)
    hub.leave(second.member)  # a disconnect may come twice
    assert hub.streams == {}
    await asyncio.gather(first.member._task, second.member._task, return_exceptions=True)


# ── changes ────────────────────────────────────────────────────────────────────────────────────────
async def test_frames_are_numbered_without_gaps(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    for key in "bcdef":
        bring(mirror, key)
        publish(hub)
    messages = await page.messages(6)
    assert [message["prev"] for message in messages[1:]] == [message["seq"] for message in messages[:-1]]
    assert set(page.screen.rows) == {"1-f"}


async def test_no_change_sends_nothing(hub: Hub) -> None:
    page = Page(hub)
    publish(hub)
    publish(hub)
    await settled()
    assert len(page.texts) == 1


async def test_a_newer_list_without_changes_brings_its_time(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    mirror.beat(1, 1, 1, NOW + 2000)
    publish(hub)
    newest = await page.newest()
    assert newest["asof"] == {"1": NOW + 2000}
    assert 'role="row"' not in newest["html"]


async def test_a_first_change_goes_out_at_once_and_the_next_ones_together(running: Hub, mirror: Mirror) -> None:
    page = Page(running)
    await settled()
    await asyncio.sleep(fanout.COALESCE_S)  # the page's own arrival is over
    began = time.monotonic()
    bring(mirror, "b")
    await page.messages(2)
    first = time.monotonic() - began
    for key in "cdefgh":
        bring(mirror, key)
        await asyncio.sleep(0)
    await page.messages(3)
    await settled()
    assert first < 0.05
    assert time.monotonic() - began >= fanout.COALESCE_S
    assert len(page.texts) == 3
    assert set(page.screen.rows) == {"1-h"}


async def test_what_changes_by_time_alone_goes_out_without_a_message(
    hub: Hub, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "REFRESH_S", 0.01)
    page = Page(hub)
    await settled()
    assert 'data-health="fresh"' in page.screen.parts["feed-1"]
    clock[0] += 60_000
    task = asyncio.ensure_future(hub.run())
    await page.messages(2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert 'data-health="late"' in page.screen.parts["feed-1"]


def told(page: Page) -> list[str]:
    """The notices that reached a page; a notice carries no number of a stream."""
    bodies = [json.loads(text) for text in page.texts]
    assert all(set(body) == {"notice", "now"} for body in bodies if "notice" in body)
    return [body["notice"] for body in bodies if "notice" in body]


# ── notices ────────────────────────────────────────────────────────────────────────────────────────
async def test_a_notice_goes_to_all_screens_of_one_person_and_to_nobody_else(hub: Hub, mirror: Mirror) -> None:
    mine, mine_too, yours = Page(hub, user=1), Page(hub, SALES, user=1), Page(hub, user=2)
    await settled()
    mirror.note([attempt(state="accepted", version=3, actor_id=1)])
    publish(hub)
    await settled()
    assert [len(told(page)) for page in (mine, mine_too, yours)] == [1, 1, 0]
    assert "Accepted by DeepCall" in told(mine)[0]


async def test_an_outcome_is_told_once_to_each_screen_and_anew_when_it_changes(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub, user=1)
    for state, version in (("sent", 2), ("accepted", 3), ("accepted", 3), ("confirmed", 4)):
        mirror.note([attempt(state=state, version=version, actor_id=1, key="k", agent="Asha")])
        publish(hub)
        publish(hub)
    await settled()
    assert [text.count("Accepted by DeepCall") + 2 * text.count("Now with Asha") for text in told(page)] == [1, 2]


async def test_a_screen_that_comes_later_is_told_what_became_of_its_persons_takeovers(
    hub: Hub, mirror: Mirror, clock: list[int]
) -> None:
    mirror.note([attempt("old", "refused", 1, actor_id=1),
                 attempt("c-1", "ended", 2, actor_id=1, changed=NOW + 800_000)])
    clock[0] = NOW + 1_000_000
    page = Page(hub, user=1)
    await settled()
    assert ["Call ended" in text for text in told(page)] == [True]


async def test_a_person_whose_screen_was_behind_is_told_when_it_has_caught_up(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub, user=1)
    page.block()
    await fall_behind(hub, mirror, page)
    mirror.note([attempt("gone", "ended", 9, actor_id=1)])
    publish(hub)
    page.unblock()
    await settled()
    assert told(page) == []
    hub.acknowledge(page.member, hub.streams[EVERYTHING].seq)
    await settled()
    assert ["Call ended" in text for text in told(page)] == [True]


# ── those who do not keep up ───────────────────────────────────────────────────────────────────────
async def fall_behind(hub: Hub, mirror: Mirror, page: Page) -> None:
    """Many large frames that the page neither reads nor acknowledges."""
    number = 0
    while not page.member.behind:
        number += 1
        assert number < 500, "nothing bounds what is queued"
        bring(mirror, *(f"{number}-{one}" for one in range(20)))
        publish(hub)


async def test_a_slow_page_is_not_sent_more_than_it_can_hold(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    page.block()
    await fall_behind(hub, mirror, page)
    queued = page.member.backlog
    for key in "bcd":
        bring(mirror, key)
        publish(hub)
    assert page.member.backlog == queued <= 2 * fanout.BACKLOG


async def test_a_slow_page_does_not_hold_up_the_others(hub: Hub, mirror: Mirror) -> None:
    slow, quick = Page(hub), Page(hub)
    slow.block()
    await settled()
    for number in range(60):
        bring(mirror, *(f"{number}-{one}" for one in range(20)))
        publish(hub)
        await settled()
        quick.acknowledge()
    assert slow.member.behind
    assert quick.screen.listed() == list(picture(mirror, EVERYTHING, NOW).rows.items())


async def test_a_page_that_caught_up_gets_exactly_one_full_board(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    page.block()
    await fall_behind(hub, mirror, page)
    bring(mirror, "z")
    publish(hub)
    page.unblock()
    await settled()
    before = len(page.texts)
    page.acknowledge()
    page.acknowledge()
    await settled()
    assert [json.loads(text)["full"] for text in page.texts[before:]] == [True]
    assert set(page.screen.rows) == {"1-z"}


async def test_a_full_board_that_is_not_acknowledged_yet_leaves_no_page_behind(
    hub: Hub, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few calls and many agents: after the full board the next frame goes out all the same."""
    monkeypatch.setattr(fanout, "BACKLOG", 1000)
    known = {str(number): SeenAgent(f"Agent {number}", {"302": Queueing("Sales", NOW)}) for number in range(50)}
    mirror.offer(msgspec.structs.replace(board(call("a"), seq=2), agents=known))
    page = Page(hub)
    mirror.offer(msgspec.structs.replace(board(call("b"), seq=3), agents=known))
    publish(hub)
    await settled()
    assert not page.member.behind
    assert set(page.screen.rows) == {"1-b"}


async def test_acknowledging_a_part_is_not_catching_up(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    page.block()
    await settled()
    first = hub.streams[EVERYTHING].seq
    await fall_behind(hub, mirror, page)
    page.acknowledge(first + 2)
    assert page.member.behind


async def test_a_page_that_read_everything_but_held_back_its_last_ack_is_found_by_the_tick(
    hub: Hub, mirror: Mirror
) -> None:
    """A page acknowledges once a second. What it read after its last ack, it would never tell of by itself."""
    page = Page(hub)
    page.block()
    await fall_behind(hub, mirror, page)
    page.unblock()
    await settled()
    page.acknowledge(page.seq - 1)
    bring(mirror, "z")
    publish(hub)
    hub.tick_once()
    tick = await page.newest()
    assert "html" not in tick
    page.acknowledge(tick["seq"])  # an answer to the tick, and to nothing else
    await settled()
    assert set(page.screen.rows) == {"1-z"}
    assert not page.member.behind


# ── ticks ──────────────────────────────────────────────────────────────────────────────────────────
async def test_a_tick_carries_the_number_to_be_at(hub: Hub) -> None:
    page = Page(hub)
    hub.tick_once()
    tick = await page.newest()
    assert tick["prev"] == tick["seq"] == page.seq
    assert "html" not in tick


async def test_unanswered_ticks_are_counted_and_the_third_closes(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "TICK_S", 0.02)
    monkeypatch.setattr(fanout, "ANSWER_S", 0.01)
    page = Page(hub)
    ticking = asyncio.ensure_future(hub.tick())
    await soon(page.closed.wait())
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    assert page.code == TOO_SLOW == 4408
    assert len(page.texts) == 1 + MISSED_TICKS


async def test_one_answer_makes_up_for_all_missed_ticks(hub: Hub) -> None:
    page = Page(hub)
    for _ in range(5):
        for _ in range(MISSED_TICKS):
            hub.tick_once()
        await settled()
        assert page.member.too_slow
        page.acknowledge()
        assert not page.member.too_slow


async def test_ticks_come_by_themselves(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "TICK_S", 0.01)
    monkeypatch.setattr(fanout, "ANSWER_S", 0.005)
    page = Page(hub)
    ticking = asyncio.ensure_future(hub.tick())
    await page.messages(3)
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


async def test_a_socket_is_closed_once_and_after_what_was_queued(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    bring(mirror, "b")
    publish(hub)
    hub.close([page.member], 1012)
    hub.close([page.member], 4403)
    bring(mirror, "c")
    publish(hub)
    await soon(page.closed.wait())
    assert (page.code, set(page.screen.rows)) == (1012, {"1-b"})


# ── resync and move ────────────────────────────────────────────────────────────────────────────────
async def test_a_resync_brings_a_full_board_at_most_once_in_two_seconds(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(hub)
    times = [page.member.last_full]
    monkeypatch.setattr(fanout, "time", SimpleNamespace(monotonic=lambda: times[0]))
    for wait_s in (1.9, 0.2, 0.1, 1.7, 0.3):
        times[0] += wait_s
        await settled()
        hub.resync(page.member, page.seq)
    await settled()
    assert [json.loads(text)["full"] for text in page.texts[1:]] == [True, True]


@pytest.mark.parametrize("made_up", [0, 5, 2**31, 2**40])
async def test_who_asks_for_boards_without_reading_is_given_no_more_of_them(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, made_up: int
) -> None:
    page = Page(hub)
    page.block()
    times = [page.member.last_full]
    monkeypatch.setattr(fanout, "time", SimpleNamespace(monotonic=lambda: times[0]))
    for _ in range(5):
        times[0] += 3
        await settled()
        hub.resync(page.member, made_up)
    page.unblock()
    await settled()
    assert len(page.texts) == 1
    hub.resync(page.member, page.seq)
    await settled()
    assert [json.loads(text)["full"] for text in page.texts] == [True, True]


async def test_a_page_that_is_moved_begins_anew_with_its_new_board(hub: Hub, mirror: Mirror) -> None:
    page = Page(hub)
    await settled()
    old = page.stream
    hub.move(page.member, Viewer(7, "Sita", OBSERVERS))
    newest = await page.newest()
    assert newest["full"]
    assert (page.screen.rows, newest["stream"] == old) == ({}, False)
    assert len(hub.streams) == 1
    bring(mirror, "a", "secret")
    publish(hub)
    await settled()
    assert not any("secret" in text for text in page.texts)


async def test_the_old_streams_numbers_do_not_weigh_on_a_moved_page(hub: Hub, mirror: Mirror) -> None:
    """Acks of the new stream begin low; without a fresh start the old high numbers were never acknowledged."""
    page = Page(hub)
    await fall_behind(hub, mirror, page)
    hub.move(page.member, Viewer(7, "Sita", SALES))
    await settled()
    page.acknowledge()
    assert page.member.backlog == 0
    assert not page.member.behind
    bring(mirror, "z")
    publish(hub)
    await settled()
    assert set(page.screen.rows) == {"1-z"}


async def test_a_page_never_sees_a_gap_over_many_changes(running: Hub, mirror: Mirror) -> None:
    """`Page` itself refuses a frame that does not follow from the one before."""
    page = Page(running, SALES)
    for number in range(30):
        bring(mirror, *(str(one) for one in range(number % 7)), queue_id="302" if number % 3 else "303")
        await asyncio.sleep(0.01)
    bring(mirror, "last")
    while "1-last" not in page.screen.rows:
        page.came.clear()
        await soon(page.came.wait())
    assert page.screen.listed() == list(picture(mirror, SALES, NOW).rows.items())
