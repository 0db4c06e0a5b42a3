"""One Poller per enabled account, restarted when the account's settings change, woken when it is saved as it was."""

import asyncio
import logging
from collections.abc import Callable

from dashboard import generation
from dashboard.offloop import Desk
from dashboard.poller import Poller, Publish, Takeovers
from dashboard.said_once import SaidOnce
from queue_api.models import Account

logger = logging.getLogger(__name__)

RESTART_S = 5.0
END_S = 10.0  # for the last question and the last board


class PollDesk:
    """Keeps the pollers of this process. `update()` is the step: it makes them match the database."""

    def __init__(self, publish: Publish, holder: str, takeovers: Takeovers,
                 watched: Callable[[int], bool] = lambda account: True) -> None:
        self.publish, self.holder, self.takeovers, self.watched = publish, holder, takeovers, watched
        self.desk = Desk("poller", threads=2)
        self._running: dict[int, tuple[tuple[object, ...], asyncio.Task[None]]] = {}
        self._pollers: dict[int, Poller] = {}
        self._saved: dict[int, int] = {}  # account -> how often it has been saved

    async def update(self) -> None:
        accounts, saved = await self.desk.run(_enabled)
        for pk, (settings, task) in list(self._running.items()):
            if pk not in accounts or settings != _settings(accounts[pk]) or task.done():
                del self._running[pk]
                await _ended(task)
        for pk, account in accounts.items():
            if pk not in self._running:
                task = asyncio.ensure_future(self._keep_polling(account))
                self._running[pk] = (_settings(account), task)
            elif saved.get(pk) != self._saved.get(pk) and pk in self._pollers:
                self._pollers[pk].ask_now()
        self._saved = saved

    def hurry(self) -> None:
        """Takeovers have changed, or somebody has begun to watch: pauses are measured anew."""
        for poller in self._pollers.values():
            poller.hurry()

    def leading(self) -> set[int]:
        """The accounts that this process asks DeepCall for. From any thread."""
        return {pk for pk, poller in list(self._pollers.items()) if poller.leads}

    async def stop(self) -> None:
        """Lets every lease go, so that the next process begins at once."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.desk.close()

    async def _keep_polling(self, account: Account) -> None:
        """Polls until cancelled. A crash is logged whole and ends neither the process nor the other accounts."""
        crashes = SaidOnce(logger, f"poller {account.name}")
        while True:
            try:
                await self._poll(account)
            except Exception as error:  # noqa: BLE001 - said once, whole; what polls again says so itself
                crashes.failed("go on and begins anew", f"{type(error).__name__}: {error}", traceback=True)
            await asyncio.sleep(RESTART_S)

    async def _poll(self, account: Account) -> None:
        poller = Poller(account, self.publish, self.holder, self.desk, self.takeovers, self.watched)
        self._pollers[account.pk] = poller
        try:
            await poller.run()
        finally:
            if self._pollers.get(account.pk) is poller:
                del self._pollers[account.pk]
            await poller.stop()


def _enabled() -> tuple[dict[int, Account], dict[int, int]]:
    """The enabled accounts, and how often each has been saved."""
    accounts, counters = {account.pk: account for account in Account.objects.filter(enabled=True)}, generation.current()
    return accounts, {pk: counters.get(generation.saved(pk), 0) for pk in accounts}


def _settings(account: Account) -> tuple[object, ...]:
    return tuple(repr(getattr(account, field.attname)) for field in Account._meta.concrete_fields)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=END_S)
    if not task.done():
        logger.error("a poller does not end; going on without waiting for it")
