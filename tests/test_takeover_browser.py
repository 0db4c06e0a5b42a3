"""Takeovers in Chromium, two supervisors side by side: one click, one POST, and what is known on every screen.

| case | test |
| --- | --- |
| F67 click while the socket is down | `…_socket_is_down_goes_at_once…`, `…_network_is_away…` |
| F68 row swapped between click and answer, second click | `test_a_second_click_on_a_row_that_changed…` |
| F69 row removed between click and answer | `test_the_outcome_of_a_call_that_left…` |
| F70 answer before or after the live update | `test_in_whatever_order…` |
| F71 updates while a keyboard user tabs | `test_focus_scroll_and_selection…` |
| F73 signing in anew in a second tab | `test_after_signing_in_anew…` |
"""

import os
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from tests.processes import Callboard, Upstream, manage
from tests.screens import PASSWORD, SUPPORT, Screen, screenless

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]
TALKING = {"state": "talking", "agent_id": "2001", "agent_name": "Meera Iyer", "answered_ago_s": 60, **SUPPORT}
UPDATES_S = 60 if os.environ.get("CALLBOARD_LONG") else 10


def add(upstream: Upstream, call_id: str, **fields: Any) -> None:
    """A call that stands above all others; each test has its own number."""
    call = {"call_id": call_id, "caller": f"+9198123{ending(call_id):05d}", "entered_ago_s": 9000}
    upstream.switch(add_call={**call, **TALKING, **fields})


def ending(call_id: str) -> int:
    return zlib.crc32(call_id.encode()) % 10_000


def told(screen: Screen, call_id: str) -> Locator:
    """The notices about one call: a page is also told of its person's earlier takeovers."""
    notices: Locator = screen.notices().locator(".notice").filter(has_text=f"•••• {ending(call_id):04d}")
    return notices


def takes(screen: Screen, call_id: str, state: str) -> Locator:
    """The takeover cell, once it is in this state."""
    cell: Locator = screen.cell(call_id)
    expect(cell).to_have_attribute("data-takeover", state)
    return cell


# ── everyone sees it ───────────────────────────────────────────────────────────────────────────────
def test_both_screens_say_who_asks_then_where_the_call_is_and_you_is_only_the_one_whose_agent_id_it_is(
    upstream: Upstream, screen: Any
) -> None:
    asha, ben = screen("asha"), screen("ben")
    add(upstream, "see-1")
    upstream.switch(fault={"endpoint": "takeover", "times": 1, "latency_s": 4})
    asha.button("see-1").click()
    for one in (asha, ben):
        one.row("see-1").scroll_into_view_if_needed()
        expect(takes(one, "see-1", "pending")).to_contain_text("Asha Rao is taking over")
        expect(one.cell("see-1").locator(".for")).to_have_text(re.compile(r"^0:0[1-4]$"))
        expect(one.button("see-1")).to_have_attribute("aria-disabled", "true")
    expect(takes(asha, "see-1", "confirmed")).to_contain_text("Now with you")
    expect(takes(ben, "see-1", "confirmed")).to_contain_text("Now with Asha Rao")
    expect(ben.cell("see-1")).not_to_contain_text("you")
    expect(asha.notices()).to_contain_text("Now with you")
    expect(told(asha, "see-1")).to_have_count(1)  # one takeover, one notice that grows
    expect(ben.notices()).to_be_empty()
    for one in (asha, ben):
        expect(one.button("see-1")).not_to_have_attribute("aria-disabled", "true")
    assert asha.problems + ben.problems == []


def test_an_outcome_that_nobody_knows_is_looked_up_and_the_button_waits_for_it(
    upstream: Upstream, screen: Any
) -> None:
    asha, ben = screen("asha"), screen("ben")
    add(upstream, "moved-1")
    add(upstream, "still-1", agent_id="2002", agent_name="Kabir Khan")
    for call_id, act in (("moved-1", True), ("still-1", False)):
        upstream.switch(fault={"endpoint": "takeover", "times": 1, "act": act, "status": 502})
        asha.button(call_id).click()
        expect(takes(ben, call_id, "confirmed" if act else "unknown")).to_be_visible()
    expect(ben.button("still-1")).to_have_attribute("aria-disabled", "true")
    expect(takes(ben, "still-1", "not-confirmed")).to_contain_text("still show the old agent")
    expect(ben.button("still-1")).not_to_have_attribute("aria-disabled", "true")
    expect(asha.notices()).to_contain_text("Not confirmed")
    assert [entry["effect"] for entry in upstream.journal()] == [True, False]


