"""What a takeover costs beyond DeepCall's own time. What `make bench` runs.

    page (HTTP, keep-alive) -> serve -> witness -> simulator with the demo's load; two screens look on

The client's clock gives the whole of POST /takeover/; the witness, in the same run, the time from the request being
there to its answer having been passed back. The difference is ours. Prints a table and writes var/bench/takeover.json.
"""

import argparse
import http.client
import json
import platform
import re
import secrets
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.wire import Beside, Exchange, Screen, Witness, beside
from tests.processes import ROOT, Callboard, Upstream, furnish, running

PASSWORD = "callboard-demo"  # the demo's, which it prints
GOAL_MS = 20.0
OUT = ROOT / "var" / "bench" / "takeover.json"
WARM_UP = 10
READY = re.compile(r'<button id="t-([^"]+)"[^>]*data-action="takeover"(?![^>]*aria-disabled)')
STATE = re.compile(r'data-takeover="([^"]*)"')


class Clicked(NamedTuple):
    """One takeover that reached DeepCall: seconds of the whole, of DeepCall's part, of our steps, and of the processor
    in the thread that carried it out."""

    total: float
    upstream: float
    steps: dict[str, float]
    cpu: float

    @property
    def own(self) -> float:
        return self.total - self.upstream


class MeasuredCallboard(Callboard):
    """`serve` with stop watches (`bench/serving.py`)."""

    def __init__(self, data: Path) -> None:
        self.notes = data / "steps.jsonl"
        self.notes.touch()
        self.command: list[str] = [sys.executable, "-m", "bench.serving", str(self.notes)]
        super().__init__(data)


class Page:
    """Somebody's browser as far as HTTP goes: one kept connection, cookies, the CSRF token in a header."""

    def __init__(self, port: int, username: str) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.jar: dict[str, str] = {}
        self.ask("GET", "/accounts/login/")
        self.ask("POST", "/accounts/login/", username=username, password=PASSWORD)
        if not any(name.endswith("sessionid") for name in self.jar):
            sys.exit(f"{username} could not sign in")

    @property
    def cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        headers = {"Cookie": self.cookies, "Origin": self.origin, "HX-Request": "true",
                   "X-CSRFToken": self.jar.get("csrftoken", ""), "Content-Type": "application/x-www-form-urlencoded"}
        self.http.request(method, path, urllib.parse.urlencode(fields) if fields else None, headers)
        answer = self.http.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition("=")
                self.jar[cookie] = rest.partition(";")[0]
        return answer.status, text

    def takeable(self) -> list[str]:
        """References of the calls whose button may be used."""
        return READY.findall(self.ask("GET", "/")[1])


# ── measuring ──────────────────────────────────────────────────────────────────────────────────────
def measure(count: int, seed: int) -> tuple[list[Clicked], dict[str, int]]:
    """So many takeovers one after the other, and how the cells read after them."""
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = Upstream(data, "--calls", "24", "--seed", str(seed), "--story")
        stack.enter_context(running(simulator))
        here, witness = stack.enter_context(beside()), Witness(simulator.port, "callTakeover")
        here.run(witness.listen())
        furnish(data, f"http://127.0.0.1:{witness.port}")
        serve = MeasuredCallboard(data)
        stack.enter_context(running(serve))
        stack.enter_context(watched(here, serve))
        return click_through(Page(serve.port, "asha"), witness, serve.notes, count)


@contextmanager
def watched(here: Beside, serve: Callboard) -> Iterator[None]:
    """Two screens, of two more people, are connected and hear of everything."""
    screens = [Screen(serve.port, Page(serve.port, username).cookies) for username in ("ben", "carla")]
    watching = [here.start(screen.watch()) for screen in screens]
    yield
    for screen, watch in zip(screens, watching, strict=True):
        if watch.done() or not screen.frames:
            sys.exit(f"A screen was not served: {watch.exception() if watch.done() else 'no frame came'}")
        watch.cancel()


def click_through(page: Page, witness: Witness, notes: Path, count: int) -> tuple[list[Clicked], dict[str, int]]:
    clicked: list[Clicked] = []
    cells: dict[str, int] = {}
    while len(clicked) < count + WARM_UP:
        refs = page.takeable()
        for ref in refs:
            cell, one = click(page, witness, notes, ref)
            cells[cell] = cells.get(cell, 0) + 1
            clicked += [one] if one else []
        time.sleep(0.1 if refs else 0.5)  # a call that was taken is free again with the next list
    return clicked[WARM_UP:WARM_UP + count], cells


def click(page: Page, witness: Witness, notes: Path, ref: str) -> tuple[str, Clicked | None]:
    """The cell after it; and its times, unless it did not go out exactly once."""
    before, began = len(witness.exchanges), time.monotonic()
    _status, html = page.ask("POST", "/takeover/", call=ref, key=secrets.token_hex(16))
    total = time.monotonic() - began
    gone_out: list[Exchange] = witness.exchanges[before:]
    found = STATE.search(html)
    if len(gone_out) != 1:
        return found[1] if found else "none", None
    noted = json.loads(notes.read_text().splitlines()[-1])
    upstream = gone_out[0].answered - gone_out[0].arrived
    noted["steps"]["client"] -= upstream
    return found[1] if found else "none", Clicked(total, upstream, **noted)


# ── telling ────────────────────────────────────────────────────────────────────────────────────────
def summary(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(1000 * value for value in seconds)
    quantiles = statistics.quantiles(ordered, n=100, method="inclusive")
    figures = {"median": statistics.median(ordered), "p90": quantiles[89], "p99": quantiles[98], "max": ordered[-1]}
    return {name: round(value, 2) for name, value in figures.items()}


def report(clicked: list[Clicked], cells: dict[str, int]) -> dict[str, Any]:
    steps: dict[str, list[float]] = {name: [one.steps[name] for one in clicked] for name in clicked[0].steps}
    steps["server and wire"] = [one.own - sum(one.steps.values()) for one in clicked]
    return {
        "takeovers": len(clicked), "cells": cells, "python": platform.python_version(), "goal_ms": GOAL_MS,
        "ms": {"total": summary([one.total for one in clicked]),
               "upstream": summary([one.upstream for one in clicked]),
               "own": summary([one.own for one in clicked]),
               "processor": summary([one.cpu for one in clicked])},
        "own_split_ms": {name: summary(values) for name, values in steps.items()},
    }


def table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['takeovers']} takeovers, milliseconds", f"{'':<18}" + "".join(
        f"{name:>9}" for name in ("median", "p90", "p99", "max"))]
    for part in ("ms", "own_split_ms"):
        lines += [f"{name:<18}" + "".join(f"{value:>9.2f}" for value in row.values())
                  for name, row in figures[part].items()]
        lines += ["own cost, by step"] if part == "ms" else []
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--takeovers", type=int, default=300)
    options.add_argument("--seed", type=int, default=16)
    given = options.parse_args()
    figures = report(*measure(given.takeovers, given.seed))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    print(table(figures))
    own = figures["ms"]["own"]["median"]
    print(f"goal: own cost below {GOAL_MS:g} ms in the median: {'met' if own < GOAL_MS else 'missed'} ({own:g} ms)")
    sys.exit(0 if own < GOAL_MS else 1)


if __name__ == "__main__":
    main()
