"""A masked number that is held, in Chromium: shown while it is held, written down first, gone without a trace."""

import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.processes import Callboard, Upstream, manage
from tests.screens import SUPPORT, Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm", "holds")]
HINT = "Hold to show the whole number; it is written down"
LONG_ENOUGH_MS = 900
GIVE = """
from django.contrib.auth.models import Permission, User
from dashboard import generation
from dashboard.models import AuditEvent
User.objects.get(username="ben").user_permissions.add(Permission.objects.get(codename="reveal_numbers"))
generation.bump(generation.CONFIG)
"""
COUNT = "from dashboard.models import AuditEvent; print(AuditEvent.objects.filter(kind='number.revealed').count())"


@pytest.fixture(scope="module")
def holds(data: Path, server: Callboard) -> None:
    """Ben may hold."""
    manage(data, "shell", "-v", "0", "-c", GIVE)


class Holder:
    """Ben's screen with one call of a number of its own, above all others, and every POST that leaves it."""

    def __init__(self, screen: Screen, upstream: Upstream, call_id: str, **fields: Any) -> None:
        self.screen, self.page, self.upstream, self.call_id = screen, screen.page, upstream, call_id
        self.number = f"+9198761{zlib.crc32(call_id.encode()) % 100_000:05d}"
        self.posts: list[str] = []
        self.page.on("request", lambda request: self.posts.append(request.post_data or "") if (
            request.url.endswith("/reveal/")) else None)
        upstream.switch(add_call={"call_id": call_id, "caller": self.number, "entered_ago_s": 9000} | SUPPORT | fields)
        expect(self.button).to_be_visible()

    @property
    def button(self) -> Locator:
        found: Locator = self.screen.row(self.call_id).locator("button[data-action=reveal]")
        return found

    @property
    def card(self) -> Locator:
        return self.page.locator("#number")

    def press(self) -> None:
        self.button.hover()
        self.page.mouse.down()

    def is_nowhere(self) -> None:
        """No trace of the number in the page, its attributes and what was sent over the socket."""
        expect(self.card).to_have_text("")
        assert self.number[3:] not in self.page.content()
        assert self.number[3:] not in "".join(self.screen.received)


@pytest.fixture
def holder(screen: Any, upstream: Upstream, request: pytest.FixtureRequest) -> Holder:
    return Holder(screen("ben"), upstream, f"hold-{zlib.crc32(request.node.name.encode())}")


# ── held and let go ────────────────────────────────────────────────────────────────────────────────
def test_held_by_the_pointer_it_is_shown_beside_the_cell_and_gone_on_release(holder: Holder, data: Path) -> None:
    before = int(manage(data, "shell", "-v", "0", "-c", COUNT))
    holder.press()
    expect(holder.card).to_contain_text(holder.number)
    expect(holder.card).to_contain_text("written down")
    cell, card = holder.button.bounding_box(), holder.card.bounding_box()
    assert cell
    assert card
    assert abs(cell["x"] - card["x"]) < 20
    assert abs(cell["y"] - card["y"]) < 60
    expect(holder.button).to_have_text(f"•••• {holder.number[-4:]}")
    holder.page.mouse.up()
    holder.is_nowhere()
    ref = holder.screen.row(holder.call_id).get_attribute("data-call-ref")
    assert holder.posts == [f"call={ref}"]
    assert int(manage(data, "shell", "-v", "0", "-c", COUNT)) == before + 1
    assert holder.screen.problems == []


def test_a_tap_says_how_it_is_done_and_asks_for_nothing(holder: Holder) -> None:
    holder.button.click()
    expect(holder.card).to_have_text(HINT)
    holder.page.wait_for_timeout(LONG_ENOUGH_MS)  # long enough to have been a hold
    assert holder.posts == []
    expect(holder.card).to_have_text("", timeout=6_000)


@pytest.mark.parametrize("key", ["Enter", " "])
def test_held_by_the_keyboard_it_is_shown_and_gone_on_release(holder: Holder, key: str) -> None:
    holder.button.focus()
    holder.page.keyboard.press(key)
    expect(holder.card).to_have_text(HINT)
    holder.page.keyboard.down(key)
    for _repeat in range(4):  # as a key that is held repeats
        holder.page.wait_for_timeout(120)
        holder.page.keyboard.down(key)
    expect(holder.card).to_contain_text(holder.number)
    holder.page.keyboard.up(key)
    holder.is_nowhere()
    assert len(holder.posts) == 1
    assert holder.page.evaluate("document.activeElement.id") == holder.button.get_attribute("id")


