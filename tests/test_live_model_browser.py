"""The live model's stories in Chromium: the shipped scripts, given what a screen was given, end as a fresh page.

Time and socket are the test's (`live_stage.js`), so the page meets each message at the moment of the story, waits as
long before it comes back, and says the same things at the same time as the model's own page (`live_page`).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from pytest_django import DjangoDbBlocker

from tests.live_recording import Recording, record
from tests.processes import ROOT

STORIES = 100 if os.environ.get("CALLBOARD_LONG") else 5
FIRST, MORE = 2055, 20  # the first story, and how many are added at most until breaks and gaps are among them
STAGE = Path(__file__).parent / "live_stage.js"
HERE = "http://callboard.test"

ROOTS = ["#kpis", "#day", "#feeds", "#banners", "#rows", "#queues", "#agents"]
LEFT_OUT = {
    "attributes": [
        "style",  # where a row stands: written when it comes near the screen, at the latest 2 s later
        "data-heard",  # when the newest list was asked for: the next one may have come since the last frame
    ],
    "texts": "[data-since], [data-age]",  # ticking, by clocks that learned the server's time from different messages
}


@pytest.fixture(scope="module")
def recordings(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> list[Recording]:
    """Before Chromium: while it runs, no other event loop may. What a seed's story holds changes with the code."""
    with django_db_blocker.unblock():
        told = record(range(FIRST, FIRST + STORIES))
        for seed in range(FIRST + STORIES, FIRST + STORIES + MORE):
            told += [] if holds_enough(told) else record(range(seed, seed + 1))
    return told


def holds_enough(told: list[Recording]) -> bool:
    kinds = [kind for recording in told for _at, kind, _value in recording.events]
    gaps = ["resync" in said for recording in told for _at, said in recording.said]
    return kinds.count("text") > 20 * STORIES and kinds.count("close") >= STORIES / 5 and any(gaps)


@pytest.mark.django_db
def test_the_stories_to_play_hold_breaks_and_gaps(recordings: list[Recording]) -> None:
    """Also the one test here that asks for the database by its mark: without one there would be none to record in."""
    assert len({recording.seed for recording in recordings}) >= STORIES
    assert holds_enough(recordings)


@pytest.fixture(scope="module")
def context(recordings: list[Recording], browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.add_init_script(path=STAGE)
    yield context
    context.close()


class Theatre:
    """One page without a server: `html` at its address, the shipped files beside it, changed as `instead` says."""

    def __init__(self, context: BrowserContext, html: str, instead: dict[str, tuple[str, str]] | None = None) -> None:
        self.html, self.instead = html, instead or {}
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)
        self.page.route("**/*", self._answer)
        self.page.goto(f"{HERE}/", wait_until="load")

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(f"{HERE}/").partition("?")[0]
        file = ROOT / path
        if not path:
            route.fulfill(body=self.html, content_type="text/html; charset=utf-8")
        elif path in self.instead:
            old, new = self.instead[path]
            text = file.read_text()
            assert old in text
            route.fulfill(body=text.replace(old, new), content_type="text/javascript")
        else:
            route.fulfill(path=file)

    def play(self, events: list[tuple[int, str, Any]], lasted: int) -> dict[str, Any]:
        result: dict[str, Any] = self.page.evaluate(
            "([events, end]) => stage.play(events, end)", [[list(event) for event in events], lasted])
        return result

    def shown(self) -> dict[str, Any]:
        return dict(self.page.evaluate("([roots, left]) => stage.shown(roots, left)", [ROOTS, LEFT_OUT]))


def played(context: BrowserContext, recording: Recording, instead: dict[str, tuple[str, str]] | None = None) -> None:
    """Fails when the page ends in anything else than a fresh one, or says anything else than the model's page."""
    fresh = Theatre(context, recording.fresh)
    fresh.play([], 0)
    story = Theatre(context, recording.painted, instead)
    try:
        result = story.play(recording.events, recording.lasted)
        which = f"story {recording.seed}, {recording.name}"
        assert (story.problems, result["problems"]) == ([], []), which
        expected, got = fresh.shown(), story.shown()
        for root in ROOTS:
            assert got[root] == expected[root], f"{which}: {root} is not as on a fresh page"
        assert [(at, said) for at, said in result["said"]] == recording.said, f"{which}: it says other things"
    finally:
        fresh.page.close()
        story.page.close()


@pytest.mark.browser
def test_the_shipped_scripts_end_every_story_as_a_fresh_page(
    context: BrowserContext, recordings: list[Recording]
) -> None:
    for recording in recordings:
        played(context, recording)


# ── teeth ──────────────────────────────────────────────────────────────────────────────────────────
PATCH, FRAMES, LAYOUT = (f"static/board/{name}.js" for name in ("patch", "frames", "layout"))
MISTAKES = {
    "an_attribute_that_is_no_more_stays": (
        PATCH, "if (!from.hasAttribute(name) && !OURS.has(name)) to.removeAttribute(name);", ""),
    "a_row_that_a_full_board_does_not_name_stays": (
        FRAMES, "if (named) layout.all().filter((row) => !named.has(row.id)).forEach(drop);", ""),
    "a_row_stays_where_it_was": (PATCH, "if (old.dataset.key !== key) layout.reorder(old);", ""),
    "a_row_that_is_gone_stays": (FRAMES, "if (row) drop(row);", ""),
    "a_gap_is_not_noticed": (FRAMES, "if (frame.prev > seq) broken = true;", ""),
    "the_texts_in_a_row_stay": (PATCH, "else if (old.data !== next.data) old.data = next.data;", ""),
}


QUICK = {"an_attribute_that_is_no_more_stays", "the_texts_in_a_row_stay", "a_gap_is_not_noticed"}  # to be found


@pytest.mark.browser
@pytest.mark.parametrize("mistake", [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in MISTAKES])
def test_the_stories_find_a_mistake_in_the_scripts(
    mistake: str, context: BrowserContext, recordings: list[Recording]
) -> None:
    path, old, new = MISTAKES[mistake]
    with pytest.raises(AssertionError, match=r"is not as on a fresh page|it says other things"):
        play_all(context, recordings, {path: (old, new)})


def play_all(context: BrowserContext, recordings: list[Recording], instead: dict[str, tuple[str, str]]) -> None:
    for recording in recordings:
        played(context, recording, instead)
