"""A `serve` that ends, in order or not, while takeovers are under way: nobody is left without a true answer or record.

One takeover in flight, a tab that is closed at once and a kill in the middle: `tests/test_commands.py`.
"""

import contextlib
import json
import logging
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from tests.chaos.proxy import RESET_AFTER, Proxy
from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.services import postgres, redis
from tests.supervisors import Supervisor, Told, attribute

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.processes

SUPPORT = {"queue_id": "301", "queue_name": "Support"}
TALKING = {"state": "talking", "agent_id": "2001", "agent_name": "Meera Iyer", "answered_ago_s": 60, **SUPPORT}
RECORD = """
import json
from dashboard.models import AuditEvent, TakeoverAttempt
lines = list(AuditEvent.objects.order_by("seq").values_list("attempt_id", "kind"))
print(json.dumps({attempt.call_id: [attempt.state, *(kind[9:] for at, kind in lines if at == attempt.pk)]
                  for attempt in TakeoverAttempt.objects.all()}))
"""


class Site:
    """A database, a simulated DeepCall, and what is started on them. `given`: the environment of its processes."""

    def __init__(self, data: Path, deepcall: Upstream, given: dict[str, str]) -> None:
        self.data, self.deepcall, self.given = data, deepcall, given
        self.started = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.deepcall.switch(reset=True, frozen=True)
        return self

    def __exit__(self, *_error: object) -> None:
        self.started.close()
        self.deepcall.switch(clear="*")

    def serve(self) -> Callboard:
        program = Callboard(self.data, None, **self.given)
        self.started.enter_context(running(program))
        return program

    def add(self, *calls: str) -> None:
        for call in calls:
            self.deepcall.switch(add_call={"call_id": call, **TALKING})

    def record(self) -> dict[str, list[str]]:
        """By call: the attempt's state, and the lines of its record in order."""
        said: dict[str, list[str]] = json.loads(manage(self.data, "shell", "-v", "0", "-c", RECORD, **self.given))
        return said

    def posts(self) -> Counter[str]:
        """Takeovers that reached DeepCall, by call."""
        return Counter(entry["body"]["callId"] for entry in self.deepcall.journal())

    def moved(self) -> set[str]:
        return {entry["body"]["callId"] for entry in self.deepcall.journal() if entry["effect"]}


@pytest.fixture(scope="module")
def deepcall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    program = Upstream(tmp_path_factory.mktemp("deepcall"), "--seed", "3")
    with running(program):
        yield program


@pytest.fixture(scope="module")
def wire(deepcall: Upstream) -> Iterator[Proxy]:
    """What lies between the account and its DeepCall."""
    with Proxy(deepcall.port) as proxy:
        yield proxy


def furnished(data: Path, wire: Proxy, **given: str) -> Path:
    furnish(data, wire.url, **given)
    manage(data, "shell", "-c", FAST, **given)
    return data


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory, wire: Proxy) -> Path:
    return furnished(tmp_path_factory.mktemp("sqlite"), wire)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory, wire: Proxy) -> Iterator[tuple[Path, dict[str, str]]]:
    with postgres() as database:
        yield furnished(tmp_path_factory.mktemp("postgresql"), wire, **database), database


@pytest.fixture
def site(tmp_path: Path, sqlite: Path, deepcall: Upstream) -> Iterator[Site]:
    """On an SQLite file of its own."""
    shutil.copytree(sqlite, tmp_path, dirs_exist_ok=True)
    with Site(tmp_path, deepcall, {}) as site:
        yield site


@pytest.fixture
def on_postgres(postgresql: tuple[Path, dict[str, str]], deepcall: Upstream) -> Iterator[Site]:
    """On one PostgreSQL database, with what earlier tests left there."""
    with Site(postgresql[0], deepcall, postgresql[1]) as site:
        yield site


@contextlib.contextmanager
def clicks() -> Iterator[Callable[..., Future[Told]]]:
    """Clicks that wait for their answers beside the test."""
    with ThreadPoolExecutor(32) as pool:
        yield lambda who, *click, **options: pool.submit(who.click, *click, **options)


def terminate(serve: Callboard, asha: Supervisor) -> float:
    """When it was told to end; by now it knows."""
    began = time.monotonic()
    serve.process.send_signal(signal.SIGTERM)
    until(lambda: asha.get("/healthz")[0] == 503, 10, "/healthz 503")
    return began


def ended(serve: Callboard, began: float) -> float:
    """Seconds from `began` until the process has ended: in order, and within what a process manager waits."""
    assert serve.process.wait(20) == 0
    took_s = time.monotonic() - began
    assert took_s <= 15
    assert "Traceback" not in serve.log.read_text()
    return took_s


