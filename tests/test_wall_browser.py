"""In Chromium, against the real `serve`: a screen becomes a wall, stays one through trouble, and stops being one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.processes import Callboard, Upstream, manage, running
from tests.screens import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.processes]

NAME = "Canary Khan"


@pytest.fixture(scope="module")
def upstream(data: Path) -> Iterator[Upstream]:
    program = Upstream(data, "--seed", "3", "--calls", "6")
    with running(program):
        yield program


@pytest.fixture(autouse=True)
def _eight_wait(upstream: Upstream) -> None:
    """Each test begins with a healthy, frozen upstream; eight calls of known numbers wait longest."""
    upstream.switch(reset=True, frozen=True)
    for number in range(8):
        upstream.switch(add_call={
            "call_id": f"wait-{number}", "caller": f"+91987650000{number}", "caller_name": NAME, "queue_id": "301",
            "queue_name": "Support", "entered_ago_s": 3600 + 60 * number})


class Wall:
    """A screen. It remembers what came over its socket and what went wrong."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.received: list[str] = []
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("websocket", lambda socket: socket.on("framereceived", lambda text: self.received.append(
            str(text))))
        self.page.goto(url)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            self.problems.append(message.text)

    def live(self, timeout: float = 10_000) -> None:
        expect(self.page.locator("html[data-link=live]")).to_be_attached(timeout=timeout)

    @property
    def code(self) -> Locator:
        return self.page.locator("[data-pairing-code]")

    def number(self, name: str) -> Locator:
        return self.page.locator(f"[data-kpi={name}]")

    def lines(self, field: str) -> list[str]:
        """Of the calls that are in sight."""
        shown = int(self.page.evaluate("document.getElementById('lower').style.getPropertyValue('--rows')"))
        texts: list[str] = self.page.locator(f"#waiting [data-field={field}]").all_inner_texts()
        return texts[:shown]


@pytest.fixture(scope="module")
def paired(browser: Browser, server: Callboard) -> BrowserContext:
    """A browser that is the demo's wall, by its one-time link."""
    said = manage(server.data, "shell", "-c",
                  "from dashboard.management.commands.demo import furnish_wall; print(furnish_wall())")
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    context.new_page().goto(f"{server.url}/wall/link/{said.split()[-1]}")
    context.pages[0].close()
    return context


@pytest.fixture
def wall(paired: BrowserContext, server: Callboard) -> Iterator[Wall]:
    wall = Wall(paired, f"{server.url}/wall/")
    wall.live()
    yield wall
    wall.page.close()


@pytest.fixture
def admin(browser: Browser, server: Callboard) -> Iterator[Page]:
    page = browser.new_context().new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{server.url}/admin/login/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{server.url}/admin/")
    yield page
    page.context.close()


