"""The search over the list, in Chromium: what fits stays, through frames, moves and a new link."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.processes import Callboard, Upstream, furnish, running, until
from tests.screens import SUPPORT, Screen
from tests.supervisors import Supervisor

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]
LONG_TASK_MS = 50
SALES = {"queue_id": "302", "queue_name": "Sales"}
TALKING = {"state": "talking", "agent_id": "7001", "agent_name": "Búri Ødegaard", "answered_ago_s": 60}


def add(upstream: Upstream, call_id: str, **fields: Any) -> None:
    call = {"call_id": call_id, "caller": "+919870006291", "caller_name": "Zoë Quill", "entered_ago_s": 9000}
    upstream.switch(add_call=call | SUPPORT | fields)


def find(screen: Screen, query: str) -> None:
    screen.page.fill("#find", query)


def out_of_sight(screen: Screen, call_id: str) -> None:
    expect(screen.row(call_id)).to_be_hidden()
    expect(screen.row(call_id)).to_be_attached()


def gapless(screen: Screen) -> bool:
    """Whether the visible rows come to stand one under the other, from the top of the list on; far ones take 2 s."""
    for _ in range(200):
        if stands(screen):
            return True
        screen.page.wait_for_timeout(30)
    return False


def stands(screen: Screen) -> bool:
    found: bool = screen.page.evaluate("""() => {
        const tops = [...document.querySelectorAll('.row:not([data-out])')].map(row => new DOMMatrix(
            getComputedStyle(row).transform).m42).sort((a, b) => a - b);
        const height = parseFloat(document.getElementById('rows').style.height);
        return tops.every((top, i) => top === 38 * i) && height === 38 * tops.length; }""")
    return found


# ── what fits ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("query", [
    "6291", "291", "62", "zoe", "QUILL zoe", "support quill", "waiting zoë", "62 91", "+6291", "zoe 6291", "sup qui 91",
])
def test_digits_at_the_end_and_words_anywhere_find_a_masked_call(upstream: Upstream, screen: Any, query: str) -> None:
    ben = screen("ben")
    add(upstream, "find-1")
    add(upstream, "find-2", caller="+919870005555", caller_name="Mr Other", **SALES, **TALKING)
    expect(ben.row("find-2")).to_be_visible()
    find(ben, query)
    out_of_sight(ben, "find-2")
    expect(ben.row("find-1")).to_be_visible()
    assert gapless(ben)


@pytest.mark.parametrize("query", ["buri odegaard", "ØDEGAARD", "talking sales other", "5555 búri"])
def test_agent_kind_and_state_are_found_without_accents_and_case(upstream: Upstream, screen: Any, query: str) -> None:
    ben = screen("ben")
    add(upstream, "find-1")
    add(upstream, "find-2", caller="+919870005555", caller_name="Mr Other", **SALES, **TALKING)
    expect(ben.row("find-1")).to_be_visible()
    find(ben, query.replace("odegaard", "ødegaard"))  # ø is a letter of its own and no accent
    out_of_sight(ben, "find-1")
    expect(ben.row("find-2")).to_be_visible()


def test_a_whole_number_fits_a_masked_call_by_its_end_and_it_is_said_that_no_more_is_known(
    upstream: Upstream, screen: Any
) -> None:
    ben, asha = screen("ben"), screen("asha")
    add(upstream, "find-1")
    expect(ben.row("find-1")).to_be_visible()
    for one, number, known in ((ben, "+91 98700 06291", True), (asha, "98700 06291", False), (ben, "6291", False)):
        find(one, number)
        expect(one.row("find-1")).to_be_visible()
        expect(one.page.locator("#found")).to_contain_text(re.compile(r"^\d+ of \d+ calls"))
        told = expect(one.page.locator("#found"))
        (told.to_contain_text if known else told.not_to_contain_text)("only the last four digits are known")
    find(asha, "98711 06291")  # what is known whole must fit as a whole
    out_of_sight(asha, "find-1")
    find(ben, "98711 06292")
    out_of_sight(ben, "find-1")


def test_nothing_found_is_not_no_calls_and_the_search_is_named_as_the_reason(upstream: Upstream, screen: Any) -> None:
    ben = screen("ben")
    waiting, live = (ben.page.locator(f"[data-kpi={name}]").inner_text() for name in ("waiting", "live"))
    find(ben, "no such <b>caller</b>")
    none = ben.page.locator("#found-none")
    expect(none).to_contain_text("fits “no such <b>caller</b>”. The search leaves them out.")
    expect(ben.page.locator("#found")).to_contain_text(f"0 of {live} calls")
    expect(ben.page.get_by_text("No live calls")).to_be_hidden()
    assert [ben.page.locator(f"[data-kpi={name}]").inner_text() for name in ("waiting", "live")] == [waiting, live]
    none.get_by_text("Show all calls").click()
    expect(none).to_be_hidden()
    expect(ben.page.locator(".row").first).to_be_visible()
    expect(ben.page.locator("#found")).to_have_text("")
    assert gapless(ben)
    assert ben.problems == []


# ── the keyboard ───────────────────────────────────────────────────────────────────────────────────
def test_a_slash_goes_to_the_field_and_escape_clears_it_and_goes_back(upstream: Upstream, screen: Any) -> None:
    ben = screen("ben")
    add(upstream, "find-1")
    ben.button("find-1").focus()
    ben.page.keyboard.press("/")
    ben.page.keyboard.type("6291/")  # in the field a slash is a slash
    assert ben.page.input_value("#find") == "6291/"
    expect(ben.page.locator("#found")).to_contain_text("1 of")
    ben.page.keyboard.press("Escape")
    assert ben.page.input_value("#find") == ""
    assert ben.page.evaluate("document.activeElement.id") == ben.button("find-1").get_attribute("id")
    expect(ben.page.locator(".row[data-out]")).to_have_count(0)


def test_a_row_with_the_focus_stays_until_the_focus_leaves_it(upstream: Upstream, screen: Any) -> None:
    ben = screen("ben")
    add(upstream, "find-1")
    find(ben, "waiting quill")
    expect(ben.row("find-1")).to_be_visible()
    ben.button("find-1").focus()
    upstream.switch(change_call={"call_id": "find-1", **TALKING})
    expect(ben.row("find-1")).to_have_attribute("data-state", "talking")
    expect(ben.row("find-1")).to_be_visible()
    assert ben.page.evaluate("document.activeElement.id") == ben.button("find-1").get_attribute("id")
    ben.page.keyboard.press("Shift+Tab")
    ben.page.keyboard.press("/")
    out_of_sight(ben, "find-1")
    assert gapless(ben)


def test_the_takeover_of_a_found_call_goes_on_as_ever(upstream: Upstream, screen: Any) -> None:
    ben = screen("ben")
    add(upstream, "find-1", **TALKING)
    find(ben, "6291")
    expect(ben.page.locator(".row:visible")).to_have_count(1)
    ben.button("find-1").click()
    expect(ben.cell("find-1")).to_have_attribute("data-takeover", "confirmed")
    assert len(upstream.journal()) == 1
    assert ben.page.evaluate("document.activeElement.id") == ben.button("find-1").get_attribute("id")


# ── frames, moves, links ───────────────────────────────────────────────────────────────────────────
def test_new_and_changed_calls_are_searched_as_they_come_and_the_list_has_no_gaps(
    upstream: Upstream, screen: Any
) -> None:
    ben, fresh = screen("ben"), screen("ben")
    find(ben, "support")
    expect(ben.page.locator("#found")).to_contain_text(" of ")
    add(upstream, "find-1")
    add(upstream, "find-2", **SALES)
    expect(ben.row("find-1")).to_be_visible()
    out_of_sight(ben, "find-2")
    upstream.switch(change_call={"call_id": "find-2", **SUPPORT})
    expect(ben.row("find-2")).to_be_visible()
    upstream.switch(frozen=False, churn=40, calls=60)
    expect(fresh.page.locator(".row").nth(45)).to_be_attached(timeout=20_000)
    ben.page.wait_for_timeout(3_000)  # churn is the subject here
    upstream.switch(frozen=True)
    ben.page.wait_for_timeout(7_000)  # two lists agree on what has ended; what is far away has its place by then
    assert gapless(ben)
    here = set(ben.page.locator(".row:visible [data-field=queue]").all_inner_texts())
    assert here == {"Support"}
    ben.page.keyboard.press("/")
    ben.page.keyboard.press("Escape")
    expect(ben.page.locator(".row[data-out]")).to_have_count(0)
    assert ben.dom() == fresh.dom()
    assert gapless(ben)
    assert ben.problems == []


def test_a_search_goes_on_after_the_link_was_lost(server: Callboard, upstream: Upstream, screen: Any) -> None:
    ben = screen("ben")
    add(upstream, "find-1")
    find(ben, "6291")
    expect(ben.page.locator(".row:visible")).to_have_count(1)
    full = sum('"full":true' in text for text in ben.received)
    ben.page.evaluate("htmx.process(document.getElementById('link'), true)")
    upstream.switch(change_call={"call_id": "find-1", "caller_name": "Zoë Anew"})
    expect(ben.row("find-1")).to_contain_text("Zoë Anew")
    assert sum('"full":true' in text for text in ben.received) > full
    expect(ben.page.locator(".row:visible")).to_have_count(1)
    assert gapless(ben)


@pytest.mark.long  # by the clock: for a machine that does nothing else
def test_typing_over_a_thousand_calls_never_holds_the_page_up(tmp_path: Path, browser: Browser) -> None:
    deepcall = Upstream(tmp_path, "--seed", "3", "--calls", "1000")
    with running(deepcall):
        furnish(tmp_path, deepcall.url)
        server = Callboard(tmp_path)
        with running(server):
            deepcall.switch(frozen=True)
            until(lambda: "data-call-id" in Supervisor(server.url, "asha").get("/")[1], 30, "the calls")
            asha = Patient(browser, server, "asha")
            expect(asha.page.locator(".row").nth(900)).to_be_attached()
            asha.page.wait_for_timeout(4_000)  # the rows far away get their places
            asha.page.evaluate("""() => { window.longest = window.touched = 0;
                new PerformanceObserver(list => list.getEntries().forEach(
                    e => { window.longest = Math.max(window.longest, e.duration); })).observe({type: 'longtask'});
                new MutationObserver(changes => { window.touched += changes.length; }).observe(
                    document.getElementById('rows'), {subtree: true, attributeFilter: ['data-out', 'style']}); }""")
            rounds = [typed_over(asha) for _ in range(4)]
            asha.close()
    assert max(touched for touched, _longest in rounds) < 250, rounds  # what is nowhere near the screen has time
    assert min(longest for _touched, longest in rounds) < 2 * LONG_TASK_MS, rounds  # other things are done meanwhile


class Patient(Screen):
    """A thousand calls on a machine that does other things take a while."""

    def live(self) -> None:
        expect(self.page.locator("html[data-link=live]")).to_be_attached(timeout=60_000)


def typed_over(screen: Screen) -> tuple[int, float]:
    """The most rows that one key touches at once, and the longest task, in ms."""
    most = 0
    screen.page.evaluate("window.longest = 0")
    screen.page.focus("#find")
    for key in ("s", "a", "l", "9", "Escape"):
        screen.page.evaluate("window.touched = 0")
        screen.page.keyboard.press(key)
        screen.page.wait_for_timeout(250)  # each is applied by itself
        most = max(most, screen.page.evaluate("window.touched"))
    longest: float = screen.page.evaluate("window.longest")
    screen.page.wait_for_timeout(3_000)  # the rows far away
    return most, longest
