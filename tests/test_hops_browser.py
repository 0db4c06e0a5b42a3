"""DeepCall -> poller -> server process -> screen: each hop broken alone, and what an open page says of it.

And the page's clock (F76): wrong, asleep, in another zone; times on it are right all the same.
"""

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.processes import Callboard, Upstream, frozen
from tests.screens import SUPPORT, Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]

DAY_MS = 86_400_000


@pytest.fixture
def asha(screen: Any) -> Screen:
    signed_in: Screen = screen("asha")
    return signed_in


def feed(page: Page) -> Any:
    return page.locator('[data-account-feed="Northgate"]')


def all_is_well(asha: Screen) -> None:
    """Fresh, nothing marked, nothing said."""
    expect(feed(asha.page)).to_have_attribute("data-health", "fresh")
    expect(feed(asha.page)).to_have_attribute("data-hop", "")
    expect(feed(asha.page)).to_have_attribute("data-interval", "2.0")  # while nobody watched lists came more slowly
    expect(asha.page.locator(".banner:visible")).to_have_count(0)
    expect(asha.page.locator("[data-call-id][data-feed]")).to_have_count(0)


def names(asha: Screen, hop: str, sentence: str) -> None:
    """The hop that fails stands in the feed, since when in the banner, and the rows look old."""
    expect(feed(asha.page)).to_have_attribute("data-hop", hop)
    expect(feed(asha.page)).not_to_have_attribute("data-health", "fresh")
    expect(asha.page.locator(".banner:visible")).to_contain_text(re.compile(sentence))
    expect(asha.page.locator("[data-call-id]:not([data-feed])")).to_have_count(0)
    assert asha.page.locator("[data-call-id]").count() >= 24


# ── three hops ─────────────────────────────────────────────────────────────────────────────────────
def test_a_deepcall_that_falls_silent_is_named_with_the_time_and_its_numbers_age(
    asha: Screen, upstream: Upstream
) -> None:
    all_is_well(asha)
    with frozen(upstream):
        names(asha, "deepcall", r"Northgate: DeepCall is not answering since \d\d:\d\d \(No answer within 5 s\)")
    all_is_well(asha)


def test_a_poller_that_nobody_hears_is_named_and_not_deepcall(asha: Screen, server: Callboard) -> None:
    all_is_well(asha)
    with held_by_somebody_else(server):
        names(asha, "poller", r"Northgate: Callboard’s poller has not been heard since \d\d:\d\d")
    all_is_well(asha)


@contextlib.contextmanager
def held_by_somebody_else(server: Callboard) -> Iterator[None]:
    """Every lease is in the hands of a process that publishes nothing, as long as this lasts."""
    over = threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(server.data / "callboard.sqlite3", timeout=20)) as database:
            while True:
                with database:
                    database.execute("UPDATE dashboard_lease SET holder = 'nobody', fence = fence + 1, expires_at = ?",
                                     [time.time() + (0 if over.is_set() else 6)])
                if over.is_set():
                    return
                over.wait(2)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def test_a_server_that_falls_silent_is_named_by_the_page_itself_long_before_it_gives_the_link_up(
    asha: Screen, server: Callboard
) -> None:
    all_is_well(asha)
    with frozen(server):
        names(asha, "server", r"This screen has heard nothing from the server since \d\d:\d\d")
        expect(asha.page.locator("html")).to_have_attribute("data-link", "live")
    all_is_well(asha)


def test_a_screen_that_lost_its_server_looks_like_it_until_a_board_has_come(asha: Screen) -> None:
    all_is_well(asha)
    asha.page.context.set_offline(True)
    asha.page.evaluate("document.querySelector('[data-account-feed]').dataset.before = 'kept'")
    names(asha, "server", r"since \d\d:\d\d|at \d\d:\d\d")
    asha.page.context.set_offline(False)
    all_is_well(asha)


# ── clocks ─────────────────────────────────────────────────────────────────────────────────────────
def call_of_two_minutes(upstream: Upstream) -> tuple[str, float]:
    """The id of a new call, and when it began: epoch seconds by this machine's clock, which is the server's, too."""
    began, call_id = time.time() - 120, f"two-{time.monotonic_ns()}"
    upstream.switch(add_call={"call_id": call_id, "caller": "+919812345678", "entered_ago_s": 120, **SUPPORT})
    return call_id, began


