"""Two `serve` processes, kill -9, and a centre whose clock runs many times as fast: a failover doubles nothing, and
what the database holds afterwards is right to the call: on PostgreSQL, and on one file of SQLite.

CALLBOARD_LONG: a whole day at 60 times the speed, in half an hour: who was killed takes its time to start again.
"""

import json
import logging
import os
import re
import sqlite3
import sys
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from queue_api.simulator.truth import Life
from tests.processes import Callboard, Upstream, furnish, manage, running, until
from tests.reckoning import Due, Look, Rules, blind_spots, reckoned
from tests.services import postgres, redis

pytestmark = pytest.mark.processes
logger = logging.getLogger(__name__)

LONG = bool(os.environ.get("CALLBOARD_LONG"))
SPEED = int(os.environ.get("CALLBOARD_TEST_SPEED", 60 if LONG else 10))
POLL_S, CALLS = (10, 24) if LONG else (5, 150)
KILLS, BETWEEN_S = (int(os.environ.get("CALLBOARD_TEST_KILLS", 20)), 3600) if LONG else (2, 60)  # of the centre's time
SLACK_MS = 500 * SPEED  # from asking to the moment of the list, on a machine that does other things: of durations
RULES = Rules(gap_ms=int(3 * POLL_S * 1000), zone="Asia/Kolkata", whole_seconds=True, target_s={})
INTERVAL = f"from queue_api.models import Account; Account.objects.update(poll_interval_s={POLL_S})"


class Hastened(Callboard):
    command = (sys.executable, "-m", "tests.hastened")


@pytest.fixture(params=["PostgreSQL", "SQLite"])
def environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "SQLite":
        yield redis()
        return
    with postgres() as database:
        yield database | redis()


class Site:
    """Two processes on one database. `asked` reads it."""

    def __init__(self, data: Path, upstream: Upstream, more: dict[str, str]) -> None:
        self.data, self.upstream = data, upstream
        self.since = int(told(upstream, "")["began_ms"])
        self.more = more | {"CLOCK_SPEED": str(SPEED), "CLOCK_SINCE": str(self.since)}
        self.servers: list[Hastened] = []
        self.deaths = 0

    def starts(self) -> None:
        self.servers += (Hastened(self.data, None, **self.more) for _ in range(2))

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        if "DATABASE_URL" not in self.more:
            with closing(sqlite3.connect(self.data / "callboard.sqlite3", timeout=10)) as file:
                return file.execute(question).fetchall()
        with psycopg.connect(self.more["DATABASE_URL"], connect_timeout=10) as database:
            return database.execute(question).fetchall()

    def leader(self) -> int:
        """The place of the one that leads, or led last."""
        fences = [max(map(int, re.findall(r"leads with fence (\d+)", server.log.read_text())), default=0)
                  for server in self.servers]
        return fences.index(max(fences))

    def leads(self) -> int:
        """How often somebody began to lead: after a death, and after a lease that was lost on a busy machine."""
        return int(self.asked("SELECT max(fence) FROM dashboard_lease WHERE name LIKE 'account:%'")[0][0])

    def kill_who_leads(self) -> None:
        """As it writes, asks or waits; the other one goes on."""
        place = self.leader()
        self.servers[place].kill()
        self.deaths += 1
        noted = self.noted_until()
        until(lambda: self.noted_until() > noted + POLL_S * 1000, 60, "the other one notes lists")
        self.servers[place] = Hastened(self.data, None, **self.more)

    def goes_on(self, for_s: float) -> None:
        """For so long by the centre's clock, at least."""
        until_ms = self.noted_until() + for_s * 1000
        until(lambda: self.noted_until() > until_ms, 3 * for_s / SPEED + 30, "lists go on")

    def noted_until(self) -> int:
        return int(self.asked("SELECT coalesce(max(until), 0) FROM dashboard_watched")[0][0])


def told(upstream: Upstream, path: str) -> Any:
    with urllib.request.urlopen(f"{upstream.url}/_simulator{path}", timeout=30) as answer:
        return json.load(answer)


