"""The soak's screens: pages of the live model on real sockets, and Chromium with the real scripts."""

import asyncio
import json
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

from bench.wire import CLOSE, PING, PONG, TEXT, Beside, _frame, _masked
from bench.wire import Screen as Wire
from dashboard.frames import Picture
from tests.conftest import CHROMIUM_FLAGS
from tests.live_page import Node, Script, of_page, untimed
from tests.screens import PASSWORD, screenless
from tests.supervisors import Supervisor

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
HANDSHAKE_S = 20.0


def ms() -> int:
    return int(time.monotonic() * 1000)


class PythonScreen:
    """One person's page at one process: it reads, answers, falls silent for a while, and comes back as a page does."""

    def __init__(self, beside: Beside, person: Supervisor, name: str) -> None:
        self.beside, self.person, self.name = beside, person, name
        self.port = int(person.url.rpartition(":")[2])
        self.page = Script(Picture(), ms())
        self.frames, self.closed = 0, list[int]()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._task = beside.start(self._live())

    async def _live(self) -> None:
        while True:
            try:
                code = await self._connection()
            except (OSError, asyncio.IncompleteReadError, ConnectionError):
                code = 1006
            self.closed.append(code)
            wait_ms = self.page.closed(code, ms())
            await asyncio.sleep((wait_ms if wait_ms is not None else 5000) / 1000)

    async def _connection(self) -> int:
        """Until it ends; its close code."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.person.jar)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                writer.write(Wire(self.port, cookies)._handshake())
                head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                return 1006
            self.page.connected(ms())
            return await self._reads_on(reader, writer)
        finally:
            writer.close()

    async def _reads_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        while True:
            await self._may_read.wait()
            if (message := await self._next(reader)) is None:
                return 1006
            kind, data = message
            if kind == CLOSE:
                return int.from_bytes(data[:2], "big") or 1006
            if kind == PING:
                writer.write(_masked(PONG, data))
            elif kind == TEXT:
                self.frames += 1
                for said in self.page.receive(data.decode(), ms()):
                    writer.write(_masked(TEXT, json.dumps(said).encode()))

    async def _next(self, reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
        """None after the silence in which a page replaces its connection."""
        waiting = asyncio.ensure_future(_frame(reader))
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=1)
                if not waiting.done() and self.page.silent(ms()):
                    return None
            return waiting.result()
        finally:
            waiting.cancel()

    def reads(self, yes: bool) -> None:
        """Whether it takes what comes. From any thread."""
        self.beside.loop.call_soon_threadsafe(self._may_read.set if yes else self._may_read.clear)

    def fresh(self) -> dict[str, Node]:
        status, html = self.person.get("/")
        assert status == 200, f"the board of {self.name} is answered {status}"
        return {name: untimed(node) for name, node in of_page(html).items()}

    def is_live(self) -> bool:
        return self.page.live

    def different(self) -> str:
        """What differs from a fresh page now; "" when nothing does."""
        shown: dict[str, Node] = self.beside.run(self._shown())
        if not shown:
            return "is not live"
        fresh = self.fresh()
        if missing := fresh.keys() ^ shown.keys():
            return f"has too much or too little: {sorted(missing)[:5]}"
        return next((f"{name} is {shown[name]} instead of {fresh[name]}" for name in fresh
                     if shown[name] != fresh[name]), "")

    async def _shown(self) -> dict[str, Node]:
        if not self.page.live:
            return {}
        return {name: untimed(node) for name, node in (self.page.rows | self.page.parts).items()}

    def stop(self) -> None:
        self._task.cancel()


class ChromiumScreen:
    """The real page. A fresh one is opened beside it for each look."""

    def __init__(self, browser: Browser, url: str, username: str) -> None:
        self.url, self.name = url, f"{username} in Chromium"
        self.problems: list[str] = []
        self.context = browser.new_context(viewport={"width": 1366, "height": 768})
        self.page = self._opened(f"{url}/accounts/login/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.press("input[name=password]", "Enter")
        self.page.wait_for_url(f"{url}/")

    def _opened(self, address: str) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.goto(address)
        return page

    def is_live(self) -> bool:
        return self.page.get_attribute("html", "data-link") == "live"

    def different(self) -> str:
        if not self.is_live():
            return "is not live"
        fresh = self._opened(f"{self.url}/")
        try:
            fresh.wait_for_selector("html[data-link=live]", state="attached")
            expected, shown = _dom(fresh), _dom(self.page)
        finally:
            fresh.close()
        return next((f"{mine} instead of {theirs}" for mine, theirs in zip(shown, expected, strict=False)
                     if mine != theirs), "" if len(shown) == len(expected) else "has other rows")

    def nodes(self) -> int:
        """Without the notices, of which a page keeps fifty."""
        count: int = self.page.evaluate(
            "document.querySelectorAll('*').length - document.querySelectorAll('#notices *').length")
        return count

    def stop(self) -> None:
        self.context.close()


def _dom(page: Page) -> list[str]:
    html: list[str] = page.evaluate("""() => [...document.querySelectorAll(
        '[data-call-id], [data-kpi], .day-head, .queue, [data-account-feed], .agent')].map(one => one.outerHTML)""")
    return [screenless(text) for text in html]


def launched(playwright: Playwright) -> Browser | None:
    """Chromium, or None when this machine has none."""
    path = next((path for path in CHROMIUM if Path(path).exists()), None)
    return playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS) if path else None

