"""A page of the live model: what static/board/{frames,patch,feeds,link}.js do with messages, step by step, in Python.

`tests/test_live_model_browser.py` holds it against the scripts themselves: given the same messages at the same times
they end with the same elements and say the same things.
"""

import json
from collections import deque
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any, NamedTuple, Union

from dashboard.frames import Picture

ASK_MS, ACK_MS, SILENCE_MS, SHORT_MS, GRACE_MS = 2000, 1000, 25_000, 10_000, 3000
SLACK_MS, MIN_LATE_MS, NO_DELAY_MS = 3000, 5000, 30_000
SLOW = {1013: 5000, 4408: 15_000}
STOP = (4401, 4403)
NEVER = -(10**15)
VOID = frozenset({"meta", "link", "input", "br", "img"})
PLACES = frozenset(  # where the elements of frames stand in a page
    {"kpis", "day", "trends", "feeds", "banners", "out", "rows", "queues", "agents"})


class Node(NamedTuple):
    """An element: tag, attributes by name, elements and texts inside."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Union["Node", str], ...]

    def get(self, name: str) -> str:
        return dict(self.attributes).get(name, "")


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.top: list[Node | str] = []
        self._open: list[tuple[str, Any, list[Node | str]]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append((tag, tuple(sorted((name, value or "") for name, value in attrs)), []))
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        opened, attributes, children = self._open.pop()
        assert opened == tag
        self._inside().append(Node(tag, attributes, tuple(children)))

    def handle_data(self, data: str) -> None:
        self._inside().append(data)

    def _inside(self) -> list[Node | str]:
        return self._open[-1][2] if self._open else self.top


@lru_cache(maxsize=4000)
def elements(html: str) -> tuple[Node, ...]:
    """The top elements of a frame's HTML."""
    return tuple(node for node in _Reader(html).top if isinstance(node, Node))


def of_page(html: str) -> dict[str, Node]:
    """By id: the elements of a whole page that frames bring up to date."""
    found: dict[str, Node] = {}
    left = list(_Reader(html).top)
    while left:
        node = left.pop()
        if isinstance(node, Node):
            inside = [child for child in node.children if isinstance(child, Node)]
            if node.get("id") in PLACES:
                found |= {child.get("id"): child for child in inside}
            else:
                left += inside
    return found


def untimed(node: Node) -> Node:
    """Without the texts that tick."""
    ticks = {"data-since", "data-age"} & {name for name, _value in node.attributes}
    children = () if ticks else tuple(untimed(child) if isinstance(child, Node) else child for child in node.children)
    return node._replace(children=children)


def is_row(node: Node) -> bool:
    return node.get("role") == "row"