def test_what_was_never_known_is_asked_of_who_clicked_and_of_an_administrator(
    data: Path, upstream: Upstream, screen: Any
) -> None:
    asha, ben, admin = screen("asha"), screen("ben"), screen("admin")
    add(upstream, "lost-1")
    upstream.switch(fault={"endpoint": "takeover", "times": 1, "code": 1009})
    asha.button("lost-1").click()
    takes(asha, "lost-1", "unknown")
    manage(data, "shell", "-c", "from dashboard import takeover as t; from dashboard.takeover_states import Event; "
           "t.move(t.TakeoverAttempt.objects.get(call_id='lost-1'), Event.OUT_OF_TIME)")  # as if two minutes had passed
    for one in (asha, ben, admin):
        takes(one, "lost-1", "abandoned")
    expect(ben.cell("lost-1").locator(".verdict")).to_have_count(0)
    expect(admin.cell("lost-1").locator(".verdict button")).to_have_count(2)
    asha.notices().get_by_text("It moved").click()
    for one in (asha, ben, admin):
        expect(one.cell("lost-1")).to_contain_text("It moved, says Asha Rao")
    expect(asha.notices()).to_contain_text("It moved, says Asha Rao")
    assert asha.problems + admin.problems == []


# ── one click, one POST, whatever happens meanwhile ────────────────────────────────────────────────
def test_a_second_click_on_a_row_that_changed_meanwhile_asks_nothing_more(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    add(upstream, "swap-1")
    upstream.switch(fault={"endpoint": "takeover", "times": 1, "latency_s": 5})
    asha.button("swap-1").click()
    takes(asha, "swap-1", "pending")
    upstream.switch(change_call={"call_id": "swap-1", "state": "hold", "caller_name": "Changed Name"})
    expect(asha.row("swap-1")).to_contain_text("Changed Name")
    asha.button("swap-1").click(force=True)
    expect(takes(asha, "swap-1", "confirmed")).to_be_visible()
    assert len(upstream.journal()) == 1
    assert asha.page.evaluate("document.activeElement.id") == asha.button("swap-1").get_attribute("id")


def test_the_outcome_of_a_call_that_left_the_list_meanwhile_is_in_the_notices(
    upstream: Upstream, screen: Any
) -> None:
    asha = screen("asha")
    add(upstream, "left-1")
    upstream.switch(fault={"endpoint": "takeover", "times": 1, "act": True, "latency_s": 9})
    asha.button("left-1").click()
    takes(asha, "left-1", "pending")
    upstream.switch(end_call="left-1")
    expect(asha.row("left-1")).to_have_count(0)
    expect(told(asha, "left-1")).to_contain_text("Call ended")  # a list told, after DeepCall had accepted
    expect(told(asha, "left-1")).to_have_count(1)
    assert asha.problems == []


class Held:
    """A page whose frames and answers come when we let them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[str | bytes] | None = None
        self.answers: list[Route] | None = None
        page.route_web_socket("**/ws/board/", self._opened)
        page.route("**/takeover/", self._posted)
        page.reload()
        expect(page.locator("html[data-link=live]")).to_be_attached()

    def _opened(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(lambda text: socket.send(text) if self.frames is None else self.frames.append(text))
        server.on_close(lambda code, reason: socket.close(code=code, reason=reason) if self.frames is None else None)

    def _posted(self, route: Route) -> None:
        answer = route.fetch()
        if self.answers is None:
            route.fulfill(response=answer)
        else:
            self.answers.append(route)
            self.answer = answer

    def let_frames_go(self) -> None:
        held, self.frames = self.frames or [], None
        for text in held:
            self.socket.send(text)

    def let_answer_go(self) -> None:
        assert self.answers is not None
        for _ in range(250):  # it comes through the page's own loop
            if not self.answers:
                self.page.wait_for_timeout(20)
        self.answers.pop().fulfill(response=self.answer)


@pytest.mark.parametrize("code", [4711, 1501])
@pytest.mark.parametrize("first", ["frames", "answer"])
def test_in_whatever_order_answer_and_frames_come_the_screen_ends_the_same(
    upstream: Upstream, screen: Any, first: str, code: int
) -> None:
    asha, other = screen("asha"), screen("asha")
    call_id = f"order-{first}-{code}"
    add(upstream, call_id)
    upstream.switch(fault={"endpoint": "takeover", "code": code, "message": "In whatever order"})
    expect(asha.button(call_id)).to_be_visible()
    held = Held(asha.page)
    expect(asha.button(call_id)).to_be_visible()
    held.frames, held.answers = [], []
    asha.button(call_id).click()
    expect(other.cell(call_id)).to_have_attribute("data-takeover", re.compile("refused|busy"))
    if first == "frames":
        held.let_frames_go()
        expect(asha.cell(call_id)).to_have_attribute("data-takeover", re.compile("refused|busy"))
        expect(asha.notices()).to_contain_text("In whatever order")
        held.let_answer_go()
    else:
        held.let_answer_go()
        expect(asha.cell(call_id)).to_have_attribute("data-takeover", re.compile("refused|busy"))
        held.let_frames_go()
    expect(asha.page.locator("html[data-link=live]")).to_be_attached()
    for one in (asha, other):
        expect(told(one, call_id)).to_have_count(1)
    cells = [screenless(one.cell(call_id).evaluate("cell => cell.outerHTML")) for one in (asha, other)]
    assert cells[0] == cells[1]
    assert asha.page.evaluate("document.activeElement.id") == asha.button(call_id).get_attribute("id")


def test_a_click_while_the_socket_is_down_goes_at_once_and_nothing_is_sent_later(
    upstream: Upstream, screen: Any
) -> None:
    asha = screen("asha")
    add(upstream, "down-1")
    held = Held(asha.page)
    expect(asha.button("down-1")).to_be_visible()
    held.socket.close(code=1013)
    expect(asha.page.locator("html[data-link=full]")).to_be_attached()
    asha.button("down-1").click()
    expect(asha.cell("down-1")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
    assert len(upstream.journal()) == 1
    expect(asha.page.locator("html[data-link=live]")).to_be_attached(timeout=25_000)
    takes(asha, "down-1", "confirmed")
    assert len(upstream.journal()) == 1


def test_a_click_while_the_network_is_away_fails_in_sight_and_nothing_is_sent_later(
    upstream: Upstream, screen: Any
) -> None:
    asha = screen("asha")
    add(upstream, "away-1")
    expect(asha.button("away-1")).to_be_visible()
    asha.page.context.set_offline(True)
    asha.button("away-1").click()
    expect(asha.notices()).to_contain_text("Outcome not known")
    asha.page.context.set_offline(False)
    asha.page.reload()
    expect(takes(asha, "away-1", "idle")).to_be_attached()
    assert upstream.journal() == []


def test_after_signing_in_anew_in_a_second_tab_the_first_one_still_takes_over(
    server: Callboard, upstream: Upstream, screen: Any
) -> None:
    asha = screen("asha")
    add(upstream, "tab-1")
    expect(asha.button("tab-1")).to_be_visible()
    held = Held(asha.page)  # its socket stays up: the page does not know that it was signed out
    tab = asha.page.context.new_page()
    tab.goto(f"{server.url}/")
    held.frames = []
    tab.click("text=Sign out")
    tab.fill("input[name=username]", "asha")
    tab.fill("input[name=password]", PASSWORD)
    tab.press("input[name=password]", "Enter")
    tab.wait_for_url(f"{server.url}/")
    asha.button("tab-1").click()
    expect(asha.cell("tab-1")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
    assert len(upstream.journal()) == 1
    assert asha.problems == []


def test_focus_scroll_and_selection_stay_while_everything_around_them_changes(
    upstream: Upstream, screen: Any
) -> None:
    asha = screen("asha")
    upstream.switch(calls=60, frozen=False, churn=20)
    expect(asha.page.locator("[data-call-id]").nth(40)).to_be_attached()
    asha.page.evaluate("document.querySelectorAll('[data-call-id] button[data-action=takeover]')[5].focus()")
    asha.page.evaluate("""() => { window.lost = 0; window.jumps = [];
        const list = document.getElementById('list');
        list.addEventListener('scroll', () => { window.jumps.push(Math.round(list.scrollTop)); });
        window.watch = setInterval(() => {
            if (document.activeElement === document.body) window.lost += 1; }, 20); }""")
    upstream.switch(frozen=False, churn=5)
    for _step in range(UPDATES_S * 2):
        asha.page.keyboard.press("Tab")
        asha.page.wait_for_timeout(500)  # a person's pace
    assert asha.page.evaluate("window.lost") == 0
    assert asha.page.evaluate("Boolean(document.activeElement.closest('[data-call-id], .strip, .agents, .list'))")
    upstream.switch(frozen=True)
    add(upstream, "selected")  # which row is the ninth changes until the last calls have left the list
    row = asha.row("selected")
    queue = row.locator("[data-field=queue]")
    queue.evaluate("cell => getSelection().selectAllChildren(cell)")
    upstream.switch(change_call={"call_id": "selected", "caller_name": "Selected Still"})
    expect(row).to_contain_text("Selected Still")
    assert asha.page.evaluate("getSelection().toString()") == queue.inner_text()


# ── arm first ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def arms_first(data: Path) -> Any:
    """Asha wants a second click; for the tests that ask for it."""
    code = ("from django.contrib.auth.models import User; from dashboard.models import Preference; "
            "Preference.objects.update_or_create(user=User.objects.get(username='asha'), defaults={{'arm_first': {}}})")
    manage(data, "shell", "-c", code.format(True))
    yield
    manage(data, "shell", "-c", code.format(False))


@pytest.mark.usefixtures("arms_first")
def test_armed_first_the_first_click_asks_nothing_and_the_second_does(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    add(upstream, "arm-1")
    asha.button("arm-1").click()
    expect(takes(asha, "arm-1", "armed")).to_contain_text("Click once more")
    expect(asha.button("arm-1")).to_contain_text("Confirm")
    expect(asha.button("arm-1")).to_contain_text("rings you")
    asha.button("arm-1").dblclick()  # it is armed already, and a double click is one click: the first of the two counts
    expect(takes(asha, "arm-1", "confirmed")).to_be_visible()
    assert len(upstream.journal()) == 1
    assert asha.problems == []


@pytest.mark.usefixtures("arms_first")
def test_a_double_click_arms_and_does_not_confirm(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    add(upstream, "arm-2")
    asha.button("arm-2").dblclick()
    takes(asha, "arm-2", "armed")
    expect(asha.cell("arm-2")).to_have_attribute("data-takeover", "idle", timeout=6_000)  # four seconds have passed
    assert upstream.journal() == []


@pytest.mark.usefixtures("arms_first")
def test_by_keyboard_enter_arms_escape_lets_go_and_enter_enter_asks(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    add(upstream, "arm-3")
    asha.button("arm-3").focus()
    asha.page.keyboard.press("Enter")
    takes(asha, "arm-3", "armed")
    asha.page.keyboard.press("Escape")
    expect(takes(asha, "arm-3", "idle")).to_be_attached()
    expect(asha.button("arm-3")).to_contain_text("Take over")
    asha.page.keyboard.down("Enter")
    for _repeat in range(5):  # a key that is held down
        asha.page.keyboard.down("Enter")
    asha.page.keyboard.up("Enter")
    takes(asha, "arm-3", "armed")
    assert upstream.journal() == []
    upstream.switch(change_call={"call_id": "arm-3", "caller_name": "News Meanwhile"})
    expect(asha.row("arm-3")).to_contain_text("News Meanwhile", timeout=3_500)
    expect(asha.button("arm-3")).to_contain_text("Confirm")  # news of the call does not disarm
    asha.page.keyboard.press("Enter")
    takes(asha, "arm-3", "confirmed")
    assert len(upstream.journal()) == 1
    assert asha.page.evaluate("document.activeElement.id") == asha.button("arm-3").get_attribute("id")


@pytest.mark.usefixtures("arms_first")
def test_anothers_takeover_disarms(upstream: Upstream, screen: Any) -> None:
    asha, ben = screen("asha"), screen("ben")
    add(upstream, "arm-4")
    upstream.switch(fault={"endpoint": "takeover", "times": 1, "latency_s": 2})
    expect(ben.button("arm-4")).to_be_visible()
    asha.button("arm-4").click()
    takes(asha, "arm-4", "armed")
    ben.button("arm-4").click()
    expect(takes(asha, "arm-4", "pending")).to_contain_text("Ben Okafor is taking over")
    expect(asha.button("arm-4")).to_have_attribute("aria-disabled", "true")
    takes(asha, "arm-4", "confirmed")
    assert len(upstream.journal()) == 1


# ── whose hands ────────────────────────────────────────────────────────────────────────────────────
def test_a_session_of_ones_own_is_pasted_refused_renewed_and_never_shown(
    server: Callboard, upstream: Upstream, screen: Any
) -> None:
    ben = screen("ben")
    add(upstream, "own-1")
    expect(ben.button("own-1")).to_contain_text("rings Front desk")
    paste(ben, server, "stale-session")
    expect(ben.button("own-1")).to_contain_text("rings you")
    ben.button("own-1").click()
    expect(takes(ben, "own-1", "refused")).to_contain_text("Ben Okafor’s own session, not the account’s")
    ben.notices().get_by_text("My session").click()
    expect(ben.page.locator(".refused")).to_contain_text("1014")
    assert "stale-session" not in ben.page.content()
    paste(ben, server, "demo-ssid-ben-okafor")
    ben.button("own-1").click()
    expect(takes(ben, "own-1", "confirmed")).to_contain_text("Now with Ben Okafor")
    assert [entry["body"]["ssid"] for entry in upstream.journal()] == ["stale-session", "demo-ssid-ben-okafor"]
    ben.page.goto(f"{server.url}/me/")
    assert "demo-ssid-ben-okafor" not in ben.page.content()
    ben.page.click("text=Remove")
    expect(ben.page.locator(".done")).to_contain_text("is removed")
    assert ben.problems == []


def paste(screen: Screen, server: Callboard, ssid: str) -> None:
    screen.page.goto(f"{server.url}/me/")
    screen.page.fill("input[name=ssid]", ssid)
    screen.page.press("input[name=ssid]", "Enter")
    expect(screen.page.locator(".done")).to_contain_text("is stored")
    screen.page.goto(f"{server.url}/")
    screen.live()
