"""In Chromium: every layout is readable and whole on every screen, turns its pages, and stops where something is worst.

The arithmetic of dashboard/wall_type.py is held against what the page does.
"""

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from dashboard.wall_type import letter_px, rows_in, rows_that_fit, shown_letter
from tests.processes import ROOT, Callboard, Upstream, manage

pytestmark = [pytest.mark.browser, pytest.mark.processes]

LAYOUTS = ("numbers", "queues", "calls", "mixed")
WINDOWS = [(1920, 1080), (1280, 720), (3840, 2160), (1080, 1920)]
SCREENS = [(55, 4), (43, 3), (75, 8), (65, 2)]  # inches, metres
QUEUES = [f"Desk {number:02}" for number in range(1, 14)]
LAST = QUEUES[-1]
FURNISH = f"""
from dashboard.models import Display, Queue
from dashboard.pairing import make_link
from queue_api.models import Account
account = Account.objects.get()
for number, name in enumerate({QUEUES!r}, start=701):
    Queue.objects.create(account=account, key=str(number), name=name, wait_warn_s=60, wait_crit_s=120)
for layout in {LAYOUTS!r}:
    wall = Display.objects.create(name=f"The hall of {{layout}}", layout=layout, time_zone="UTC")
    wall.queues.set(Queue.objects.filter(key__startswith="7"))
    print(make_link(wall))
"""
# Text that is shown, but not whole: half under something that clips it, outside the picture, or out of its box. Rows
# of other pages are whole under what clips them. Long names may end in an ellipsis, and nothing else may.
CUT_OFF = """() => {
  const nameable = 'h1, .name span, .name small, [data-field=queue], [data-field=name]';
  const [side, edge] = [0.05 * innerWidth - 1, 0.05 * innerHeight - 1];
  const least = parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--letter')) - 0.1;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const {scrollHeight, scrollWidth} = document.scrollingElement;
  const wrong = scrollHeight > innerHeight || scrollWidth > innerWidth ? ['scrolls'] : [];
  while (texts.nextNode()) {
    const node = texts.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest('template, noscript, script')) continue;
    if (!parent.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const size = parseFloat(getComputedStyle(parent).fontSize);
    const {left, right, ...box} = range.getBoundingClientRect().toJSON();
    const [top, bottom] = [box.top + 0.14 * size, box.bottom - 0.14 * size]; // a line is higher than its letters
    const wide = parent.matches(nameable);
    let found = left < side || (right > innerWidth - side && !wide) ? 'at the side' : '';
    if (top < edge || bottom > innerHeight - edge) found = 'at the edge';
    if (size < least) found = 'small';
    for (let host = parent; host && host !== document.body; host = host.parentElement) {
      if (getComputedStyle(host).overflow === 'visible') continue;
      const clip = host.getBoundingClientRect();
      const out = bottom <= clip.top + 1 || top >= clip.bottom - 1 || left >= clip.right;
      if (out) { found = ''; break; }
      if (top < clip.top - 1 || bottom > clip.bottom + 1 || (right > clip.right + 1.5 && !wide)) found = 'cut';
    }
    if (found) wrong.push(`${node.data.trim()}: ${found}`);
  }
  return wrong; }"""


@pytest.fixture(scope="module")
def walls(browser: Browser, server: Callboard) -> Iterator[dict[str, BrowserContext]]:
    """A browser for each layout, which is a wall of it."""
    links = manage(server.data, "shell", "-c", FURNISH).split()[-len(LAYOUTS):]
    contexts = {}
    for layout, link in zip(LAYOUTS, links, strict=True):
        contexts[layout] = browser.new_context(viewport={"width": 1920, "height": 1080}, reduced_motion="reduce")
        page = contexts[layout].new_page()
        page.goto(f"{server.url}/wall/link/{link}")
        page.close()
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture(autouse=True)
def _calm(upstream: Upstream) -> None:
    upstream.switch(reset=True, frozen=True)


