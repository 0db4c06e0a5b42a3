"""Troubles that last are said when they begin, once a minute meanwhile, and when they are over."""

import logging
from collections.abc import Callable

import pytest

from dashboard.layer import Layer
from dashboard.said_once import BEGINNINGS, OnceAMinute, SaidOnce

logger = logging.getLogger("tests.said_once")


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def said(clock: list[float], caplog: pytest.LogCaptureFixture) -> SaidOnce:
    caplog.set_level(logging.INFO)
    return SaidOnce(logger, "station", lambda: clock[0])


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_hundred_failures_in_a_row_are_one_line_and_their_end_another(
    said: SaidOnce, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        said.failed("read the database", "gone")
        clock[0] += 0.42
    said.works("read the database")
    said.works("read the database")
    assert messages(caplog) == ["station: cannot read the database: gone",
                                "station: can read the database again after 42 s, failures: 100"]


def test_while_it_lasts_it_is_said_once_a_minute_with_a_count(
    said: SaidOnce, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(151):
        said.failed("read the database", "gone")
        clock[0] += 1
    assert messages(caplog) == ["station: cannot read the database: gone"] + [
        "station: still cannot read the database: gone (60 more in 60 s)"] * 2


def test_troubles_of_one_owner_are_told_apart(said: SaidOnce, caplog: pytest.LogCaptureFixture) -> None:
    said.failed("renew the lease", "gone")
    said.failed("keep books", "full")
    said.works("keep books")
    said.failed("renew the lease", "gone")
    assert [message.partition(": ")[2][:16] for message in messages(caplog)] == [
        "cannot renew the", "cannot keep book", "can keep books a"]


def test_what_works_is_not_spoken_of(said: SaidOnce, caplog: pytest.LogCaptureFixture) -> None:
    said.works("read the database")
    assert messages(caplog) == []


def test_what_comes_and_goes_all_the_time_does_not_fill_the_log(
    said: SaidOnce, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(500):
        said.failed("be used", "refused")
        said.works("be used")
        clock[0] += 0.1
    assert len(messages(caplog)) == 2 * BEGINNINGS
    clock[0] += 60
    said.failed("be used", "refused")
    assert len(messages(caplog)) == 2 * BEGINNINGS + 1


def test_long_after_the_last_failure_the_next_one_is_news(
    said: SaidOnce, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody reports what works: a crash of today is not a crash that still goes on since last week."""
    for _ in range(2):
        said.failed("go on", "crash")
        clock[0] += 121
    assert messages(caplog) == ["station: cannot go on: crash"] * 2


def test_the_beginning_may_carry_the_traceback_and_repetitions_never_do(
    said: SaidOnce, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        try:
            raise KeyError("data")
        except KeyError as error:
            said.failed("go on", error, traceback=True)
    assert [record.exc_info is not None for record in caplog.records] == [True]


# ── a library that repeats itself ──────────────────────────────────────────────────────────────────
@pytest.fixture
def filtered(clock: list[float]) -> Callable[[str], logging.LogRecord | None]:
    once = OnceAMinute(lambda: clock[0])

    def say(text: str, level: int = logging.ERROR) -> logging.LogRecord | None:
        try:
            raise ConnectionError("Redis is away")
        except ConnectionError as error:
            record = logging.LogRecord("channels_redis.pubsub", level, "", 0, text, (),
                                       (type(error), error, error.__traceback__))
        return record if once.filter(record) else None

    return say


def test_a_traceback_each_second_becomes_one_line_a_minute(
    filtered: Callable[[str], logging.LogRecord | None], clock: list[float]
) -> None:
    let_through = []
    for _ in range(150):
        if (record := filtered("Unexpected exception in receive task")) is not None:
            let_through.append(record)
        clock[0] += 1
    assert [record.getMessage() for record in let_through] == [
        f"Unexpected exception in receive task: ConnectionError: Redis is away ({more} more before)"
        for more in (0, 59, 59)]
    assert all(record.exc_info is None for record in let_through)


def test_the_filter_stands_where_the_traceback_comes_from() -> None:
    for name in ("channels_redis.pubsub", "channels_redis.core"):
        assert any(isinstance(one, OnceAMinute) for one in logging.getLogger(name).filters)


def test_a_filter_that_was_set_up_twice_counts_once(filtered: Callable[[str], logging.LogRecord | None]) -> None:
    record = filtered("Unexpected exception in receive task")
    assert record is not None
    said = record.getMessage()
    assert OnceAMinute().filter(record)
    assert record.getMessage() == said


async def test_a_layer_that_is_away_for_a_hundred_messages_is_two_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        answers = iter([False] * 100 + [True])

        async def group_send(self, group: str, message: object) -> None:
            if not next(self.answers):
                raise ConnectionError("no Redis")

    away = Away()
    monkeypatch.setattr("dashboard.layer.get_channel_layer", lambda: away)
    layer = Layer()
    for _ in range(101):
        await layer.send({"type": "bell"})
    assert [message[:36] for message in messages(caplog)] == [
        "channel layer: cannot be used: sendi", "channel layer: can be used again aft"]
    assert (layer.failures, layer.reachable) == (100, True)
