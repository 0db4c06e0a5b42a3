"""Who watches, in which process, and how the one that polls learns of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from dashboard import lease, watching
from dashboard import mirror as mirroring
from dashboard.access import Scope
from dashboard.fanout import Hub
from dashboard.layer import Message
from dashboard.lease import acquire, note_watched, standing
from dashboard.mirror import Card, Mirror, News
from dashboard.models import Display, Queue
from dashboard.pairing import PAGE_COOKIE, hashed
from dashboard.station import Station
from dashboard.station import station as of_this_process
from dashboard.watching import LOOKED_S, NOTE_EVERY_S, NOTED_S, TOLD_S, Watch
from queue_api.models import Account
from tests.makers import NORTHGATE, board, mirror_of
from tests.takeovers import signed_in
from tests.test_mirror import Clock
from tests.test_sessions import Page

EVERYWHERE, NORTH, SOUTH_SALES = Scope(everything=True), Scope(whole=frozenset({1})), Scope(
    queues=frozenset({(2, "302")}))
BOTH = (1, 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


# ── one process ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("scopes", "watched"), [
    ((), set()), ((NORTH,), {1}), ((SOUTH_SALES,), {2}), ((EVERYWHERE,), {1, 2}), ((Scope(),), set()),
    ((NORTH, SOUTH_SALES), {1, 2}),
])
def test_a_screen_watches_the_accounts_of_its_queues_while_it_is_connected(
    scopes: tuple[Scope, ...], watched: set[int]
) -> None:
    screens = list(scopes)
    watch = Watch(lambda: screens)
    assert watch.here(BOTH) == {account for account in BOTH if watch.watched(account)} == watched
    screens.clear()
    assert not any(watch.watched(account) for account in BOTH)


def test_a_page_that_was_loaded_counts_for_half_a_minute(clock: Clock) -> None:
    watch = Watch(tuple)
    watch.look(SOUTH_SALES, BOTH)
    clock.now += LOOKED_S - 0.1
    assert (watch.here(BOTH), watch.watched(1), watch.watched(2)) == ({2}, False, True)
    clock.now += 0.1
    assert (watch.here(BOTH), watch.watched(2)) == (set(), False)


def test_what_another_process_says_runs_out_and_is_not_said_on(clock: Clock) -> None:
    watch = Watch(tuple)
    watch.heard({1: TOLD_S})
    clock.now += TOLD_S - 0.1
    assert (watch.watched(1), watch.watched(2), watch.here(BOTH)) == (True, False, set())
    watch.heard({1: 1.0})  # a shorter word does not shorten a longer one, and nothing lasts for ever
    watch.heard({2: 1e9})
    clock.now += 0.2
    assert (watch.watched(1), watch.watched(2)) == (True, True)
    clock.now += NOTED_S
    assert (watch.watched(1), watch.watched(2)) == (False, False)


def test_each_account_is_written_down_at_most_every_ten_seconds(clock: Clock) -> None:
    watch = Watch(tuple)
    assert watch.due({1}) == {1}
    clock.now += NOTE_EVERY_S - 0.1
    assert watch.due({1, 2}) == {2}
    clock.now += 0.1
    assert watch.due({1, 2}) == {1}


def test_an_account_that_is_gone_is_forgotten(clock: Clock) -> None:
    watch = Watch(tuple)
    watch.look(EVERYWHERE, BOTH)
    watch.heard({1: TOLD_S, 2: TOLD_S})
    assert watch.here({1}) == {1}
    assert (watch.watched(1), watch.watched(2)) == (True, False)


# ── between processes ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def station(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Station]]:
    """Makes processes that know Northgate, and counts on each how often its pauses were measured anew."""
    made: list[Station] = []

    def make() -> Station:
        mirror = mirror_of(board())
        one = Station(mirror, Hub(mirror))
        one.loop = asyncio.get_running_loop()
        monkeypatch.setattr(one.polls, "hurry", lambda: hurried.append(one))
        made.append(one)
        return one

    hurried: list[Station] = []
    make.hurried = hurried  # type: ignore[attr-defined]
    yield make
    for one in made:
        one.desk.close()
        one.polls.desk.close()


def wired(monkeypatch: pytest.MonkeyPatch, settings: Any, sender: Station, *others: Station) -> list[Message]:
    """Hands to the others what the one sends; the messages."""
    sent: list[Message] = []

    async def send(message: Message) -> bool:
        sent.append(message)
        for other in others:
            other.on_message(message)
        return True

    settings.REDIS_URL = "redis://somewhere"
    monkeypatch.setattr(sender.layer, "send", send)
    monkeypatch.setattr(lease, "note_watched", lambda *_given: None)
    return sent


async def test_a_screen_that_joins_wakes_the_poller_of_another_process_at_once(
    station: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, leader = station(), station()
    sent = wired(monkeypatch, settings, served, leader)
    assert not leader.watch.watched(1)
    page = Page(served.hub, (1, "a"))
    await asyncio.wait_for(served._telling_of_watch, 5)
    assert leader.watch.watched(1)
    assert set(station.hurried) == {served, leader}
    assert [message["type"] for message in sent] == ["watching"]
    served.hub.leave(page.member)


async def test_many_screens_of_one_moment_are_one_message(
    station: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = station()
    sent = wired(monkeypatch, settings, served)
    pages = [Page(served.hub, (number, "a")) for number in range(20)]
    await asyncio.wait_for(served._telling_of_watch, 5)
    assert len(sent) == 1
    for page in pages:
        served.hub.leave(page.member)


async def test_a_lost_message_is_made_good_by_the_next_reading_and_by_the_database(
    station: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, leader = station(), station()
    sent = wired(monkeypatch, settings, served)
    page = Page(served.hub, (1, "a"))
    await asyncio.wait_for(served._telling_of_watch, 5)
    assert not leader.watch.watched(1)
    served._told_at -= 5  # the next reading
    served._keep_watch(News(cards={1: NORTHGATE}, boards=[], attempts=[], generations={}))
    await asyncio.wait_for(served._telling_of_watch, 5)
    assert len(sent) == 2
    read = News(cards={1: NORTHGATE}, boards=[], attempts=[], generations={},
                standing={1: lease.Standing(fence=1, watched_s=15.0)})
    leader._keep_watch(read)
    assert leader.watch.watched(1)
    assert leader in station.hurried
    served.hub.leave(page.member)


async def test_accounts_that_are_not_known_and_odd_messages_are_left_alone(station: Any) -> None:
    leader = station()
    for accounts in ([99], ["1"], [None], 7, None, "1"):
        leader.on_message({"type": "watching", "accounts": accounts, "from": "another"})
    assert not leader.watch.watched(1)
    assert not leader.watch.watched(99)


@pytest.mark.parametrize(("reachable", "again"), [(True, False), (False, True)])
async def test_without_a_layer_the_database_is_read_oftener(
    station: Any, monkeypatch: pytest.MonkeyPatch, reachable: bool, again: bool
) -> None:
    monkeypatch.setattr("dashboard.station.DEAF_READ_S", 0.01)
    deaf, readings = station(), asyncio.Semaphore(0)
    deaf.layer.reachable = reachable

    async def read_once() -> None:
        readings.release()

    monkeypatch.setattr(deaf, "read_once", read_once)
    reading = asyncio.ensure_future(deaf.read_forever())
    await asyncio.wait_for(readings.acquire(), 5)
    second = asyncio.ensure_future(readings.acquire())
    done, _ = await asyncio.wait({second}, timeout=5 if again else 0.3)
    assert bool(done) == again
    for task in (reading, second):
        task.cancel()
    await asyncio.gather(reading, second, return_exceptions=True)


@pytest.mark.django_db
def test_what_is_written_down_is_read_by_every_process(account: Account) -> None:
    acquire(f"account:{account.pk}", "another")
    assert standing([account.pk])[account.pk].watched_s < 0
    note_watched([account.pk], 20)
    found = standing([account.pk])[account.pk]
    assert (found.fence, 19 < found.watched_s <= 20) == (1, True)


# ── pages without a socket ─────────────────────────────────────────────────────────────────────────
@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    looked: list[Scope] = []
    monkeypatch.setattr(of_this_process, "look", looked.append)
    return looked


@pytest.mark.django_db
def test_a_board_that_is_loaded_and_a_click_are_looks_at_their_own_queues(
    supervisor: User, account: Account, looked: list[Scope]
) -> None:
    client = signed_in(supervisor)
    client.get("/")
    client.post("/takeover/", {"call": "1-nothing"})
    assert len(looked) == 2
    assert all(scope.touches(account.pk) and not scope.everything for scope in looked)


@pytest.mark.django_db
def test_a_wall_is_a_look_and_a_screen_without_queues_or_without_sign_in_is_none(
    account: Account, sales: Queue, client: Any, looked: list[Scope]
) -> None:
    client.get("/")
    client.get("/wall/")
    assert looked == []
    display = Display.objects.create(name="Sales", token_hash=hashed("secret"))
    display.queues.add(sales)
    client.cookies[PAGE_COOKIE] = "secret"
    client.get("/wall/")
    assert [scope.touches(account.pk) for scope in looked] == [True]


async def test_a_look_from_a_requests_thread_wakes_the_poller(station: Any) -> None:
    served = station()
    await asyncio.to_thread(served.look, NORTH)
    await asyncio.sleep(0)
    assert served.watch.watched(1)
    assert station.hurried == [served]


# ── what is late ───────────────────────────────────────────────────────────────────────────────────
def test_between_two_slow_lists_the_lease_tells_that_the_poller_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(mirroring, "time", clock)
    mirror = mirror_of(board())
    card = Card(pk=1, name="Northgate", interval_s=2)
    clock.now += 30
    assert mirror.health(card, board().heard_at or 0).hop == "poller"
    mirror.take(News(cards={1: card}, boards=[], attempts=[], generations={},
                     standing={1: lease.Standing(fence=1, watched_s=0)}))
    assert mirror.health(card, board().heard_at or 0).state == "fresh"


def test_a_mirror_knows_nothing_of_leases_that_ended() -> None:
    mirror = Mirror()
    mirror.take(News(cards={1: NORTHGATE}, boards=[], attempts=[], generations={},
                     standing={1: lease.Standing(fence=None, watched_s=0)}))
    assert mirror.health(NORTHGATE, 0).hop == "poller"