def looks_of(site: Site, lists: list[int]) -> tuple[list[Look], list[Look]]:
    """The lists that were noted, by what the database says of when somebody watched; and those that may have been kept
    without being noted, by a process that died or lost its lease in between."""
    stretches = site.asked("SELECT began_at, until FROM dashboard_watched ORDER BY began_at")
    sure, maybe = list[Look](), list[Look]()
    for began, ended in stretches:
        first, last = bisect_left(lists, began), min(bisect_left(lists, ended), len(lists) - 1)
        sure += [Look(at, anew=at == lists[first]) for at in lists[first:last + 1]]
        maybe += [Look(at, noted=False) for at in lists[last + 1:last + 2]]
    return sure, maybe


def kept(site: Site) -> dict[str, Due]:
    rows = site.asked(
        "SELECT call_key, queue_key, kind, offered_at, outcome, wait_ms, talk_ms FROM dashboard_observedcall")
    found = {key: Due(*values) for key, *values in rows}
    assert len(found) == len(rows), "a call was kept twice"
    return found


def differs(due: Due | None, have: Due | None) -> bool:
    """Durations that end between two lists are as exact as we know when a list was made; all else is exact."""
    if due is None or have is None:
        return due != have
    exact = due._replace(talk_ms=None, wait_ms=None) == have._replace(talk_ms=None, wait_ms=None)
    near = all((a is None) == (b is None) and abs((a or 0) - (b or 0)) <= SLACK_MS
               for a, b in ((due.talk_ms, have.talk_ms), (due.wait_ms, have.wait_ms)))
    return not exact or not near or (due.outcome == "answered" and due.wait_ms != have.wait_ms)


Wrong = dict[str, tuple[Due | None, Due | None]]  # due, and kept


def wrong_with(looks: list[Look], lives: list[Life], have: dict[str, Due]) -> Wrong:
    due = reckoned(lives, looks, RULES)
    return {key: (due.get(key), have.get(key)) for key in due.keys() | have.keys()
            if differs(due.get(key), have.get(key))}


def wrong_in(site: Site) -> Wrong:
    """Calls that are not as they must be, whichever lists were kept without being noted."""
    truth, have = told(site.upstream, "/truth"), kept(site)
    lives = msgspec.convert(truth["lives"], list[Life])
    looks, maybe = looks_of(site, truth["lists"])
    logger.info("%s× time, %s lists, %s calls, %s deaths, %s leads, %s gaps; %s", SPEED, len(truth["lists"]), len(have),
                site.deaths, site.leads(), len(site.asked("SELECT 1 FROM dashboard_watched")) - 1,
                blind_spots(lives, looks, RULES))
    wrong = wrong_with(looks, lives, have)
    for look in maybe:
        there = (life.call_id for life in lives if life.shown_ms <= look.at < (life.ended_ms or look.at + 1))
        if wrong.keys().isdisjoint(there):
            continue
        more = sorted([*looks, look])
        if len(better := wrong_with(more, lives, have)) < len(wrong):
            looks, wrong = more, better
    return wrong


BY_HAND = """
SELECT minute, queue_key, count(*), count(*) FILTER (WHERE answered), count(*) FILTER (WHERE outcome = 'unanswered'),
       count(*) FILTER (WHERE outcome = 'unknown'), count(wait_ms), coalesce(sum(wait_ms), 0), coalesce(sum(talk_ms), 0)
FROM dashboard_observedcall WHERE kind NOT IN ('OBD', 'CTC', 'BRD') GROUP BY 1, 2 ORDER BY 1, 2"""
MINUTES = """SELECT minute, queue_key, offered, answered, unanswered, unknown, waits, wait_ms, talk_ms
FROM dashboard_callminute WHERE offered > 0 ORDER BY 1, 2"""


def test_who_leads_is_killed_again_and_again_and_every_call_is_right(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    upstream = Upstream(tmp_path, "--seed", "16", "--calls", str(CALLS), "--story", "--speed", str(SPEED))
    with running(upstream):
        furnish(tmp_path, upstream.url, **environment)
        manage(tmp_path, "shell", "-c", INTERVAL, **environment)
        site = Site(tmp_path, upstream, environment)
        try:
            site.starts()
            until(lambda: site.noted_until() > 0, 30, "the first list is noted")
            for _ in range(KILLS):
                site.goes_on(BETWEEN_S)
                site.kill_who_leads()
            site.goes_on(10 * POLL_S)
        finally:
            for server in site.servers:
                server.kill()
        assert site.asked(BY_HAND) == site.asked(MINUTES)
        wrong = wrong_in(site)
        assert not wrong, f"{len(wrong)}: {list(wrong.items())[:5]}"
