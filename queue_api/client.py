"""QueueClient: the one way to DeepCall, and with the transport under it (`dialling`) all that knows httpx.

Each call has one total deadline (httpx's own limits are per read: a dripping answer would never end), reads its answer
as a stream with a cap, follows no redirect and no proxy from the environment. A takeover uses a connection of its own:
on a kept one, "closed while idle" and "acted, then cut" look the same. Bodies are never logged: they hold credentials.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx  # noqa: TID251 - the one place
import msgspec

from queue_api.addresses import clean_base_url, clean_list_path
from queue_api.answers import NO_ROWS, OddAnswer, Outcome, complaint_about, list_outcome, outcome_of, read_answer
from queue_api.calls import Call, FieldMap, find_rows, parse_rows
from queue_api.credentials import Credentials
from queue_api.dialling import Dialling, NotPublic
from queue_api.errors import (
    BUSY_CODE,
    LIST,
    REFUSING_STATUSES,
    TAKEOVER,
    VENDOR_SIDE_CODES,
    Busy,
    NotSent,
    NoUsableAnswer,
    QueueApiError,
    Refused,
    RequestInvalid,
    Try,
    Untrusted,
)
from queue_api.naming import TakeoverTarget, check_target
from queue_api.tries import Tries, ask

LIST_DEADLINE_S, TAKEOVER_DEADLINE_S = 5.0, 12.0
CONNECT_S = 3.0  # below the deadline, so that "never connected" is told from "never answered"
LIST_CAP, TAKEOVER_CAP = 5 * 1024 * 1024, 64 * 1024
ROWS_CAP = 5_000  # no centre has more live calls; a list just under LIST_CAP could hold a million tiny rows
SECRET_LENGTH = 6
TAKEOVER_PATH = "queue/callTakeover"


class Upstream(msgspec.Struct, frozen=True):
    """All that is needed to ask one account. `zone`: of the times DeepCall writes without one."""

    base_url: str
    credentials: Credentials
    list_path: str = "queue/list"
    list_request: dict[str, Any] = {}
    field_map: FieldMap = msgspec.field(default_factory=FieldMap.default)
    zone: str = "Asia/Kolkata"
    allow_private: bool = False


class Listing(msgspec.Struct, frozen=True):
    """One list as received. `declared_total`: what DeepCall says there is, None when it does not say."""

    calls: tuple[Call, ...]
    received: int = 0
    unusable: int = 0
    duplicates: int = 0
    declared_total: int | None = None
    unknown_words: frozenset[str] = frozenset()
    upstream_now_ms: int | None = None

    @property
    def complete(self) -> bool:
        return self.declared_total is None or self.declared_total <= self.received


class Look(msgspec.Struct, frozen=True):
    """A list's answer as it came. `complaint`: why `list_calls` would not take it, "" when it would."""

    answer: dict[str, Any]
    complaint: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """DeepCall said success. What that means for the call, only a later list shows."""

    message: str
    tries: int
    log: tuple[Try, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    date_ms: int | None
    retry_after_s: int | None = None


class QueueClient:
    """Asks one account. Make it, use it and close it on one event loop. `transport` replaces the network in tests."""

    def __init__(self, upstream: Upstream, *, transport: httpx.AsyncBaseTransport | None = None,
                 list_deadline_s: float = LIST_DEADLINE_S, takeover_deadline_s: float = TAKEOVER_DEADLINE_S) -> None:
        self.upstream = upstream
        self.list_deadline_s, self.takeover_deadline_s = list_deadline_s, takeover_deadline_s
        base = clean_base_url(upstream.base_url, upstream.allow_private)
        self._list_url = f"{base}/api/v2/{clean_list_path(upstream.list_path)}"
        self._takeover_url = f"{base}/api/v2/{TAKEOVER_PATH}"
        public = not upstream.allow_private
        self._lists = _http(transport, keep=1, timeout_s=list_deadline_s, public=public)
        self._takeovers = _http(transport, keep=0, timeout_s=takeover_deadline_s, public=public)

    async def aclose(self) -> None:
        await self._lists.aclose()
        await self._takeovers.aclose()

    async def list_calls(self) -> Listing:
        """All live calls. Raises QueueApiError (drawn in `queue_api/errors.py`), never anything of httpx's."""
        reply = await self._ask_list()
        answer = _understand(LIST, reply, list_outcome)
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        rows, total = find_rows(answer)
        if rows is None:
            raise NoUsableAnswer(LIST, message=NO_ROWS, http_status=reply.status)
        if len(rows) > ROWS_CAP:
            raise NoUsableAnswer(LIST, message=f"The list has {len(rows)} rows; at most {ROWS_CAP} are read.",
                                 http_status=reply.status)
        parsed = parse_rows(rows, self.upstream.field_map, self.upstream.zone, now_ms)
        return Listing(calls=parsed.calls, received=len(rows), unusable=parsed.unusable, duplicates=parsed.duplicates,
                       declared_total=total, unknown_words=parsed.unknown_words, upstream_now_ms=reply.date_ms)

    async def look(self) -> Look:
        """The list's answer for an administrator to look at, also when no list can be read from it.

        Raises QueueApiError when DeepCall refuses or sends no JSON object.
        """
        answer = _understand(LIST, await self._ask_list(), _unless_refused)
        return Look(answer, complaint_about(answer))

    async def _ask_list(self) -> Reply:
        credentials = self.upstream.credentials.for_lists()
        _need_credentials(LIST, credentials)
        carried = {name: value for name, value in self.upstream.list_request.items()
                   if name.replace("_", "").lower() not in ("ssid", "userid", "token")}
        reply: Reply = await self._within(self.list_deadline_s, LIST, self._post_list, carried | credentials)
        return reply

    async def take_over(self, target: TakeoverTarget) -> Accepted:
        """Asks DeepCall to move the call, within one deadline for all tries together.

        When it is asked again: `queue_api/tries.py`. Raises QueueApiError; NoUsableAnswer means it may have moved.
        """
        body = check_target(target) | self.upstream.credentials.for_takeover()
        _need_credentials(TAKEOVER, self.upstream.credentials.for_takeover())
        tries = Tries()
        try:
            message = await self._within(
                self.takeover_deadline_s, TAKEOVER, ask, lambda: self._post_takeover(body), tries)
        except QueueApiError as error:
            _tell(tries, error)
            raise
        except Exception as error:  # nobody foresaw it, and bytes may have left
            unforeseen = NoUsableAnswer(TAKEOVER, message=type(error).__name__)
            _tell(tries, unforeseen)
            raise unforeseen from error
        return Accepted(message, tries.count, log=tuple(tries.log))

    async def _post_takeover(self, body: dict[str, str]) -> str:
        reply = await self._post(self._takeovers, TAKEOVER, self._takeover_url, body, TAKEOVER_CAP)
        return outcome_of(_understand(TAKEOVER, reply, outcome_of)).message

    async def _post_list(self, body: dict[str, Any]) -> Reply:
        try:
            return await self._post(self._lists, LIST, self._list_url, body, LIST_CAP)
        except _Stale:
            return await self._post(self._lists, LIST, self._list_url, body, LIST_CAP)

    async def _within(self, limit_s: float, endpoint: str, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        try:
            async with asyncio.timeout(limit_s):
                return await work(*args)
        except TimeoutError as error:
            raise NoUsableAnswer(endpoint, message=f"No answer within {limit_s:g} s.") from error

    async def _post(self, http: httpx.AsyncClient, endpoint: str, url: str, body: dict[str, Any], cap: int) -> Reply:
        content = json.dumps(body).encode()
        try:
            async with http.stream("POST", url, content=content) as response:
                answer = _without_secrets(await _read(endpoint, response, cap), self.upstream.credentials)
                return Reply(response.status_code, answer, _date_ms(response), _retry_after_s(response))
        except QueueApiError:
            raise
        except NotPublic as error:
            raise Untrusted(endpoint, message=f"The base URL must lead to a public address: {error}.") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise _not_sent(endpoint, error) from error
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            kind = _Stale if endpoint == LIST else NoUsableAnswer
            raise kind(endpoint, message=f"The connection broke before an answer came ({_name(error)}).") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise NoUsableAnswer(endpoint, message=f"The exchange failed ({_name(error)}).") from error


def _tell(tries: Tries, error: QueueApiError) -> None:
    """Notes in the error what was tried up to it: the record wants each try."""
    tries.ended(error.code, error.message)  # the deadline ends a try from outside
    error.tries, error.log = max(1, tries.count), tuple(tries.log)


def leave_lookups_behind() -> None:
    """For a loop of one call (`asyncio.run`): a name look-up that hangs is not waited for when the loop ends."""
    asyncio.get_running_loop().set_default_executor(_LeftBehind())


class _LeftBehind(ThreadPoolExecutor):
    """A look-up cannot be cancelled, and `asyncio.run` would wait for it far past the deadline."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class _Stale(NoUsableAnswer):
    """The connection ended before any answer, perhaps a kept one that had been closed. A list may be asked again."""


def _http(transport: httpx.AsyncBaseTransport | None, keep: int, timeout_s: float, public: bool) -> httpx.AsyncClient:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity",
               "User-Agent": "Callboard"}
    if not keep:
        headers["Connection"] = "close"
    limits = httpx.Limits(max_keepalive_connections=keep, keepalive_expiry=30)
    network = transport or Dialling(
        httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=limits), allow_private=not public)
    return httpx.AsyncClient(
        transport=network, trust_env=False, follow_redirects=False,
        headers=headers, timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
    )


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One per process: building it reads all certificates, 20 ms of the loop's time."""
    return httpx.create_ssl_context(trust_env=False)


async def _read(endpoint: str, response: httpx.Response, cap: int) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):  # unpacking happens before a cap could look
        raise NoUsableAnswer(endpoint, message=f"The answer came packed ({encoding[:20]}).",
                             http_status=response.status_code)
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > cap:
            raise NoUsableAnswer(endpoint, message=f"The answer is larger than {cap // 1024} KiB.",
                                 http_status=response.status_code)
        parts.append(part)
    return b"".join(parts)


def _without_secrets(answer: bytes, known: Credentials) -> bytes:
    """DeepCall may repeat what it was sent or keeps of us, in a message for all to see: our secrets end here."""
    for secret in (known.ssid, known.token):
        text = secret.reveal().encode() if secret else b""
        if len(text) >= SECRET_LENGTH:  # a shorter one could be part of any number
            answer = answer.replace(text, "•••".encode())
    return answer


def _understand(endpoint: str, reply: Reply, outcome: Callable[[dict[str, Any]], Outcome]) -> dict[str, Any]:
    """The answer of a success; every other one as its error."""
    status = reply.status
    if status in REFUSING_STATUSES:
        raise Refused(endpoint, code=str(status), message=f"HTTP status {status}.", http_status=status,
                      retry_after_s=reply.retry_after_s if status == 429 else None)
    if status != 200:
        raise NoUsableAnswer(endpoint, code=str(status), message=f"HTTP status {status}.", http_status=status)
    try:
        answer = read_answer(reply.body)
        said = outcome(answer)
    except OddAnswer as error:
        raise NoUsableAnswer(endpoint, message=f"The answer {error}.", http_status=status) from error
    if said.success:
        return answer
    kind: type[QueueApiError] = Refused
    if said.code == BUSY_CODE:
        kind = Busy
    elif said.code in VENDOR_SIDE_CODES:
        kind = NoUsableAnswer
    raise kind(endpoint, code=said.code, message=said.message, http_status=status)


def _unless_refused(answer: dict[str, Any]) -> Outcome:
    return Outcome(success=True) if complaint_about(answer) else list_outcome(answer)


def _not_sent(endpoint: str, error: Exception) -> NotSent:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return Untrusted(endpoint, message=f"The server could not prove who it is ({_name(seen)}).")
        seen = seen.__cause__ or seen.__context__
    return NotSent(endpoint, message=f"Could not connect ({_name(error)}).")


def _name(error: BaseException) -> str:
    """What happened in a word or two: the class, and the system's reason without addresses or bodies."""
    reason = str(error).strip()
    return f"{type(error).__name__}: {reason[:120]}" if reason else type(error).__name__


def _date_ms(response: httpx.Response) -> int | None:
    try:
        return int(parsedate_to_datetime(response.headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None


def _retry_after_s(response: httpx.Response) -> int | None:
    """Whole seconds; the header's other form, a date, is left alone: it would need their clock."""
    text = response.headers.get("retry-after", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _need_credentials(endpoint: str, fields: dict[str, str]) -> None:
    if not fields:
        raise RequestInvalid(endpoint, message="No credentials: an ssid, or a user id with its token, is missing.")
