"""The pictures of the README and docs, taken from the running demo. What `make screenshots` runs.

    demo on free ports, data thrown away -> Chromium -> docs/*.png

The story is played for a while and then frozen, so that two runs show the same calls but for what happens in the last
moment; the times that tick may differ by seconds.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--font-render-hinting=none"]
PASSWORD = "callboard-demo"  # noqa: S105 - the demo's, which it prints
PATIENCE_MS = 20_000
PLAYED_S = 75
OUTAGE_S = 20
WIDE, LOW, NARROW = (1440, 900), (1440, 560), (390, 844)
REFUSAL = {"endpoint": "takeover", "code": 4711, "message": "Call is being recorded", "times": 1}
HANG = {"endpoint": "takeover", "hang": True, "times": 1}
OUTAGE = {"endpoint": "list", "code": 1032, "message": "Internal server error"}


def chromium() -> str:
    """The browser's path, or an end with how to get one."""
    for path in CHROMIUM:
        if Path(path).exists():
            return path
    sys.exit(f"The pictures need Chromium, and none of {', '.join(CHROMIUM)} is there: apt install chromium")


def free_port(wanted: int = 0) -> int:
    """The wanted port, which the account's page shows, or any other when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Place(NamedTuple):
    """Where the demo runs: its ports, its data, the processes it started, and the link that makes a screen its wall."""

    port: int
    simulator_port: int
    data: Path
    parent: int
    wall: str

    def signal_server(self, number: int) -> None:
        found = subprocess.run(["pgrep", "-P", str(self.parent), "-f", "manage.py serve"],  # noqa: S603, S607 - the system's
                               capture_output=True, text=True, check=True)
        os.kill(int(found.stdout), number)


class Demo:
    """The running demo, its simulator, and a browser in front of it."""

    def __init__(self, browser: Browser, place: "Place") -> None:
        self.browser, self.place = browser, place
        self.url = f"http://127.0.0.1:{place.port}"
        self._simulator = f"http://127.0.0.1:{place.simulator_port}/_simulator"
        self._control = browser.new_context().request
        self.live = 0

    def switch(self, **verbs: Any) -> dict[str, Any]:
        """Steers the simulator, as `queue_api/simulator/control.py` documents it; its state."""
        answer = self._control.post(self._simulator, data=json.dumps(verbs))
        if not answer.ok:
            sys.exit(f"The simulator refused {verbs}: {answer.text()}")
        state: dict[str, Any] = answer.json()
        return state

    def play(self) -> None:
        """The story from its beginning until `PLAYED_S`, when nothing moves any more."""
        self.switch(reset=True)
        time.sleep(PLAYED_S)  # the board must see the calls change, or it could not say since when
        self.live = sum(self.switch(frozen=True)["live"].values())

    def sign_in(self, username: str, size: tuple[int, int], *, path: str = "/", **options: Any) -> Page:
        width, height = size
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{self.url}/accounts/login/?next={path}")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(self.url + path)
        return page

    def board(self, size: tuple[int, int] = WIDE, **options: Any) -> Page:
        """Asha's live board, with exactly the calls there are."""
        page = self.sign_in("asha", size, **options)
        expect(page.locator("html[data-link=live]")).to_be_attached()
        expect(page.locator("[data-call-id]")).to_have_count(self.live)
        return page


@contextlib.contextmanager
def running_demo() -> Iterator[Place]:
    """The demo on a database of its own."""
    port, simulator_port = free_port(), free_port(8010)
    kept = {name: text for name, text in os.environ.items()
            if not name.startswith(("CALLBOARD_", "DATABASE_URL", "REDIS_URL", "DEEPCALL_"))}
    words = ["demo", "--port", str(port), "--simulator-port", str(simulator_port)]
    with tempfile.TemporaryDirectory() as data, (Path(data) / "log").open("w+") as log:
        demo = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, str(ROOT / "manage.py"), *words], env=kept | {"CALLBOARD_DATA_DIR": data},
            stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = list(itertools.takewhile(lambda line: "Callboard is on" not in line, demo.stdout or ()))
            wall = re.search(r"http\S+/wall/link/\S+", "".join(said))
            if demo.poll() is not None or wall is None:
                log.seek(0)
                sys.exit(f"The demo did not start:\n{log.read()}")
            yield Place(port, simulator_port, Path(data), demo.pid, wall[0])
        finally:
            demo.terminate()
            demo.wait(timeout=30)


def save(page: Page, name: str, **options: Any) -> None:
    file = DOCS / name
    page.evaluate("document.fonts.ready")
    page.screenshot(path=file, animations="disabled", **options)
    sys.stdout.write(f"docs/{name}  {file.stat().st_size // 1024} KB\n")


def row(page: Page, call_id: str) -> Locator:
    return page.locator(f'[data-call-id="{call_id}"]')


def neighbours(page: Page) -> tuple[str, str, str]:
    """Three calls that stand together and are talked on, the middle one in a queue of Ben's."""
    found: list[list[str]] = page.evaluate("""() => [...document.querySelectorAll("[data-state=talking][data-call-id]")]
        .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
        .map(row => [row.dataset.callId, row.querySelector("[data-field=queue]").textContent.trim()])""")
    for one, other, third in zip(found, found[1:], found[2:], strict=False):
        if other[1] in ("Support", "Sales"):
            return one[0], other[0], third[0]
    sys.exit("No three calls that would do stand together: choose another PLAYED_S")


