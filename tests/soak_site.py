"""The soak's site: simulator, `serve` processes, what lies between them, and what the database says."""

import contextlib
import signal
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.proxy import Proxy
from tests.processes import FAST, Callboard, Upstream, furnish, manage, running
from tests.services import POSTGRES, REDIS, postgres, works

ANSWERS_S = 15


class Site:
    """`servers`: the first is never killed, so that its memory can be judged; with one process alone it may be."""

    def __init__(self, data: Path, more: dict[str, str], deepcall: Proxy, redis: Proxy | None) -> None:
        self.data, self.more, self.deepcall, self.redis = data, more, deepcall, redis
        self.servers = [Callboard(data, None, **more) for _ in range(2 if redis else 1)]
        self.logs = [server.log for server in self.servers]

    def killed(self, number: int) -> None:
        self.servers[number].kill()

    def started(self, number: int) -> None:
        """Again, at the same address, when it is not running."""
        if self.servers[number].process.poll() is not None:
            self.servers[number] = Callboard(self.data, self.servers[number].port, **self.more)
            self.logs.append(self.servers[number].log)

    def awake(self) -> None:
        for server in self.servers:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)

    def ready(self) -> str:
        """Why it is not; "" when every process answers that it is alive and ready."""
        for server in self.servers:
            for path in ("/healthz", "/readyz"):
                if (said := answered(f"{server.url}{path}")) != "":
                    return f"{server.url}{path}: {said}"
        return ""

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        if "DATABASE_URL" in self.more:
            with psycopg.connect(self.more["DATABASE_URL"], connect_timeout=10) as database:
                return database.execute(question).fetchall()
        with contextlib.closing(sqlite3.connect(self.data / "callboard.sqlite3", timeout=20)) as lite:
            return lite.execute(question).fetchall()

    def rss_mib(self, number: int) -> float:
        status = Path(f"/proc/{self.servers[number].process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def answered(url: str) -> str:
    """What is wrong with the answer; "" when it is 200."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_S):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode()[:300]}"
    except OSError as error:
        return str(error)


@contextlib.contextmanager
def opened(data: Path) -> Iterator[tuple[Site, Upstream, str]]:
    """The site, its DeepCall, and what it runs on: a cluster when PostgreSQL and Redis are there."""
    cluster = works("redis-cli", "-u", REDIS, "ping") and works("psql", f"{POSTGRES}/postgres", "-c", "SELECT 1")
    with contextlib.ExitStack() as all_:
        more: dict[str, str] = all_.enter_context(postgres()) if cluster else {}
        redis = all_.enter_context(Proxy(_port_of(REDIS))) if cluster else None
        if redis is not None:
            more["REDIS_URL"] = f"redis://127.0.0.1:{redis.port}/{REDIS.rpartition('/')[2]}"
        upstream = Upstream(data, "--seed", "3", "--calls", "24", "--churn", "4")
        all_.enter_context(running(upstream))
        deepcall = all_.enter_context(Proxy(upstream.port))
        furnish(data, deepcall.url, **more)
        manage(data, "shell", "-c", FAST, **more)
        site = Site(data, more, deepcall, redis)
        try:
            yield site, upstream, "2 processes, PostgreSQL, Redis" if cluster else "1 process, SQLite, in memory"
        finally:
            for server in site.servers:
                server.kill()


def _port_of(url: str) -> int:
    return int(url.partition("://")[2].partition("/")[0].rpartition(":")[2] or 6379)
