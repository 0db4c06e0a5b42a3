"""A week on the wall, at an accelerated pace: frame after frame, what the page holds stays as large as it was."""

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, WebSocketRoute, expect

from dashboard import fanout
from dashboard.access import WALL, Audience, Scope
from dashboard.fanout import Stream
from dashboard.frames import everything
from dashboard.screens import Orders, orders_text
from queue_api.calls import CallState
from tests.makers import NOW, board, call, live, mirror_of
from tests.processes import Callboard
from tests.wall_stage import hung

__all__ = ["hung"]
pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]

LOOP = 120  # different frames, again and again: the page cannot know that it has seen them
A_WEEK = 7 * 24 * 1800  # one in two seconds
LAYOUTS = ("numbers", "queues", "calls", "mixed")


class Held(NamedTuple):
    """What a page holds after its garbage is gone."""

    heap: int
    nodes: int
    listeners: int


def frames(layout: str, many: int) -> Iterator[str]:
    """A stream as the server encodes it: a full picture, then lists in which calls come, go, and change."""
    chance, audience = random.Random(8), Audience(scope=Scope(everything=True), screen=WALL, layout=layout, letter=52.4)
    mirror, stream = mirror_of(board()), Stream(audience)
    kept: list[dict[str, Any]] = []
    with patch.object(fanout, "now_ms", lambda: NOW):
        for seq in range(2, LOOP + 2):
            mirror.offer(a_list(chance, seq))
            frame = stream.refresh(mirror)
            whole = everything(stream.picture) if not kept else frame
            kept.append(json.loads(stream.text(whole)))
    first = kept[0]
    yield json.dumps(first)
    for number in range(1, many):
        again = kept[1 + number % (LOOP - 1)]
        seq = first["seq"] + number
        asof = dict.fromkeys(first["asof"], NOW + 2000 * number)
        yield json.dumps(again | {"seq": seq, "prev": seq - 1, "now": NOW + 2000 * number, "asof": asof})
        if number % 500 == 0:
            yield orders_text(Orders("Hall", identify=number, test_alert=number, message=f"Message {number}"))


def a_list(chance: random.Random, seq: int) -> Any:
    states = [CallState.WAITING, CallState.TALKING, CallState.HOLD]
    calls = {f"c-{number}": live(call(f"c-{number}", state=chance.choice(states), queue_id=str(chance.randrange(3)),
                                      queue_name=chance.choice(["Sales", "Support", "Billing"])),
                                 since=NOW - chance.randrange(900_000)) for number in chance.sample(range(40), 12)}
    found = board(seq=seq, heard_at=NOW + 2000 * seq, health="failing" if seq % 37 == 0 else "fresh")
    found.calls.update(calls)
    return found


def held(page: Page, tools: CDPSession) -> Held:
    """Twice, since what the first round lets go may hold on to something itself."""
    for _ in range(2):
        tools.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
    return Held(int(metrics["JSHeapUsedSize"]), int(metrics["Nodes"]), int(metrics["JSEventListeners"]))


@pytest.mark.parametrize(("layout", "many"), [
    ("calls", 3_000), *(pytest.param(layout, 30_000, marks=pytest.mark.long) for layout in LAYOUTS),
    pytest.param("mixed", A_WEEK, marks=pytest.mark.long)])
def test_after_a_week_of_frames_the_page_holds_no_more_than_after_the_first_of_them(
    server: Callboard, hung: BrowserContext, layout: str, many: int
) -> None:
    page, sockets = hung.new_page(), list[WebSocketRoute]()
    page.route_web_socket("**/ws/wall/**", lambda socket: sockets.append(socket))
    page.goto(f"{server.url}/wall/")
    expect(page.locator("html[data-link=connecting]")).to_be_attached()
    page.wait_for_function("() => performance.now() > 1000")
    [socket] = sockets
    tools = hung.new_cdp_session(page)
    tools.send("Performance.enable")
    sizes, warm = [], many // 3
    for number, text in enumerate(frames(layout, many)):
        socket.send(text)
        if number and number % warm == 0:
            reached(page, json.loads(text))
            sizes.append(held(page, tools))
    first, last = sizes[0], sizes[-1]
    assert abs(last.nodes - first.nodes) <= 200, sizes
    assert last.heap - first.heap <= 300_000 + first.heap // 10, sizes
    assert abs(last.listeners - first.listeners) <= 10, sizes
    page.close()


def reached(page: Page, message: dict[str, Any]) -> None:
    """All up to this one is shown."""
    at = max(message["asof"].values()) if "asof" in message else 0
    page.wait_for_function("at => Number(document.querySelector('[data-heard]').dataset.heard) >= at", arg=at,
                           timeout=60_000)