@pytest.fixture
def hang(walls: dict[str, BrowserContext], server: Callboard) -> Iterator[Callable[..., Page]]:
    """Opens a wall; `page_ms`: its pages turn sooner than anybody could read them."""
    opened: list[Page] = []

    def hang_one(layout: str, page_ms: int = 0) -> Page:
        page = walls[layout].new_page()
        opened.append(page)
        page.set_default_timeout(15_000)
        if page_ms:
            page.route("**/wall/rotation*.js", lambda route: _hurry(route, page_ms))
        page.goto(f"{server.url}/wall/")
        expect(page.locator("html[data-link=live][data-fresh=all]")).to_be_attached(timeout=30_000)
        return page

    yield hang_one
    for page in opened:
        page.close()


def _hurry(route: Route, page_ms: int) -> None:
    script = (ROOT / "static/wall/rotation.js").read_text()
    assert "const PAGE_MS = 25000;" in script
    route.fulfill(body=script.replace("const PAGE_MS = 25000;", f"const PAGE_MS = {page_ms};"),
                  content_type="text/javascript")


def waits(upstream: Upstream, *callers: str, queue: str = LAST, ago_s: int = 3600) -> None:
    for place, caller in enumerate(callers):
        upstream.switch(add_call={
            "call_id": f"wait-{caller}", "caller": f"+9198765{caller}", "caller_name": "Canary Khan",
            "queue_id": str(701 + QUEUES.index(queue)), "queue_name": queue, "entered_ago_s": ago_s + 60 * place})


def place(page: Page, window: tuple[int, int], diagonal_in: float, distance_m: float) -> dict[str, float]:
    """Puts the wall on another screen; its letter and how many rows it shows."""
    page.set_viewport_size({"width": window[0], "height": window[1]})
    found: dict[str, float] = page.evaluate("""([diagonal, distance]) => {
        Object.assign(document.documentElement.dataset, {diagonal, distance});
        dispatchEvent(new Event('resize'));
        return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done({
            letter: parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--letter')),
            rows: Number(document.getElementById('lower').style.getPropertyValue('--rows'))})))); }""",
        [diagonal_in, distance_m])
    return found


def shown_queues(page: Page) -> list[str]:
    """The names of the rows that are in sight."""
    names: list[str] = page.evaluate("""() => {
        const clip = document.querySelector('.window').getBoundingClientRect();
        return [...document.querySelectorAll('.queue')].filter(row => {
            const box = row.getBoundingClientRect();
            return box.top >= clip.top - 1 && box.bottom <= clip.bottom + 1; }).map(
                row => row.querySelector('.name span').textContent); }""")
    return names


def figure(page: Page, name: str) -> Locator:
    return page.locator(f"[data-kpi={name}]")


# ── size ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("layout", ["queues", "calls", "mixed"])
def test_the_page_and_the_server_reckon_the_same_letter_and_the_same_rows(
    hang: Callable[..., Page], layout: str
) -> None:
    page = hang(layout)
    for window, (diagonal_in, distance_m) in product(WINDOWS, [*SCREENS, (55, 5), (65, 6)]):
        found, letter = place(page, window, diagonal_in, distance_m), letter_px(diagonal_in, distance_m)
        assert found["letter"] == pytest.approx(shown_letter(layout, *window, letter), abs=0.01)
        assert found["rows"] == rows_in(layout, *window, letter), (window, diagonal_in, distance_m)
    found = place(page, (1920, 1080), 55, 4)
    assert found["rows"] == rows_that_fit(layout, 55, 4)


