"""The one loop that asks upstream: under a lease, one list at a time, one board after each.

`Poller.poll_once()` is the step (tests drive it), `Poller.run()` the loop; `PollDesk` keeps one Poller per enabled
account and restarts it when the account's settings change. Publishing is a callable, so that this module knows
neither the layer nor the screens.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec

from dashboard import counts, lease
from dashboard.board import Board, failed, heard, same_news
from dashboard.clock import now_ms
from dashboard.days import midnight_ms
from dashboard.noting import Noted, limits_of, note_history, of_board
from dashboard.offloop import Desk
from dashboard.pace import JITTER, Floor, Pace, Trouble, bounds_of, interval, pace
from dashboard.reconcile import age, reconcile
from dashboard.said_once import Bound, SaidOnce
from dashboard.snapshots import load_board, note_queues, save_board
from dashboard.tally import Tally
from queue_api.client import Listing, QueueClient
from queue_api.credentials import Unsealable
from queue_api.errors import NothingNamed, QueueApiError, RequestInvalid
from queue_api.models import STUCK_AFTER_S, Account

logger = logging.getLogger(__name__)

T = TypeVar("T")
RENEW_S = 2.0
SNAPSHOT_S = 2.0
CHANGES = 30  # of a feed's health that are logged in a minute
REST_S = 0.8  # at least, after a failure that took longer than its pause

Publish = Callable[[Board, bool], Awaitable[None]]  # the board, and whether it holds news


class Takeovers(Protocol):
    """What a poller needs to know of its account's takeovers, and whom it tells when it changed some."""

    def has_open(self, account: int) -> bool: ...

    def changed(self) -> None: ...


class LeaseLost(Exception):
    """Another process polls now, or we could not prove in time that we still may."""


class LeaseLent(LeaseLost):
    """An administrator asks for a list of their own."""


