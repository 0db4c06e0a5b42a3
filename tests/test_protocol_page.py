"""The page's side of docs/protocol.md: its real scripts, in Chromium, fed with the fixture instead of a server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.processes import Callboard, Upstream, furnish, running
from tests.screens import Screen
from tests.test_protocol import fixture

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Screen]:
    data: Path = tmp_path_factory.mktemp("callboard")
    upstream = Upstream(data, "--seed", "3", "--calls", "3")
    furnish(data, upstream.url)
    server = Callboard(data)
    with running(upstream, server):
        yield Screen(browser, server, "asha")


class Fed:
    """The board's page on a socket of ours: we say what the fixture says, and hear what the page answers."""

    def __init__(self, page: Page) -> None:
        self.page, self.heard = page, list[dict[str, Any]]()
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket("**/ws/board/", self._opened)
        page.reload(wait_until="networkidle")  # the scripts have come, and the socket is asked for
        assert self.sockets

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self.heard.append(json.loads(text)))

    def say(self, name: str, **instead: Any) -> None:
        self.sockets[-1].send(json.dumps(fixture()["server"][name] | instead))

    def row(self, call_id: str) -> Any:
        return self.page.locator(f'[data-call-id="{call_id}"]')


def test_the_page_shows_what_the_fixture_says_and_answers_as_it_says(board: Screen) -> None:
    fed = Fed(board.page)
    fed.say("full")
    expect(fed.row("c-1")).to_have_attribute("data-state", "waiting")
    expect(fed.row("c-2")).to_have_attribute("data-state", "talking")
    expect(fed.page.locator("[data-call-id]")).to_have_count(2)  # the server's own rows have left the page
    expect(fed.page.locator("html[data-link=live]")).to_be_attached()
    assert fixture()["page"]["ack"] in fed.heard

    fed.say("frame")
    expect(fed.row("c-2")).to_have_count(0)
    expect(fed.row("c-3")).to_have_attribute("data-state", "ringing")
    expect(fed.page.locator("#kpi-ringing")).to_have_text("1")
    expect(fed.page.locator("#kpi-answered")).to_have_text("2")
    expect(fed.page.locator(".queue")).to_have_count(1)  # as the server says, whatever was there before

    fed.say("tick")
    fed.say("notice")
    expect(fed.page.locator("[data-notices]")).to_contain_text("Call not found")
    assert all(set(message) in ({"ack"}, {"resync"}) for message in fed.heard)


def test_a_gap_is_answered_with_a_resync(board: Screen) -> None:
    fed = Fed(board.page)
    fed.say("full")
    expect(fed.row("c-2")).to_be_attached()
    del fed.heard[:]
    fed.say("frame", prev=813, seq=814)
    expect(fed.row("c-3")).to_be_attached()  # its rows are right all the same
    assert {"resync": 812} in fed.heard
    fed.say("full", seq=815, prev=814)
    expect(fed.row("c-3")).to_have_count(0)


def test_a_message_beyond_a_gap_makes_no_older_row_look_fresh(board: Screen) -> None:
    fed = Fed(board.page)
    fed.say("full")
    feed = fed.page.locator("[data-account-feed]").first
    of, heard = next(iter(fixture()["server"]["full"]["asof"].items()))
    expect(feed).to_have_attribute("data-heard", str(heard))
    fed.say("tick", seq=820, prev=820, asof={of: heard + 9000})
    fed.say("notice")
    expect(fed.page.locator("[data-notices]")).to_contain_text("Call not found")
    expect(feed).to_have_attribute("data-heard", str(heard))
    fed.say("full", seq=821, prev=820, asof={of: heard + 9000})
    expect(feed).to_have_attribute("data-heard", str(heard + 9000))


def test_an_account_that_has_just_become_the_viewers_stands_where_a_fresh_page_has_it(board: Screen) -> None:
    fed = Fed(board.page)
    fed.say("full")
    expect(fed.page.locator(".feed")).to_have_count(1)
    html = fixture()["server"]["full"]["html"]
    own = fed.page.locator(".feed").evaluate("feed => feed.outerHTML")
    other = re.sub(r'id="feed-\d+"', 'id="feed-0"', own)
    fed.say("full", html=other + html)
    expect(fed.page.locator(".feed").first).to_have_id("feed-0")
    expect(fed.page.locator(".feed")).to_have_count(2)
