"""Load, faults and checks over real processes, in rounds: a storm, then calm, and then every screen must be right.

    generator   calls that change by themselves and takeovers that people click
    nemesis     processes killed and frozen, DeepCall slow, failing, reset, silent or refusing, Redis cut, slow screens
    checker     each screen equals a fresh page of its person within 10 s of calm; every takeover that DeepCall saw has
                its attempt and no attempt has two effects; none stays open; processes are ready; memory is flat
"""

import contextlib
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from playwright.sync_api import sync_playwright

from bench.wire import beside
from tests.chaos.proxy import BLACKHOLE, OK, REFUSE, RESET_AFTER, RESET_BEFORE, drip, latency
from tests.processes import ROOT, Upstream, manage
from tests.soak_history import Gauge, History
from tests.soak_screens import ChromiumScreen, PythonScreen, launched
from tests.soak_site import Site, opened
from tests.supervisors import Supervisor

STORM_S, STEP_S = 8.0, 0.4
READY_S = 40.0  # of calm, till every process is ready again: a lease (6 s), a back-off (8 s), a start
RIGHT_S = 10.0  # G1
BACK_S = 40.0  # of calm, till every screen has a link again: a page waits up to 20 s before it tries
OPEN_S = 150  # two minutes, and a list
CLICKS_AT_ONCE = 6
FAULTS: list[dict[str, Any]] = [{"latency_s": 1.5}, {"latency_s": 6}, {"code": 1501}, {"code": 1009}, {"status": 502},
                                {"hang": True}, {"total_above": 2}]
PEOPLE = ("asha", "ben", "carla")