def test_figures_are_two_to_four_letters_high_and_six_of_them_are_a_page(hang: Callable[..., Page]) -> None:
    for layout, (diagonal_in, distance_m) in product(("numbers", "calls"), [(55, 4), (43, 3), (65, 2), (55, 6)]):
        page = hang(layout)
        letter = place(page, (1920, 1080), diagonal_in, distance_m)["letter"]
        for name in ("waiting", "left-unanswered"):
            size = figure(page, name).evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
            assert 1.99 <= size / letter <= 4.01, (layout, diagonal_in, distance_m, name)
        page.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_cut_off_small_or_at_the_edge_on_any_screen(
    hang: Callable[..., Page], upstream: Upstream, layout: str
) -> None:
    waits(upstream, "00001", "00002", "00003", "00004", "00005", "00006", "00007")
    page = hang(layout)
    expect(page.locator("#kpi-box-waiting[data-level], #kpi-box-longest-wait[data-level=red]").first).to_be_attached()
    for window, screen in product(WINDOWS, SCREENS):
        place(page, window, *screen)
        assert page.evaluate(CUT_OFF) == [], (window, screen)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wall_that_fails_is_whole_too(hang: Callable[..., Page], upstream: Upstream, layout: str) -> None:
    waits(upstream, "00001", "00002")
    page = hang(layout)
    upstream.switch(fault={"endpoint": "list", "code": 1032, "message": "no"})
    expect(page.locator("#banners .banner:visible")).to_contain_text("DeepCall gives no list since")
    for window, screen in product(WINDOWS, SCREENS):
        place(page, window, *screen)
        assert page.evaluate(CUT_OFF) == [], (window, screen)


# ── turning pages ──────────────────────────────────────────────────────────────────────────────────
def test_queues_that_do_not_fit_come_by_turns_and_the_strip_stays(hang: Callable[..., Page]) -> None:
    page = hang("queues", page_ms=2500)
    expect(page.locator("[data-worst]")).to_have_count(0, timeout=30_000)  # of the test before
    expect(page.locator("#part")).to_have_text("1–6 of 13")
    assert shown_queues(page) == QUEUES[:6]
    expect(page.locator("#part")).to_have_text("7–12 of 13")
    assert shown_queues(page) == QUEUES[6:12]
    expect(page.locator("#part")).to_have_text("13 of 13")
    assert shown_queues(page) == [LAST]
    for name in ("waiting", "longest-wait", "service-level", "left-unanswered"):
        expect(figure(page, name)).to_be_visible()
    expect(page.locator(".feed [data-age]")).to_be_visible()
    expect(page.locator("#part")).to_have_text("1–6 of 13")


def test_a_critical_queue_stops_the_turning_on_its_page_until_it_is_well(
    hang: Callable[..., Page], upstream: Upstream
) -> None:
    page = hang("queues", page_ms=1500)
    waits(upstream, "00001")
    expect(page.locator(".queue[data-worst]")).to_contain_text(LAST)
    expect(page.locator("#part")).to_have_text("13 of 13")
    turned = page.evaluate("""() => new Promise(done => {
        const seen = new Set();
        const look = setInterval(() => seen.add(document.getElementById('part').textContent), 50);
        setTimeout(() => { clearInterval(look); done([...seen]); }, 3000); })""")
    assert turned == ["13 of 13"]
    upstream.switch(reset=True, frozen=True)
    expect(page.locator("#part")).to_have_text("1–6 of 13", timeout=30_000)


def test_mixed_shows_its_queues_and_then_its_calls(hang: Callable[..., Page], upstream: Upstream) -> None:
    waits(upstream, "00001", ago_s=10)
    page = hang("mixed", page_ms=1500)
    heading = page.locator(".heading h2:visible")
    for said in ("Queues", "Waiting longest", "Queues"):
        expect(heading).to_have_text(said)


def test_calls_are_the_longest_waiting_and_the_others_are_a_number(
    hang: Callable[..., Page], upstream: Upstream
) -> None:
    waits(upstream, *(f"0000{number}" for number in range(9)))
    page = hang("calls")
    expect(page.locator("#more")).to_have_text("+ 3 more")
    place(page, (1920, 1080), 55, 5)
    expect(page.locator("#more")).to_have_text("+ 5 more")
    assert page.locator("#waiting [data-field=caller]").first.inner_text() == "•••• 0008"
    assert not re.search(r"9876500|Canary", page.content())


