"""In Chromium, against the real `serve`: what an administrator asks of a screen reaches it untouched."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.processes import Callboard, Upstream, frozen
from tests.wall_stage import SIZE, Hung, ask, gone, hall, hang, hung, hung_by_link, soon

__all__ = ["hall", "hung"]
pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]


def test_a_link_makes_the_browser_a_wall_and_is_nowhere_in_its_history(server: Callboard, browser: Browser) -> None:
    [link] = hang(server, "Linked")
    context = browser.new_context(viewport=SIZE)
    wall = Hung(context, "about:blank")
    wall.page.goto(f"{server.url}/wall/link/{link}")
    wall.live()
    expect(wall.page).to_have_url(f"{server.url}/wall/")
    history = context.new_cdp_session(wall.page).send("Page.getNavigationHistory")
    assert [entry["url"] for entry in history["entries"]] == ["about:blank", f"{server.url}/wall/"]
    assert link not in wall.page.content()
    wall.page.go_back()
    assert wall.page.url == "about:blank"
    wall.page.go_forward()
    wall.live()
    wall.page.goto(f"{server.url}/wall/link/{link}")  # as a device whose start address it is does each morning
    wall.live()
    wall.kept_itself()
    context.close()


def test_a_screen_shows_its_name_for_ten_seconds_and_what_an_alert_looks_like_for_twenty(
    server: Callboard, hall: Hung
) -> None:
    hall.page.clock.install()
    hall.page.reload()
    hall.live()
    name = hall.page.locator("#screen-name")
    expect(name).to_have_count(0)
    ask(server, "Hall", identify=1, test_alert=1)
    expect(name).to_have_text("Hall")
    expect(hall.page.locator("#screen-alert")).to_contain_text("Test alert. Nothing is wrong")
    hall.page.clock.fast_forward(8_000)
    expect(name).to_have_count(1)
    hall.page.clock.fast_forward(2_000)
    expect(name).to_have_count(0)
    hall.page.clock.fast_forward(10_000)
    expect(hall.page.locator("#screen-alert")).to_have_count(0)
    hall.kept_itself()


def test_a_message_is_on_the_screen_until_its_time_by_the_servers_clock(server: Callboard, hall: Hung) -> None:
    shown = hall.page.locator("#screen-message")
    ask(server, "Hall", message="Fire drill <b>at</b> three")
    expect(shown).to_have_text("Fire drill <b>at</b> three")
    assert hall.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    ask(server, "Hall", message_until=soon(6))
    until_told(hall)
    with frozen(server):
        expect(shown).to_have_count(0)
    ask(server, "Hall", message="", message_until=None)
    hall.kept_itself()


def until_told(hall: Hung) -> None:
    for _ in range(100):
        if any(re.search(r'"until":\d', text) for text in hall.received):
            return
        hall.page.wait_for_timeout(100)
    raise AssertionError("the page was not told")


def test_a_new_secret_is_fetched_untouched_and_the_screen_goes_on(server: Callboard, hall: Hung) -> None:
    before = secret(hall)
    ask(server, "Hall", rotate=True)
    hall.loaded(2)
    hall.live()
    assert secret(hall) != before
    expect(hall.page.locator("h1")).to_contain_text("Hall")
    hall.page.wait_for_timeout(4_000)  # the sweep reads: it must not be told to fetch another
    assert len(hall.documents) == 2
    hall.kept_itself()


def secret(wall: Hung) -> str:
    [cookie] = [one for one in wall.page.context.cookies() if one.get("path") == "/wall/"]
    return str(cookie.get("value"))


def test_a_reload_that_was_asked_for_waits_until_the_server_gives_the_page(server: Callboard, hall: Hung) -> None:
    hall.page.evaluate("Math.random = () => 0; document.body.dataset.old = 'yes'")
    broken = True

    def answer(route: object) -> None:
        route.fulfill(status=502, body="Bad gateway") if broken else route.continue_()  # type: ignore[attr-defined]

    hall.page.route("**/wall/", answer)
    with hall.page.expect_response(lambda answer: answer.status == 502):
        ask(server, "Hall", reload=1)
    expect(hall.page.locator("body[data-old]")).to_be_attached()
    assert len(hall.documents) == 1
    broken = False
    hall.loaded(2)
    hall.live()
    expect(hall.page.locator("body[data-old]")).to_have_count(0)
    assert [status for _, status in hall.documents] == [200, 200]
    hall.kept_itself()


def test_the_admin_knows_the_screen(server: Callboard, hall: Hung, browser: Browser, upstream: Upstream) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{server.url}/admin/login/?next=/admin/dashboard/display/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", "callboard-demo")
    page.press("input[name=password]", "Enter")
    row = page.locator("tr", has_text="Hall")
    for _ in range(40):  # written with the next sweep, within 15 s
        page.goto(f"{server.url}/admin/dashboard/display/")
        if re.search(r"\d s", row.locator(".field-data_age").inner_text()):
            break
        page.wait_for_timeout(500)
    expect(row.locator(".field-state")).to_have_text("connected")
    expect(row.locator(".field-data_age")).to_have_text(re.compile(r"^\d\d? s$"))
    expect(row.locator(".field-resolution")).to_have_text("1920×1080")
    expect(row.locator(".field-address")).to_have_text("127.0.0.1")
    expect(row.locator(".field-version_shown")).to_have_text(re.compile(r"^[0-9a-f]{12} \(current\)$"))
    page.context.close()


def test_a_screen_whose_time_is_over_empties_itself_even_when_no_server_says_so(
    server: Callboard, browser: Browser
) -> None:
    wall = hung_by_link(browser, server, "Guest")
    ask(server, "Guest", message="Welcome", expires_at=soon(7))
    expect(wall.page.locator("#screen-message")).to_be_visible()
    with frozen(server):
        expect(wall.page.locator("h1")).to_have_text("This screen is not paired any more.")
        wall.page.wait_for_timeout(2_500)  # what ticks must not write into the emptied page
        assert not re.search("Welcome|Guest|data-kpi|••••", wall.page.inner_html("body"))
    gone(wall, "Welcome", "Guest")
    wall.kept_itself()
    wall.page.context.close()