def test_a_screen_becomes_a_wall_by_itself_when_an_administrator_enters_its_code(
    server: Callboard, browser: Browser, admin: Page
) -> None:
    wall = Wall(browser.new_context(), f"{server.url}/wall/")
    admin.goto(f"{server.url}/admin/dashboard/display/add/")
    admin.fill("input[name=code]", wall.code.inner_text())
    admin.fill("input[name=name]", "Reception")
    admin.locator("#id_queues_from").select_option(label="Northgate · Support")
    admin.locator(".selector-chooser button, .selector-chooser a").first.click()
    admin.click("input[name=_save]")
    expect(admin.locator(".success")).to_contain_text("Reception")
    wall.live(5_000)
    expect(wall.page.locator("h1")).to_have_text("Reception")
    expect(wall.page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    assert wall.problems == []
    wall.page.context.close()


def test_a_wall_shows_its_numbers_and_the_six_that_wait_longest_and_no_more_digits_than_four(wall: Wall) -> None:
    expect(wall.page.locator("#waiting li").first).to_contain_text("•••• 0007")
    assert wall.lines("caller") == [f"•••• 000{number}" for number in (7, 6, 5, 4, 3, 2)]
    assert wall.lines("queue") == ["Support"] * 6
    expect(wall.page.locator("#more")).to_have_text(re.compile(r"^\+ \d+ more$"))
    assert [re.sub(r":\d\d$", "", text) for text in wall.lines("wait")] == [
        f"1:0{number}" for number in (7, 6, 5, 4, 3, 2)]
    expect(wall.number("longest-wait")).to_have_text(re.compile(r"^1:07:\d\d$"))
    assert int(wall.number("waiting").inner_text()) >= 8
    expect(wall.number("left-unanswered")).to_have_attribute("data-known", "yes")
    sent = "".join(wall.received) + wall.page.content()
    assert "•••• 0007" in "".join(wall.received)
    assert not re.search(r"9876500\d|" + NAME, sent)


def test_a_failing_feed_is_named_and_looks_old(wall: Wall, upstream: Upstream) -> None:
    upstream.switch(fault={"endpoint": "list", "code": 1032, "message": "Call 919876500001 failed"})
    banner = wall.page.locator("#banners .banner:visible")
    expect(banner).to_contain_text(re.compile(
        r"Northgate: DeepCall gives no list since \d\d:\d\d \(code 1032\)\. What you see is 0:\d\d old\."))
    expect(wall.page.locator("html[data-fresh=none]")).to_be_attached()
    expect(wall.page.locator("#waiting li:not([data-old])")).to_have_count(0)
    assert wall.page.locator("#waiting li[data-old]").count() >= 8
    assert "919876500001" not in "".join(wall.received)
    upstream.switch(clear="*")
    expect(banner).to_have_count(0)
    expect(wall.page.locator("#waiting li[data-old]")).to_have_count(0)


def test_a_restarted_server_is_found_again_without_a_touch(wall: Wall, server: Callboard) -> None:
    wall.page.evaluate("Math.random = () => 1")  # the latest moment of the jitter: the drain is over by then
    server.stop()
    expect(wall.page.locator("html[data-link=connecting]")).to_be_attached()
    Callboard.__init__(server, server.data, port=server.port)
    wall.live(20_000)
    expect(wall.page.locator("#cut")).to_be_hidden()
    assert wall.lines("caller")[0] == "•••• 0007"


def test_what_a_revoked_wall_showed_is_gone_at_once_even_when_the_server_is_gone_too(wall: Wall) -> None:
    """Closed with 4403, and no page to be had: still nothing may stay on the screen."""
    wall.page.route("**/wall/**", lambda route: route.abort())
    wall.page.evaluate("""() => document.dispatchEvent(new CustomEvent('htmx:ws:close',
        {detail: {connection: {config: {}}, code: 4403, reason: 'closed'}}))""")
    expect(wall.page.locator("h1")).to_have_text("This screen is not paired any more.")
    assert not re.search(r"••••|Support|Service desk", wall.page.content())


def test_a_wall_opened_by_a_link_of_another_site_stays_a_wall(wall: Wall, server: Callboard) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    wall.page.goto(f"{elsewhere}/accounts/login/")
    wall.page.evaluate("url => { location.href = url }", f"{server.url}/wall/")
    wall.live()
    expect(wall.page.locator("h1")).to_have_text("Service desk")


def test_a_revoked_wall_forgets_what_it_showed_and_asks_for_a_new_code(
    server: Callboard, wall: Wall, admin: Page
) -> None:
    admin.goto(f"{server.url}/admin/dashboard/display/")
    admin.locator("tr", has_text="Service desk").locator("input.action-select").check()
    admin.select_option("select[name=action]", "revoke")
    admin.click("button[name=index]")
    expect(admin.locator(".success")).to_contain_text("Service desk is revoked.")
    expect(wall.code).to_be_visible(timeout=5_000)
    left = wall.page.content()
    assert not re.search(r"••••|Support|Service desk", left)
    assert wall.problems == []
