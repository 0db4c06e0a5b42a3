"""In Chromium: what a board does when its socket ends, each way it can, and how often it tries to come back.

Which fault is tested where: the table in `tests/test_socket_abuse.py`.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.front import PASS, Ends, Front
from tests.processes import Callboard, Upstream, free_port, furnish, running
from tests.screens import PASSWORD
from tests.tabs import LOST

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.browser, pytest.mark.processes]

LONG = bool(os.environ.get("CALLBOARD_LONG"))
WATCH_S = 60 if LONG else 8
AWAY_S = 20 if LONG else 6
TRIES_A_MINUTE = 12
STALE_S, BACK_S = 25, 30
# close code -> what `data-link` says meanwhile, and whether the page comes back by itself
CONTRACT = {
    LOST: ("connecting", True), 1000: ("connecting", True), 1001: ("connecting", True), 1008: ("connecting", True),
    1009: ("connecting", True), 1011: ("connecting", True), 1012: ("connecting", True), 1013: ("full", True),
    4408: ("too-slow", True), 4999: ("connecting", True), 4401: ("signed-out", False), 4403: ("revoked", False),
}


@pytest.fixture(scope="module")
def fronts(data: Path, upstream: Upstream) -> Iterator[dict[int, Front]]:
    """One for each close code, before one server that knows them all."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        fronts = {code: stack.enter_context(Front(port)) for code in CONTRACT}
        furnish(data, upstream.url)
        origins = ",".join(front.url for front in fronts.values())
        program = Callboard(data, port, CALLBOARD_ORIGINS=origins)
        stack.enter_context(running(program))
        yield fronts


@pytest.fixture
def pages(browser: Browser, fronts: dict[int, Front]) -> Iterator[dict[int, Page]]:
    """A live board behind each front; one sign-in, since cookies know no ports."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(15_000)
    first = next(iter(fronts.values()))
    page = context.new_page()
    page.goto(f"{first.url}/accounts/login/")
    page.fill("input[name=username]", "asha")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{first.url}/")
    yield {code: page if front is first else context.new_page() for code, front in fronts.items()}
    context.close()
    for front in fronts.values():
        front.sockets, front.gateway, front.swallows = PASS, False, False


def live(page: Page, within_s: float) -> None:
    expect(page.locator("html[data-link=live]")).to_be_attached(timeout=within_s * 1000)


def test_every_close_code_has_its_word_on_the_page_and_no_tab_tries_too_often(
        fronts: dict[int, Front], pages: dict[int, Page]) -> None:
    """All at once: each page behind a front that accepts, then ends."""
    for code, front in fronts.items():
        front.sockets = Ends(code)
        front.cut()
    for code, page in pages.items():
        page.goto(f"{fronts[code].url}/", wait_until="commit")
    began = time.monotonic()
    for code, (state, _back) in CONTRACT.items():
        expect(pages[code].locator(f"html[data-link={state}]")).to_be_attached()
        if state in ("connecting", "full", "too-slow"):
            expect(pages[code].locator("#cut")).to_be_visible()
        else:
            expect(pages[code].locator(f"#cut [data-say={state}], #cut a").first).to_be_visible()
    pages[LOST].wait_for_timeout(max(0, WATCH_S - (time.monotonic() - began)) * 1000)  # how often is the subject
    took_s = time.monotonic() - began
    tries = {code: len(front.tries) for code, front in fronts.items()}
    logger.info("tries in %.0f s by close code: %s", took_s, tries)
    assert all(count <= TRIES_A_MINUTE * max(1, took_s / 60) for count in tries.values())
    assert {code: count for code, count in tries.items() if not CONTRACT[code][1]} == {4401: 2, 4403: 2}  # one reload
    if not LONG:
        assert max(tries.values()) <= 5
    for front in fronts.values():
        front.sockets = PASS
    for code, (_state, back) in CONTRACT.items():
        if back and (LONG or code != 4408):
            live(pages[code], 65 if code == 4408 else 20)


def test_a_gateway_that_is_away_is_shown_and_the_board_is_back_within_30_s(
        fronts: dict[int, Front], pages: dict[int, Page]) -> None:
    front, page = fronts[LOST], pages[LOST]
    page.goto(f"{front.url}/")
    live(page, 15)
    front.gateway = True
    front.cut()
    began = time.monotonic()
    expect(page.locator("#cut")).to_be_visible(timeout=STALE_S * 1000)
    shown_s = time.monotonic() - began
    page.wait_for_timeout(max(0, AWAY_S - shown_s) * 1000)  # the fault's length
    front.gateway = False
    live(page, BACK_S - AWAY_S + 1)
    logger.info("502 for %s s: shown after %.1f s, back after %.1f s", AWAY_S, shown_s, time.monotonic() - began)
    assert time.monotonic() - began <= BACK_S + 1
    expect(page.locator("#cut")).to_be_hidden()


@pytest.mark.long
def test_a_line_that_swallows_everything_is_noticed_at_both_ends_and_recovers(
        fronts: dict[int, Front], pages: dict[int, Page]) -> None:
    front, page = fronts[LOST], pages[LOST]
    page.goto(f"{front.url}/")
    live(page, 15)
    front.swallows = True
    began = time.monotonic()
    expect(page.locator("html[data-link=lost]")).to_be_attached(timeout=(STALE_S + 3) * 1000)
    logger.info("a line that swallows everything: noticed after %.1f s", time.monotonic() - began)
    expect(page.locator("#cut")).to_be_visible()
    front.swallows = False
    live(page, 15)
