"""Many sockets that come back at once, at the real `serve`: after a kill, and at the end of their lives.

Which fault is tested where: the table in `tests/test_socket_abuse.py`.
"""

import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.tabs import Beside, Tab, beside, crowd, memory_mib

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.processes

LONG = bool(os.environ.get("CALLBOARD_LONG"))
STORM = 500 if LONG else 100
LIVES = 100 if LONG else 40
HANDFUL = 25
EACH = 8  # sockets a person
BACK_S = 30.0
CALM_S = 15.0  # after so long no handshake fails any more
TRIES_A_MINUTE = 12


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    data = tmp_path_factory.mktemp("callboard")
    upstream = Upstream(data, "--seed", "3", "--calls", "200", "--churn", "10")
    with running(upstream):
        furnish(data, upstream.url)
        manage(data, "shell", "-c", FAST)
        yield data, crowd(data, STORM // EACH + 1)


@pytest.fixture
def site(tmp_path: Path, furnished: tuple[Path, list[str]]) -> tuple[Path, list[str]]:
    """A database of its own: no lease runs on in it."""
    shutil.copytree(furnished[0], tmp_path, dirs_exist_ok=True)
    return tmp_path, furnished[1]


@pytest.fixture
def loop() -> Iterator[Beside]:
    with beside() as here:
        yield here


def opened(server: Callboard, cookies: list[str], count: int, loop: Beside) -> list[Tab]:
    """Live, one handful after the other."""
    tabs = [Tab(server.port, cookies[number // EACH]) for number in range(count)]
    for start in range(0, count, HANDFUL):
        few = tabs[start:start + HANDFUL]
        loop.start(*(tab.run() for tab in few))
        until(lambda: all(tab.lives for tab in few), 30, "all live")  # noqa: B023 - called at once
    return tabs


def most_in_a_minute(tab: Tab) -> int:
    times = [one.at for one in tab.tries]
    return max(sum(at <= later < at + 60 for later in times) for at in times)


def test_after_a_kill_all_are_back_in_time_and_soon_no_handshake_fails(
        site: tuple[Path, list[str]], loop: Beside) -> None:
    data, cookies = site
    first = Callboard(data)
    with running(first):
        tabs = opened(first, cookies, STORM, loop)
        before = [len(tab.tries) for tab in tabs]
        memory = memory_mib(first.process.pid)
        first.kill()
        killed = time.monotonic()
        with running(Callboard(data, first.port)):
            restarted_s = time.monotonic() - killed
            until(lambda: all(tab.lives[-1] > killed for tab in tabs), BACK_S + 30, "all back")
            back = sorted(tab.lives[-1] - killed for tab in tabs)
    tries = [one for tab, count in zip(tabs, before, strict=True) for one in tab.tries[count:]]
    logger.info("%s sockets, %.0f MiB, restarted after %.1f s: half back after %.1f, all after %.1f s; tries %s",
                STORM, memory, restarted_s, back[STORM // 2], back[-1], Counter(one.status for one in tries))
    assert back[-1] <= BACK_S
    assert [one for one in tries if one.status != 101 and one.at - killed > CALM_S + restarted_s] == []
    assert max(most_in_a_minute(tab) for tab in tabs) <= TRIES_A_MINUTE
    assert sum(tab.gaps for tab in tabs) == 0


@pytest.mark.long
def test_at_the_end_of_its_life_a_socket_is_closed_for_a_restart_and_comes_back_without_a_gap(
        site: tuple[Path, list[str]], loop: Beside) -> None:
    data, cookies = site
    server = Callboard(data, None, CALLBOARD_SOCKET_LIFE_S="5")
    with running(server):
        tabs = opened(server, cookies, LIVES, loop)
        until(lambda: all(tab.codes for tab in tabs), 20, "all closed")
        until(lambda: all(len(tab.lives) > 1 for tab in tabs), 30, "all back")
    met = [tab for tab in tabs if tab.tries[0].status == 101]  # with a handshake that was not put off
    lives = sorted(tab.ended_at[0] - tab.tries[0].at for tab in met)
    logger.info("%s sockets of 5 s: lived %.1f to %.1f s", LIVES, lives[0], lives[-1])
    assert {tab.codes[0] for tab in met} == {1012}
    assert 3.9 < lives[0] < lives[-1] < 10
    assert lives[-1] - lives[0] > 1  # spread
    assert sum(tab.gaps for tab in tabs) == 0
