"""Where `serve` processes die one after the other (`tests/crashing.py`) while another one goes on, and what is left."""

import contextlib
import logging
import os
import secrets
import signal
import sqlite3
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.services import redis
from tests.supervisors import Supervisor

logger = logging.getLogger(__name__)

# The database refuses one write of one call's attempt: its row, or the row's outcome.
REFUSALS = ("""CREATE TRIGGER no_row BEFORE INSERT ON dashboard_takeoverattempt WHEN NEW.call_id = 'no-row'
               BEGIN SELECT RAISE(FAIL, 'disk full'); END""",
            """CREATE TRIGGER no_outcome BEFORE UPDATE ON dashboard_takeoverattempt
               WHEN NEW.call_id = 'no-outcome' AND NEW.state = 'accepted'
               BEGIN SELECT RAISE(FAIL, 'disk full'); END""")

EACH = 200 if os.environ.get("CALLBOARD_LONG") else 5
AT_ONCE = 2  # processes that start while another dies
RESOLVED_S = 120

# What DeepCall does with the request: five ways at each point behind which it has been sent.
ACTS: dict[str, Any] = {}
DOES: dict[str, list[dict[str, Any]]] = {
    "bytes": [ACTS, {"latency_s": 0.7}, {"hang": True}, {"hang": True, "act": True}, {"status": 502, "act": True}],
    "answer": [ACTS, {"status": 502}, {"code": 4711}, {"code": 1501}, {"status": 502, "act": True}],
    "outcome": [ACTS, {"status": 502}, {"code": 4711}, {"code": 1032, "act": True}, {"code": 1501}],
}
CALLS: list[dict[str, Any]] = [
    {"state": "talking", "agent_id": "2001", "agent_name": "Meera Iyer", "answered_ago_s": 60}, {"state": "waiting"},
    {"state": "hold", "agent_id": "2002", "agent_name": "Kabir Khan", "answered_ago_s": 60},
    {"state": "ringing", "agent_id": "2003", "agent_name": "Leela Nair"},
]


class Crash(NamedTuple):
    """One process's last takeover."""

    point: str
    call: str
    key: str
    does: dict[str, Any]


def crashes() -> list[Crash]:
    """Those that take longest to be settled come first."""
    longest_first = ("sent", "bytes", "answer", "intent", "outcome", "writing")
    return [Crash(point, f"{point}-{number}", secrets.token_hex(16), does) for point in longest_first
            for number, does in enumerate(islice(cycle(DOES.get(point, [ACTS])), EACH))]


class Crashing(Callboard):
    command = (sys.executable, "-m", "tests.crashing")


class Attempt(NamedTuple):
    state: str
    is_open: bool
    reason: str
    lines: tuple[str, ...]  # of the record, in order
    took_s: float  # from the click to the last change


class Site:
    """A healthy `serve` that polls, and the processes that die beside it. All on one SQLite file and Redis."""

    def __init__(self, data: Path, deepcall: Upstream, healthy: Callboard, layer: dict[str, str]) -> None:
        self.data, self.deepcall, self.healthy, self.layer = data, deepcall, healthy, layer
        self.asha = Supervisor(healthy.url, "asha")
        self.account = self.asked("SELECT id FROM queue_api_account")[0][0]
        self.crashes = crashes()
        self._one_click = threading.Lock()  # a fault is for the next request, whoever makes it

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.data / "callboard.sqlite3", timeout=20)) as database:
            return database.execute(question).fetchall()

    def ref(self, call: str) -> str:
        return f"{self.account}-{call}"

    def show_calls(self) -> None:
        """Until a process that starts finds them all on the kept board."""
        ids = [*(crash.call for crash in self.crashes), "no-row", "no-outcome"]
        for call_id, call in zip(ids, cycle(CALLS), strict=False):
            self.deepcall.switch(add_call={"call_id": call_id, "queue_id": "301", "queue_name": "Support", **call})
        now = int(time.time() * 1000)
        until(lambda: self.asked(f"SELECT 1 FROM dashboard_boardsnapshot WHERE heard_at > {now}"), 15, "a kept board")

    def crash(self, crash: Crash) -> float:
        """Seconds until it had started."""
        began = time.monotonic()
        program = Crashing(self.data, None, CRASH_AT=crash.point, **self.layer)
        took_s = time.monotonic() - began
        with running(program):
            with self._one_click:
                if crash.does:
                    self.deepcall.switch(fault={"endpoint": "takeover", "times": 1, **crash.does})
                told = self.asha.at(program.url).click(self.ref(crash.call), crash.key)
                code = program.process.wait(20)
            assert (told.status, code) == (0, -signal.SIGKILL), f"{crash}: {told} {program.log.read_text()}"
        return took_s

    def crash_all(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            starts = list(pool.map(self.crash, self.crashes))
        crashed, still_open = time.monotonic(), "SELECT 1 FROM dashboard_takeoverattempt WHERE is_open"
        until(lambda: not self.asked(still_open), RESOLVED_S, "every attempt settled")
        logger.info("%s crashes in %.1f s, %.2f s of each to start; settled %.1f s after the last, %.1f s at most each",
                    len(starts), crashed - began, sum(starts) / len(starts), time.monotonic() - crashed,
                    max(attempt.took_s for attempt in self.attempts().values()))

    def refuse_writes(self) -> None:
        """Two clicks at the process that goes on; what they are told is kept in `refused`."""
        for refusal in REFUSALS:
            self.asked(refusal)
        self.refused = [self.asha.click(self.ref(call)) for call in ("no-row", "no-outcome")]
        for name in ("no_row", "no_outcome"):
            self.asked(f"DROP TRIGGER {name}")

    def attempts(self) -> dict[str, Attempt]:
        """By call."""
        lines: dict[int, tuple[str, ...]] = defaultdict(tuple)
        for attempt, kind in self.asked("SELECT attempt_id, kind FROM dashboard_auditevent ORDER BY seq"):
            lines[attempt] += (kind.removeprefix("takeover."),)
        found = self.asked("SELECT id, call_id, state, is_open, reason, "
                           "(julianday(changed_at) - julianday(created_at)) * 86400 FROM dashboard_takeoverattempt")
        attempts = {call: Attempt(state, bool(is_open), reason, lines[attempt], took_s)
                    for attempt, call, state, is_open, reason, took_s in found}
        assert len(attempts) == len(found)
        return attempts


@contextlib.contextmanager
def crashed_site(data: Path) -> Iterator[Site]:
    """After all the crashes, and after every attempt has been settled."""
    layer, deepcall = redis(), Upstream(data, "--seed", "3")
    with running(deepcall):
        furnish(data, deepcall.url)
        manage(data, "shell", "-c", FAST)
        deepcall.switch(frozen=True)
        healthy = Callboard(data, None, **layer)
        with running(healthy):
            site = Site(data, deepcall, healthy, layer)
            site.show_calls()
            site.refuse_writes()
            site.crash_all()
            yield site
