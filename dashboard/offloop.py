"""Database work beside the event loop: one named thread per duty, so that a slow query stalls only its own duty.

`sync_to_async` in its default form would share one thread with every other request of the process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Runs blocking functions in its own threads and leaves no connection open behind them."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, whose exceptions come through. Never cancelled half-way: a late one just ends."""

        def clean() -> T:
            close_old_connections()
            try:
                return work(*args, **kwargs)
            finally:
                connection.close()

        return await asyncio.get_running_loop().run_in_executor(self._pool, clean)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
