"""Two `serve` processes and one DeepCall: never are two lists of one account in flight, whoever is frozen or dies."""

import json
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Callboard, Upstream, furnish, manage, running, until
from tests.services import postgres, redis
from tests.supervisors import Supervisor

pytestmark = pytest.mark.processes

SLOW_ALONE = "from queue_api.models import Account; Account.objects.update(poll_interval_s=1, idle_interval_s=30)"
LIST_S = 0.7  # how long this DeepCall takes for a list: most of the time one is in flight


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with postgres() as database:
        yield database | redis()


def state(upstream: Upstream) -> dict[str, Any]:
    with urllib.request.urlopen(f"{upstream.url}/_simulator", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def leads(process: Callboard) -> int:
    """How often it became the one that polls."""
    return process.log.read_text().count("leads with fence")


def led_last(*processes: Callboard) -> list[Callboard]:
    """The one that polls, then the other."""
    fences = {process: max(map(int, re.findall(r"leads with fence (\d+)", process.log.read_text())), default=0)
              for process in processes}
    return sorted(processes, key=lambda process: -fences[process])


def in_the_middle_of_a_list(upstream: Upstream) -> None:
    """A list is in flight that has only just begun."""
    seen = len(upstream.journal("list"))
    until(lambda: len(upstream.journal("list")) > seen, 15, "the next list")
    assert not upstream.journal("list")[-1]["answered"]


def frozen(process: Callboard, upstream: Upstream, *, asking: bool) -> None:
    """Freezes the process that polls, while its list is in flight or between two of them."""
    deadline = time.monotonic() + 15
    while True:
        until(lambda: upstream.journal("list")[-1]["answered"] != asking, 15, "a list, or the pause after it")
        process.process.send_signal(signal.SIGSTOP)
        if upstream.journal("list")[-1]["answered"] != asking:
            return
        process.process.send_signal(signal.SIGCONT)  # it was quicker
        assert time.monotonic() < deadline, "never frozen in the right moment"


def lists_go_on(upstream: Upstream, within_s: float, what: str) -> None:
    seen = sum(entry["answered"] for entry in upstream.journal("list"))
    until(lambda: sum(entry["answered"] for entry in upstream.journal("list")) > seen, within_s, what)


@pytest.mark.parametrize("asking", [
    pytest.param(False, id="frozen-between-lists"),
    pytest.param(True, id="frozen-while-asking", marks=pytest.mark.long),
])
def test_a_page_in_either_process_speeds_lists_up_and_two_are_never_in_flight_whoever_is_frozen_or_dies(
    tmp_path: Path, environment: dict[str, str], asking: bool
) -> None:
    upstream = Upstream(tmp_path, "--seed", "3")
    furnish(tmp_path, upstream.url, **environment)
    manage(tmp_path, "shell", "-c", SLOW_ALONE, **environment)
    first, second = Callboard(tmp_path, None, **environment), Callboard(tmp_path, None, **environment)
    with running(upstream, first, second):
        until(lambda: any(entry["answered"] for entry in upstream.journal("list")), 15, "the first list")
        old, new = (first, second) if leads(first) else (second, first)
        upstream.switch(clear_journal=True, one_list_at_a_time=True, fault={"endpoint": "list", "latency_s": LIST_S})
        asha = Supervisor(new.url, "asha")  # signing in leads to the board, in the process that does not poll
        lists_go_on(upstream, 15, "lists that were 15 s apart")
        until(lambda: 'data-interval="1.0"' in asha.get("/")[1], 10, "the board says how often lists come")

        until(lambda: upstream.journal("list")[-1]["answered"] is False, 10, "a list in flight")
        told = manage(tmp_path, "connect_account", "Northgate", "--base-url", upstream.url, **environment)
        assert "DeepCall answered" in told  # in a third process, and not 1501
        lists_go_on(upstream, 15, "lists after an administrator's own")

        old, new = led_last(first, second)
        lost = old.log.read_text().count("lost the lease")
        frozen(old, upstream, asking=asking)
        led = leads(new)
        until(lambda: leads(new) > led, 12, "the other polls")
        in_the_middle_of_a_list(upstream)
        old.process.send_signal(signal.SIGCONT)  # it believes that it still leads
        until(lambda: old.log.read_text().count("lost the lease") > lost, 10, "the frozen one knows")
        lists_go_on(upstream, 15, "lists after it woke")

        if asking:  # its time is spent elsewhere otherwise: test_cluster kills the one that polls
            in_the_middle_of_a_list(upstream)
            led = leads(old)
            new.kill()
            until(lambda: leads(old) > led, 12, "the one that was frozen polls again")
            lists_go_on(upstream, 15, "lists after the death of the other")
        assert state(upstream)["lists_at_once"] == 1
        assert {entry["code"] for entry in upstream.journal("list") if entry["answered"]} == {None}
