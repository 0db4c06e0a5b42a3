"""Signed-in pages in Chromium beside the real `serve` and a simulator, for the tests that import these fixtures."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import Callboard, Upstream, furnish, running

PASSWORD = "callboard-demo"
SUPPORT = {"queue_id": "301", "queue_name": "Support"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("callboard")


@pytest.fixture(scope="module")
def upstream(data: Path) -> Iterator[Upstream]:
    program = Upstream(data, "--seed", "3")
    with running(program):
        yield program


@pytest.fixture(scope="module")
def server(data: Path, upstream: Upstream) -> Iterator[Callboard]:
    furnish(data, upstream.url)
    program = Callboard(data)
    with running(program):
        yield program



@pytest.fixture
def calm(upstream: Upstream) -> None:
    """Each test begins with a healthy, quiet upstream of 24 calls."""
    upstream.switch(reset=True, frozen=True)


class Screen:
    """A signed-in page that remembers what went wrong on it and what came over its socket."""

    def __init__(self, browser: Browser, server: Callboard, username: str, **options: Any) -> None:
        self.problems: list[str] = []
        self.received: list[str] = []
        self.page: Page = browser.new_context(viewport={"width": 1366, "height": 768}, **options).new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("console", self._said)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._heard))
        self.page.goto(f"{server.url}/accounts/login/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.press("input[name=password]", "Enter")
        self.page.wait_for_url(f"{server.url}/")
        self.live()

    def _said(self, message: Any) -> None:
        # Chromium itself reports every 4xx and 5xx, and every socket that a restarting server refused.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def _heard(self, payload: str | bytes) -> None:
        self.received.append(payload if isinstance(payload, str) else payload.decode())

    def live(self) -> None:
        expect(self.page.locator("html[data-link=live]")).to_be_attached()

    def row(self, call_id: str) -> Any:
        return self.page.locator(f'[data-call-id="{call_id}"]')

    def button(self, call_id: str) -> Any:
        return self.row(call_id).locator("button[data-action=takeover]")

    def cell(self, call_id: str) -> Any:
        return self.row(call_id).locator("[data-takeover]")

    def notices(self) -> Any:
        return self.page.locator("[data-notices]")

    def dom(self) -> list[str]:
        """Every row, number and feed as HTML, without what ticks or belongs to this screen alone."""
        html: list[str] = self.page.evaluate("""() =>
            [...document.querySelectorAll('[data-call-id], [data-kpi], .day-head, .queue, [data-account-feed]')]
                .map(e => e.outerHTML)""")
        return [screenless(text) for text in html]

    def close(self) -> None:
        self.page.context.close()


_ATTRIBUTE = re.compile(r' [\w-]+="[^"]*"')
_TAG = re.compile(rf"<\w+(?:{_ATTRIBUTE.pattern})+")


def _in_order(tag: re.Match[str]) -> str:
    return tag[0].split(" ", 1)[0] + "".join(sorted(_ATTRIBUTE.findall(tag[0])))


def screenless(html: str) -> str:
    """Without the order of attributes, too: one that came later stands last."""
    html = _TAG.sub(_in_order, html)
    html = re.sub(r' (style|data-htmx-powered|data-heard|tabindex|title)="[^"]*"', "", html)
    return re.sub(r">[^<]*</", "></", html) if "data-since" in html and "data-call-id" not in html else re.sub(
        r'(data-since="\d+"[^>]*>)[^<]*', r"\1", re.sub(r"(data-age[^>]*>)[^<]*", r"\1", html))


@pytest.fixture
def screen(browser: Browser, server: Callboard) -> Iterator[Any]:
    opened: list[Screen] = []

    def sign_in(username: str, **options: Any) -> Screen:
        opened.append(Screen(browser, server, username, **options))
        return opened[-1]

    yield sign_in
    for one in opened:
        one.close()
