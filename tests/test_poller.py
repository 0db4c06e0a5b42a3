"""One question to DeepCall, and the board that is published after it."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from dashboard import lease
from dashboard import poller as polling
from dashboard.board import Board
from dashboard.lease import acquire
from dashboard.limits import Breach, Level
from dashboard.mirror import late_after_ms
from dashboard.models import BoardSnapshot, Lease, Queue
from dashboard.offloop import Desk
from dashboard.pace import OPEN_INTERVAL_S, Trouble, Why
from dashboard.poll_desk import PollDesk
from dashboard.poller import LeaseLent, LeaseLost, Poller
from dashboard.said_once import Bound
from dashboard.snapshots import load_board, save_board
from dashboard.words import feed_trouble
from queue_api.client import Listing, QueueClient
from queue_api.errors import Busy, NotSent, NoUsableAnswer, QueueApiError, Refused
from queue_api.models import Account
from tests.makers import board, call, listing, soon


class DeepCall:
    """Answers list calls from a script; the last answer repeats. `asked` counts."""

    def __init__(self, *script: Listing | Exception) -> None:
        self.script, self.asked, self.closed = list(script), 0, False

    async def list_calls(self) -> Listing:
        self.asked += 1
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


class Press:
    """Collects what is published: (board, whether it is news)."""

    def __init__(self) -> None:
        self.published: list[tuple[Board, bool]] = []
        self.came = asyncio.Event()

    async def __call__(self, board: Board, news: bool) -> None:
        self.published.append((board, news))
        self.came.set()

    @property
    def last(self) -> Board:
        return self.published[-1][0]


class Quiet:
    """No takeover is open, unless a test says so; `told` counts how often some were changed."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.told = 0

    def has_open(self, account: int) -> bool:
        return account in self.open

    def changed(self) -> None:
        self.told += 1