def test_by_touch_it_is_shown_and_nothing_is_selected_or_offered(browser: Any, server: Callboard,
                                                                 upstream: Upstream) -> None:
    screen = Screen(browser, server, "ben", has_touch=True, is_mobile=True)
    holder = Holder(screen, upstream, "touch-1")
    box = holder.button.bounding_box()
    assert box
    touch = holder.page.context.new_cdp_session(holder.page)
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(holder.card).to_contain_text(holder.number)
    assert holder.page.evaluate("getSelection().toString()") == ""
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    holder.is_nowhere()
    offered = holder.button.evaluate(
        "button => button.dispatchEvent(new MouseEvent('contextmenu', {bubbles: true, cancelable: true}))")
    assert offered is False
    screen.close()


@pytest.mark.parametrize("ends", [
    "dispatchEvent(new Event('blur'))", "dispatchEvent(new PointerEvent('pointercancel', {bubbles: true}))",
    "document.dispatchEvent(new Event('visibilitychange'))", "document.documentElement.dataset.link = 'lost'",
    "dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))",
    "dispatchEvent(new Event('pagehide'))",
])
def test_whatever_ends_the_hold_takes_the_number_away(holder: Holder, ends: str) -> None:
    holder.press()
    expect(holder.card).to_contain_text(holder.number)
    holder.page.evaluate(ends)
    holder.is_nowhere()
    holder.page.mouse.up()
    holder.is_nowhere()


def test_after_ten_seconds_it_is_gone_though_still_held(holder: Holder) -> None:
    holder.press()
    expect(holder.card).to_contain_text(holder.number)
    holder.page.wait_for_timeout(8_000)
    expect(holder.card).to_contain_text(holder.number)
    expect(holder.card).to_have_text("", timeout=5_000)
    holder.is_nowhere()


# ── answers that come late, or not ─────────────────────────────────────────────────────────────────
def test_let_go_before_the_answer_nothing_is_ever_shown(holder: Holder) -> None:
    held: list[Route] = []
    holder.page.route("**/reveal/", lambda route: held.append(route))
    holder.page.evaluate("""() => { window.seen = ''; new MutationObserver(() => {
        window.seen += document.getElementById('number').textContent; }).observe(
            document.getElementById('number'), {childList: true, subtree: true, characterData: true}); }""")
    holder.press()
    expect(holder.card).to_have_text(re.compile("Asking"))
    holder.page.mouse.up()
    expect(holder.card).to_have_text("")
    held[0].continue_()
    holder.page.wait_for_timeout(LONG_ENOUGH_MS)
    assert not re.search(r"\d", holder.page.evaluate("window.seen"))
    holder.is_nowhere()


@pytest.mark.parametrize(("status", "body", "said"), [
    (429, '{"said": "Too many numbers in a minute. Try again in 7 s."}', "Try again in 7 s"),
    (503, '{"said": "It could not be written down."}', "could not be written down"),
    (502, "<html>Bad gateway</html>", "cannot be shown"), (302, "", "cannot be shown"),
])
def test_what_is_said_instead_of_a_number_stands_there_for_a_while(
    holder: Holder, status: int, body: str, said: str
) -> None:
    holder.page.route("**/reveal/", lambda route: route.fulfill(
        status=status, body=body, headers={"Location": "/accounts/login/"} if status == 302 else {}))
    holder.press()
    expect(holder.card).to_contain_text(said)
    holder.page.mouse.up()
    expect(holder.card).to_contain_text(said)
    expect(holder.card).to_have_text("", timeout=6_000)


# ── frames meanwhile ───────────────────────────────────────────────────────────────────────────────
def test_a_frame_that_changes_moves_or_takes_the_row_does_not_take_the_number(holder: Holder) -> None:
    holder.press()
    expect(holder.card).to_contain_text(holder.number)
    holder.upstream.switch(change_call={"call_id": holder.call_id, "caller_name": "Now Named", "state": "talking",
                                        "agent_id": "2001", "agent_name": "Meera Iyer", "answered_ago_s": 1})
    expect(holder.screen.row(holder.call_id)).to_contain_text("Now Named")
    expect(holder.card).to_contain_text(holder.number)
    holder.page.mouse.up()
    holder.is_nowhere()
    assert holder.page.evaluate("document.activeElement.id") == holder.button.get_attribute("id")
    holder.press()
    expect(holder.card).to_contain_text(holder.number)
    holder.upstream.switch(end_call=holder.call_id)
    expect(holder.screen.row(holder.call_id)).to_have_count(0)
    holder.page.mouse.up()
    holder.is_nowhere()
    assert holder.page.evaluate("document.activeElement.dataset.action") == "reveal"  # of the next row
    assert holder.screen.problems == []
