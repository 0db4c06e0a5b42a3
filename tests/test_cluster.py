"""Two `serve` processes on PostgreSQL and Redis are one board, and one of them may die."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.processes import Callboard, Upstream, furnish, running
from tests.screens import Screen
from tests.services import postgres, redis

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with postgres() as database:
        yield database | redis()


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
        expect(ben.cell("far-1")).to_have_attribute("data-takeover", "confirmed")
        expect(ben.cell("far-1")).to_contain_text("Now with Asha Rao")
        expect(asha.cell("far-1")).to_contain_text("Now with you")
        expect(asha.notices()).to_contain_text("Now with you")
        assert len(upstream.journal()) == 1

        leads = "leads with fence" in first.log.read_text()
        leader, screen = (first, ben) if leads else (second, asha)
        leader.kill()
        upstream.switch(add_call={"call_id": "far-2", **call})
        expect(screen.row("far-2")).to_be_visible(timeout=10_000)
