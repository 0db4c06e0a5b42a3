"""Each process's newest board per account, and the overlay of takeovers on it.

A mirror takes whatever is newer than what it has, from the layer or from the database: lost, doubled, late or
reordered messages therefore mean nothing. It wakes its own screens through `on_change`; who they are it does not know.
Boards and attempts are immutable: threads may read while the loop replaces them.
"""

import time
from collections.abc import Callable, Iterator

import msgspec

from dashboard import generation
from dashboard.board import Board, Calls, LiveCall
from dashboard.clock import now_ms
from dashboard.lease import Standing, standing
from dashboard.limits import Limits
from dashboard.models import BoardSnapshot
from dashboard.now_numbers import Now, by_queue
from dashboard.overlay import AttemptNews, Overlay
from dashboard.queue_cards import QueueCard, read_queues
from dashboard.refs import call_ref
from dashboard.snapshots import load_board
from dashboard.takeover import news_since
from queue_api.models import BLANK_AFTER_S, Account

AHEAD_MS = 5000
WITHOUT_AGENT = (Account.Naming.CALL_ONLY, Account.Naming.NUMBER_AND_CALL)
SILENT_S = 10.0  # a poller beats every 2 s


class Card(msgspec.Struct, frozen=True):
    """What screens need to know of an account."""

    pk: int
    name: str
    interval_s: float
    line: str = ""
    taking: bool = False  # `agentid` is sent, and names the one who takes the call
    own_session_required: bool = False
    arm_first: bool = False
    blank_after_s: int = BLANK_AFTER_S
    zone: str = "UTC"  # where its midnight is


class News(msgspec.Struct):
    """One reading of the database: everything that is newer than what the mirror had."""

    cards: dict[int, Card]
    boards: list[Board]
    attempts: list[AttemptNews]
    generations: dict[str, int]
    kept: dict[int, tuple[int, int, int | None]] = {}  # account -> fence, seq, heard_at of the kept board
    standing: dict[int, Standing] = {}
    queues: dict[int, dict[str, QueueCard]] = {}  # account -> key -> queue


class Health(msgspec.Struct, frozen=True):
    """A feed as a screen must show it. `hop` names what fails: deepcall, poller or nothing; `since`: epoch ms.

    `blank`: what is known is so old that its numbers are not shown any more.
    """

    state: str  # fresh, late, failing, incomplete, never
    hop: str = ""
    since: int | None = None
    blank: bool = False


Feeds = list[tuple[Card, Board | None, Health]]  # the accounts of a screen


