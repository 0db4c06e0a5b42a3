"""At the end of the suite everything that it wrote is looked through for the secrets it put in (G11, S21).

    each test process: tests/canary_ears.py ──files, counts, canaries──> the process that began the run: one scan

Looked at are all files below the run's temporary directory: databases and logs of the programs that tests started, and
what the ears wrote down. A canary where it may not stand fails the run, and so does a scan of nothing.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.management.commands import demo
from queue_api.simulator import people
from tests.canaries import (
    ANSWER,
    DATABASE,
    FILE,
    LOG,
    OUTPUT,
    Aviary,
    Finding,
    Needles,
    Place,
    aviary,
    look_through,
)
from tests.canary_ears import Ears, hear_log_lines, listen

KEYS = {"secret_key": "Django's key of a server", "field_key": "a field key of a server"}  # the files that hold them
A_WHOLE_SUITE = 500  # a run of so many tests has written something of every kind
SHOWN = 20


class Scan:
    """What was looked through, and what was found."""

    def __init__(self) -> None:
        self.files, self.bytes, self.took_s, self.lost = 0, 0, 0.0, 0
        self.heard, self.findings = Counter[str](), list[Finding]()

    def run(self, directory: Path, canaries: Aviary) -> None:
        began = time.monotonic()
        places = list(places_below(directory))
        for name, what in KEYS.items():
            for file in directory.rglob(name):
                canaries.met(what, file.read_text().strip())
        needles, once = Needles(canaries), dict[tuple[str, ...], Finding]()
        for place in places:
            self.files, self.bytes = self.files + 1, self.bytes + place.path.stat().st_size
            for one in look_through(place, needles):
                once.setdefault((one.canary, one.place.kind, one.test or str(place.path)), one)
        self.findings, self.took_s = list(once.values()), time.monotonic() - began

    def missing(self) -> list[str]:
        return [kind for kind in (LOG, ANSWER, DATABASE, OUTPUT) if not self.heard[kind]]

    def line(self, clean: bool) -> str:
        return (f"canary scan: {self.files} files, {self.bytes / 1e6:.0f} MB, {self.heard[LOG]} log lines, "
                f"{self.heard[ANSWER]} answers, {self.heard[DATABASE]} writes: "
                f"{'clean' if clean else 'NOT clean'} ({self.took_s:.1f} s)")


def places_below(directory: Path) -> Iterator[Place]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in KEYS:
            yield Place(path, kind_of(path.name))


def kind_of(name: str) -> str:
    if name.startswith("heard."):
        return name.removeprefix("heard.")
    if ".sqlite3" in name:
        return DATABASE
    return LOG if name.endswith(".log") else FILE


class Suite:
    """The hooks of one process: a worker's hands over what it has, the other one looks."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.scan, self.tests = config, Scan(), 0
        self.is_worker = hasattr(config, "workerinput")
        self.directory: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self.ears: Ears = listen(self.directory / "heard")
        self.problems: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        hear_log_lines()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.is_worker:
            return
        self.tests += report.when == "call"
        for name, text in report.sections:
            if name.startswith(("Captured stdout", "Captured stderr")):
                self.ears.hear(OUTPUT, text.encode("utf-8", "replace"), report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        told = getattr(node, "workeroutput", {}).get("canaries")
        if told is None:
            self.problems.append(f"a test process ended without handing over its canaries: {error}")
        else:
            self._take(told)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.ears.close()
        own = {"heard": dict(self.ears.heard), "lost": self.ears.lost, "sown": aviary.packed()}
        if self.is_worker:
            self.config.workeroutput["canaries"] = own  # type: ignore[attr-defined]
            return
        self._take(own)
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and self.tests:
            self._look()
            if (self.scan.findings or self.problems) and exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _take(self, told: dict[str, Any]) -> None:
        aviary.add(told["sown"])
        self.scan.heard.update(told["heard"])
        self.scan.lost += told["lost"]

    def _look(self) -> None:
        aviary.met("the demo's password", demo.PASSWORD, OUTPUT, ANSWER)  # published: the demo prints it
        aviary.met("the simulator's token", people.TOKEN)
        for one in people.PEOPLE:
            aviary.met(f"the simulated session of {one.name}", one.ssid)
        self.scan.run(self.directory, aviary)
        if self.tests >= A_WHOLE_SUITE and (missing := self.scan.missing()):
            self.problems.append(f"nothing of these was heard, so nothing was looked through: {', '.join(missing)}")
        if self.scan.lost:
            self.problems.append(f"{self.scan.lost} things were said when the files were full or closed")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.scan.files:
            return
        clean = not (self.scan.findings or self.problems)
        terminalreporter.write_line(self.scan.line(clean), green=clean, red=not clean)
        for said in [*self.problems, *map(str, self.scan.findings[:SHOWN])]:
            terminalreporter.write_line(f"  {said}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not session.config.option.collectonly:
        session.config.pluginmanager.register(Suite(session.config), "canary-suite")
