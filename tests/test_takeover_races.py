"""Several processes, or many requests at once, for one call: DeepCall is asked once, and all are told the truth."""

import contextlib
import json
import logging
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from tests.peer import Peer
from tests.processes import FAST, ROOT, Callboard, Upstream, environment, furnish, manage, running
from tests.racing import call_id
from tests.services import postgres
from tests.supervisors import Supervisor, Told
from tests.takeovers import SUCCESS, beside

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.processes

PROCESSES, CALLS, PARALLEL = 6, 100, 50
RACERS = f"""
from django.contrib.auth.models import User
from queue_api.models import Account
for number in range({PROCESSES + 1}):
    User.objects.create(username=f"racer-{{number}}", first_name=f"Racer {{number}}", is_superuser=True)
Account.objects.update(poll_interval_s=30)
"""


def shared(database: str) -> contextlib.AbstractContextManager[dict[str, str]]:
    """The environment of processes that share an empty database; on SQLite they share the data directory's."""
    return postgres() if database == "PostgreSQL" else contextlib.nullcontext({})


# ── six processes ──────────────────────────────────────────────────────────────────────────────────
class Racer:
    """A process that clicks when it is told to."""

    def __init__(self, data: Path, **more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.racing", str(CALLS + 4 * PROCESSES)], env=environment(data, **more),
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.communicate(timeout=10)  # the end of what it reads is its end

    def click(self, **click: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(click) + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


class Race:
    """The processes, and the DeepCall they all ask."""

    def __init__(self, racers: list[Racer], peer: Peer, verify: Callable[[], str]) -> None:
        self.racers, self.peer, self.verify = racers, peer, verify
        assert [racer.line() for racer in racers] == ["ready\n"] * len(racers)

    def released(self, turn: int, click: Callable[[int], dict[str, Any]]) -> list[tuple[int, str, str]]:
        """All click in the same instant, as `click(number of the racer)` says; the answers, in the racers' order.

        Who is let go first changes from turn to turn.
        """
        for number in sorted(range(len(self.racers)), key=lambda number: (number + turn) % len(self.racers)):
            self.racers[number].click(**click(number))
        return [tuple(json.loads(racer.line())) for racer in self.racers]

    def asked_for(self) -> Counter[str]:
        """Requests that reached DeepCall, by call."""
        return Counter(request.json["callId"] for request in self.peer.journal)


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def race(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    data = tmp_path_factory.mktemp("race")
    with shared(request.param) as database, beside(SUCCESS) as peer, contextlib.ExitStack() as racers:
        furnish(data, peer.url, **database)
        manage(data, "shell", "-c", RACERS, **database)
        yield Race([racers.enter_context(Racer(data, **database)) for _ in range(PROCESSES)], peer,
                   lambda: manage(data, "verify_audit", **database))


def test_of_six_processes_one_asks_and_five_are_told_by_whom(race: Race) -> None:
    before, began = race.asked_for(), time.monotonic()
    answers = [race.released(call, lambda number: {"as": f"racer-{number}", "call": call, "limit": 1000})  # noqa: B023
               for call in range(CALLS)]
    logger.info("%s calls, %s processes: %.1f s", CALLS, PROCESSES, time.monotonic() - began)
    for answer in answers:
        winner = next(number for number, told in enumerate(answer) if told[0] == 200)
        won, lost = answer[winner], [told for told in answer if told != answer[winner]]
        assert won[1] == "accepted"
        assert {told[0] for told in lost} == {409}
        assert {told[2] for told in lost} == {f"Racer {winner} is taking this over"}
        assert len(lost) == PROCESSES - 1
    assert race.asked_for() - before == Counter(call_id(call) for call in range(CALLS))
    assert "in order" in race.verify()
    wins = Counter(next(number for number, told in enumerate(answer) if told[0] == 200) for answer in answers)
    assert len(wins) > 1, "no race: the same process was always the first"


def test_one_persons_limit_holds_across_processes(race: Race) -> None:
    before = len(race.peer.journal)
    answers = [told for turn in range(4) for told in race.released(
        turn, lambda number: {"as": f"racer-{PROCESSES}", "call": CALLS + PROCESSES * turn + number, "limit": 10})]  # noqa: B023
    assert Counter(told[0] for told in answers) == {200: 10, 429: 4 * PROCESSES - 10}
    assert len(race.peer.journal) - before == 10


# ── fifty requests ─────────────────────────────────────────────────────────────────────────────────
class Held(NamedTuple):
    """A `serve` with one call, whose takeovers DeepCall answers late."""

    serve: Callboard
    deepcall: Upstream
    asha: Supervisor


@pytest.fixture(params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.long)])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    deepcall = Upstream(tmp_path, "--seed", "3")
    with shared(request.param) as database, running(deepcall):
        furnish(tmp_path, deepcall.url, **database)
        manage(tmp_path, "shell", "-c", FAST, **database)
        deepcall.switch(frozen=True, add_call={"call_id": "held", "queue_id": "301", "agent_id": "2001"})
        deepcall.switch(fault={"endpoint": "takeover", "latency_s": 2})
        serve = Callboard(tmp_path, None, **database)
        with running(serve):
            yield Held(serve, deepcall, Supervisor(serve.url, "asha"))


def test_fifty_posts_of_one_click_are_one_takeover_and_get_one_answer(held: Held) -> None:
    ref, key, barrier = held.asha.ref("held"), secrets.token_hex(16), threading.Barrier(PARALLEL)

    def post(_number: int) -> Told:
        barrier.wait(10)
        return held.asha.click(ref, key)

    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = Counter((told.status, told.cell) for told in pool.map(post, range(PARALLEL)))
    logger.info("answers to %s posts of one click: %s", PARALLEL, dict(answers))
    saved = {(200, "accepted"), (200, "confirmed")}
    assert answers.keys() <= {(202, "pending"), *saved}
    assert answers.total() == PARALLEL
    assert [entry["effect"] for entry in held.deepcall.journal()] == [True]
    again = held.asha.click(ref, key)
    assert (again.status, again.cell) in saved
    assert len(held.deepcall.journal()) == 1
