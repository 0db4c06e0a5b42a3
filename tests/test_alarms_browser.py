"""In Chromium: what comes out of its limits rings, shows on the desktop and counts in the title, as it was allowed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.processes import Callboard, Upstream, frozen, manage, until
from tests.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes]
NIGHT = {"queue_id": "900", "queue_name": "Night desk"}
# Of one queue, whose only calls are those of a test.
LIMITS = """
from dashboard.models import Queue
from queue_api.models import Account
queue, _ = Queue.objects.get_or_create(account=Account.objects.get(), key="900", defaults={"name": "Night desk"})
queue.waiting_warn, queue.waiting_crit = 1, 2
queue.save()
"""
EARS = """
window.rung = []; window.told = []; window.ended = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { rung.push(this.frequency.value); return start.apply(this, at); };
window.Notification = class extends EventTarget {
  static permission = localStorage.getItem("permission") ?? "default";
  static async requestPermission() { localStorage.setItem("permission", "granted"); this.permission = "granted"; }
  constructor(title, {body}) { super(); this.body = body; told.push(body); }
  close() { ended.push(this.body); }
};
"""


@pytest.fixture(autouse=True)
def limits(data: Path, upstream: Upstream, server: Callboard) -> None:
    upstream.switch(reset=True, frozen=True)
    manage(data, "shell", "-c", LIMITS)


@pytest.fixture
def asha(screen: Any) -> Screen:
    """Her board, with ears: what rings and shows is written down."""
    one: Screen = screen("asha")
    one.page.context.add_init_script(EARS)
    one.page.reload()
    one.live()
    expect(lines(one.page)).to_have_count(0)
    return one


def lines(page: Page) -> Any:
    return page.locator("#breaches [data-breach]")


def allow(page: Page, *names: str) -> None:
    page.click("#bell")
    for name in names:
        page.check(f"#alarms input[name={name}]")
    page.click("#bell")
    page.evaluate("rung.length = 0")  # ticking it rings once, so that it is known how it sounds


def waits(upstream: Upstream, *names: str) -> None:
    for name in names:
        upstream.switch(add_call={"call_id": name, "caller": "+919870006291", "entered_ago_s": 5, **NIGHT})


def heard(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("({rung, told, ended})")
    return found


def becomes_red(page: Page) -> None:
    expect(lines(page)).to_have_attribute("data-level", "red")
    expect(page).to_have_title(re.compile(r"^\(1\) "))


def test_red_rings_once_shows_on_the_desktop_and_counts_in_the_title(upstream: Upstream, asha: Screen) -> None:
    allow(asha.page, "sound", "desktop")
    expect(asha.page.locator("#bell")).to_have_text("Alarms on")
    waits(upstream, "night-1")
    expect(lines(asha.page)).to_have_attribute("data-level", "amber")
    expect(asha.page).to_have_title(re.compile(r"^Board"))
    waits(upstream, "night-2")
    becomes_red(asha.page)
    until(lambda: asha.page.evaluate("told.length && rung.length"), 10, "it did not ring")
    waits(upstream, "night-3")
    expect(lines(asha.page)).to_contain_text("3 waiting")
    assert heard(asha.page) == {"rung": [880, 660], "told": ["Night desk 2 waiting critical, from 2"], "ended": []}
    for name in ("night-1", "night-2", "night-3"):
        upstream.switch(end_call=name)
    expect(lines(asha.page)).to_have_count(0, timeout=30_000)  # ten seconds of calm, and the misses before
    expect(asha.page).to_have_title(re.compile(r"^Board"))
    assert heard(asha.page)["ended"] == ["Night desk 2 waiting critical, from 2"]
    assert asha.problems == []


def test_without_leave_it_only_counts_and_asks_nobody(upstream: Upstream, asha: Screen) -> None:
    asked: list[str] = []
    asha.page.on("request", lambda request: asked.append(request.url))
    waits(upstream, "night-1", "night-2")
    becomes_red(asha.page)
    expect(asha.page.locator("#bell")).to_have_text("Alarms off")
    assert heard(asha.page) == {"rung": [], "told": [], "ended": []}
    assert [url for url in asked if "/me/quiet/" in url] == []


def test_warnings_ring_only_where_they_are_wished(upstream: Upstream, asha: Screen) -> None:
    allow(asha.page, "sound", "amber")
    waits(upstream, "night-1")
    until(lambda: asha.page.evaluate("rung.length"), 10, "it did not ring")
    assert heard(asha.page)["rung"] == [660]


def test_quiet_that_was_said_on_another_screen_holds_here(upstream: Upstream, asha: Screen, screen: Any) -> None:
    allow(asha.page, "sound", "desktop")
    other: Screen = screen("asha")
    other.page.click("#bell")
    other.page.click("#alarms [data-minutes='15']")
    expect(other.page.locator("#alarms [data-minutes='0']")).to_contain_text("End quiet")
    with asha.page.expect_response("**/me/quiet/"):
        waits(upstream, "night-1", "night-2")
    becomes_red(asha.page)
    expect(asha.page.locator("#bell")).to_contain_text("Quiet until")
    assert heard(asha.page) == {"rung": [], "told": [], "ended": []}
    other.page.click("#alarms [data-minutes='0']")
    expect(other.page.locator("#alarms [data-minutes='0']")).to_be_hidden()


def test_of_two_tabs_one_rings_and_a_reload_does_not_ring_again(upstream: Upstream, asha: Screen) -> None:
    allow(asha.page, "sound", "desktop")
    second = asha.page.context.new_page()
    second.goto(asha.page.url)
    second.locator("h1").click()
    for page in (asha.page, second):
        expect(page.locator("#bell")).to_have_text("Alarms on")  # either could ring
    waits(upstream, "night-1", "night-2")
    for page in (asha.page, second):
        becomes_red(page)
    page_of = "() => rung.length + told.length"
    until(lambda: asha.page.evaluate(page_of) + second.evaluate(page_of) >= 3, 10, "it did not ring")
    asha.page.wait_for_timeout(1000)  # whatever rings a second time would have by then
    assert asha.page.evaluate(page_of) + second.evaluate(page_of) == 3  # two notes and one on the desktop
    second.close()
    asha.page.reload()
    asha.live()
    becomes_red(asha.page)
    asha.page.locator("h1").click()
    asha.page.wait_for_timeout(1000)
    assert heard(asha.page) == {"rung": [], "told": [], "ended": []}


def test_what_came_out_while_the_page_was_away_rings_when_it_is_back(upstream: Upstream, asha: Screen) -> None:
    allow(asha.page, "desktop")
    address = asha.page.url
    asha.page.goto("about:blank")
    waits(upstream, "night-1", "night-2")
    asha.page.goto(address)
    becomes_red(asha.page)
    until(lambda: asha.page.evaluate("told.length"), 10, "nothing was shown on the desktop")


def test_the_test_goes_to_the_server_and_back_and_says_what_came_of_it(server: Callboard, asha: Screen) -> None:
    allow(asha.page, "sound", "desktop")
    asha.page.click("#bell")
    asha.page.click("#alarms [data-action=test-alarm]")
    said = asha.page.locator("#alarms [role=status]")
    for words in ("The server answered after", "It rang.", "It was handed to the desktop."):
        expect(said).to_contain_text(words)
    assert heard(asha.page) == {"rung": [880, 660], "told": ["This is a test of the alarm."], "ended": []}
    with frozen(server):
        asha.page.click("#alarms [data-action=test-alarm]")
        expect(said).to_contain_text("no alarm would reach this screen now", timeout=10_000)


FORBIDDEN = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError"); }});
}
"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"


@pytest.mark.parametrize("storage", [FORBIDDEN, FULL])
def test_a_browser_that_remembers_nothing_rings_as_long_as_its_page_lasts(
        upstream: Upstream, screen: Any, storage: str) -> None:
    asha: Screen = screen("asha")
    asha.page.context.add_init_script(EARS.replace('localStorage.getItem("permission") ?? "default"', '"granted"'))
    asha.page.context.add_init_script(storage)
    asha.page.reload()
    asha.live()
    expect(lines(asha.page)).to_have_count(0, timeout=30_000)
    allow(asha.page, "sound", "desktop")
    waits(upstream, "night-1", "night-2")
    becomes_red(asha.page)
    until(lambda: asha.page.evaluate("told.length && rung.length"), 10, "it did not ring")
    assert heard(asha.page)["rung"] == [880, 660]
    assert asha.problems == []


def test_a_desktop_that_refuses_and_a_server_that_does_not_say_quiet_keep_nothing_from_ringing(
        upstream: Upstream, asha: Screen) -> None:
    allow(asha.page, "sound", "desktop")
    asha.page.evaluate("""() => {
        window.Notification = class { constructor() { throw new TypeError("Illegal constructor"); } };
        window.Notification.permission = "granted";
        window.fetch = (_address, {signal}) => new Promise((_, refuse) => {
            signal.addEventListener("abort", () => refuse(signal.reason)); });
    }""")
    waits(upstream, "night-1", "night-2")
    becomes_red(asha.page)
    until(lambda: asha.page.evaluate("rung.length"), 10, "it did not ring")
    asha.page.click("#bell")
    asha.page.click("#alarms [data-action=test-alarm]")
    expect(asha.page.locator("#alarms [role=status]")).to_contain_text("Your browser let no page show any.")
    assert asha.problems == []


@pytest.mark.parametrize(("permission", "words"), [("denied", "Your browser forbids it"), ("default", "not been told")])
def test_a_browser_that_forbids_it_is_said_to(asha: Screen, permission: str, words: str) -> None:
    asha.page.evaluate(f"Notification.permission = '{permission}'; Notification.requestPermission = async () => {{}}")
    allow(asha.page, "desktop")
    expect(asha.page.locator("#bell")).to_have_text("Alarms held up")
    asha.page.click("#bell")
    expect(asha.page.locator("#alarms [data-say=desktop]")).to_contain_text(words)


def test_a_screen_that_is_cut_off_says_so_in_its_title(upstream: Upstream, server: Callboard, asha: Screen) -> None:
    waits(upstream, "night-1", "night-2")
    becomes_red(asha.page)
    with frozen(server):
        expect(asha.page).to_have_title("⚠ Not live · Callboard", timeout=30_000)
        expect(asha.page.locator("#breaches")).to_be_hidden()
    becomes_red(asha.page)


def test_a_rows_icon_goes_with_its_state(upstream: Upstream, asha: Screen) -> None:
    """Chromium once kept the old one, after a rule for the state of something else in the page."""
    waits(upstream, "night-1")
    icon = """() => getComputedStyle(document.querySelector('[data-call-id=night-1] .icon')).getPropertyValue('--i')"""
    agent = {"agent_id": "7001", "agent_name": "Búri"}
    for state, number in (("waiting", 0), ("ringing", 1), ("talking", 2), ("hold", 3), ("talking", 2)):
        upstream.switch(change_call={"call_id": "night-1", "state": state, **({} if state == "waiting" else agent)})
        expect(asha.row("night-1")).to_have_attribute("data-state", state)
        assert int(asha.page.evaluate(icon)) == number


@pytest.fixture(autouse=True)
def nobody_is_quiet(data: Path, server: Callboard) -> Iterator[None]:
    yield
    manage(data, "shell", "-c", "from dashboard.models import Preference; Preference.objects.update(quiet_until=None)")
