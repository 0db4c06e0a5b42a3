"""A wall repairs itself, for years: in Chromium, against the real `serve`. Nobody touches the screen in any test."""

import contextlib
import re
import sqlite3
import sys
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from tests.another_version import VERSION
from tests.processes import MANAGE, Callboard, Upstream, frozen, manage, until
from tests.tabs import Beside, Tab, beside
from tests.wall_stage import SIZE, Hung, ask, gone, hall, hang, hung, hung_by_link, soon

__all__ = ["hall", "hung"]
pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]

SCREENS = 20
BACK_S = 10.0


def restart(server: Callboard) -> float:
    """The same server on the same port; when it listened again (monotonic seconds)."""
    server.stop()
    Callboard.__init__(server, server.data, port=server.port)
    return time.monotonic()


# ── the server ─────────────────────────────────────────────────────────────────────────────────────
def test_after_a_restart_a_wall_is_live_within_ten_seconds_and_twenty_do_not_come_at_once(
    server: Callboard, hall: Hung, browser: Browser
) -> None:
    unpaired = Hung(browser.new_context(viewport=SIZE), f"{server.url}/wall/")
    code = unpaired.code.inner_text()
    names = [f"Screen {number}" for number in range(SCREENS)]
    hang(server, *names)
    with beside() as others:
        tabs = [Tab(server.port, f"wall-socket=secret of {name}", "/ws/wall/") for name in names]
        others.start(*(tab.run() for tab in tabs))
        until(lambda: all(tab.live_since for tab in tabs), 20, "all are live")
        hall.page.wait_for_timeout(10_000)  # a connection that ends sooner counts as a failure
        back = restart(server)
        hall.live(1000 * BACK_S)
        until(lambda: all(tab.live_since > back for tab in tabs), BACK_S - (time.monotonic() - back), "all are live")
        spread(others, tabs, back)
    expect(hall.page.locator("#cut")).to_be_hidden()
    assert unpaired.code.inner_text() == code
    for wall in (hall, unpaired):
        assert len(wall.documents) == 1
        wall.kept_itself()
    unpaired.page.context.close()


def spread(others: Beside, tabs: list[Tab], back: float) -> None:
    """No quarter of a second brings more than a third of them, and no screen knocks at a closed door all the time."""
    came = sorted(tab.live_since - back for tab in tabs)
    most = max(sum(at <= other < at + 0.25 for other in came) for at in came)
    assert most <= SCREENS / 3, came
    assert max(len(tab.tries) for tab in tabs) <= 5


def test_a_new_version_is_loaded_once_by_itself_at_a_moment_of_each_screens_own(
    server: Callboard, hall: Hung
) -> None:
    hall.page.evaluate("Math.random = () => 0.05")  # of the minute
    old = hall.page.get_attribute("html", "data-version")
    Callboard.command = (sys.executable, "-m", "tests.another_version")
    try:
        restart(server)
    finally:
        Callboard.command = MANAGE
    hall.loaded(2)
    hall.live()
    assert old != VERSION
    expect(hall.page.locator(f"html[data-version={VERSION}]")).to_be_attached()
    assert len(hall.documents) == 2
    hall.kept_itself()


def test_each_screen_waits_for_its_own_moment_of_the_minute(hall: Hung) -> None:
    hall.page.clock.install()
    hall.page.reload()
    hall.live()
    hall.page.evaluate("""() => { Math.random = () => 0.5;
        dispatchEvent(new CustomEvent('screen-told', {detail: {name: 'Hall', version: 'cafe'}})); }""")
    hall.page.clock.run_for(29_000)
    assert len(hall.documents) == 2
    hall.page.clock.run_for(2_000)
    hall.loaded(3)
    hall.live()
    hall.page.evaluate("""() => { Math.random = () => 0;
        dispatchEvent(new CustomEvent('screen-told', {detail: {name: 'Hall', version: 'cafe'}})); }""")
    hall.page.clock.run_for(61_000)  # two versions run side by side: it comes from one and is told of the other
    assert len(hall.documents) == 3
    hall.kept_itself()


