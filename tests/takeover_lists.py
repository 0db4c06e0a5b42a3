"""Lists and their poller as the takeover model has them: what a lease holder does, step by step, without its loop."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from dashboard.board import Board, heard, same_news
from dashboard.mirror import mirror
from dashboard.snapshots import load_board, save_board
from queue_api.calls import Call
from queue_api.client import Listing
from tests.makers import NOW
from tests.takeover_stage import Stage

SNAPSHOT_MS, GAP_MS = 2000, 6000


class Delivery(NamedTuple):
    """A list in which takeovers are looked up: when it was asked for, of when its rows are, what it named."""

    asked_at: int
    as_of: int
    complete: bool
    rows: Mapping[str, Call]


class Poller:
    """The lease holder: its newest board, the list it has asked for and not yet heard, and what it put off.

    `look_up` is what it does with its takeovers after a list.
    """

    def __init__(self, stage: Stage, look_up: Callable[[Delivery, Board], None]) -> None:
        self.stage, self.account, self.look_up = stage, stage.account, look_up
        self.board = Board(account=self.account.pk, fence=1)
        self.late: list[tuple[Delivery, Board]] = []
        self._asked: tuple[Delivery, Listing] | None = None
        self._saved_at = 0

    def leads_anew(self, knows_what_was_kept: bool) -> None:
        """Another process leads: it has the kept board, which may be older than the last list, or another version's."""
        kept = load_board(self.account) if knows_what_was_kept else None
        self.board = msgspec.structs.replace(
            kept or Board(account=self.account.pk), fence=self.board.fence + 1, seq=0)
        self._asked, self._saved_at = None, 0

    def ask(self, lag_s: int = 0, wording: str = "whole", left_out: str | None = None) -> None:
        """One list at a time. `left_out`: the call that an incomplete one lacks; None when it is complete."""
        if self._asked is not None:
            return
        now = self.stage.clock.ms
        as_of = max(now - lag_s * 1000, NOW)
        rows = [row for row in self.stage.deepcall.rows(as_of, wording) if row.key != left_out]
        delivery = Delivery(now, as_of, left_out is None, {row.key: row for row in rows})
        total = None if left_out is None else len(rows) + 1
        self._asked = delivery, Listing(calls=tuple(rows), received=len(rows), declared_total=total)

    def hear(self, shown: bool = True, in_time: bool = True) -> None:
        """The list comes: board, screens (unless the layer loses it), books, takeovers (unless it falls asleep)."""
        assert self._asked is not None
        (delivery, listing), self._asked = self._asked, None
        new = heard(self.board, listing, asked_at=delivery.asked_at, now=self.stage.clock.ms,
                    misses=self.account.misses, gap_ms=GAP_MS)
        self.board = msgspec.structs.replace(self.board, heard_at=new.heard_at) if same_news(self.board, new) else new
        if shown:
            self._publish()
        self._keep()
        if in_time:
            self.look_up(delivery, self.board)
        else:
            self.late.append((delivery, self.board))

    def wakes_up(self) -> None:
        """What was put off is done, though newer lists may have been heard meanwhile."""
        if self.late:
            self.look_up(*self.late.pop(0))

    def _publish(self) -> None:
        if not mirror.offer(self.board):
            mirror.beat(self.board.account, *self.board.position, self.board.heard_at)

    def _keep(self) -> None:
        if self.stage.clock.ms - self._saved_at >= SNAPSHOT_MS:
            self._saved_at = self.stage.clock.ms
            save_board(self.board, self.account)
