"""Takeovers of the live model: real rows and real moves, so that the overlay changes under the screens."""

from typing import Any

from dashboard import takeover
from dashboard.access import Viewer
from dashboard.audit import Source
from dashboard.models import TakeoverAttempt
from dashboard.takeover import AlreadyOpen, SameClick, TooMany
from queue_api.client import Accepted
from queue_api.errors import NotSent, NoUsableAnswer, QueueApiError, Refused
from queue_api.models import Account
from queue_api.naming import TakeoverTarget

OUTCOMES: tuple[tuple[bool, Accepted | QueueApiError], ...] = (  # whether the call moves, and what is said
    (True, Accepted("Call connected", 1)), (True, Accepted("Call connected", 1)), (False, Accepted("Queued", 1)),
    (False, Refused("takeover", code="1000", message="Call not found", http_status=200)),
    (True, NoUsableAnswer("takeover", message="No answer within 12 s")),
    (False, NoUsableAnswer("takeover", message="No answer within 12 s")),
    (False, NotSent("takeover", message="Connection refused")),
)


class Clicks:
    """Those that have begun and have no answer yet."""

    def __init__(self, world: Any) -> None:
        self.world, self.begun = world, 0
        self.pending: list[tuple[Any, TakeoverAttempt]] = []

    def click(self, process: Any, viewer: Viewer) -> None:
        """On one of the calls that this person's board shows, if there is any."""
        boards = [board for _card, board in process.station.mirror.known() if board is not None]
        mine = [(board, ref, board.calls[key]) for board in boards
                for ref, key in process.station.mirror.refs(board).items()
                if viewer.audience.scope.covers(board.account, board.calls[key].call.queue_key)]
        if not mine or not viewer.audience.may_take_over or self.world.database_away:
            return
        board, ref, live = self.world.chance.choice(sorted(mine, key=lambda one: one[1]))
        self.begun += 1
        try:
            attempt = takeover.begin(
                viewer, Account.objects.get(pk=board.account), live, ref, f"{self.begun:032x}",
                target=TakeoverTarget(call_id=live.call.call_id), own_session=False, source=Source())
        except (AlreadyOpen, SameClick, TooMany):
            return
        takeover.mark_sent(attempt)
        self.pending.append((process, attempt))
        process.ring()
        self.world.clock.after(self.world.chance.randint(20, 4000), lambda: self._answered(process, attempt))

    def _answered(self, process: Any, attempt: TakeoverAttempt) -> None:
        """A process that died meanwhile writes nothing down: age will tell."""
        if (process, attempt) not in self.pending:
            return
        self.pending.remove((process, attempt))
        moved, said = self.world.chance.choice(OUTCOMES)
        if moved:
            exchange = self.world.exchanges[self.world.cast.number_of[attempt.account_id]]
            exchange.moves(attempt.call_key, "1101")
        if not process.dead:
            takeover.settle(attempt, said)
            process.ring()

    def finish(self) -> None:
        for process, attempt in list(self.pending):
            self._answered(process, attempt)
