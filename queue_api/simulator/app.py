"""The simulated DeepCall as an ASGI application: `Simulator(calls=24, seed=1)`.

    POST [/brand]/api/v2/queue/list           paths in any case, JSON whatever the content type
    POST [/brand]/api/v2/queue/callTakeover
    GET, POST /_simulator                     what this is, and its switches

The switches are explained in `control`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from html import escape
from typing import Any

import msgspec

from queue_api.simulator import control, endpoints
from queue_api.simulator.answers import Answer, DeepCallError, error_answer
from queue_api.simulator.faults import Fault
from queue_api.simulator.journal import Entry
from queue_api.simulator.simulation import Simulation

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

QUEUE_PATH = re.compile(r"(?:/[^/]+)*/api/v2/queue/(list|callTakeover)/?", re.IGNORECASE)
ENDPOINTS = {"list": "list", "calltakeover": "takeover"}
LARGEST_REQUEST = 65_536
CHUNK = b"x" * 65_536
NO_FAULT = Fault("*")


class ClientLeftError(Exception):
    """Nobody waits for this answer any more."""


class Simulator(Simulation):
    """The ASGI callable; also the `Simulation` it serves, for tests in the same process."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method, raw = scope["path"], scope["method"], await _read(receive)
        if path == "/_simulator" or path.startswith("/_simulator/"):
            answer = self._control(path.rstrip("/"), method, scope.get("query_string", b""), raw)
            await self._send(send, answer)
            return
        known = QUEUE_PATH.fullmatch(path)
        endpoint = ENDPOINTS[known[1].lower()] if known and method == "POST" else "other"
        entry = self.journal.add(Entry(self.clock(), endpoint, method, path, _parsed(raw)))
        async with _client_left(receive) as left:
            # No error of ours: the journal keeps the request, as not answered.
            with suppress(ClientLeftError):
                await self._answer(entry, left, send)

    def _control(self, path: str, method: str, query: bytes, raw: bytes) -> Answer:
        if method == "GET" and path in ("/_simulator", "/_simulator/journal", "/_simulator/truth"):
            return control.look(self, path, query)
        if method == "POST" and path == "/_simulator":
            return control.switch(self, raw)
        return _cannot(method, path)

    async def _answer(self, entry: Entry, left: asyncio.Event, send: Send) -> None:
        fault = NO_FAULT
        if entry.endpoint == "other":
            answer = _cannot(entry.method, entry.path)
        elif entry.endpoint == "list":
            fault = self.faults.take("list") or NO_FAULT
            answer = await self._list(entry, fault, left)
        elif (call_id := self._named_call(entry)) in self.being_taken:
            answer = _refused(DeepCallError(1501))
        else:
            fault = self.faults.take("takeover") or NO_FAULT
            answer = await self._take_over(entry, call_id, fault, left)
        entry.answered, entry.status, entry.code = True, answer.status, answer.code
        await self._send(send, answer, fault.date_offset_s, left)

    async def _list(self, entry: Entry, fault: Fault, left: asyncio.Event) -> Answer:
        with self._counted(entry) as at_once:
            if self.one_list_at_a_time and at_once > 1:
                return _refused(DeepCallError(1501))
            await self._hold_back(fault, "list", left)
            return fault.answer() or _answer_of(endpoints.list_calls, self, entry.body, fault)

    @contextmanager
    def _counted(self, entry: Entry) -> Iterator[int]:
        """How many lists of the one who asks are in flight, this one included."""
        who = endpoints.who_asks(entry.body)
        self.listing[who] += 1
        self.lists_at_once = max(self.lists_at_once, self.listing[who])
        try:
            yield self.listing[who]
        finally:
            self.listing[who] -= 1

    async def _take_over(self, entry: Entry, call_id: str, fault: Fault, left: asyncio.Event) -> Answer:
        self.being_taken |= {call_id} - {""}
        try:
            done = self._move(entry) if fault.act else None
            await self._hold_back(fault, "takeover", left)
            return fault.answer() or done or self._move(entry)
        finally:
            self.being_taken.discard(call_id)

    def _named_call(self, entry: Entry) -> str:
        entry.effect = False
        try:
            return endpoints.find_call(self, entry.body)[0].call_id
        except DeepCallError:
            return ""

    def _move(self, entry: Entry) -> Answer:
        answer = _answer_of(endpoints.take_over, self, entry.body)
        entry.effect = answer.code is None
        return answer

    async def _hold_back(self, fault: Fault, endpoint: str, left: asyncio.Event) -> None:
        released = self.faults.released(endpoint)
        if fault.latency_s and endpoint == "list":  # nothing happens without its client, unlike a takeover
            await _first_of(released, left, limit_s=fault.latency_s)
            if left.is_set():
                raise ClientLeftError
        elif fault.latency_s:
            await _first_of(released, limit_s=fault.latency_s)
        if fault.hang:
            await _first_of(released, left)
            if not released.is_set():
                raise ClientLeftError

    async def _send(
        self, send: Send, answer: Answer, date_offset_s: float = 0, left: asyncio.Event | None = None
    ) -> None:
        headers = answer.header_list(self.vendor_s() + date_offset_s)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        remaining = answer.stream_bytes - len(answer.body)
        await send({"type": "http.response.body", "body": answer.body, "more_body": remaining > 0})
        while remaining > 0 and not (left and left.is_set()):
            chunk = CHUNK[:remaining]
            remaining -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": remaining > 0})
            # daphne's send never waits: without a pause neither bytes nor the client's leaving get through.
            await asyncio.sleep(0)


def _answer_of(endpoint: Callable[..., Answer], *arguments: Any) -> Answer:
    try:
        return endpoint(*arguments)
    except DeepCallError as error:
        return _refused(error)


def _refused(error: DeepCallError) -> Answer:
    return error_answer(error.code, error.message)


def _cannot(method: str, path: str) -> Answer:
    """Express's page for a route it has not got (inferred)."""
    page = f"<!DOCTYPE html>\n<html><body><pre>Cannot {escape(method)} {escape(path)}</pre></body></html>\n"
    return Answer(page.encode(), status=404, content_type="text/html; charset=utf-8")


async def _read(receive: Receive) -> bytes:
    raw, more = b"", True
    while more:
        message = await receive()
        raw += message.get("body", b"") if len(raw) <= LARGEST_REQUEST else b""
        more = message.get("more_body", False)
    return raw


def _parsed(raw: bytes) -> Any:
    """The body as JSON; as text when it is none; None when there is none or far too much."""
    if not raw or len(raw) > LARGEST_REQUEST:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw.decode("utf-8", "replace")


@asynccontextmanager
async def _client_left(receive: Receive) -> AsyncIterator[asyncio.Event]:
    left = asyncio.Event()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        left.set()

    watcher = asyncio.create_task(watch())
    try:
        yield left
    finally:
        watcher.cancel()


async def _first_of(*events: asyncio.Event, limit_s: float | None = None) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