class Soak:
    def __init__(self, site: Site, upstream: Upstream, history: History, chance: Random) -> None:
        self.site, self.upstream, self.history, self.chance = site, upstream, history, chance
        self.people = [Supervisor(site.servers[0].url, name) for name in PEOPLE]
        self.screens: list[PythonScreen | ChromiumScreen] = []
        self.clicks: list[Future[None]] = []
        self.pool = ThreadPoolExecutor(CLICKS_AT_ONCE)
        self.posts: Counter[str] = Counter()
        self.effects: Counter[str] = Counter()
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.rss = Gauge("memory of the process that is never killed", "MiB", 20, 0.1)
        self.nodes: dict[str, Gauge] = {}

    # ── the generator ──────────────────────────────────────────────────────────────────────────────
    def somebody_clicks(self) -> None:
        watchers = [one for one in self.screens if isinstance(one, PythonScreen)]
        screen = self.chance.choice(watchers[:2])
        refs = [row.get("data-call-ref") for row in list(screen.page.rows.values())]
        if refs and sum(not click.done() for click in self.clicks) < CLICKS_AT_ONCE:
            person = screen.person.at(self.chance.choice(self.site.servers).url)
            self.clicks.append(self.pool.submit(self._click, person, self.chance.choice(sorted(refs))))

    def _click(self, person: Supervisor, ref: str) -> None:
        told = person.click(ref)
        self.history.note("action", what="click", call=ref, at=person.url, status=told.status, cell=told.cell)

    def churn_changes(self) -> None:
        per_second = self.chance.choice([1, 4, 15])
        self._switch(churn=per_second)

    # ── the nemesis ────────────────────────────────────────────────────────────────────────────────
    def a_process_is_killed(self) -> None:
        number = len(self.site.servers) - 1
        self.site.killed(number)
        self._after(self.chance.uniform(0.1, 2), lambda: self.site.started(number))

    def a_process_is_frozen(self) -> None:
        server = self.chance.choice(self.site.servers)
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGSTOP)
            self._after(self.chance.uniform(0.5, 9), self.site.awake)

    def deepcall_fails(self) -> None:
        fault = self.chance.choice(FAULTS)
        endpoint = self.chance.choice(["list", "list", "takeover"]) if "total_above" not in fault else "list"
        self._switch(fault={"endpoint": endpoint, "times": self.chance.randint(1, 6), **fault})

    def the_wire_to_deepcall_breaks(self) -> None:
        verb = self.chance.choice([RESET_BEFORE, RESET_AFTER, BLACKHOLE, REFUSE, latency(2), drip(200, 0.05)])
        self.history.note("fault", what="wire", verb=verb.name)
        self.site.deepcall.switch(verb)
        self._after(self.chance.uniform(0.5, 4), lambda: self.site.deepcall.switch(OK))

    def redis_is_cut_off(self) -> None:
        redis = self.site.redis
        if redis is not None:
            redis.switch(REFUSE)
            self._after(self.chance.uniform(0.1, 4), lambda: redis.switch(OK))

    def a_screen_does_not_read(self) -> None:
        screen = self.chance.choice([one for one in self.screens if isinstance(one, PythonScreen)])
        screen.reads(False)
        self._after(self.chance.uniform(1, 8), lambda: screen.reads(True))

    def _switch(self, **verbs: Any) -> None:
        self.history.note("fault" if "fault" in verbs else "action", what="simulator", **verbs)
        self.upstream.switch(**verbs)

    def _after(self, seconds: float, work: Callable[[], object]) -> None:
        self.later.append((time.monotonic() + seconds, work))

    def _due(self, all_of_it: bool = False) -> None:
        now = time.monotonic()
        due = [work for at, work in self.later if all_of_it or at <= now]
        self.later = [(at, work) for at, work in self.later if not all_of_it and at > now]
        for work in due:
            work()

    # ── a round ────────────────────────────────────────────────────────────────────────────────────
    def storm(self) -> None:
        happenings = [(6, self.somebody_clicks), (1, self.churn_changes), (1, self.a_process_is_killed),
                      (1, self.a_process_is_frozen), (2, self.deepcall_fails), (1, self.the_wire_to_deepcall_breaks),
                      (1, self.redis_is_cut_off), (1, self.a_screen_does_not_read)]
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            self._due()
            what = self.chance.choices([what for _, what in happenings], [weight for weight, _ in happenings])[0]
            self.history.note("step", what=what.__name__)
            what()
            self._weigh()
            time.sleep(self.chance.uniform(0, 2 * STEP_S))  # the load's own pace; nothing is awaited here

    def calm(self) -> None:
        """Every fault ends, and nothing changes any more; then all must be right."""
        self._due(all_of_it=True)
        self.site.deepcall.switch(OK)
        self.site.awake()
        for number in range(len(self.site.servers)):
            self.site.started(number)
        self.upstream.switch(clear="*", frozen=True)
        began = time.monotonic()
        for click in self.clicks:
            click.result(timeout=60)
        self.clicks.clear()
        self._until(lambda: self.site.ready(), READY_S, "the site is not ready")
        self._until(self._unlinked, BACK_S, "a screen has no link")
        ready_s = time.monotonic() - began
        self._until(self._different, RIGHT_S, "a screen is not right")
        self.history.note("calm", ready_s=round(ready_s, 2), right_s=round(time.monotonic() - began - ready_s, 2))
        self._check_takeovers()
        self._weigh()
        self._measure()
        self.upstream.switch(frozen=False)

    def _until(self, wrong: Callable[[], str], within_s: float, what: str) -> None:
        """Looks again and again; a difference that is still there after so long is one. At least twice."""
        end, looks = time.monotonic() + within_s, 0
        while (said := wrong()) and (time.monotonic() < end or looks < 2):
            looks += 1
            time.sleep(0.2)
        if said:
            self.history.wrong(f"{what} after {within_s:.0f} s: {said}")

    def _unlinked(self) -> str:
        return next((screen.name for screen in self.screens if not screen.is_live()), "")

    def _different(self) -> str:
        return next((f"{screen.name} {found}" for screen in self.screens if (found := screen.different())), "")

    # ── the record ─────────────────────────────────────────────────────────────────────────────────
    def _check_takeovers(self) -> None:
        for entry in self.upstream.journal():
            call = str((entry["body"] or {}).get("callId", ""))
            self.posts[call] += 1
            self.effects[call] += bool(entry["effect"])
        self.upstream.switch(clear_journal=True)
        rows = self.site.asked("SELECT call_id, state, tries FROM dashboard_takeoverattempt")
        attempts = Counter(call for call, state, _tries in rows if state not in ("intent", "not-sent"))
        begun = Counter(call for call, _state, _tries in rows)
        for call in self.posts:
            if self.posts[call] > 3 * begun[call]:
                self.history.wrong(f"{call}: {self.posts[call]} posts, {begun[call]} attempts")
            if self.effects[call] > attempts[call]:
                self.history.wrong(f"{call}: moved {self.effects[call]} times by {attempts[call]} attempts")
        for call, state in self.site.asked(self._still_open()):
            self.history.wrong(f"the takeover of {call} has been open ({state}) for more than {OPEN_S} s")
        self.history.note("observation", posts=sum(self.posts.values()), effects=sum(self.effects.values()),
                          attempts=len(rows), states=dict(Counter(state for _call, state, _tries in rows)))

    def _still_open(self) -> str:
        postgres = "DATABASE_URL" in self.site.more
        limit = f"now() - interval '{OPEN_S} seconds'" if postgres else f"datetime('now', '-{OPEN_S} seconds')"
        return ("SELECT call_id, state FROM dashboard_takeoverattempt "
                f"WHERE is_open AND created_at < {limit}")

    def _weigh(self) -> None:
        if self.site.servers[0].process.poll() is None:
            self.rss.values.append(self.site.rss_mib(0))

    def _measure(self) -> None:
        for screen in self.screens:
            if isinstance(screen, ChromiumScreen):
                gauge = self.nodes.setdefault(screen.name, Gauge(f"DOM of {screen.name}", "nodes", 400, 0.15))
                gauge.values.append(screen.nodes())

    def judge(self) -> list[str]:
        """What is said at the end, after differences have been noted."""
        said = []
        for gauge in [*([self.rss] if self.site.redis else []), *self.nodes.values()]:  # a killed one has no trend
            sentence, flat = gauge.verdict()
            said.append(sentence)
            if not flat:
                self.history.wrong(f"not flat: {sentence}")
        for log in self.site.logs:
            for record in tracebacks(log.read_text(errors="replace"))[:3]:
                self.history.wrong(f"{log.name}: {record[:2000]}")
        for screen in self.screens:
            for problem in getattr(screen, "problems", []):
                self.history.wrong(f"{screen.name}: {problem}")
        try:
            said.append(manage(self.site.data, "verify_audit", **self.site.more).strip())
        except Exception as error:  # noqa: BLE001 - whatever it says, the record is not clean
            self.history.wrong(f"verify_audit: {error} {getattr(error, 'stdout', '')}")
        return said