class Mirror:
    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self.cards: dict[int, Card] = {}
        self.queues: dict[int, dict[str, QueueCard]] = {}
        self.boards: dict[int, Board] = {}
        self.overlay = Overlay()
        self.generations: dict[str, int] = {}
        self.refused = 0  # boards offered under an older fence
        self._now: dict[int, tuple[Calls, dict[str, Now]]] = {}
        self._refs: dict[int, tuple[Board, dict[str, str]]] = {}
        self._listens_since: float | None = None  # monotonic seconds: the first reading
        self._beat: dict[int, tuple[float, int]] = {}  # account -> last sign of life: monotonic seconds, epoch ms

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────
    def offer(self, board: Board) -> bool:
        """Takes a board if it is newer; True when it was."""
        held = self.boards.get(board.account)
        if held is not None and board.fence < held.fence:
            self.refused += 1
            return False
        self._alive(board.account)
        if not board.newer_than(held):
            return False
        self.boards[board.account] = board
        self.on_change()
        return True

    def beat(self, account: int, fence: int, seq: int, heard_at: int | None) -> bool:
        """A sign of life. False when it speaks of a board we do not have: then the database must be read."""
        held = self.boards.get(account)
        if held is None or held.position < (fence, seq):
            return False
        if held.position > (fence, seq):
            return True
        self._alive(account)
        if held.heard_at != heard_at:
            self.boards[account] = msgspec.structs.replace(held, heard_at=heard_at)
            self.on_change()
        return True

    def take(self, news: News) -> None:
        """What a reading of the database brought."""
        for board in news.boards:
            held = self.boards.get(board.account)
            if board.newer_than(held):
                self.boards[board.account] = board
                if held is not None:  # written since the last reading: the poller lives, though the layer says nothing
                    self._alive(board.account)
        for account, (fence, seq, heard_at) in news.kept.items():
            self._kept(account, fence, seq, heard_at)
        for account, found in news.standing.items():
            held = self.boards.get(account)  # between two slow lists only its lease tells that its poller lives
            if found.fence is not None and (held is None or held.fence == found.fence):
                self._alive(account)
        if self._listens_since is None:
            self._listens_since = time.monotonic()
        self.cards, self.queues = news.cards, news.queues
        for account in self.boards.keys() - news.cards.keys():
            del self.boards[account]
        self.generations = news.generations
        self.note(news.attempts)
        self.on_change()

    def _kept(self, account: int, fence: int, seq: int, heard_at: int | None) -> None:
        """On a quiet board only the time moves on; with a layer that says nothing, the database still tells."""
        held = self.boards.get(account)
        if held is not None and held.position == (fence, seq) and (heard_at or 0) > (held.heard_at or 0):
            self.beat(account, fence, seq, heard_at)

    def note(self, attempts: list[AttemptNews]) -> None:
        """Takes attempts in the order of their versions; an older one never replaces a newer."""
        if attempts:
            self.overlay.take(attempts)
            self.overlay.forget({(pk, key) for pk, board in self.boards.items() for key in board.calls})
            self.on_change()

    def _alive(self, account: int) -> None:
        self._beat[account] = time.monotonic(), now_ms()

    # ── what is asked ──────────────────────────────────────────────────────────────────────────────
    def find(self, ref: str) -> tuple[Card, Board, LiveCall] | None:
        """The live call behind one of our references, or None when no board has it."""
        for pk, board in list(self.boards.items()):  # request threads read while the loop adds and removes
            key = self.refs(board).get(ref)
            if key is not None and pk in self.cards:
                return self.cards[pk], board, board.calls[key]
        return None

    def refs(self, board: Board) -> dict[str, str]:
        """reference -> call key of a board, made once a board."""
        held = self._refs.get(board.account)
        if held is None or held[0] is not board:
            held = (board, {call_ref(board.account, live.call): key for key, live in board.calls.items()})
            self._refs[board.account] = held
        return held[1]

    def now(self, board: Board) -> dict[str, Now]:
        """queue key -> its numbers of now, counted once a board for all its screens."""
        held = self._now.get(board.account)
        if held is None or held[0] is not board.calls:
            held = (board.calls, by_queue(board.account, board.calls.values()))
            self._now[board.account] = held
        return held[1]

    def limits(self, account: int, key: str) -> Limits | None:
        """Of a queue; None when nothing is known of it."""
        queue = self.queues.get(account, {}).get(key)
        return queue.limits if queue else None

    def attempt(self, account: int, call_key: str) -> AttemptNews | None:
        return self.overlay.of(account, call_key)

    def health(self, card: Card, now: int) -> Health:
        """How far an account's numbers can be trusted now, and which hop fails if they cannot."""
        board, found = self.boards.get(card.pk), self._health(card, now)
        old = board is None or board.heard_at is None or now - board.heard_at > card.blank_after_s * 1000
        return msgspec.structs.replace(found, blank=old and found.state != "fresh")

    def _health(self, card: Card, now: int) -> Health:
        board = self.boards.get(card.pk)
        beat = self._beat.get(card.pk)
        silent = beat is None or time.monotonic() - beat[0] > SILENT_S
        if board is None or (board.heard_at is None and board.feed.health != "failing"):
            return Health("never", "poller" if silent else "")
        if silent and beat is not None:
            return Health("late", "poller", beat[1])
        if silent and self._listened_long():  # a kept board whose poller was never heard
            return Health("late", "poller", board.heard_at)
        if board.feed.health == "failing":
            return Health("failing", "deepcall", board.feed.since)
        age_ms = now - board.heard_at if board.heard_at is not None else 0
        if not -AHEAD_MS <= age_ms <= late_after_ms(in_force_s(card, board)):  # from the future: the clock was set back
            return Health("late", "poller" if silent else "deepcall", board.heard_at)
        return Health(board.feed.health, "", board.feed.since)

    def _listened_long(self) -> bool:
        return self._listens_since is not None and time.monotonic() - self._listens_since > SILENT_S

    def known(self) -> Iterator[tuple[Card, Board | None]]:
        for card in self.cards.values():
            yield card, self.boards.get(card.pk)


def in_force_s(card: Card, board: Board | None) -> float:
    """The interval in which lists come now: while nobody watches a longer one than the account's own."""
    return board.interval_s if board is not None and board.interval_s else card.interval_s


def late_after_ms(interval_s: float) -> int:
    return int(max(3 * interval_s, 5.0) * 1000)


def card_of(account: Account) -> Card:
    return Card(
        pk=account.pk, name=account.name, interval_s=account.poll_interval_s, line=account.line,
        taking=account.agent_meaning == Account.AgentMeaning.TAKING and account.naming not in WITHOUT_AGENT,
        own_session_required=account.own_session_required, arm_first=account.arm_first,
        blank_after_s=account.blank_after_s or BLANK_AFTER_S, zone=account.time_zone,
    )


def read_news(boards: dict[int, tuple[int, int]], version: int) -> News:
    """Reads what is newer than `boards` (account -> position) and `version`. Blocking: run off the loop."""
    accounts = list(Account.objects.filter(enabled=True))
    kept = {pk: (fence, seq, heard_at) for pk, fence, seq, heard_at
            in BoardSnapshot.objects.values_list("account_id", "fence", "seq", "heard_at")}
    newer = [a for a in accounts if a.pk in kept and kept[a.pk][:2] > boards.get(a.pk, (-1, -1))]
    return News(
        cards={account.pk: card_of(account) for account in accounts},
        boards=[board for account in newer if (board := load_board(account)) is not None],
        kept=kept,
        standing=standing(account.pk for account in accounts),
        attempts=news_since(version),
        generations=generation.current(), queues=read_queues(),
    )


mirror = Mirror()