def test_a_line_that_falls_silent_is_given_up_and_replaced(server: Callboard, hall: Hung) -> None:
    hall.page.clock.install()
    hall.page.reload()
    hall.live()
    with frozen(server):
        hall.page.clock.run_for(26_000)
        expect(hall.page.locator("html[data-link=lost][data-cut]")).to_be_attached()
        expect(hall.page.locator("#cut")).to_be_visible()
    hall.live()
    expect(hall.page.locator("html[data-cut]")).to_have_count(0)
    hall.kept_itself()


# ── DeepCall ───────────────────────────────────────────────────────────────────────────────────────
BLANK = "from queue_api.models import Account; a = Account.objects.get(); a.blank_after_s = {}; a.save()"


@pytest.mark.parametrize("away_s", [8, pytest.param(60, marks=pytest.mark.long)])
def test_while_deepcall_is_away_the_last_value_turns_grey_then_a_dash_and_is_never_a_zero(
    server: Callboard, upstream: Upstream, hall: Hung, away_s: int
) -> None:
    manage(server.data, "shell", "-v", "0", "-c", BLANK.format(away_s))
    hall.page.evaluate("""() => { window.shown = new Set(); const look = () => {
        for (const number of document.querySelectorAll('[data-kpi]')) window.shown.add(number.textContent.trim());
        requestAnimationFrame(look); }; look(); }""")
    with frozen(upstream):
        expect(hall.page.locator(".banner:visible")).to_contain_text("Northgate: DeepCall is not answering since")
        expect(hall.page.locator("html[data-fresh=none]")).to_be_attached()
        assert re.fullmatch(r"[1-9]\d*", hall.number("waiting").inner_text())
        expect(hall.number("waiting")).to_have_text("–", timeout=1000 * (away_s + 5))
        expect(hall.number("longest-wait")).to_have_text("–")
        assert "0" not in hall.page.evaluate("[...window.shown]")
    expect(hall.number("waiting")).to_have_text(re.compile(r"^[1-9]\d*$"))
    expect(hall.page.locator(".banner:visible")).to_have_count(0)
    assert len(hall.documents) == 1
    hall.kept_itself()


# ── pages that do not come, or come broken ─────────────────────────────────────────────────────────
def test_a_wall_that_finds_a_broken_server_shows_so_and_comes_back_by_itself(
    server: Callboard, hung: BrowserContext
) -> None:
    table(server, "dashboard_display", "put_aside")
    wall = Hung(hung, f"{server.url}/wall/")
    try:
        expect(wall.page.locator("h1")).to_have_text("The server cannot show this board now.")
    finally:
        table(server, "put_aside", "dashboard_display")
    wall.live()
    assert [status for _, status in wall.documents] == [500, 200]
    wall.kept_itself()
    wall.page.close()


def table(server: Callboard, was: str, becomes: str) -> None:
    with contextlib.closing(sqlite3.connect(server.data / "callboard.sqlite3", timeout=20)) as database:
        database.execute(f"ALTER TABLE {was} RENAME TO {becomes}")


def hurry(route: Route) -> None:
    """The page loads itself anew by its `<meta>` after 1 s and not a minute, as long as no script holds it still."""
    answer = route.fetch()
    route.fulfill(response=answer, body=re.sub(r'(http-equiv="refresh" content=)"60"', r'\1"1"', answer.text()))


def missing(route: Route) -> None:
    route.fulfill(status=503, body="busy")


@pytest.mark.parametrize("part", ["**/wall/main.js", "**/hx-ws.min.js", "**/wall/screen.css"])
def test_a_wall_that_came_without_a_part_of_its_page_loads_itself_anew(
    server: Callboard, hung: BrowserContext, part: str
) -> None:
    wall = Hung(hung, "about:blank")
    wall.page.add_init_script("Math.random = () => 0.05")
    wall.page.route("**/wall/", hurry, times=1)
    wall.page.route(part, missing, times=1)
    wall.page.goto(f"{server.url}/wall/")
    wall.loaded(2)
    wall.live()
    wall.page.close()