class Poller:
    """Polls one account while it holds the lease. `board` is the newest one, published or not.

    `watched`: whether anybody looks at an account's numbers now, in any process.
    """

    def __init__(self, account: Account, publish: Publish, holder: str, desk: Desk, takeovers: Takeovers,
                 watched: Callable[[int], bool] = lambda account: True) -> None:
        self.account, self.publish, self.takeovers, self.watched = account, publish, takeovers, watched
        self.client: QueueClient | None = None
        self.holder, self.desk = holder, desk
        self.lease_name = lease.account_lease(account.pk)
        self.board = Board(account=account.pk)
        self._noted = Noted(board=self.board)
        self.trouble = Trouble()
        self.tally, self.began_at, self.asked_at = Tally(), now_ms(), 0
        self.good_until = 0.0  # monotonic seconds; past it nothing may be asked or published
        self._jitter = 1.0
        self._question: asyncio.Timeout | None = None  # the list in flight
        self._asked_nothing = asyncio.Event()
        self._asked_nothing.set()
        self._changes = Bound(CHANGES)
        self._said = SaidOnce(logger, f"poller {account.name}")
        self._saved_at = self._saved_interval_s = 0.0
        self._known_queues: set[str] = set()
        self._sooner = asyncio.Event()
        self._at_once = False

    async def run(self) -> None:
        """Polls for ever; waits for the lease when another process has it."""
        try:
            while True:
                if not await self._acquire():
                    await asyncio.sleep(random.uniform(0.8, 1.4))  # noqa: S311 - jitter
                    continue
                try:
                    await self._lead()
                except LeaseLent:
                    logger.info("poller %s: lends the lease, fence %s", self.account.name, self.board.fence)
                    await self.stop()
                except LeaseLost:
                    logger.warning("poller %s: lost the lease, fence %s", self.account.name, self.board.fence)
                    await self.stop()  # should it be ours still
        finally:
            if self.client is not None:
                await self.client.aclose()

    async def stop(self) -> None:
        """Keeps the newest board and lets the next holder begin at once. Never raises: it runs while cancelled."""
        self.good_until = 0.0
        if not self.board.fence:
            return
        for work, args in ((save_board, (self.board, self.account)),
                           (lease.release, (self.lease_name, self.holder, self.board.fence))):
            try:
                await self.desk.run(work, *args)
            except Exception as error:  # noqa: BLE001 - the database is away: the lease then ends by itself
                logger.warning("poller %s: cannot stop in order: %s", self.account.name, error)

    async def poll_once(self) -> Board:
        """Asks once, and publishes the board that follows from the answer or from the failure.

        Raises LeaseLost when another process may be asking by now: then nothing is asked, or waited for any longer.
        """
        self._still_leading()
        self.asked_at = asked_at = now_ms()
        midnight = midnight_ms(self.account.time_zone, asked_at)
        self._jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not a secret
        self.tally.asked()
        try:
            with counts.polled(self.account.pk):
                listing = await self._list()
        except QueueApiError as error:
            self.tally.failed(error)
            self.trouble = Trouble(self.trouble.failures + 1, error.code, error.retry_after_s)
            new = failed(self.board, error, now=now_ms())
        else:
            self.trouble = Trouble()
            new = heard(self.board, listing, asked_at=asked_at, now=now_ms(), misses=self.account.misses,
                        gap_ms=int(max(3 * self.account.poll_interval_s, 5) * 1000),
                        midnight=midnight,
                        stuck_ms=(self.account.stuck_after_s or STUCK_AFTER_S) * 1000)
        self._log_change(new)
        in_force = interval(bounds_of(self.account), self._floor(new))
        await self._publish(self._noted.onto(msgspec.structs.replace(new, interval_s=in_force.seconds), midnight))
        await self._keep_books()
        if not self.trouble.failures:
            await self._move_takeovers(reconcile, self.board)
            await self._note_history()
        return self.board

    @property
    def leads(self) -> bool:
        return time.monotonic() < self.good_until

    def hurry(self) -> None:
        """A takeover waits for a list, or somebody has begun to watch: the pause that runs is measured anew."""
        self._sooner.set()

    def ask_now(self) -> None:
        """The account was saved: whatever is waited for, it may be over."""
        self._at_once = True
        self._sooner.set()

    def pace(self) -> Pace:
        """From the last question to the next, as things stand now, and why."""
        return pace(bounds_of(self.account), self._floor(self.board), self.trouble, self._jitter)

    def report(self) -> dict[str, Any]:
        """What the admin shows of this poller, as JSON. Times in epoch ms; sizes are bounded by `Tally`."""
        now = self.pace()
        return {
            "at": now_ms(), "began_at": self.began_at, "asked_at": self.asked_at, "heard_at": self.board.heard_at,
            "interval_s": round(now.seconds, 1), "why": now.why, "failures": self.trouble.failures,
            "last_minute": self.tally.last_minute(), "errors_hour": self.tally.last_hour(),
            "errors": self.tally.ever(), "total": self.tally.total,
        }

    def _floor(self, board: Board) -> Floor:
        pk = self.account.pk
        return Floor(calls=bool(board.calls), watched=self.watched(pk), takeover=self.takeovers.has_open(pk))

    async def _list(self) -> Listing:
        """Raises QueueApiError, also for settings that cannot be used: then the feed says so. Raises LeaseLost when
        the lease runs out first: who has it next may ask from that moment."""
        self._asked_nothing.clear()
        try:
            async with asyncio.timeout(self.good_until - time.monotonic()) as self._question:
                return await self._ask()
        except TimeoutError as error:
            raise LeaseLost from error
        finally:
            self._question = None
            self._asked_nothing.set()

    async def _ask(self) -> Listing:
        if self.client is None:
            try:
                self.client = QueueClient(self.account.upstream())
            except (Unsealable, ValueError) as error:
                raise RequestInvalid("list", message=str(error)) from error
        listing = await self.client.list_calls()
        if listing.unusable and not listing.calls:  # as an empty list it would show zeros for what is not known
            raise NothingNamed("list", rows=listing.received)
        return listing

    async def _acquire(self) -> bool:
        asked = time.monotonic()
        fence = await self.desk.run(lease.acquire, self.lease_name, self.holder)
        if fence is None:
            return False
        self.good_until = asked + lease.TTL_S
        kept = await self.desk.run(load_board, self.account)
        self._noted = of_board(kept or self.board, await self.desk.run(limits_of, self.account))
        self._saved_at = 0.0  # the first board is kept at once: from then on an older fence writes no history
        self.board = msgspec.structs.replace(self._noted.board, fence=fence, seq=0)
        logger.info("poller %s: leads with fence %s", self.account.name, fence)
        return True

    async def _lead(self) -> None:
        renewing = asyncio.ensure_future(self._renew())
        polling = asyncio.ensure_future(self._poll_forever())
        try:
            done, _ = await asyncio.wait({renewing, polling}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (renewing, polling):
                task.cancel()
            await asyncio.gather(renewing, polling, return_exceptions=True)

    async def _poll_forever(self) -> None:
        while True:
            asked, self._at_once = time.monotonic(), False
            await self.poll_once()
            ended = time.monotonic()
            while not self._at_once and not await self._rested(self._due(asked, ended) - time.monotonic()):
                pass

    def _due(self, asked: float, ended: float) -> float:
        """When to ask again, monotonic seconds. A DeepCall that let us wait for nothing gets a rest all the same.

        Slower than the newest board says it never gets: screens would call the next list late.
        """
        seconds = self.pace().seconds
        if self.trouble.failures:
            return max(asked + seconds, ended + REST_S)
        return asked + min(seconds, self.board.interval_s)

    async def _rested(self, seconds: float) -> bool:
        """Whether the pause went by undisturbed; False when it must be measured anew."""
        self._sooner.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._sooner.wait()
            return False
        return True

    async def _renew(self) -> None:
        """A beat every RENEW_S, so that silence means a lost poller and not a slow DeepCall."""
        while True:
            await asyncio.sleep(RENEW_S)
            asked = time.monotonic()
            try:
                if not await self.desk.run(lease.renew, self.lease_name, self.holder, self.board.fence, self.report()):
                    await self._let_go()
                self._extend(asked + lease.TTL_S)
                self._said.works("renew the lease")
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - the database is away: it extends nothing and ends nothing
                self._said.failed("renew the lease", error)
            self._still_leading()
            await self.publish(self.board, False)
            await self._move_takeovers(age, self.account.pk)

    async def _let_go(self) -> NoReturn:
        """Somebody wants the lease, or has it. DeepCall may still be at work on our list: whoever wants it waits."""
        lent = time.monotonic() < self.good_until
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.good_until - time.monotonic())):
                await self._asked_nothing.wait()
        raise LeaseLent if lent else LeaseLost

    def _extend(self, good_until: float) -> None:
        self.good_until = good_until
        if self._question is not None and not self._question.expired():  # then the list is given up already
            left_s = good_until - time.monotonic()
            self._question.reschedule(asyncio.get_running_loop().time() + left_s)

    async def _publish(self, new: Board) -> None:
        self._still_leading()
        news = not same_news(self.board, new)
        self.board = new if news else msgspec.structs.replace(self.board, heard_at=new.heard_at, clock=new.clock)
        await self.publish(self.board, news)

    def _still_leading(self) -> None:
        if time.monotonic() > self.good_until:
            raise LeaseLost

    async def _keep_books(self) -> None:
        """What the lease holder alone writes: unseen queues and the snapshot."""
        unseen = {live.call.queue_key: live.call.queue_name or live.call.queue_id
                  for live in self.board.calls.values()
                  if live.call.queue_key and live.call.queue_key not in self._known_queues}
        if unseen and await self._quietly(note_queues, self.account, unseen) is not None:
            self._known_queues |= unseen.keys()
        if time.monotonic() - self._saved_at >= SNAPSHOT_S or self.board.interval_s != self._saved_interval_s:
            self._saved_at, self._saved_interval_s = time.monotonic(), self.board.interval_s
            await self._quietly(save_board, self.board, self.account)

    async def _note_history(self) -> None:
        """What this list adds to the history. The numbers go out with the next one: writing may take its time."""
        if noted := await self._quietly(note_history, self._noted, self.board, self.account):
            self._noted = noted

    async def _move_takeovers(self, work: Callable[..., int], *args: object) -> None:
        if await self._quietly(work, *args):
            self.takeovers.changed()

    async def _quietly(self, work: Callable[..., T], *args: object) -> T | None:
        """What comes of it; None when it could not be written. With the database away polling and screens go on; the
        lease decides how long."""
        try:
            done = await self.desk.run(work, *args)
        except Exception as error:  # noqa: BLE001 - as above
            self._said.failed(f"keep books ({work.__name__})", error)
            return None
        self._said.works(f"keep books ({work.__name__})")
        return done

    def _log_change(self, new: Board) -> None:
        old, feed = self.board.feed, new.feed
        if (old.health, old.code) != (feed.health, feed.code) and self._changes.allows():
            untold = f" ({self._changes.told()} changes untold)" if self._changes.untold else ""
            logger.warning("feed %s: %s -> %s %s %s%s", self.account.name, old.health, feed.health, feed.code,
                           feed.message, untold)