class Script:
    """The page's state. `receive` and `check` return what the page says to the server; times in ms."""

    def __init__(self, painted: Picture, loaded: int) -> None:
        self.rows: dict[str, Node] = {}
        self.parts: dict[str, Node] = {}
        for html in (*painted.rows.values(), *painted.parts.values()):
            for node in elements(html):
                (self.rows if is_row(node) else self.parts)[node.get("id")] = node
        self.heard_of: dict[str, int | None] = dict(painted.asof)
        self.stream: str | None = None
        self.seq, self.broken, self.asked, self.acked = -1, False, NEVER, NEVER
        self.offsets: deque[int] = deque([0], maxlen=6)
        self.offset = 0
        self.heard, self.opened, self.due, self.failures = loaded, 0, 0, 0
        self.live, self.cut_at, self.stopped = False, loaded + GRACE_MS, False
        self.notices: dict[str, int] = {}
        self.resyncs = 0

    # ── link.js ────────────────────────────────────────────────────────────────────────────────────
    def connected(self, now: int) -> None:
        self.opened = self.heard = now
        self.offsets.clear()
        self.stream, self.seq, self.asked, self.acked = None, -1, NEVER, NEVER

    def closed(self, code: int, now: int) -> int | None:
        """How long until it is tried again; None: never."""
        self.stopped = code in STOP
        short = not self.opened or now - self.opened < SHORT_MS
        self.opened = 0
        self.failures = self.failures + 1 if short else 0
        pause = SLOW.get(code) or int(min(15_000, (5000 if short else 500) * 2 ** max(0, self.failures - 1)) * 0.7)
        self.due = now + pause
        self._not_live(now + (0 if code in SLOW or self.stopped else GRACE_MS))
        return None if self.stopped else pause

    def _not_live(self, cut_at: int) -> None:
        self.cut_at = min(cut_at, self.cut_at) if not self.live else cut_at
        self.live = False

    def silent(self, now: int) -> bool:
        """Every second: whether the link is to be replaced."""
        if self.stopped or now - max(self.heard, self.due) < SILENCE_MS:
            return False
        self.heard = now
        self._not_live(now)
        return True

    # ── frames.js ──────────────────────────────────────────────────────────────────────────────────
    def receive(self, text: str, now: int) -> list[dict[str, int]]:
        self.heard = now
        message = json.loads(text)
        self._clock(message["now"] - now)
        if "notice" in message:
            self._notice(message["notice"])
        if "seq" not in message:
            return []
        self._apply(message)
        said = self.resync(now) + self._acknowledge(message["seq"], now)
        self.live = self.live or self.stream is not None
        return said

    def _clock(self, offset: int) -> None:
        if offset < self.offset - NO_DELAY_MS:
            self.offsets.clear()
        self.offsets.append(offset)
        self.offset = max(self.offsets)

    def _notice(self, html: str) -> None:
        [node] = elements(html.strip())
        key, rev = node.get("data-notice"), int(node.get("data-rev") or 0)
        self.notices[key] = max(rev, self.notices.get(key, 0))

    def _apply(self, frame: dict[str, Any]) -> None:
        full = frame.get("full", False)
        if not full:
            self._follow(frame)
        if full or frame.get("html") or frame.get("gone"):
            self._show(frame.get("html", ""), frame.get("gone", []), full)
        if full:
            self.stream, self.seq, self.broken = frame["stream"], frame["seq"], False
        if not self.broken:
            self._takes_times_of(frame)

    def _takes_times_of(self, frame: dict[str, Any]) -> None:
        for pk, ms in frame["asof"].items():
            if f"feed-{pk}" in self.parts:
                self.heard_of[pk] = ms

    def _follow(self, frame: dict[str, Any]) -> None:
        if frame["stream"] != self.stream or frame["prev"] > self.seq:
            self.broken = True
        if not self.broken and frame["seq"] > self.seq:
            self.seq = frame["seq"]

    def resync(self, now: int) -> list[dict[str, int]]:
        if not self.broken or now - self.asked < ASK_MS:
            return []
        self.asked = now
        self.resyncs += 1
        return [{"resync": max(self.seq, 0)}]

    def _acknowledge(self, seq: int, now: int) -> list[dict[str, int]]:
        if now - self.acked < ACK_MS:
            return []
        self.acked = now
        return [{"ack": seq}]

    def _show(self, html: str, gone: list[str], full: bool) -> None:
        named = {node.get("id") for node in elements(html)}
        for ref in gone:
            self.rows.pop(f"c-{ref}", None)
        if full:
            self.rows = {name: row for name, row in self.rows.items() if name in named}
            self.parts = {name: part for name, part in self.parts.items() if name in named or not _leaves(part)}
        for node in elements(html):
            self._put(node, full)

    # ── patch.js ───────────────────────────────────────────────────────────────────────────────────
    def _put(self, node: Node, whole: bool) -> None:
        name = node.get("id")
        if is_row(node):
            self.rows[name] = _patched(self.rows.get(name), node)
        elif name in self.parts or whole or node.get("class") in ("queue", "agent"):
            self.parts[name] = node
        else:
            self.broken = True

    # ── feeds.js ───────────────────────────────────────────────────────────────────────────────────
    def claims_fresh(self, now: int) -> list[str]:
        """The accounts (pk as text) whose calls are shown as if they were live at `now`."""
        if self.stopped or (not self.live and now >= self.cut_at):
            return []
        return [pk for pk, ms in self.heard_of.items() if ms is not None and self._is_fresh(pk, ms, now)]

    def _is_fresh(self, pk: str, ms: int, now: int) -> bool:
        feed = self.parts.get(f"feed-{pk}")
        if feed is None or feed.get("data-health") != "fresh":
            return False
        return self.offset + now - ms <= self.late_after_ms(pk) + SLACK_MS

    def late_after_ms(self, pk: str) -> float:
        """By the interval in force, as the newest frame said it."""
        return max(3000 * float(self.parts[f"feed-{pk}"].get("data-interval")), MIN_LATE_MS)

    def shown(self, account: str) -> frozenset[tuple[str, str]]:
        """As `live_upstream.signature`: each row's place in the list and its agent."""
        return frozenset((row.get("data-key"), _agent(row)) for row in self.rows.values()
                         if row.get("data-account") == account)

    def listed(self) -> list[str]:
        return sorted(self.rows, key=lambda name: self.rows[name].get("data-key"))


def _leaves(part: Node) -> bool:
    return part.get("class") in ("feed", "banner", "queue", "agent")


def _agent(row: Node) -> str:
    [cell] = [child for child in row.children if isinstance(child, Node) and child.get("data-field") == "agent"]
    return str(cell.children[0])


def _patched(old: Node | None, new: Node) -> Node:
    """Older news of a takeover never wins."""
    if old is None or not isinstance(old.children[-1], Node) or not isinstance(new.children[-1], Node):
        return new
    mine, theirs = old.children[-1], new.children[-1]
    keeps = int(mine.get("data-rev")) > int(theirs.get("data-rev"))
    return new._replace(children=(*new.children[:-1], mine)) if keeps else new