class NoDatabase(Desk):
    """A desk that only notes which work it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.queues: dict[str, str] = {}

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.given.append(work.__name__)
        if work.__name__ == "note_queues":
            self.queues |= args[1]
        return 0


class BrokenDatabase(NoDatabase):
    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise OSError("the database is away")


def leading(deepcall: DeepCall | None, desk: Desk | None = None, **settings: Any) -> tuple[Poller, Press]:
    """A poller that holds its lease and asks `deepcall`."""
    press = Press()
    account = Account(**{"pk": 1, "name": "Northgate", "base_url": "https://deepcall.example"} | settings)
    poller = Poller(account, press, "me", desk or NoDatabase(), Quiet())
    poller.board = Board(account=1, fence=5)
    poller.good_until = time.monotonic() + 60
    poller.client = cast(QueueClient, deepcall)
    return poller, press


# ── one question ───────────────────────────────────────────────────────────────────────────────────
async def test_a_list_is_published_as_a_board_under_the_leases_fence() -> None:
    poller, press = leading(DeepCall(listing(call("a"))))
    await poller.poll_once()
    assert (set(press.last.calls), press.last.position, press.last.feed.health) == ({"a"}, (5, 1), "fresh")


async def test_a_list_without_news_is_a_sign_of_life_with_the_lists_time() -> None:
    poller, press = leading(DeepCall(listing(call("a"))))
    first = await poller.poll_once()
    second = await poller.poll_once()
    assert [news for _, news in press.published] == [True, False]
    assert second.position == first.position
    assert (second.heard_at or 0) >= (first.heard_at or 0) > 0


async def test_a_failure_keeps_the_calls_and_is_published_once() -> None:
    poller, press = leading(DeepCall(listing(call("a")), Refused("list", code="1015", message="No.", http_status=200)))
    for _ in range(3):
        await poller.poll_once()
    assert [news for _, news in press.published] == [True, True, False]
    assert (set(press.last.calls), press.last.feed.health, press.last.feed.code) == ({"a"}, "failing", "1015")


async def test_the_list_after_failures_is_news_and_the_failures_are_forgotten() -> None:
    poller, press = leading(DeepCall(listing(call("a")), NotSent("list"), NotSent("list"), listing(call("a"))))
    for _ in range(4):
        await poller.poll_once()
    assert [news for _, news in press.published] == [True, True, False, True]
    assert press.last.feed.health == "fresh"
    assert (poller.trouble, poller.pace().seconds) == (Trouble(), 2.0)


async def test_rows_that_all_lack_an_identity_are_a_failure_and_never_a_zero() -> None:
    """The first list of an account that speaks another dialect: nothing is known of its calls."""
    poller, press = leading(DeepCall(listing(received=5, unusable=5)))
    await poller.poll_once()
    assert (press.last.feed.health, press.last.heard_at) == ("failing", None)
    assert "5 rows" in str(feed_trouble(press.last, "failing", "deepcall"))


async def test_rows_that_all_lose_their_identity_end_no_call() -> None:
    poller, press = leading(DeepCall(listing(call("a")), listing(received=5, unusable=5)))
    for _ in range(5):
        await poller.poll_once()
    assert set(press.last.calls) == {"a"}


async def test_an_empty_list_is_a_truth_like_any_other() -> None:
    poller, press = leading(DeepCall(listing()))
    await poller.poll_once()
    assert (press.last.feed.health, press.last.calls) == ("fresh", {})


@pytest.mark.parametrize("settings", [
    {"ssid_sealed": "sealed under a lost key"}, {"base_url": "ftp://deepcall.example"}, {"list_path": "../admin"},
    {"field_names": {"colour": ["hue"]}},
])
async def test_settings_that_cannot_be_used_are_a_failing_feed_with_a_sentence(settings: dict[str, Any]) -> None:
    poller, press = leading(None, **{"user_id": "u"} | settings)
    await poller.poll_once()
    assert press.last.feed.health == "failing"
    sentence = str(feed_trouble(press.last, "failing", "deepcall"))
    assert press.last.feed.message.rstrip(".") in sentence
    assert "not answering" not in sentence  # it was never asked


async def test_settings_without_credentials_say_what_is_missing() -> None:
    poller, press = leading(None)
    await poller.poll_once()
    assert "ssid" in str(feed_trouble(press.last, "failing", "deepcall"))
    assert poller.client is not None
    await poller.client.aclose()


async def test_the_log_names_each_change_of_a_feed_once(caplog: pytest.LogCaptureFixture) -> None:
    poller, _ = leading(DeepCall(listing(), NotSent("list", message="No route."), NotSent("list"), listing()))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            await poller.poll_once()
    assert [record.getMessage().split(" ", 2)[2].strip() for record in caplog.records] == [
        "never -> fresh", "fresh -> failing  No route.", "failing -> fresh"]


async def test_a_feed_that_fails_a_hundred_times_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    poller, _ = leading(DeepCall(listing(), NotSent("list", message="No route.")))
    with caplog.at_level(logging.WARNING):
        for _ in range(101):
            await poller.poll_once()
    assert [record.getMessage().split()[2:5] for record in caplog.records] == [
        ["never", "->", "fresh"], ["fresh", "->", "failing"]]


async def test_a_feed_that_changes_with_every_list_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing: list[Listing | Exception] = [NotSent("list"), listing()] * 50
    poller, _ = leading(DeepCall(*changing))
    now = [1000.0]
    monkeypatch.setattr(poller, "_changes", Bound(polling.CHANGES, lambda: now[0]))
    with caplog.at_level(logging.WARNING):
        for _ in range(99):
            await poller.poll_once()
        assert len(caplog.records) == polling.CHANGES
        now[0] += 61
        await poller.poll_once()
    assert "(69 changes untold)" in caplog.records[-1].getMessage()


# ── how long to wait ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("interval_s", [0.5, 2, 30])
async def test_after_failures_the_wait_grows_to_eight_seconds_whatever_the_interval(interval_s: float) -> None:
    poller, _ = leading(DeepCall(NotSent("list", message="No route.")), poll_interval_s=interval_s)
    waits = []
    for _ in range(40):
        await poller.poll_once()
        waits.append(poller.pace().seconds)
        assert poller.pace().seconds == waits[-1]  # however often it is measured anew
    steps = [1, 2, 4] + 37 * [8]
    assert all(0.8 * step <= wait <= min(1.2 * step, 8.8) for step, wait in zip(steps, waits, strict=True))
    assert len(set(waits[3:])) > 1  # pollers do not come back together


async def test_a_failure_that_took_longer_than_its_pause_is_followed_by_a_rest() -> None:
    poller, _ = leading(DeepCall(NoUsableAnswer("list", message="Late.")))
    await poller.poll_once()
    assert poller._due(asked=100, ended=105) == pytest.approx(105.8)
    assert 100.8 <= poller._due(asked=100, ended=100) <= 101.2


@pytest.mark.parametrize(("answer", "why"), [
    (Busy("list", code="1501"), Why.BUSY), (Refused("list", code="429", retry_after_s=20), Why.TOLD)])
async def test_a_busy_deepcall_is_waited_for_and_asked_again(answer: Exception, why: Why) -> None:
    deepcall = DeepCall(answer, listing(call("a")))
    poller, press = leading(deepcall)
    await poller.poll_once()
    assert (poller.pace().why, press.last.feed.health) == (why, "failing")
    await poller.poll_once()
    assert (poller.pace().why, press.last.feed.health, set(press.last.calls)) == (Why.WATCHED, "fresh", {"a"})


@pytest.mark.parametrize("code", ["1014", "1015", "1020", "1039", "401", "403"])
async def test_refused_credentials_are_asked_again_after_a_minute(code: str) -> None:
    poller, _ = leading(DeepCall(Refused("list", code=code)))
    await poller.poll_once()
    assert (poller.pace().seconds, poller.pace().why) == (60, Why.CREDENTIALS)
    poller.hurry()
    assert poller.pace().seconds == 60  # somebody who opens a page mends no credentials


async def test_an_account_that_was_saved_is_asked_at_once_and_only_once() -> None:
    deepcall = DeepCall(Refused("list", code="1014"))
    poller, press = leading(deepcall)
    loop = asyncio.ensure_future(poller._poll_forever())
    await soon(press.came.wait())
    poller.ask_now()
    while deepcall.asked < 2:  # noqa: ASYNC110 - it goes on by itself
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert deepcall.asked == 2
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


@pytest.mark.parametrize(("answer_s", "rest_s"), [(0.5, 1.5), (2.0, 0.0), (3.0, 0.0)])
async def test_the_interval_counts_from_question_to_question(
    answer_s: float, rest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    times = [100.0]

    class Slow(DeepCall):
        async def list_calls(self) -> Listing:
            times.append(times[-1] + answer_s)
            return listing(call("a"))

    async def rested(seconds: float) -> bool:
        slept.set_result(max(0.0, seconds))
        await asyncio.Event().wait()
        return True

    poller, _ = leading(Slow(), poll_interval_s=2)
    monkeypatch.setattr(poller, "_rested", rested)
    poller.good_until = 200
    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda: times[-1]))
    loop = asyncio.ensure_future(poller._poll_forever())
    assert await soon(slept) == rest_s
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_takeover_that_waits_for_a_list_cuts_a_long_pause_short() -> None:
    takeovers, asked = Quiet(), asyncio.Event()

    class Counting(DeepCall):
        async def list_calls(self) -> Listing:
            asked.set()
            return listing()

    poller, _ = leading(Counting(), poll_interval_s=30)
    poller.takeovers = takeovers
    poller.good_until = time.monotonic() + 60
    loop = asyncio.ensure_future(poller._poll_forever())
    await soon(asked.wait())
    assert poller.pace().seconds == 30
    takeovers.open.add(1)
    asked.clear()
    poller.hurry()
    await soon(asked.wait())
    assert poller.pace().seconds == OPEN_INTERVAL_S
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_somebody_who_begins_to_watch_ends_a_long_pause() -> None:
    watchers: set[int] = set()
    deepcall = DeepCall(listing(call("a")))
    poller, press = leading(deepcall, poll_interval_s=0.5, idle_interval_s=60)
    poller.watched = watchers.__contains__
    loop = asyncio.ensure_future(poller._poll_forever())
    await soon(press.came.wait())
    assert (press.last.interval_s, poller.pace().why) == (30, Why.UNWATCHED)
    press.came.clear()
    watchers.add(1)
    poller.hurry()
    await soon(press.came.wait())
    assert (press.last.interval_s, poller.pace().why) == (0.5, Why.WATCHED)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_slower_interval_is_published_before_it_holds() -> None:
    """Else screens would call the next list late."""
    watchers = {1}
    poller, press = leading(DeepCall(listing(call("a"))), poll_interval_s=2, idle_interval_s=60)
    poller.watched = watchers.__contains__
    await poller.poll_once()
    watchers.clear()
    assert poller._due(asked=100, ended=100.1) == 102
    await poller.poll_once()
    assert (press.published[-1][1], press.last.interval_s) == (True, 30)
    assert poller._due(asked=100, ended=100.1) == 130


async def test_a_changed_interval_is_kept_at_once_for_processes_that_the_layer_does_not_reach() -> None:
    desk, watchers = NoDatabase(), {1}
    poller, _ = leading(DeepCall(listing(call("a"))), desk)
    poller.watched = watchers.__contains__
    await poller.poll_once()
    watchers.clear()
    await poller.poll_once()
    assert desk.given.count("save_board") == 2


async def test_the_report_tells_the_interval_its_reason_and_the_errors() -> None:
    poller, _ = leading(DeepCall(listing(call("a")), Refused("list", code="1032"), NotSent("list")))
    for _ in range(4):
        await poller.poll_once()
    report = poller.report()
    assert (report["last_minute"], report["total"], report["failures"], report["why"]) == (4, 4, 3, "back-off")
    assert report["errors_hour"] == report["errors"] == {"not-sent": 2, "1032": 1}
    assert report["at"] >= report["asked_at"] >= report["heard_at"] > 0
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(("moved", "told"), [(0, 0), (2, 1)])
async def test_after_each_good_list_takeovers_are_looked_up_and_screens_told_of_changes(moved: int, told: int) -> None:
    class Books(NoDatabase):
        async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            await super().run(work, *args, **kwargs)
            return moved if work.__name__ == "reconcile" else 0

    desk = Books()
    poller, _ = leading(DeepCall(listing(call("a"))), desk)
    poller.takeovers = takeovers = Quiet()
    await poller.poll_once()
    assert (desk.given.count("reconcile"), takeovers.told) == (1, told)


async def test_a_failed_list_is_no_evidence_for_any_takeover() -> None:
    desk = NoDatabase()
    poller, _ = leading(DeepCall(NotSent("list", message="No.")), desk)
    await poller.poll_once()
    assert "reconcile" not in desk.given


# ── the lease decides ──────────────────────────────────────────────────────────────────────────────
async def test_nothing_is_published_after_the_lease_ran_out() -> None:
    poller, press = leading(DeepCall(listing(call("a"))))
    poller.good_until = time.monotonic() - 0.001
    with pytest.raises(LeaseLost):
        await poller.poll_once()
    assert press.published == []


async def test_a_leader_that_was_frozen_past_its_lease_asks_nothing_when_it_wakes() -> None:
    deepcall = DeepCall(listing())
    poller, _ = leading(deepcall)
    poller.good_until = time.monotonic() - 0.001
    with pytest.raises(LeaseLost):
        await poller.poll_once()
    assert deepcall.asked == 0


class Endless(DeepCall):
    """Never answers; `left`: the question was given up."""

    left = False

    async def list_calls(self) -> Listing:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        finally:
            self.left = True


async def test_a_list_in_flight_is_given_up_when_the_lease_ends() -> None:
    deepcall = Endless(listing())
    poller, press = leading(deepcall)
    poller.good_until = time.monotonic() + 0.05
    with pytest.raises(LeaseLost):
        await soon(poller.poll_once())
    assert (deepcall.left, press.published) == (True, [])


async def test_a_renewed_lease_lets_a_list_in_flight_go_on() -> None:
    deepcall = Endless(listing())
    poller, _ = leading(deepcall)
    poller.good_until = time.monotonic() + 0.2
    asking = asyncio.ensure_future(poller.poll_once())
    while poller._question is None:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    poller._extend(time.monotonic() + 60)
    done, _ = await asyncio.wait({asking}, timeout=0.4)
    assert (done, deepcall.left) == (set(), False)
    poller._extend(time.monotonic())
    with pytest.raises(LeaseLost):
        await soon(asking)


async def test_a_renewal_that_comes_while_a_list_is_being_given_up_is_no_failure() -> None:
    """The list is lost then, and the lease is good."""
    giving_up, let_go = asyncio.Event(), asyncio.Event()

    class Hesitant(DeepCall):
        async def list_calls(self) -> Listing:
            try:
                return await asyncio.Event().wait()  # type: ignore[return-value]
            finally:
                giving_up.set()
                await let_go.wait()

    poller, _ = leading(Hesitant(listing()))
    poller.good_until = time.monotonic() + 0.05
    asking = asyncio.ensure_future(poller.poll_once())
    await soon(giving_up.wait())
    poller._extend(good_until := time.monotonic() + 60)
    let_go.set()
    with pytest.raises(LeaseLost):
        await soon(asking)
    assert poller.good_until == good_until


async def test_an_answer_that_came_after_the_lease_ran_out_is_thrown_away() -> None:
    poller, press = leading(None)

    class Slow(DeepCall):
        async def list_calls(self) -> Listing:
            poller.good_until = time.monotonic() - 0.001  # it passed while DeepCall was thinking
            return listing(call("a"))

    poller.client = cast(QueueClient, Slow())
    with pytest.raises(LeaseLost):
        await poller.poll_once()
    assert press.published == []


async def test_a_refused_renewal_ends_the_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(NoDatabase):
        async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return False if work is lease.renew else None

    monkeypatch.setattr(polling, "RENEW_S", 0.01)
    poller, _ = leading(DeepCall(listing()), Refusing())
    with pytest.raises(LeaseLost):
        await soon(poller._lead())


async def test_renewing_beats_also_while_deepcall_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Renewing(NoDatabase):
        async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return True

    class Hanging(DeepCall):
        async def list_calls(self) -> Listing:
            return await asyncio.Event().wait()  # type: ignore[return-value]

    monkeypatch.setattr(polling, "RENEW_S", 0.01)
    poller, press = leading(Hanging(listing()), Renewing())
    leader = asyncio.ensure_future(poller._lead())
    await soon(press.came.wait())
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    assert press.published[0] == (Board(account=1, fence=5), False)


async def test_a_lease_that_somebody_wants_is_lent_when_the_list_that_is_asked_for_has_come() -> None:
    coming = asyncio.Event()

    class Slow(DeepCall):
        async def list_calls(self) -> Listing:
            listed = await super().list_calls()
            await coming.wait()
            return listed

    poller, press = leading(Slow(listing(call("a"))))
    asking = asyncio.ensure_future(poller.poll_once())
    lending = asyncio.ensure_future(poller._let_go())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not lending.done()  # DeepCall is at work on our list: another one beside it would be answered 1501
    coming.set()
    with pytest.raises(LeaseLent):
        await soon(lending)
    await soon(asking)
    assert set(press.last.calls) == {"a"}


async def test_a_database_that_is_away_neither_extends_nor_ends_the_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "RENEW_S", 0.01)
    poller, press = leading(DeepCall(listing()), BrokenDatabase())
    poller.good_until = time.monotonic() + 0.1
    with pytest.raises(LeaseLost):
        await soon(poller._lead())
    assert press.published  # until the lease had run out by our own clock


# ── books ──────────────────────────────────────────────────────────────────────────────────────────
async def test_unseen_queues_are_noted_once_by_id_or_name() -> None:
    desk = NoDatabase()
    calls = call("a", queue_id="302", queue_name="Sales"), call("b", queue_id="", queue_name="Night DESK"), call(
        "c", queue_id="", queue_name=""), call("d", queue_id="404", queue_name="")
    poller, _ = leading(DeepCall(listing(*calls)), desk)
    await poller.poll_once()
    await poller.poll_once()
    assert desk.queues == {"302": "Sales", "night desk": "Night DESK", "404": "404"}
    assert desk.given.count("note_queues") == 1


async def test_the_snapshot_is_kept_at_most_every_two_seconds() -> None:
    desk = NoDatabase()
    poller, _ = leading(DeepCall(listing()), desk)
    for _ in range(3):
        await poller.poll_once()
    assert desk.given.count("save_board") == 1
    poller._saved_at -= 2
    await poller.poll_once()
    assert desk.given.count("save_board") == 2


async def test_boards_go_on_while_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    poller, press = leading(DeepCall(listing(call("a")), listing(call("b"))), BrokenDatabase())
    await poller.poll_once()
    await poller.poll_once()
    assert set(press.last.calls) == {"a", "b"}
    for _ in range(20):
        poller._saved_at = 0
        await poller.poll_once()
    assert caplog.messages[1:] == [f"poller Northgate: cannot keep books ({work}): the database is away"
                                   for work in ("note_queues", "save_board", "reconcile", "note_history")]


# ── with a database ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk("test")
    yield desk
    desk.close()


@pytest.fixture
def northgate(transactional_db: None) -> Account:
    account = Account(name="Northgate", base_url="https://deepcall.example")
    account.set_ssid("ssid")
    account.save()
    return account


async def test_a_new_leader_begins_with_the_kept_board_and_its_first_seen_times(
    northgate: Account, desk: Desk
) -> None:
    kept = board(call("a"), account=northgate.pk, fence=3, seq=40, health="failing", code="1015")
    await desk.run(save_board, kept, northgate)
    await desk.run(Lease.objects.create, name=f"account:{northgate.pk}", fence=3)
    poller = Poller(northgate, Press(), "me", desk, Quiet())
    assert await poller._acquire()
    assert poller.board == msgspec.structs.replace(kept, fence=4, seq=0)


async def test_what_the_kept_board_was_out_of_is_no_news_with_a_new_leaders_first_list(
    northgate: Account, desk: Desk
) -> None:
    queue = Queue(account=northgate, key="302", name="Sales", waiting_crit=1)
    await desk.run(queue.save)
    old = msgspec.structs.replace(board(account=northgate.pk, heard_at=1000), breaches={
        "302": (Breach("waiting", Level.RED, 1000),)})
    await desk.run(save_board, old, northgate)
    poller = Poller(northgate, Press(), "me", desk, Quiet())
    assert await poller._acquire()
    poller.client = cast(QueueClient, DeepCall(listing()))
    [breach] = (await poller.poll_once()).breaches["302"]
    assert breach.better_since  # nobody waits: it eases, and whoever comes now is not alarmed


async def test_a_poller_waits_while_another_process_leads(northgate: Account, desk: Desk) -> None:
    await desk.run(acquire, f"account:{northgate.pk}", "other")
    assert not await Poller(northgate, Press(), "me", desk, Quiet())._acquire()


async def test_run_leads_and_stopping_keeps_the_board_and_lets_the_lease_go(northgate: Account, desk: Desk) -> None:
    press, deepcall = Press(), DeepCall(listing(call("a")))
    poller = Poller(northgate, press, "me", desk, Quiet())
    poller.client = cast(QueueClient, deepcall)
    running = asyncio.ensure_future(poller.run())
    await soon(press.came.wait())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await poller.stop()
    assert deepcall.closed
    assert await desk.run(load_board, northgate) == poller.board
    assert await desk.run(acquire, poller.lease_name, "next") == poller.board.fence + 1


async def test_what_a_poll_writes_is_in_the_database(northgate: Account, desk: Desk) -> None:
    poller = Poller(northgate, Press(), "me", desk, Quiet())
    assert await poller._acquire()
    poller.client = cast(QueueClient, DeepCall(listing(call("a"))))
    board = await poller.poll_once()
    assert await desk.run(load_board, northgate) == board
    assert await desk.run(lambda: list(Queue.objects.values_list("key", "name"))) == [("302", "Sales")]


async def test_a_deposed_leader_leaves_the_next_ones_snapshot_alone(northgate: Account, desk: Desk) -> None:
    old = Poller(northgate, Press(), "old", desk, Quiet())
    assert await old._acquire()
    await desk.run(Lease.objects.update, expires_at=0)
    await desk.run(acquire, old.lease_name, "new")
    await desk.run(save_board, board(account=northgate.pk, fence=2), northgate)
    old.client = cast(QueueClient, DeepCall(listing(call("a"))))
    await old.poll_once()  # frozen, awake again, and its own clock says that it still leads
    assert await desk.run(lambda: BoardSnapshot.objects.values_list("fence", "seq").get()) == (2, 1)


# ── the desk of all pollers ────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def polls(northgate: Account, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PollDesk]:
    async def list_calls(client: QueueClient) -> Listing:
        if client.upstream.list_path == "crash":
            raise RuntimeError("a bug")
        return listing(call(client.upstream.list_path))

    monkeypatch.setattr(QueueClient, "list_calls", list_calls)
    polls = PollDesk(Press(), "me", Quiet())
    yield polls
    await polls.stop()


async def next_board(polls: PollDesk, key: str) -> Board:
    press = cast(Press, polls.publish)
    while not press.published or key not in press.last.calls:
        press.came.clear()
        await soon(press.came.wait())
    return press.last


async def test_enabled_accounts_are_polled_and_disabled_ones_no_more(northgate: Account, polls: PollDesk) -> None:
    await polls.update()
    await next_board(polls, "queue/list")
    await polls.desk.run(Account.objects.update, enabled=False)
    await polls.update()
    assert polls._running == {}


async def test_changed_settings_restart_the_poller_with_the_next_fence(northgate: Account, polls: PollDesk) -> None:
    await polls.update()
    before = await next_board(polls, "queue/list")
    await polls.desk.run(Account.objects.update, list_path="calls/live")
    await polls.update()
    assert (await next_board(polls, "calls/live")).fence == before.fence + 1


async def test_unchanged_settings_leave_the_poller_alone(northgate: Account, polls: PollDesk) -> None:
    await polls.update()
    await next_board(polls, "queue/list")
    task, asked = polls._running[northgate.pk][1], polls._pollers[northgate.pk].tally.total
    await polls.update()
    assert polls._running[northgate.pk][1] is task
    assert (polls._pollers[northgate.pk]._at_once, asked) == (False, 1)


async def test_an_account_saved_as_it_was_is_asked_again_at_once_in_the_same_poller(
    northgate: Account, polls: PollDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: asyncio.Queue[None] = asyncio.Queue()

    async def refused(client: QueueClient) -> Listing:
        asked.put_nowait(None)
        raise Refused("list", code="1014", message="No.", http_status=200)

    monkeypatch.setattr(QueueClient, "list_calls", refused)
    await polls.update()
    task = polls._running[northgate.pk][1]
    await soon(asked.get())
    await polls.desk.run(northgate.save)
    await polls.update()
    await soon(asked.get())
    assert polls._running[northgate.pk][1] is task


async def test_a_poller_that_ended_whyever_begins_anew(northgate: Account, polls: PollDesk) -> None:
    await polls.update()
    task = polls._running[northgate.pk][1]
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    await polls.update()
    assert not polls._running[northgate.pk][1].done()


async def test_a_crash_of_one_poller_ends_neither_it_nor_the_others(
    northgate: Account, polls: PollDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr("dashboard.poll_desk.RESTART_S", 0.01)
    monkeypatch.setattr("dashboard.poll_desk.SaidOnce.failed", lambda said, *why, **how: crashes.put_nowait(said._who))
    await polls.desk.run(Account.objects.create, name="Southgate", base_url="https://deepcall.example",
                         list_path="crash")
    await polls.update()
    await next_board(polls, "queue/list")
    assert [await soon(crashes.get()) for _ in range(2)] == ["poller Southgate", "poller Southgate"]
    assert not polls._running[northgate.pk][1].done()


def test_a_feed_is_late_after_three_intervals_but_never_before_five_seconds() -> None:
    assert [late_after_ms(interval) for interval in (0.5, 2, 30)] == [5000, 6000, 90_000]


@pytest.mark.parametrize("error", [NotSent("list", message="No route."), NoUsableAnswer("list", message="Late.")])
async def test_a_deepcall_that_is_silent_is_called_so(error: QueueApiError) -> None:
    poller, press = leading(DeepCall(error))
    await poller.poll_once()
    assert "not answering" in str(feed_trouble(press.last, "failing", "deepcall"))


@pytest.mark.django_db
def test_the_board_of_a_deleted_account_is_not_kept(account: Account) -> None:
    kept = Board(account=account.pk, fence=1)
    assert save_board(kept, account)
    Account.objects.all().delete()
    assert not save_board(kept, account)


class Away:
    """A database that cannot be reached."""

    async def run(self, *work: object) -> None:
        raise OSError("away")


async def test_a_poller_ends_although_nothing_can_be_written_any_more() -> None:
    poller, _press = leading(DeepCall(listing()))
    poller.desk = cast(Desk, Away())
    await poller.stop()
