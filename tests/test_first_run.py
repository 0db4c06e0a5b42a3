"""In Chromium, from an empty database to the first live call, against a DeepCall whose names are all foreign."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from queue_api.credentials import Secret
from queue_api.simulator import people
from queue_api.simulator.dialects import FOREIGN
from tests.conftest import PASSWORD
from tests.factors import Phone
from tests.processes import Callboard, Upstream, manage, running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

MOVED = re.compile("accepted|confirmed")  # a list may be quicker than we look
FOLLOWS_MS = 10_000  # what is saved in the admin is on running screens within this time


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    program = Upstream(tmp_path, "--dialect", "foreign", "--seed", "3")
    with running(program):
        program.switch(frozen=True)
        yield program


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callboard]:
    manage(tmp_path, "migrate", "--verbosity", "0")
    program = Callboard(tmp_path, CALLBOARD_SECOND_FACTOR="administrators")
    with running(program):
        yield program


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str]) -> Page:
    return opened(browser, problems)


def opened(browser: Browser, problems: list[str]) -> Page:
    """A page in a browser of its own; what its scripts or its policy complain of is kept."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("console", lambda message: problems.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text else None)
    return page


def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.fill(f'[name="{name}"]', text)


def step(page: Page, name: str) -> Locator:
    return page.locator(f"[data-step={name}]")


def press(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).first.click()


def switch_on(page: Page) -> Phone:
    """The second factor, from the set-up page and back to it; the phone that has scanned the code."""
    press(page, "Switch on the second factor")
    expect(page.locator("svg.qr path")).to_have_count(2)
    phone = Phone(Secret(page.locator("[data-key]").inner_text().replace(" ", "")), [])
    fill(page, code=phone.code())
    page.press("[name=code]", "Enter")
    expect(page.locator("#recovery-codes")).to_have_text(re.compile(r"^((?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\s*){10}$"))
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    press(page, "I have kept them")
    return phone


def row(page: Page, call_id: str) -> Any:
    return page.locator(f'[data-call-id="{call_id}"]')


def test_from_an_empty_database_to_the_first_live_call_in_the_browser_alone(
    upstream: Upstream, server: Callboard, browser: Browser, page: Page, problems: list[str]
) -> None:
    upstream.switch(add_call={"call_id": "471100", "caller": "+919812345678", "queue_id": "301",
                              "queue_name": "Support", "entered_ago_s": 130})
    page.goto(f"{server.url}/")
    fill(page, username="dev", password1=PASSWORD, password2=PASSWORD)
    page.click("button.primary")
    expect(step(page, "administrator")).to_have_attribute("data-done", "no")
    phone = switch_on(page)
    expect(step(page, "administrator")).to_have_attribute("data-done", "yes")

    press(page, "Add an account")
    fill(page, name="Harbour", base_url=upstream.url, ssid=people.FRONT_DESK.ssid)
    page.click("[name=_test]")
    expect(page.locator(".messagelist .error")).to_contain_text("25 rows, 0 calls")

    board = page.context.new_page()
    board.goto(f"{server.url}/")
    expect(board.locator("html[data-link=live]")).to_be_attached()
    expect(row(board, "471100")).to_have_count(0)

    press(page, "Finish setting up")
    expect(step(page, "mapping")).to_contain_text("none of 25 rows is read as a call")
    expect(step(page, "answer")).to_have_attribute("data-done", "yes")
    press(page, "Inspect live rows of Harbour")
    expect(page.locator('[data-upstream="legRef"]')).to_contain_text("not read")
    fill(page, **{f"field-{ours}": theirs for ours, theirs in FOREIGN.fields.items()})
    page.click("[name=_try]")
    expect(page.locator("#findings .good")).to_contain_text("25 of 25 rows")
    expect(page.locator("#words")).to_contain_text("IN_ROTATION")
    expect(row(board, "471100")).to_have_count(0)
    fill(page, **{f"word-{state}": word for state, word in FOREIGN.words.items()})
    page.click("[name=_save]")
    expect(row(board, "471100")).to_have_attribute("data-state", "waiting", timeout=FOLLOWS_MS)
    expect(row(board, "471100").locator("[data-field=queue]")).to_contain_text("Support")
    expect(row(board, "471100").locator("[data-field=caller]")).to_contain_text("+919812345678")

    press(page, "Finish setting up")
    expect(step(page, "mapping")).to_have_attribute("data-done", "yes")
    press(page, "Add a person")
    fill(page, username="ben", password1=PASSWORD, password2=PASSWORD)
    page.click("[name=_save]")
    page.goto(f"{server.url}/setup/")
    expect(step(page, "supervisor")).to_contain_text("ben has no queues and may not take over calls")
    press(page, "Open ben")
    page.check("[name=role][value=supervisor]")
    page.select_option("#id_seats-0-account", label="Harbour")
    page.check("#id_seats-0-all_queues")
    page.click("[name=_save]")
    page.goto(f"{server.url}/setup/")
    expect(page.locator("h1")).to_have_text("All set up")

    ben = opened(browser, problems)
    ben.goto(f"{server.url}/")
    fill(ben, username="ben", password=PASSWORD)
    ben.press("[name=password]", "Enter")
    expect(row(ben, "471100").locator("button[data-action=takeover]")).to_be_visible()
    row(ben, "471100").locator("button[data-action=takeover]").click()
    expect(row(ben, "471100").locator("[data-takeover]")).to_have_attribute("data-takeover", MOVED)
    assert [entry["body"]["callId"] for entry in upstream.journal()] == ["471100"]

    again = opened(browser, problems)
    again.goto(f"{server.url}/admin/queue_api/account/")
    fill(again, username="dev", password=PASSWORD)
    again.press("[name=password]", "Enter")
    expect(again.locator("h1")).to_have_text("And the code from your app")
    fill(again, code=phone.code(1))  # the present one switched it on, or may have
    again.press("[name=code]", "Enter")
    expect(again).to_have_url(f"{server.url}/admin/queue_api/account/")
    expect(again.get_by_role("link", name="Harbour")).to_be_visible()
    assert problems == []
