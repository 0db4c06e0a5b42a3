"""The real programs, started apart from the tests: `simulate` and `serve`, each on a port of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(data: Path, **more: str) -> dict[str, str]:
    """A clean environment: nothing of the machine's own Callboard settings, and administrators without a phone."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("CALLBOARD_", "DATABASE_URL", "REDIS_URL", "DEEPCALL_"))}
    return kept | {"CALLBOARD_DATA_DIR": str(data), "CALLBOARD_ALLOW_PRIVATE_UPSTREAM": "1",
                   "CALLBOARD_SECOND_FACTOR": "offered"} | more


def manage(data: Path, *words: str, **more: str) -> str:
    """Runs one management command to its end; its output. Raises CalledProcessError with it when it fails."""
    done = subprocess.run([*MANAGE, *words], env=environment(data, **more), capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout


def until(true: Callable[[], object], within_s: float, what: str) -> None:
    """Looks again and again; fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
        time.sleep(0.03)


class Program:
    """A running command. `log` collects everything it prints; starting waits for the line that says it listens."""

    command: Sequence[str] = MANAGE

    def __init__(self, words: list[str], data: Path, ready: str, **more: str) -> None:
        self.log = data / f"{words[0]}-{free_port()}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen([*self.command, *words], env=environment(data, **more), cwd=ROOT,
                                            stdout=subprocess.PIPE, stderr=out)
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline().decode()
        assert ready in self.first_line, f"{words} did not start: {self.first_line}{self.log.read_text()}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signals it and waits for its end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> int:
        return self.stop(signal.SIGKILL)


class Logged(NamedTuple):
    """One line of a server's log: its message, and all of it."""

    message: str
    fields: dict[str, Any]


class Upstream(Program):
    """A simulated DeepCall."""

    def __init__(self, data: Path, *words: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(["simulate", "--port", str(self.port), *words], data, "Simulator (not DeepCall)")

    def switch(self, **verbs: Any) -> dict[str, Any]:
        """Sets faults and events, as `queue_api/simulator/control.py` documents them."""
        request = urllib.request.Request(f"{self.url}/_simulator", json.dumps(verbs).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            body: dict[str, Any] = json.load(answer)
            return body

    def journal(self, endpoint: str = "takeover") -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/_simulator/journal?endpoint={endpoint}", timeout=10) as answer:
            entries: list[dict[str, Any]] = json.load(answer)["journal"]
            return entries


class Callboard(Program):
    """One `serve` process on a database of its own. Its log is JSON: it goes to a file, not to a terminal."""

    def __init__(self, data: Path, port: int | None = None, **more: str) -> None:
        self.data, self.port = data, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(["serve", "--port", str(self.port)], data, "Callboard is on", **more)

    def logged(self, logger: str = "") -> list[Logged]:
        """The log so far, or what one logger said. Raises ValueError for a line that is no JSON object."""
        *whole, _being_written = self.log.read_text().split("\n")
        lines = [json.loads(line) for line in whole]
        return [Logged(line["message"], line) for line in lines if logger in ("", line["logger"])]


FURNISH = """
import django, sys
django.setup()
from django.conf import settings
settings.ALLOW_PRIVATE_UPSTREAM = True
from dashboard.management.commands.demo import furnish
from dashboard.models import Queue
from dashboard.limits import LIMITED
furnish(sys.argv[1])
Queue.objects.update(**dict.fromkeys(LIMITED))
"""
# As in the demo. Without them what a screen shows of a quiet list changes by itself with time: calls wait too long.
LIMITS = """
from dashboard.management.commands.demo import AIMS
from dashboard.models import Queue
for queue in Queue.objects.all():
    for name, value in AIMS.items():
        setattr(queue, name, value)
    queue.save()
"""


FAST = "from queue_api.models import Account; Account.objects.update(poll_interval_s=0.5)"


def furnish(data: Path, upstream_url: str, **more: str) -> None:
    """Database, the demo's account and people."""
    manage(data, "migrate", "--verbosity", "0", **more)
    subprocess.run([sys.executable, "-c", FURNISH, upstream_url], check=True, cwd=ROOT, timeout=60,
                   env=environment(data, DJANGO_SETTINGS_MODULE="config.settings", **more))


@contextlib.contextmanager
def frozen(program: Program) -> Iterator[None]:
    """It stands still meanwhile, whatever happens."""
    program.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Ends them all, whatever happens."""
    try:
        yield
    finally:
        for program in programs:
            program.kill()