def take_over(call: Locator, outcome: str) -> None:
    call.locator("button[data-action=takeover]").click()
    expect(call.locator("[data-takeover]")).to_have_attribute("data-takeover", re.compile(outcome))


def shoot_boards(demo: Demo) -> None:
    save(demo.board(), "board.png")
    save(demo.board(color_scheme="dark"), "board-dark.png")
    save(demo.board(NARROW, device_scale_factor=2, is_mobile=True, has_touch=True), "board-phone.png")


def shoot_feed_failing(demo: Demo) -> None:
    """The board when DeepCall has answered with an error for a while, and when it is well again."""
    page = demo.board(LOW)
    feed = page.locator("[data-account-feed]")
    demo.switch(fault=OUTAGE)
    expect(feed).to_have_attribute("data-health", "failing")
    time.sleep(OUTAGE_S)
    save(page, "feed-failing.png")
    demo.switch(clear="*")
    expect(feed).to_have_attribute("data-health", "fresh")


def shoot_server_silent(demo: Demo) -> None:
    """The board of a server that was frozen: first it says so, then numbers and times are dashes."""
    page = demo.board(LOW)
    demo.place.signal_server(signal.SIGSTOP)
    expect(page.locator("#cut")).to_contain_text("heard nothing from the server")
    save(page, "server-silent.png")
    expect(page.locator("html[data-blank]")).to_be_attached(timeout=90_000)
    save(page, "server-gone.png")
    demo.place.signal_server(signal.SIGCONT)
    expect(page.locator("html[data-link=live]:not([data-cut])")).to_be_attached(timeout=60_000)


def shoot_poller_silent(demo: Demo) -> None:
    """The board while another process has the lease and publishes nothing."""
    page = demo.board(LOW)
    deadline = time.monotonic() + PATIENCE_MS / 1000
    with contextlib.closing(sqlite3.connect(demo.place.data / "callboard.sqlite3", timeout=20)) as database:
        while page.locator("[data-account-feed][data-hop=poller]").count() == 0:
            if time.monotonic() > deadline:
                sys.exit("The silent poller was not noticed")
            with database:
                database.execute("UPDATE dashboard_lease SET holder = 'nobody', fence = fence + 1, expires_at = ?",
                                 [time.time() + 6])
            page.wait_for_timeout(1000)
        save(page, "poller-silent.png")
    expect(page.locator("[data-account-feed]")).to_have_attribute("data-health", "fresh")


def shoot_takeover(demo: Demo) -> None:
    """On Asha's screen: one refused with its code, one that Ben asks for, one that moves to her."""
    asha, ben = demo.board(LOW), demo.sign_in("ben", LOW)
    refused, bens, moved = neighbours(asha)
    demo.switch(fault=REFUSAL)
    take_over(row(asha, refused), "refused")
    demo.switch(fault=HANG)
    take_over(row(ben, bens), "pending")
    expect(row(asha, bens).locator("[data-takeover]")).to_have_attribute("data-takeover", "pending")
    take_over(row(asha, moved), "accepted|confirmed")
    row(asha, refused).evaluate("""row => { const list = row.closest("#list"), height = row.offsetHeight;
        const above = row.getBoundingClientRect().top - list.getBoundingClientRect().top + list.scrollTop;
        list.scrollTop = Math.floor(above / height - 3) * height; }""")
    row(asha, refused).hover(position={"x": 300, "y": 10})  # over no button; the order is held as long as it points
    save(asha, "takeover.png")
    demo.switch(clear="*")


def shoot_wall(demo: Demo) -> None:
    """The demo's wall, well and when its lists are no lists any more."""
    page = demo.browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce").new_page()
    page.goto(demo.place.wall)
    expect(page.locator("html[data-link=live]")).to_be_attached()
    expect(page.locator("#waiting li").first).to_be_visible()
    save(page, "wall.png")
    demo.switch(fault=OUTAGE)
    expect(page.locator("[data-account-feed]")).to_have_attribute("data-health", "failing")
    time.sleep(OUTAGE_S)
    save(page, "wall-failing.png")
    demo.switch(clear="*")
    expect(page.locator("[data-account-feed]")).to_have_attribute("data-health", "fresh")


def shoot_account(demo: Demo) -> None:
    """The account's page after a test of the connection."""
    page = demo.sign_in("admin", WIDE, path="/admin/queue_api/account/")
    page.click("#result_list tbody th a")
    page.click("[name=_test]")
    expect(page.locator(".messagelist")).to_contain_text("DeepCall answered")
    save(page, "account.png")


def main() -> None:
    path = chromium()
    expect.set_options(timeout=PATIENCE_MS)
    with running_demo() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        demo = Demo(browser, place)
        demo.play()
        for shoot in (shoot_boards, shoot_wall, shoot_feed_failing, shoot_poller_silent, shoot_account, shoot_takeover,
                      shoot_server_silent):
            shoot(demo)
        browser.close()


if __name__ == "__main__":
    main()
