"""Two `serve` processes on PostgreSQL and Redis are one board, and one of them may die."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import Browser, expect

from tests.conftest import needs
from tests.processes import Callboard, Upstream, free_port, furnish, running
from tests.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes]

POSTGRES = os.environ.get("CALLBOARD_TEST_POSTGRES", "postgres://root@127.0.0.1:5432")
REDIS = os.environ.get("CALLBOARD_TEST_REDIS", "redis://127.0.0.1:6379/5")


def works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except OSError:
        return False


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    needs(works("psql", f"{POSTGRES}/postgres", "-c", "SELECT 1"), "PostgreSQL", "apt install postgresql, and start it")
    needs(works("redis-cli", "-u", REDIS, "ping"), "Redis", "apt install redis-server, and start it")
    name = f"callboard_test_{free_port()}"
    assert works("psql", f"{POSTGRES}/postgres", "-c", f"CREATE DATABASE {name}")
    yield {"DATABASE_URL": f"{POSTGRES}/{name}", "REDIS_URL": REDIS, "CALLBOARD_SECRET_KEY": "a-key-for-tests-only" * 3,
           "CALLBOARD_FIELD_KEYS": Fernet.generate_key().decode()}
    works("psql", f"{POSTGRES}/postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")



def test_two_processes_share_calls_and_takeovers_and_survive_the_poller(
    tmp_path: Path, environment: dict[str, str], browser: Browser
) -> None:
    upstream = Upstream(tmp_path, "--seed", "3")
    furnish(tmp_path, upstream.url, **environment)
    first, second = Callboard(tmp_path, None, **environment), Callboard(tmp_path, None, **environment)
    with running(upstream, first, second):
        upstream.switch(frozen=True)
        asha, ben = Screen(browser, first, "asha"), Screen(browser, second, "ben")
        call = {"queue_id": "301", "queue_name": "Support", "state": "talking", "agent_id": "2001",
                "agent_name": "Meera Iyer", "answered_ago_s": 60}
        upstream.switch(add_call={"call_id": "far-1", **call}, fault={"endpoint": "takeover", "latency_s": 2})
        expect(ben.button("far-1")).to_be_visible()
        asha.button("far-1").click()
        expect(ben.cell("far-1")).to_contain_text("Asha Rao is taking over")
        expect(ben.cell("far-1")).to_have_attribute("data-takeover", "accepted")
        assert len(upstream.journal()) == 1

        leads = "leads with fence" in first.log.read_text()
        leader, screen = (first, ben) if leads else (second, asha)
        leader.kill()
        upstream.switch(add_call={"call_id": "far-2", **call})
        expect(screen.row("far-2")).to_be_visible(timeout=10_000)