# ── truth ──────────────────────────────────────────────────────────────────────────────────────────
def test_the_times_and_the_clock_stop_with_the_data(hang: Callable[..., Page], upstream: Upstream) -> None:
    waits(upstream, "00001")
    page = hang("calls")
    upstream.switch(fault={"endpoint": "list", "code": 1032, "message": "no"})
    expect(page.locator("html[data-fresh=none]")).to_be_attached()
    age, longest = page.locator(".feed [data-age]"), figure(page, "longest-wait")
    expect(age).to_have_text(re.compile(r"^[5-9] s old"))
    stopped, grey = longest.inner_text(), longest.evaluate("element => getComputedStyle(element).color")
    expect(age).to_have_text(re.compile(r"^1\d s old"))
    assert longest.inner_text() == stopped
    assert page.locator("#clock").evaluate("element => getComputedStyle(element).color") == grey
    upstream.switch(clear="*")
    expect(longest).not_to_have_text(stopped)


# ── kind to panels and people ──────────────────────────────────────────────────────────────────────
def test_outside_opening_hours_it_is_dimmed_by_the_servers_clock(
    hang: Callable[..., Page], walls: dict[str, BrowserContext]
) -> None:
    page = hang("numbers")
    minute: int = page.evaluate("""async () => {
        const {now} = await import(document.querySelector('link[href*="board/clock"]').href);
        return Math.floor(now() / 60000) % 1440; }""")

    def opens(before: int, after: int) -> None:
        page.evaluate("([opens, closes]) => Object.assign(document.documentElement.dataset, {opens, closes})",
                      [(minute + before) % 1440, (minute + after) % 1440])

    page.evaluate("Date.now = () => 0")
    opens(-60, 60)
    expect(page.locator("html:not([data-dim])")).to_be_attached()
    opens(60, 120)
    expect(page.locator("html[data-dim]")).to_be_attached()
    assert "brightness" in page.locator("body").evaluate("element => getComputedStyle(element).filter")
    opens(-60, 60)
    expect(page.locator("html:not([data-dim])")).to_be_attached()


def test_an_oled_wall_has_no_pure_white_and_is_darker(hang: Callable[..., Page]) -> None:
    page = hang("numbers")

    def brightest() -> Any:
        return page.evaluate("""() => Math.max(...[...document.querySelectorAll('body *')].filter(
            element => element.checkVisibility()).map(element => {
                const [red, green, blue] = getComputedStyle(element).color.match(/\\d+/g);
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue; }))""")

    usual = brightest()
    page.evaluate("document.documentElement.dataset.oled = ''")
    assert brightest() < usual < 255


def test_the_picture_moves_a_little_and_stays_within_what_a_television_shows(hang: Callable[..., Page]) -> None:
    page, lefts = hang("calls"), set()
    for x, y in product((-1, 0, 1), repeat=2):
        page.evaluate("""([x, y]) => { const {style} = document.documentElement;
            style.setProperty('--shift-x', x); style.setProperty('--shift-y', y); }""", [x, y])
        assert page.evaluate(CUT_OFF) == []
        lefts.add(round(page.locator("#kpis").bounding_box()["x"]))  # type: ignore[index]
    assert max(lefts) - min(lefts) in range(6, 12)


def test_a_critical_figure_does_not_pulse_where_motion_is_not_wanted(
    hang: Callable[..., Page], upstream: Upstream
) -> None:
    waits(upstream, "00001")
    page = hang("calls")
    box = page.locator("#kpi-box-longest-wait[data-level=red]")
    expect(box).to_be_visible()
    pulses = "element => getComputedStyle(element, '::after').animationName"
    assert box.evaluate(pulses) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert box.evaluate(pulses) == "pulse"


# ── another layout: last, because it changes a wall ──────────────────────────────────────────────────
def test_a_wall_that_is_given_another_layout_loads_itself_anew(hang: Callable[..., Page], server: Callboard) -> None:
    page = hang("mixed")
    manage(server.data, "shell", "-c", "from dashboard.models import Display\n"
           "Display.objects.filter(name='The hall of mixed').update(layout='queues')")
    expect(page.locator("html[data-layout=queues][data-link=live]")).to_be_attached(timeout=30_000)