# ── SIGTERM ────────────────────────────────────────────────────────────────────────────────────────
def test_with_twenty_takeovers_in_flight_all_are_answered_and_a_new_one_is_refused(site: Site) -> None:
    calls, left = [f"in-flight-{number}" for number in range(20)], ["left-1", "left-2"]
    site.add(*calls, *left, "too-late")
    serve = site.serve()
    asha, ben, admin = (Supervisor(serve.url, name) for name in ("asha", "ben", "admin"))
    refs = {call: asha.ref(call) for call in (*calls, *left, "too-late")}
    site.deepcall.switch(fault={"endpoint": "takeover", "latency_s": 6})
    with clicks() as click:
        closed = [click(admin, refs[call], patience_s=1) for call in left]
        asked = [click(who, refs[call]) for who, mine in ((asha, calls[:10]), (ben, calls[10:])) for call in mine]
        until(lambda: site.posts().total() == 22, 10, "all on their way")
        assert [tab.result().status for tab in closed] == [0, 0]
        began = terminate(serve, asha)
        late = asha.click(refs["too-late"])
        assert asha.get("/")[0] == 200
        took_s = ended(serve, began)
        answers = [answer.result() for answer in asked]
    logger.info("SIGTERM with 22 takeovers of 6 s in flight: ended after %.1f s", took_s)
    assert {(told.status, told.cell, told.notice) for told in answers} == {(200, "accepted", "accepted")}
    assert late.status == 503
    assert int(late.retry_after) > 0
    assert "othing was sent" in late.html
    record = site.record()
    assert record.keys() == {*calls, *left}
    assert {(state in ("accepted", "confirmed"), *lines[:3]) for state, *lines in record.values()} == {
        (True, "intent", "sent", "accepted")}
    assert site.posts() == Counter([*calls, *left])


def test_a_takeover_that_is_never_answered_is_waited_for_and_its_closed_tab_too(site: Site) -> None:
    site.add("silent", "left")
    serve = site.serve()
    asha, ben = Supervisor(serve.url, "asha"), Supervisor(serve.url, "ben")
    refs = [asha.ref("silent"), asha.ref("left")]
    site.deepcall.switch(fault={"endpoint": "takeover", "hang": True, "act": True})
    with clicks() as click:
        tab, asked = click(ben, refs[1], patience_s=1), click(asha, refs[0])
        until(lambda: site.posts().total() == 2, 10, "both on their way")
        assert tab.result().status == 0
        took_s = ended(serve, terminate(serve, asha))
        told = asked.result()
    logger.info("SIGTERM with takeovers that are never answered: ended after %.1f s", took_s)
    assert (told.status, told.cell) == (202, "unknown")
    record = site.record()
    assert record.keys() == {"silent", "left"}
    assert all(lines[:3] == ["intent", "sent", "unknown"] for _state, *lines in record.values())
    assert {state for state, *_lines in record.values()} <= {"unknown", "confirmed"}  # a last list may have shown it
    assert site.posts() == Counter(["silent", "left"])


@pytest.mark.parametrize("database", [pytest.param("site", marks=pytest.mark.long, id="SQLite"),
                                      pytest.param("on_postgres", id="PostgreSQL")])
def test_at_a_second_sigterm_it_hurries_and_the_next_process_tells_what_came_of_it(
        request: pytest.FixtureRequest, database: str) -> None:
    site: Site = request.getfixturevalue(database)
    calls = ["accepted", "refused", "odd", "odd-and-moved"]
    site.add(*calls)
    serve = site.serve()
    asha = Supervisor(serve.url, "asha")
    refs = {call: asha.ref(call) for call in calls}
    with clicks() as click:
        for call, does in zip(calls, ({}, {"code": 4711}, {"status": 502}, {"status": 502, "act": True}), strict=True):
            site.deepcall.switch(fault={"endpoint": "takeover", "times": 1, "latency_s": 5, **does})
            click(asha, refs[call])
            until(lambda: site.posts()[call], 10, call)  # noqa: B023 - called at once
        began = terminate(serve, asha)
        serve.process.send_signal(signal.SIGTERM)
        took_s = ended(serve, began)
    left = {call: site.record()[call][0] for call in calls}
    logger.info("SIGTERM twice: ended after %.1f s, left behind %s", took_s, left)
    assert set(left.values()) <= {"sent", "accepted", "refused", "unknown"}
    following = site.serve()
    settled = {"accepted": "confirmed", "refused": "refused", "odd": "not-confirmed", "odd-and-moved": "confirmed"}
    asha = asha.at(following.url)
    until(lambda: {call: attribute("data-takeover", asha.row(call)) for call in calls} == settled, 120, "all settled")
    assert site.posts() == Counter(calls)
    assert site.moved() == {"accepted", "odd-and-moved"}
    assert "in order" in manage(site.data, "verify_audit", **site.given)


# ── kill -9 of the process that polls ──────────────────────────────────────────────────────────────
def test_the_next_process_confirms_what_its_predecessor_left_unknown(on_postgres: Site, wire: Proxy) -> None:
    site, call = on_postgres, "failover"
    site.given = site.given | redis()
    site.add(call)
    first = site.serve()
    until(lambda: "leads with fence" in first.log.read_text(), 10, "the first one polls")
    second = site.serve()
    asha = Supervisor(second.url, "asha")
    ref = asha.ref(call)
    wire.switch(RESET_AFTER, only="callTakeover", times=1)  # it acts, and no answer comes
    site.deepcall.switch(fault={"endpoint": "list", "status": 503})  # nor a list, so that the first one learns nothing
    told = asha.click(ref)
    assert (told.status, told.cell) == (202, "unknown")
    first.kill()
    began = time.monotonic()
    site.deepcall.switch(clear="list")
    assert attribute("data-takeover", asha.row(call)) == "unknown"
    until(lambda: attribute("data-takeover", asha.row(call)) == "confirmed", 60, "confirmed")
    logger.info("confirmed %.1f s after the kill", time.monotonic() - began)
    assert site.record()[call] == ["confirmed", "intent", "sent", "unknown", "confirmed"]
    assert site.posts() == Counter([call])
    assert "leads with fence" in second.log.read_text()