def right(asha: Screen, call_id: str, began: float) -> None:
    """The total time on a row is what it is by the server's clock: within 1 s, and the second that it is cut to."""
    cell = asha.row(call_id).locator('[data-field="total-time"]')
    cell.scroll_into_view_if_needed()  # rows outside the window are not written
    expect(cell).to_have_text(re.compile(r"\d"))
    shown = cell.inner_text()
    passed = time.time() - began
    total = 0
    for part in shown.removeprefix("≥ ").split(":"):
        total = 60 * total + int(part)
    assert abs(passed - total) <= 2, (shown, passed)


@pytest.mark.parametrize("off_ms", [DAY_MS, -DAY_MS])
def test_f76_on_a_machine_whose_clock_is_a_day_off_times_are_right(
    asha: Screen, upstream: Upstream, off_ms: int
) -> None:
    asha.page.add_init_script(f"{{ const real = Date.now.bind(Date); Date.now = () => real() + {off_ms}; }}")
    asha.page.reload()
    asha.live()
    call, began = call_of_two_minutes(upstream)
    right(asha, call, began)
    all_is_well(asha)


def test_with_a_deepcall_whose_clock_is_five_minutes_off_times_are_right_and_never_negative(
    asha: Screen, upstream: Upstream
) -> None:
    upstream.switch(clock_offset_s=300)
    try:
        call, began = call_of_two_minutes(upstream)
        right(asha, call, began)
        times = [text for text in asha.page.locator("[data-call-id] [data-field$=time]").all_inner_texts() if text]
        assert len(times) > 10  # rows outside the window are not written
        assert [text for text in times if not re.fullmatch(r"(≥ )?(\d+:)?\d+:\d\d", text)] == []
    finally:
        upstream.switch(clock_offset_s=0)


def test_f76_when_the_clocks_are_changed_in_the_night_no_time_jumps(screen: Any, upstream: Upstream) -> None:
    asha = screen("asha", timezone_id="Europe/Berlin")
    call, began = call_of_two_minutes(upstream)
    asha.page.clock.install(time="2026-10-25T00:59:56Z")  # there it is 02:59:56, and four seconds later 02:00:00
    expect(asha.row(call)).to_be_visible()
    assert asha.page.evaluate("new Date().getTimezoneOffset()") == -120
    right(asha, call, began)
    asha.page.wait_for_function("() => new Date().getTimezoneOffset() === -60")
    right(asha, call, began)


@pytest.mark.parametrize("jump", ["asleep", "set"])
def test_f76_after_ten_minutes_that_one_of_its_clocks_did_not_see_the_page_is_right_again(
    asha: Screen, upstream: Upstream, jump: str
) -> None:
    call, began = call_of_two_minutes(upstream)
    asha.page.clock.install()
    asha.page.reload()
    asha.live()
    right(asha, call, began)
    asha.received.clear()
    if jump == "asleep":
        asha.page.clock.fast_forward(600_000)  # as after the lid was opened: all timers are due at once
    else:
        asha.page.clock.set_system_time(time.time() + 600)  # the other clock stood still, as some do in a sleep
    expect(asha.page.locator("html[data-link=live]:not([data-cut])")).to_be_attached()
    until_full_board(asha)
    right(asha, call, began)
    all_is_well(asha)


def until_full_board(asha: Screen) -> None:
    """The link was replaced: a new stream began."""
    for _ in range(150):
        if any('"full":true' in text for text in asha.received):
            return
        asha.page.wait_for_timeout(100)
    raise AssertionError("the page kept a link that slept")


def test_a_server_whose_clock_is_set_back_or_ahead_is_followed(asha: Screen, upstream: Upstream) -> None:
    call, began = call_of_two_minutes(upstream)
    expect(asha.row(call)).to_be_visible()
    for jump_ms in (3_600_000, -3_600_000):
        asha.page.evaluate("""async jump => { // one message of another time, as if the server had been set
            const link = performance.getEntriesByType('resource').find(one => one.name.includes('board/clock.js'));
            const clock = await import(link.name); clock.heardAt(clock.now() + jump); }""", jump_ms)
        asha.page.wait_for_function("""async () => Math.abs((await import(performance.getEntriesByType('resource').find(
            one => one.name.includes('board/clock.js')).name)).now() - Date.now()) < 2000""")
        right(asha, call, began)
