"""In Chromium, against the real `serve` and a simulator started apart: what a supervisor sees and does."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.processes import LIMITS, Callboard, Upstream, furnish, manage, running, until
from tests.screens import SUPPORT, Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]

LONG = bool(os.environ.get("CALLBOARD_LONG"))
CHURN_S = 60 if LONG else 15


def test_a_supervisor_sees_calls_come_change_and_go_without_a_reload(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    upstream.switch(add_call={"call_id": "come-1", "caller": "+919812345678", "entered_ago_s": 130, **SUPPORT})
    expect(asha.row("come-1")).to_have_attribute("data-state", "waiting")
    expect(asha.row("come-1").locator("[data-field=caller]")).to_contain_text("+919812345678")
    expect(asha.row("come-1").locator("[data-field=state-time]")).to_contain_text(re.compile(r"^2:1\d$"))
    upstream.switch(change_call={"call_id": "come-1", "state": "talking", "agent_id": "2001",
                                 "agent_name": "Meera Iyer", "answered_ago_s": 1})
    expect(asha.row("come-1")).to_have_attribute("data-state", "talking")
    expect(asha.row("come-1").locator("[data-field=agent]")).to_have_text("Meera Iyer")
    upstream.switch(end_call="come-1")
    expect(asha.row("come-1")).to_have_count(0)
    assert asha.problems == []


def test_a_click_moves_the_call_and_deepcall_is_asked_exactly_once(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    upstream.switch(add_call={"call_id": "take-1", "caller": "+919811111111", "queue_id": "302", "queue_name": "Sales",
                              "state": "talking", "agent_id": "2002", "agent_name": "Kabir Khan", "answered_ago_s": 60})
    expect(asha.page.locator("[data-call-id]")).to_have_count(25)  # the calls of the test before have gone
    asha.button("take-1").click()
    scrolled = asha.page.evaluate("document.getElementById('list').scrollTop")
    expect(asha.cell("take-1")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
    expect(asha.notices()).to_contain_text("Accepted by DeepCall")
    expect(asha.row("take-1").locator("[data-field=agent]")).to_have_text("Asha Rao")
    assert asha.page.evaluate("document.getElementById('list').scrollTop") == scrolled  # the row moved, the reader not
    bodies = [entry["body"] for entry in upstream.journal()]
    assert bodies == [{"ssid": "demo-ssid-asha-rao", "callId": "take-1", "agentid": "2002"}]
    assert all(isinstance(value, str) for value in bodies[0].values())
    assert asha.problems == []


def test_a_click_before_the_scripts_have_come_is_not_lost(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    upstream.switch(add_call={"call_id": "soon-1", "caller": "+919866666666", "entered_ago_s": 9000, **SUPPORT})
    expect(asha.button("soon-1")).to_be_visible()
    held: list[Any] = []
    asha.page.route("**/htmx.min.js", lambda route: held.append(route))
    asha.page.goto(asha.page.url, wait_until="commit")
    asha.button("soon-1").click()
    assert upstream.journal() == []
    held[0].continue_()
    expect(asha.cell("soon-1")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
    assert len(upstream.journal()) == 1


def test_a_refusal_with_an_unknown_code_is_shown_as_it_came(upstream: Upstream, screen: Any) -> None:
    asha, carla = screen("asha"), screen("carla")
    upstream.switch(add_call={"call_id": "no-1", "caller": "+919822222222", "queue_id": "303", "queue_name": "Billing",
                              "state": "talking", "agent_id": "2003", "agent_name": "Leela Nair", "answered_ago_s": 5},
                    fault={"endpoint": "takeover", "code": 4711, "message": "Purple <b>monkey</b> 9f3c"})
    asha.button("no-1").click()
    for one in (asha, carla):
        expect(one.cell("no-1")).to_have_attribute("data-takeover", "refused")
        expect(one.cell("no-1")).to_have_attribute("data-code", "4711")
        expect(one.cell("no-1")).to_contain_text("4711")
        expect(one.cell("no-1")).to_contain_text("Purple <b>monkey</b> 9f3c")
    expect(asha.button("no-1")).not_to_have_attribute("aria-disabled", "true")
    expect(asha.notices()).to_contain_text("4711")
    expect(carla.notices()).not_to_contain_text("4711")


def test_two_supervisors_at_the_same_instant_make_one_request_and_the_other_reads_the_name(
    upstream: Upstream, screen: Any
) -> None:
    asha, ben = screen("asha"), screen("ben")
    upstream.switch(add_call={"call_id": "both-1", "caller": "+919833333333", "state": "talking", "agent_id": "2004",
                              "agent_name": "Rohan Gupta", "answered_ago_s": 5, **SUPPORT},
                    fault={"endpoint": "takeover", "latency_s": 3})
    for one in (asha, ben):
        expect(one.button("both-1")).to_be_visible()
    for one in (asha, ben):  # both before either screen can hear of the other's click
        one.page.evaluate("setTimeout(() => document.querySelector('[data-call-id=both-1] .take button').click(), 0)")
    expect(asha.cell("both-1")).to_contain_text(re.compile("Asha Rao|Ben Okafor"))
    expect(ben.cell("both-1")).to_contain_text(re.compile("Asha Rao|Ben Okafor"))
    first = "Asha Rao" if "Asha Rao" in asha.cell("both-1").inner_text() else "Ben Okafor"
    loser = ben if first == "Asha Rao" else asha
    expect(loser.cell("both-1")).to_contain_text(f"{first} is taking over")
    expect(loser.notices()).to_contain_text(f"{first} is taking this over")
    for one in (asha, ben):
        expect(one.cell("both-1")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
    assert len(upstream.journal()) == 1


def test_a_person_sees_only_their_queues_and_only_the_digits_they_may_see(upstream: Upstream, screen: Any) -> None:
    upstream.switch(add_call={"call_id": "mask-1", "caller": "+919876500001", "entered_ago_s": 5, **SUPPORT})
    ben, carla = screen("ben"), screen("carla")
    expect(ben.row("mask-1").locator("[data-field=caller]")).to_contain_text("•••• 0001")
    expect(carla.row("mask-1")).to_have_count(0)
    assert carla.page.locator("button[data-action=takeover]").count() == 0
    expect(ben.button("mask-1")).to_contain_text("rings Front desk")
    for one in (ben, carla):
        sent = one.page.content() + "".join(one.received)
        assert "9876500001" not in sent
        assert not re.search(r"\+91\d{6}", sent)


def test_after_churn_every_screen_equals_a_fresh_load_and_nothing_has_jumped(
    data: Path, upstream: Upstream, screen: Any
) -> None:
    manage(data, "shell", "-c", LIMITS)
    asha, second = screen("asha"), screen("asha")
    asha.page.evaluate("""() => { window.shift = 0;
        new PerformanceObserver(list => list.getEntries().forEach(e => { window.shift += e.value; }))
            .observe({type: 'layout-shift', buffered: false}); }""")
    upstream.switch(frozen=False, churn=50, calls=60)
    asha.page.wait_for_timeout(CHURN_S * 1000)  # churn is the subject here, not a wait for an event
    upstream.switch(frozen=True)
    asha.page.wait_for_timeout(9_000)  # four polls: two lists must agree that a call has ended
    assert asha.page.evaluate("window.shift") == 0
    fresh = screen("asha")
    until(lambda: len(fresh.dom()) > 60, 10, "the fresh page's calls")
    until(lambda: asha.dom() == fresh.dom() == second.dom(), 10, "the same on all")  # a call may just pass a limit
    assert asha.problems + second.problems == []


def test_fourteen_rows_fit_a_small_laptop(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    visible = asha.page.evaluate("""() => {
        const strip = document.querySelector('.strip').getBoundingClientRect().top;
        return [...document.querySelectorAll('[data-call-id]')]
            .filter(row => row.getBoundingClientRect().bottom <= strip + 0.5).length; }""")
    assert visible >= 14


@pytest.mark.parametrize(("fault", "said"), [
    ({"code": 1014, "message": "Token expired"}, ["1014", "Token expired", "credentials"]),
    ({"code": 1032, "message": "Internal"}, ["1032", "support"]),
    ({"status": 502, "body": "<html>Bad gateway</html>"}, ["502", "base URL"]),
    ({"status": 200, "body": "<html>Hello</html>"}, ["not JSON", "base URL"]),
    ({"huge_bytes": 200_000_000}, ["larger than", "5120 KiB"]),
])
def test_a_bad_answer_keeps_the_last_truth_and_says_what_is_wrong(
    upstream: Upstream, server: Callboard, screen: Any, fault: dict[str, Any], said: list[str]
) -> None:
    asha = screen("asha")
    upstream.switch(fault={"endpoint": "list", **fault})
    feed = asha.page.locator('[data-account-feed="Northgate"]')
    expect(feed).to_have_attribute("data-health", "failing")
    expect(feed).to_have_attribute("data-hop", "deepcall")
    before = asha.page.locator("[data-call-id]").count()
    assert before >= 24
    banner = asha.page.locator("[id^=banner-]:visible")
    for words in said:
        expect(banner).to_contain_text(words)
    assert asha.page.locator("[data-call-id]").count() == before
    upstream.switch(clear="*")
    if "1014" not in said:  # bad credentials are asked again after a minute, or when the account is saved
        expect(feed).to_have_attribute("data-health", "fresh")
    else:
        os.environ.pop("DEEPCALL_SSID", None)
        manage(server.data, "connect_account", "Northgate", "--base-url", upstream.url, "--poll-interval", "2.5")
        expect(feed).to_have_attribute("data-health", "fresh")
    assert "Traceback" not in server.log.read_text()


def test_rows_without_ids_or_dates_are_counted_and_cost_the_others_nothing(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    upstream.switch(fault={"endpoint": "list", "zero_dates": True, "numbers_as_strings": True,
                           "without_identity": True, "every": 3})
    for number in (1, 2, 3):
        upstream.switch(add_call={"call_id": f"good-{number}", "caller": f"+91984444444{number}", "entered_ago_s": 3,
                                  **SUPPORT})
    expect(asha.page.locator('[data-call-id^="good-"]')).to_have_count(2)
    expect(asha.page.locator('[data-account-feed="Northgate"]')).to_have_attribute("data-health", "fresh")
    expect(asha.page.locator("[id^=banner-]:visible")).to_contain_text("rows have no usable identity")


def test_an_account_connected_from_the_shell_appears_without_a_restart(
    data: Path, server: Callboard, browser: Browser, screen: Any
) -> None:
    admin = screen("admin")
    other = Upstream(data, "--seed", "11", "--calls", "5")
    with running(other):
        said = manage(data, "connect_account", "Harbour", "--base-url", other.url, DEEPCALL_USER_ID="demo-user",
                      DEEPCALL_TOKEN="demo-token")
        assert "created" in said
        assert re.search(r"DeepCall answered in \d+ ms: \d+ rows", said)
        feed = admin.page.locator('[data-account-feed="Harbour"]')
        expect(feed).to_have_attribute("data-health", "fresh", timeout=10_000)
        expect(admin.page.locator('[data-account="Harbour"]').first).to_be_visible()
    expect(feed).to_have_attribute("data-health", "failing")
    expect(feed).to_have_attribute("data-hop", "deepcall")
    expect(admin.page.locator("[id^=banner-]:visible")).to_contain_text("Harbour")


def test_a_right_taken_away_in_the_admin_reaches_the_open_screen(server: Callboard, screen: Any) -> None:
    ben, admin = screen("ben"), screen("admin")
    expect(ben.page.locator("button[data-action=takeover]").first).to_be_visible()
    admin.page.goto(f"{server.url}/admin/auth/user/")
    admin.page.click("text=ben")
    admin.page.check("[name=role][value=observer]")
    admin.page.click("input[name=_save]")
    expect(ben.page.locator("button[data-action=takeover]")).to_have_count(0, timeout=10_000)
    admin.page.click("text=ben")
    admin.page.check("[name=role][value=supervisor]")
    admin.page.click("input[name=_save]")
    expect(ben.page.locator("button[data-action=takeover]").first).to_be_visible(timeout=10_000)
    assert admin.problems == []


def test_signing_out_closes_the_other_tab_and_says_so(server: Callboard, screen: Any) -> None:
    carla = screen("carla")
    tab = carla.page.context.new_page()
    tab.goto(f"{server.url}/")
    tab.click("text=Sign out")
    expect(carla.page).to_have_url(re.compile("login"), timeout=10_000)


@pytest.mark.long  # in short: test_hops_browser (a silent server), test_link and test_cluster (one that comes back)
def test_a_frozen_server_is_noticed_and_a_killed_one_comes_back_by_itself(data: Path, upstream: Upstream,
                                                                         server: Callboard, browser: Browser) -> None:
    own = data / "own"
    own.mkdir()
    furnish(own, upstream.url)
    first = Callboard(own)
    with running(first):
        asha = Screen(browser, first, "asha")
        rows = asha.page.locator("[data-call-id]").count()
        first.process.send_signal(signal.SIGSTOP)
        expect(asha.page.locator("html[data-link=lost]")).to_be_attached(timeout=28_000)
        expect(asha.page.locator("#cut")).to_contain_text("This screen lost the server")
        first.kill()
        second = Callboard(own, port=first.port)
        with running(second):
            expect(asha.page.locator("html[data-link=live]")).to_be_attached(timeout=30_000)
            assert asha.page.locator("[data-call-id]").count() == rows
        asha.close()


def test_agents_stand_beside_the_calls_and_nobody_is_called_available(upstream: Upstream, screen: Any) -> None:
    asha, carla = screen("asha"), screen("carla")
    call = {"call_id": "agent-1", "caller": "+919855555555", "state": "talking", "agent_id": "9001",
            "agent_name": "Zuri Adeyemi", "answered_ago_s": 30, **SUPPORT}
    upstream.switch(add_call=call)
    zuri = asha.page.locator('[data-agent="Zuri Adeyemi"]')
    expect(zuri).to_have_attribute("data-state", "talking")
    expect(zuri).to_contain_text("Talking · Support · •••• 5555")
    upstream.switch(end_call="agent-1")
    expect(zuri).to_have_attribute("data-state", "none")
    expect(zuri).to_contain_text("no call seen · Support")
    expect(asha.page.locator("#agents")).not_to_contain_text("available")
    expect(carla.page.locator('[data-agent="Zuri Adeyemi"]')).to_have_count(0)


def test_a_click_on_a_row_that_just_slid_under_the_pointer_sends_nothing(upstream: Upstream, screen: Any) -> None:
    asha = screen("asha")
    upstream.switch(add_call={"call_id": "slide-1", "caller": "+919877777771", "entered_ago_s": 5000, **SUPPORT})
    expect(asha.button("slide-1")).to_be_visible()
    expect(asha.page.locator("[data-call-id]")).to_have_count(25)
    asha.button("slide-1").hover()
    asha.page.wait_for_timeout(700)  # a pointer at rest is the subject here
    asha.page.evaluate("""() => { // clicks where the pointer is, in the moment after the row has slid there
        const {left, top} = document.querySelector('[data-call-id=slide-1] .take button').getBoundingClientRect();
        new MutationObserver((_changes, seen) => { if (!document.querySelector('[data-call-id=slide-2]')) return;
            seen.disconnect();
            setTimeout(() => document.elementFromPoint(left + 9, top + 9).dispatchEvent(
                new MouseEvent('click', {bubbles: true, cancelable: true, detail: 1})), 100);
        }).observe(document.getElementById('rows'), {childList: true}); }""")
    upstream.switch(add_call={"call_id": "slide-2", "caller": "+919877777772", "entered_ago_s": 9000, **SUPPORT})
    expect(asha.button("slide-2")).to_be_attached()
    expect(asha.notices()).to_contain_text("The list moved just as you clicked")
    assert upstream.journal() == []
    asha.button("slide-2").click()  # the pointer moves, and the click is meant
    expect(asha.cell("slide-2")).to_have_attribute("data-takeover", re.compile("accepted|confirmed"))
