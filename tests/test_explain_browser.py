"""In Chromium: each number says what it means, to pointer, keyboard and touch, and goes away when told to."""

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, expect

from tests.processes import Upstream
from tests.screens import SUPPORT

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]


def panel(asha: Any) -> Locator:
    found: Locator = asha.page.locator("#explain")
    return found


def settled(upstream: Upstream, asha: Any) -> int:
    """How many wait, once the list since `calm` is on the screen and what was there before has left it."""
    mark = f"mark-{uuid4().hex}"  # one that no test before has put there
    upstream.switch(add_call={"call_id": mark, "caller": "+919812345671", "entered_ago_s": 9, **SUPPORT})
    expect(asha.row(mark)).to_be_attached()
    expect(asha.page.locator(".row[data-missed]")).to_have_count(0)
    return int(asha.page.locator("#kpi-waiting").inner_text())


def test_a_pointer_on_a_number_is_told_what_it_means(screen: Any) -> None:
    asha = screen("asha")
    expect(asha.page.locator("#kpi-offered")).to_have_attribute("data-known", "yes")
    expect(panel(asha)).to_be_hidden()
    asha.page.locator("#day-box-answered").hover()
    expect(panel(asha)).to_be_visible()
    offered = asha.page.locator("#kpi-offered").inner_text()
    for words in ("Answered", "The offered calls that an agent has talked on.", f"{offered} calls", "since 00:00 on",
                  "(Asia/Kolkata)", "Every list from DeepCall", "without 00:00–", "nobody looked then"):
        expect(panel(asha)).to_contain_text(words)
    panel(asha).hover()  # it stays to be read
    asha.page.wait_for_timeout(600)
    expect(panel(asha)).to_be_visible()
    asha.page.locator("h1").hover()
    expect(panel(asha)).to_be_hidden()
    assert asha.problems == []


def test_a_keyboard_goes_from_number_to_number_and_escape_closes(screen: Any) -> None:
    asha = screen("asha")
    asha.page.get_by_text("Sign out").focus()
    asha.page.keyboard.press("Tab")
    waiting = asha.page.locator("#kpi-box-waiting")
    expect(waiting).to_be_focused()
    expect(waiting).to_have_attribute("aria-describedby", "explain")
    expect(panel(asha)).to_contain_text("The calls that wait for an agent.")
    for _ in range(8):
        asha.page.keyboard.press("ArrowRight")
    expect(asha.page.locator("#day-box-offered")).to_be_focused()
    expect(panel(asha)).to_contain_text("The calls that came into a queue.")
    asha.page.keyboard.press("Escape")
    expect(panel(asha)).to_be_hidden()
    expect(asha.page.locator("#day-box-offered")).to_be_focused()
    asha.page.keyboard.press("Tab")  # one stop for all of them
    expect(asha.page.get_by_role("link", name="Days by queue")).to_be_focused()
    asha.page.keyboard.press("Shift+Tab")  # and back to the one it was
    expect(asha.page.locator("#day-box-offered")).to_be_focused()


