"""Walls in Chromium against the real `serve`: hung by a one-time link, and asked for things as the admin does."""

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Response, ViewportSize, expect

from tests.processes import Callboard, Upstream, manage
from tests.test_wall_browser import Wall

SIZE: ViewportSize = {"width": 1920, "height": 1080}
HANG = """
import json
from dashboard.management.commands.demo import furnish_wall
from dashboard.models import Display
from dashboard.pairing import hashed, make_link
furnish_wall()
first = Display.objects.get(name="Service desk", revoked_at=None)
made = []
for name in json.loads({names!r}):
    wall = Display.objects.create(name=name, token_hash=hashed(f"secret of {{name}}"))
    wall.queues.set(first.queues.all())
    made.append(make_link(wall))
print(json.dumps(made))
"""


def hang(server: Callboard, *names: str) -> list[str]:
    """Displays of these names with all queues: the secrets of their links. Their own is `secret of <name>`."""
    said = manage(server.data, "shell", "-v", "0", "-c", HANG.format(names=json.dumps(names)))
    links: list[str] = json.loads(said.splitlines()[-1])
    return links


def ask(server: Callboard, name: str, **fields: Any) -> None:
    """As the admin saves it, but for the doorbell: the server finds it with its next reading, within 3 s."""
    columns = ", ".join(f"{field} = ?" for field in fields)
    with contextlib.closing(sqlite3.connect(server.data / "callboard.sqlite3", timeout=20)) as database, database:
        done = database.execute(f"UPDATE dashboard_display SET {columns} WHERE name = ?", [*fields.values(), name])
        assert done.rowcount == 1
        database.execute("UPDATE dashboard_generation SET value = value + 1 WHERE name = 'config'")


def soon(seconds: float) -> str:
    """So many seconds from now, as the database writes it."""
    return str((datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).replace(tzinfo=None))


class Hung(Wall):
    """A wall that remembers every document it was given: an address and a status each."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.documents: list[tuple[str, int]] = []
        context.on("response", self._answered)
        super().__init__(context, url)

    def _answered(self, answer: Response) -> None:
        if answer.request.is_navigation_request() and answer.frame.page == self.page:
            self.documents.append((answer.url, answer.status))

    def loaded(self, times: int) -> None:
        """So many documents have come by now."""
        for _ in range(150):
            if len(self.documents) >= times:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"loaded {len(self.documents)} times, not {times}: {self.documents}")

    def kept_itself(self) -> None:
        """No script failed, and it was never anywhere but at the wall: no login, no page of an error."""
        assert self.problems == []
        assert [url for url, _ in self.documents if "/wall/" not in url] == []
        assert "/wall/" in self.page.url


def hung_by_link(browser: Browser, server: Callboard, name: str) -> Hung:
    """A new display of this name on a browser of its own, live."""
    [link] = hang(server, name)
    wall = Hung(browser.new_context(viewport=SIZE), f"{server.url}/wall/link/{link}")
    wall.live()
    return wall


@pytest.fixture(scope="module")
def hung(browser: Browser, server: Callboard, upstream: Upstream) -> Iterator[BrowserContext]:
    """The browser of the wall called Hall."""
    [link] = hang(server, "Hall")
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(f"{server.url}/wall/link/{link}")
    page.close()
    yield context
    context.close()


@pytest.fixture
def hall(hung: BrowserContext, server: Callboard) -> Iterator[Hung]:
    """That wall, live."""
    wall = Hung(hung, f"{server.url}/wall/")
    wall.live()
    yield wall
    wall.page.close()


def gone(wall: Hung, *texts: str) -> None:
    """The code is shown, and nothing of what was is left."""
    expect(wall.code).to_be_visible(timeout=5_000)
    assert [text for text in (*texts, "••••", "data-kpi") if text in wall.page.content()] == []
