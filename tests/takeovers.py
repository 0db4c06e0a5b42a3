"""What the takeover tests share: DeepCall beside them on a thread of its own, a board in the mirror, clicks."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from dashboard.board import Board, Feed, LiveCall
from dashboard.clock import now_ms
from dashboard.mirror import Card, News, mirror
from dashboard.refs import call_ref
from queue_api.calls import Call, CallState
from queue_api.models import Account
from tests.peer import Peer, Step, answer

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

T = TypeVar("T")

NUMBER = "919812345678"
CALL = Call(key="c-1", call_id="c-1", caller=NUMBER, caller_name="Mr Khan", agent_id="1102", agent_name="Ben",
            queue_id="302", queue_name="Sales", kind="IBD", state=CallState.TALKING)
SUCCESS = answer({"status": "success", "message": "Call taken over"})
KEY = "0123456789abcdef" * 2


def error(code: object, message: str = "No.") -> Step:
    """DeepCall's documented way to say no: HTTP 200 and a code in the body."""
    return answer({"status": "error", "message": message, "code": code})


class Held:
    """A step that waits to be let go. `asked` is set once a request has been read."""

    def __init__(self, step: Step = SUCCESS) -> None:
        self.step = step
        self.asked = threading.Event()
        self._go = asyncio.Event()

    async def __call__(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        self.asked.set()
        await self._go.wait()
        await self.step(peer, writer)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._go.set)


@contextlib.contextmanager
def beside(*script: Step, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A peer with an event loop in its own thread: sync code can talk to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    peer = Peer(*script, tls=tls)
    asyncio.run_coroutine_threadsafe(peer.__aenter__(), loop).result(5)
    try:
        yield peer
    finally:
        asyncio.run_coroutine_threadsafe(peer.__aexit__(None, None, None), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def live(call: Call = CALL, missed: int = 0) -> LiveCall:
    now = now_ms()
    return LiveCall(call=call, first_seen=now - 60_000, since=now - 20_000, at_least=False, missed=missed)


def show(account: Account, *calls: LiveCall, heard_ago_s: float | None = 0) -> str:
    """Puts these calls on the account's newest board; the first one's reference."""
    board = Board(
        account=account.pk, fence=1, seq=mirror.boards[account.pk].seq + 1 if account.pk in mirror.boards else 1,
        heard_at=None if heard_ago_s is None else now_ms() - int(heard_ago_s * 1000),
        calls={each.call.key: each for each in calls}, feed=Feed(health="fresh"),
    )
    card = Card(pk=account.pk, name=account.name, interval_s=account.poll_interval_s, line=account.line)
    mirror.take(News(cards=mirror.cards | {account.pk: card}, boards=[board], attempts=[], generations={}))
    return call_ref(account.pk, calls[0].call) if calls else ""


def signed_in(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def click(client: Client, ref: str, key: str = "", **headers: Any) -> "Response":
    return client.post("/takeover/", {"call": ref, "key": key}, **headers)


@contextlib.contextmanager
def in_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads begin together: none runs before `count` jobs are there."""
    barrier = threading.Barrier(count)

    class Pool(ThreadPoolExecutor):
        def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Any:
            def run() -> T:
                try:
                    barrier.wait(10)
                    return work(*args, **kwargs)
                finally:
                    connection.close()

            return super().submit(run)

    with Pool(count) as pool:
        yield pool