def test_what_is_explained_follows_the_number_while_it_is_open(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    waiting = settled(upstream, asha)
    asha.page.locator("#kpi-box-waiting").focus()
    asha.page.keyboard.press("ArrowRight")
    asha.page.keyboard.press("ArrowLeft")
    expect(panel(asha).locator("h3 b")).to_have_text(str(waiting))
    upstream.switch(add_call={"call_id": "more-1", "caller": "+919812345678", "entered_ago_s": 5, **SUPPORT})
    expect(panel(asha).locator("h3 b")).to_have_text(str(waiting + 1))
    expect(asha.page.locator("#kpi-box-waiting")).to_have_attribute("aria-describedby", "explain")  # after its frame
    expect(asha.page.locator("#kpi-box-waiting")).to_be_focused()


def test_a_queues_name_explains_its_row_and_each_number_itself(screen: Any) -> None:
    asha = screen("asha")
    row = asha.page.locator(".queue", has_text="Support")
    expect(row.locator("[data-number=waiting]")).not_to_have_text("–")
    row.locator("[data-number=service-level]").hover()
    expect(panel(asha)).to_contain_text("Service level")
    expect(panel(asha)).to_contain_text("Left out")
    expect(panel(asha).locator("section")).to_have_count(1)
    row.locator("a, .name").focus()
    asha.page.keyboard.press("Tab")
    asha.page.keyboard.press("Shift+Tab")
    expect(panel(asha).locator("section")).to_have_count(5)
    assert asha.problems == []


def test_a_queue_in_which_nobody_waits_has_no_longest_wait_and_says_so(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    settled(upstream, asha)
    asha.page.locator(".queue:has([data-number=longest-wait]:not([data-since]))").first.locator("a").hover()
    expect(panel(asha).locator("h3", has_text="Longest wait")).to_contain_text("none")


def test_a_finger_opens_an_explanation_and_closes_it(screen: Any) -> None:
    asha = screen("asha", has_touch=True)
    asha.page.locator("#kpi-box-hold").tap()
    expect(panel(asha)).to_contain_text("The calls that an agent has put on hold.")
    asha.page.locator("h1").tap()
    expect(panel(asha)).to_be_hidden()


@pytest.mark.parametrize("size", [(1366, 768), (1024, 700), (390, 844)])
def test_an_explanation_is_on_the_screen_as_a_whole(screen: Any, size: tuple[int, int]) -> None:
    asha = screen("asha")
    asha.page.set_viewport_size({"width": size[0], "height": size[1]})
    for box in asha.page.locator(".kpi").all():
        box.scroll_into_view_if_needed()
        box.hover()
        expect(panel(asha)).to_contain_text(box.locator(".label").inner_text())
        around = panel(asha).bounding_box()
        assert around is not None
        assert around["x"] >= 0
        assert around["y"] >= 0
        assert around["x"] + around["width"] <= size[0]
        assert around["y"] + around["height"] <= size[1]


@pytest.mark.parametrize("width", [1920, 1366, 1280, 1024, 1000, 910, 390])
def test_no_label_of_a_number_is_cut_off(screen: Any, width: int) -> None:
    asha = screen("asha")
    asha.page.set_viewport_size({"width": width, "height": 768})
    cut = asha.page.evaluate("""() => [...document.querySelectorAll('.numbers :is(.label, b, h2, a), .queues h2 > *')]
        .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline')
        .map(one => one.textContent)""")
    assert cut == []


def test_what_explains_a_queue_covers_none(screen: Any) -> None:
    asha = screen("asha")
    queues = asha.page.locator(".queues").bounding_box()
    assert queues is not None
    for queue in asha.page.locator(".queue > :first-child").all():
        queue.hover()
        expect(panel(asha)).to_be_visible()
        around = panel(asha).bounding_box()
        assert around is not None
        assert around["x"] + around["width"] <= queues["x"]
        asha.page.locator("h1").hover()
        expect(panel(asha)).to_be_hidden()


def test_queues_stand_by_name_and_count_their_own_calls(upstream: Upstream, screen: Any) -> None:
    asha, carla = screen("asha"), screen("carla")
    names = asha.page.locator(".queue > :first-child").all_inner_texts()
    assert names == sorted(names)
    assert carla.page.locator(".queue > :first-child").all_inner_texts() == ["Billing"]
    support = asha.page.locator(".queue", has_text="Support").locator("[data-number=waiting]")
    settled(upstream, asha)
    before = int(support.inner_text())
    upstream.switch(add_call={"call_id": "count-1", "caller": "+919812345670", "entered_ago_s": 5, **SUPPORT})
    expect(support).to_have_text(str(before + 1))


def test_what_escape_closed_stays_closed_until_the_pointer_has_been_elsewhere(screen: Any) -> None:
    asha = screen("asha")
    box = asha.page.locator("#day-box-offered")
    box.hover(position={"x": 5, "y": 5})
    expect(panel(asha)).to_be_visible()
    asha.page.keyboard.press("Escape")
    box.locator(".label").hover()
    asha.page.wait_for_timeout(700)  # a pointer that moves on the same number is the subject here
    expect(panel(asha)).to_be_hidden()
    asha.page.locator("h1").hover()
    box.hover()
    expect(panel(asha)).to_be_visible()