def test_a_wall_that_came_whole_never_loads_itself_without_asking_first(
    server: Callboard, hung: BrowserContext
) -> None:
    wall = Hung(hung, "about:blank")
    wall.page.route("**/wall/", hurry)
    wall.page.goto(f"{server.url}/wall/")
    wall.page.wait_for_timeout(2_500)
    assert len(wall.documents) == 1
    wall.page.close()


def test_a_wall_that_is_withdrawn_while_a_proxy_answers_for_the_server_shows_no_error(
    server: Callboard, browser: Browser
) -> None:
    wall = hung_by_link(browser, server, "Annex")
    broken = True
    wall.page.route("**/wall/", lambda route: missing(route) if broken else route.continue_())
    with wall.page.expect_response(lambda answer: answer.status == 503):
        ask(server, "Annex", revoked_at=soon(0))
    expect(wall.page.locator("h1")).to_have_text("This screen is not paired any more.")
    assert not re.search("Annex|data-kpi|••••", wall.page.inner_html("body"))
    broken = False
    expect(wall.code).to_be_visible()
    gone(wall, "Annex")
    wall.kept_itself()
    wall.page.context.close()


# ── the machine below ──────────────────────────────────────────────────────────────────────────────
LOCKS = """() => { window.locks = [];
    const ask = navigator.wakeLock.request.bind(navigator.wakeLock);
    navigator.wakeLock.request = (kind) => { const lock = ask(kind); window.locks.push(lock); return lock; }; }"""


def test_the_panel_is_kept_awake_and_again_after_it_was_hidden(hung: BrowserContext, server: Callboard) -> None:
    page = hung.new_page()
    page.add_init_script(f"({LOCKS})()")
    page.goto(f"{server.url}/wall/")
    page.wait_for_function("() => window.locks.length === 1")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    held = "Promise.all(window.locks.map(lock => lock.then(one => one.type + (one.released ? '' : ' held'))))"
    assert page.evaluate(held) == ["screen held"]
    page.evaluate("""async () => { await (await window.locks[0]).release();
        document.dispatchEvent(new Event('visibilitychange')); }""")
    assert page.evaluate(held) == ["screen", "screen held"]
    page.close()


def test_a_browser_that_knows_no_wake_lock_or_refuses_it_shows_the_wall_all_the_same(
    hung: BrowserContext, server: Callboard
) -> None:
    for none in ("Object.defineProperty(navigator, 'wakeLock', {value: undefined})",
                 "navigator.wakeLock.request = async () => { throw new DOMException('no', 'NotAllowedError') }"):
        wall = Hung(hung, "about:blank")
        wall.page.add_init_script(none)
        wall.page.goto(f"{server.url}/wall/")
        wall.live()
        wall.kept_itself()
        wall.page.close()


@pytest.mark.parametrize("off_ms", [86_400_000 * 400, -86_400_000 * 400])
def test_on_a_machine_whose_clock_is_a_year_off_the_wall_is_right(
    server: Callboard, hung: BrowserContext, upstream: Upstream, off_ms: int
) -> None:
    upstream.switch(add_call={"call_id": "old", "caller": "+919876500001", "queue_id": "301", "queue_name": "Support",
                              "entered_ago_s": 7200})
    wall = Hung(hung, "about:blank")
    wall.page.add_init_script(f"{{ const real = Date.now.bind(Date); Date.now = () => real() + {off_ms}; }}")
    wall.page.goto(f"{server.url}/wall/")
    wall.live()
    expect(wall.number("longest-wait")).to_have_text(re.compile(r"^2:00:\d\d$"))
    expect(wall.page.locator("#clock")).to_have_text(re.compile(clock_now(wall.page)))
    expect(wall.page.locator(".banner:visible")).to_have_count(0)
    wall.kept_itself()
    wall.page.close()


def clock_now(page: Any) -> str:
    """This minute or the next in the page's zone, by this machine's clock."""
    texts: list[str] = page.evaluate("""now => [now, now + 60000].map(at => new Date(at).toLocaleTimeString(
        'en', {hour: '2-digit', minute: '2-digit', hour12: false}))""", time.time() * 1000)
    return "|".join(texts)