def tracebacks(log: str) -> list[str]:
    """Records with one, but for those of the layer's own library, which writes one whenever Redis is cut off."""
    records = re.split(r"^(?=\d{4}-\d\d-\d\d |\{)", log, flags=re.M)
    return [record for record in records
            if "Traceback" in record and "channels_redis." not in record.partition("\n")[0][:200]]


@contextlib.contextmanager
def watched(soak: Soak) -> Iterator[None]:
    """Screens of three people, at all processes; two more in Chromium."""
    servers = soak.site.servers
    with beside() as loop, sync_playwright() as playwright:
        browser = launched(playwright)
        for number, person in enumerate((*soak.people, soak.people[0])):
            server = servers[number % len(servers)]
            soak.screens.append(PythonScreen(loop, person.at(server.url), f"{PEOPLE[number % 3]} at {server.port}"))
        if browser is not None:
            soak.screens += [ChromiumScreen(browser, servers[-number].url, PEOPLE[number]) for number in (0, 1)]
        try:
            yield
        finally:
            for screen in soak.screens:
                screen.stop()
            if browser is not None:
                browser.close()


def soak(data: Path, seconds: int, seed: int) -> int:
    """The exit code: 0 when nothing was different."""
    name = f"history-{datetime.now():%Y%m%d-%H%M%S}.jsonl"
    history = History(ROOT / "var" / "soak" / name, seed)
    try:
        with opened(data) as (site, upstream, what):
            told(f"soak: {what}, seed {seed}, {seconds} s; history in {history.file}")
            _soaked(Soak(site, upstream, history, Random(seed)), seconds)
    finally:
        history.close()
    for found in history.found:
        told(f"DIFFERENT: {found}")
    told(f"{dict(history.counts)}")
    return 1 if history.found else 0


def _soaked(soak: Soak, seconds: int) -> None:
    end = time.monotonic() + seconds
    with watched(soak):
        soak.calm()
        while time.monotonic() < end and not soak.history.found:
            soak.storm()
            soak.calm()
        for sentence in soak.judge():
            told(sentence)


def told(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's output
