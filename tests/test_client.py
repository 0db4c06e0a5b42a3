"""QueueClient against a real socket: what it sends, what it makes of every answer and of every way to get none."""

import asyncio
import json
import logging
import socket
import time
from pathlib import Path
from typing import Any

import httpx  # noqa: TID251 - how its exceptions are classed is tested here
import pytest

from queue_api import tries
from queue_api.addresses import clean_base_url, clean_list_path
from queue_api.client import Accepted, Listing, QueueClient, Upstream
from queue_api.credentials import Credentials, Secret
from queue_api.errors import Busy, NotSent, NoUsableAnswer, QueueApiError, Refused, RequestInvalid, Untrusted
from queue_api.naming import TakeoverTarget
from tests.peer import Peer, Step, answer, close, cut, drip, endless, hang, reset, self_signed

TARGET = TakeoverTarget(call_id="c1", agentid="7")
SESSION = Credentials(ssid=Secret("s3cr3t-ssid"))
BOTH = Credentials(ssid=Secret("s3cr3t-ssid"), user_id="u1", token=Secret("s3cr3t-token"))
YES = answer({"status": "success", "message": "Done"})
ROWS = answer({"status": "success", "data": [{"callId": "c1"}, {"callId": "c2"}]})


def no(code: object, message: str = "No") -> Step:
    return answer({"status": "error", "message": message, "code": code})


def to(url: str, **options: Any) -> QueueClient:
    deadlines = {name: options.pop(name) for name in ("list_deadline_s", "takeover_deadline_s", "transport")
                 if name in options}
    options.setdefault("credentials", SESSION)
    return QueueClient(Upstream(base_url=url, allow_private=True, **options), **deadlines)


async def take(peer: Peer, target: TakeoverTarget = TARGET, **options: Any) -> Accepted:
    client = to(peer.url, **options)
    try:
        return await client.take_over(target)
    finally:
        await client.aclose()


async def lists(peer: Peer, times: int = 1, **options: Any) -> Listing:
    client = to(peer.url, **options)
    try:
        for _ in range(times - 1):
            await client.list_calls()
        return await client.list_calls()
    finally:
        await client.aclose()


async def taking_fails(*script: Step, **options: Any) -> tuple[QueueApiError, Peer]:
    async with Peer(*script) as peer:
        with pytest.raises(QueueApiError) as caught:
            await take(peer, **options)
    return caught.value, peer


async def listing_fails(*script: Step, **options: Any) -> tuple[QueueApiError, Peer]:
    async with Peer(*script) as peer:
        with pytest.raises(QueueApiError) as caught:
            await lists(peer, **options)
    return caught.value, peer


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "BUSY_WAITS_S", (0.01, 0.02))


# ── addresses ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", [
    "https://h.example", " https://h.example/ ", "https://h.example/api/v2", "https://h.example/api/v2/queue/",
    "HTTPS://H.example/API/v2/",
])
def test_a_base_url_is_cut_to_what_stands_before_api_v2(text: str) -> None:
    assert clean_base_url(text, allow_private=False) == "https://h.example"


def test_a_base_url_keeps_its_port_and_brand_path() -> None:
    assert clean_base_url("https://h.example:8443/brand/api/v2", False) == "https://h.example:8443/brand"


@pytest.mark.parametrize("text", [
    "", "h.example", "http://h.example", "ftp://h.example", "https://", "https://u:p@h.example", "https://u@h.example",
    "https://h.example/?a=1", "https://h.example/#a", "https://h.example\\@evil.example", "https://h.example/a b",
    "https://h.example/\x00", "https://h.example/../x", "https://h.example//x", "https://h.example:99999", "https://[::1",
    "https://h.example/%2e%2e/x", "javascript:alert(1)",
])
def test_an_address_that_is_no_plain_https_base_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r" .*\."):
        clean_base_url(text, allow_private=False)


def test_plain_http_is_for_installations_that_allow_private_addresses() -> None:
    assert clean_base_url("http://127.0.0.1:8001", allow_private=True) == "http://127.0.0.1:8001"


@pytest.mark.parametrize("path", [
    "", "/queue/list", "../x", "queue/../x", "queue//list", "https://evil.example/x", "//evil.example",
    "queue/list?a=1", "queue/list#a", "queue\\list", "queue/li st", "queue/%2e%2e/x", "queue/list\n",
])
def test_a_list_path_cannot_leave_its_place(path: str) -> None:
    with pytest.raises(ValueError, match="list path"):
        clean_list_path(path)


@pytest.mark.parametrize("path", ["queue/list", "liveQueue/list", "Agent/live/"])
def test_a_list_path_may_be_any_plain_path(path: str) -> None:
    assert clean_list_path(path) == path


@pytest.mark.parametrize("path", ["queue/callTakeover", "queue/CALLTAKEOVER/", "queue/bargingCall"])
def test_an_endpoint_that_moves_calls_cannot_be_polled(path: str) -> None:
    with pytest.raises(ValueError, match="list path"):
        clean_list_path(path)


# ── what is sent ───────────────────────────────────────────────────────────────────────────────────
async def test_a_takeover_is_one_post_with_exactly_the_fields_that_name_the_call() -> None:
    async with Peer(YES) as peer:
        accepted = await take(peer)
    (request,) = peer.journal
    assert (request.method, request.path) == ("POST", "/api/v2/queue/callTakeover")
    assert request.json == {"ssid": "s3cr3t-ssid", "callId": "c1", "agentid": "7"}
    assert (accepted.message, accepted.tries, [one.message for one in accepted.log]) == ("Done", 1, ["Done"])


@pytest.mark.parametrize(("target", "fields"), [
    (TakeoverTarget(call_id="c1"), {"callId": "c1"}),
    (TakeoverTarget(callernumber="98", agentid="7"), {"callernumber": "98", "agentid": "7"}),
    (TakeoverTarget(callernumber="98", call_id="c1"), {"callernumber": "98", "callId": "c1"}),
])
async def test_each_way_of_naming_is_sent_in_upstreams_spelling(target: TakeoverTarget, fields: dict[str, str]) -> None:
    async with Peer(YES) as peer:
        await take(peer, target)
    assert peer.journal[0].json == {"ssid": "s3cr3t-ssid", **fields}


@pytest.mark.parametrize(("target", "missing"), [
    (TakeoverTarget(), "callId"), (TakeoverTarget(callernumber="98"), "agentid"),
    (TakeoverTarget(agentid="7"), "callernumber"),
])
async def test_an_incomplete_target_is_refused_before_sending_and_the_field_named(
        target: TakeoverTarget, missing: str) -> None:
    async with Peer(YES) as peer:
        with pytest.raises(RequestInvalid) as caught:
            await take(peer, target)
    assert missing in caught.value.message
    assert peer.connections == 0


async def test_a_masked_number_in_a_target_is_refused_before_sending() -> None:
    async with Peer(YES) as peer:
        with pytest.raises(RequestInvalid, match="masked"):
            await take(peer, TakeoverTarget(callernumber="98****4821", agentid="7"))
    assert peer.connections == 0


@pytest.mark.parametrize("half", [Credentials(), Credentials(user_id="u1"), Credentials(token=Secret("t"))])
async def test_without_credentials_nothing_is_sent(half: Credentials) -> None:
    async with Peer(YES) as peer:
        with pytest.raises(RequestInvalid, match="ssid"):
            await take(peer, credentials=half)
        with pytest.raises(RequestInvalid, match="ssid"):
            await lists(peer, credentials=half)
    assert peer.connections == 0


async def test_with_both_ways_lists_carry_the_token_and_takeovers_the_session() -> None:
    async with Peer(ROWS) as peer:
        await lists(peer, credentials=BOTH)
        await take(peer, credentials=BOTH)
    assert peer.journal[0].json == {"userId": "u1", "token": "s3cr3t-token"}
    assert peer.journal[1].json == {"ssid": "s3cr3t-ssid", "callId": "c1", "agentid": "7"}


async def test_the_list_request_is_merged_in_but_carries_no_credentials() -> None:
    asked = {"limit": 500, "filter": {"a": [1]}, "token": "x", "USERID": "x", "user_id": "x", "Ssid": "x"}
    async with Peer(ROWS) as peer:
        await lists(peer, list_request=asked, list_path="liveQueue/list")
    assert peer.journal[0].path == "/api/v2/liveQueue/list"
    assert peer.journal[0].json == {"limit": 500, "filter": {"a": [1]}, "ssid": "s3cr3t-ssid"}


async def test_lists_keep_their_connection_and_takeovers_use_a_fresh_one() -> None:
    async with Peer(ROWS) as peer:
        await lists(peer, times=3)
        assert peer.connections == 1
        client = to(peer.url)
        await client.take_over(TARGET)
        await client.take_over(TARGET)
        await client.aclose()
        assert peer.connections == 3
    assert peer.journal[-1].headers["connection"] == "close"


async def test_packed_answers_are_not_asked_for() -> None:
    async with Peer(ROWS) as peer:
        await lists(peer)
    assert peer.journal[0].headers["accept-encoding"] == "identity"


async def test_proxies_and_certificates_of_the_environment_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Peer(YES) as peer, Peer(YES) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
        await take(peer)
    assert (peer.connections, proxy.connections) == (1, 0)


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────
async def test_a_list_becomes_calls_with_what_could_not_be_used_counted() -> None:
    body = {"status": "success", "total": 9, "data": [
        {"callId": 1}, {"callId": "1"}, {}, {"callId": 2, "status": "odd"}]}
    async with Peer(answer(body, headers={"Date": "Wed, 01 Oct 2025 11:47:19 GMT"})) as peer:
        listing = await lists(peer)
    assert [call.call_id for call in listing.calls] == ["1", "2"]
    assert (listing.received, listing.unusable, listing.duplicates, listing.declared_total) == (4, 1, 1, 9)
    assert listing.unknown_words == {"odd"}
    assert listing.upstream_now_ms == 1_759_319_239_000
    assert not listing.complete


@pytest.mark.parametrize(("total", "complete"), [(None, True), (1, True), (2, True), (3, False)])
async def test_a_list_is_complete_unless_more_is_declared_than_came(total: int | None, complete: bool) -> None:
    extra = {} if total is None else {"total": total}
    async with Peer(answer({"status": "success", "data": [{"callId": 1}, {"callId": 2}]} | extra)) as peer:
        assert (await lists(peer)).complete is complete


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 Foo 2025 11:47:19 GMT"])
async def test_an_unreadable_date_is_no_clock(date: str) -> None:
    async with Peer(answer({"status": "success", "data": []}, headers={"Date": date})) as peer:
        assert (await lists(peer)).upstream_now_ms is None


async def test_an_empty_list_is_an_empty_board() -> None:
    async with Peer(answer({"status": "success", "data": []})) as peer:
        assert (await lists(peer)).calls == ()


async def test_a_success_without_a_row_list_is_not_an_empty_board() -> None:
    error, _ = await listing_fails(answer({"status": "success", "message": "hello"}))
    assert type(error) is NoUsableAnswer


async def test_a_list_asked_on_a_connection_that_was_closed_meanwhile_is_asked_again() -> None:
    async with Peer(ROWS, close, ROWS) as peer:
        assert len((await lists(peer, times=2)).calls) == 2
    assert len(peer.journal) == 3


async def test_a_list_is_asked_again_only_once() -> None:
    error, peer = await listing_fails(close)
    assert isinstance(error, NoUsableAnswer)
    assert len(peer.journal) <= 2


async def test_a_busy_list_is_left_to_the_next_poll() -> None:
    error, peer = await listing_fails(no(1501))
    assert type(error) is Busy
    assert len(peer.journal) == 1


# ── every answer has its class: reliability is in this table ───────────────────────────────────────
@pytest.mark.parametrize("failing", [taking_fails, listing_fails])
@pytest.mark.parametrize(("code", "kind"), [
    (1000, Refused), (1001, Refused), (1014, Refused), ("1015", Refused), (1502, Refused), (4711, Refused),
    (1009, NoUsableAnswer), (1010, NoUsableAnswer), ("1032", NoUsableAnswer),
])
async def test_an_error_with_a_code_is_a_refusal_unless_the_vendor_failed(
        failing: Any, code: object, kind: type[QueueApiError]) -> None:
    error, peer = await failing(no(code, "its own words"))
    assert type(error) is kind
    assert (error.code, error.message, error.http_status, error.tries) == (str(code), "its own words", 200, 1)
    assert len(peer.journal) == 1


@pytest.mark.parametrize("failing", [taking_fails, listing_fails])
@pytest.mark.parametrize("status", [401, 403, 404, 405, 413, 415, 422, 429])
async def test_a_status_that_means_no_is_a_refusal_with_the_status_as_code(failing: Any, status: int) -> None:
    error, peer = await failing(answer(b"<html>no</html>", status))
    assert (type(error), error.code, error.http_status) == (Refused, str(status), status)
    assert len(peer.journal) == 1


@pytest.mark.parametrize("failing", [taking_fails, listing_fails])
@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 400, 402, 408, 409, 418, 500, 502, 503, 504, 599])
async def test_any_other_status_says_nothing_even_around_a_success(failing: Any, status: int) -> None:
    error, peer = await failing(answer({"status": "success"}, status, {"Location": "/elsewhere"}))
    assert (type(error), error.http_status) == (NoUsableAnswer, status)
    assert len(peer.journal) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with Peer(YES) as other:
        error, _ = await taking_fails(answer(b"", 307, {"Location": f"{other.url}/api/v2/queue/callTakeover"}))
    assert type(error) is NoUsableAnswer
    assert other.connections == 0


@pytest.mark.parametrize("failing", [taking_fails, listing_fails])
@pytest.mark.parametrize("body", [
    b"", b"<html>fine</html>", b"[]", b"null", b"NaN", b'{"status":"ok"}', b'{"status":"error","status":"success"}',
    b'{"status":"success","n":1e400}', b'{"status":"\xff"}', b"[" * 10_000,
])
async def test_an_odd_body_says_nothing(failing: Any, body: bytes) -> None:
    error, peer = await failing(answer(body))
    assert (type(error), error.http_status) == (NoUsableAnswer, 200)
    assert len(peer.journal) == 1


@pytest.mark.parametrize("failing", [taking_fails, listing_fails])
@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_a_packed_answer_is_refused_unread(failing: Any, encoding: str) -> None:
    error, _ = await failing(answer({"status": "success", "data": []}, headers={"Content-Encoding": encoding}))
    assert type(error) is NoUsableAnswer


async def test_an_endless_takeover_answer_is_cut_early() -> None:
    error, peer = await taking_fails(endless)
    assert type(error) is NoUsableAnswer
    assert peer.streamed < 8 * 1024 * 1024  # the cap and what sockets buffer


async def test_an_endless_list_is_cut_early() -> None:
    error, peer = await listing_fails(endless)
    assert type(error) is NoUsableAnswer
    assert 5 * 1024 * 1024 <= peer.streamed < 14 * 1024 * 1024


async def test_a_list_just_below_the_cap_is_read() -> None:
    body = json.dumps({"status": "success", "data": []}).encode()
    async with Peer(answer(body + b" " * (5 * 1024 * 1024 - len(body)))) as peer:
        assert (await lists(peer)).received == 0


@pytest.mark.parametrize("step", [hang, drip(0.02), close, reset, cut(b'{"status":"success"')])
async def test_a_takeover_that_went_out_and_got_no_whole_answer_is_never_sent_again(step: Step) -> None:
    error, peer = await taking_fails(step, takeover_deadline_s=0.3)
    assert type(error) is NoUsableAnswer
    assert (len(peer.journal), error.tries) == (1, 1)


@pytest.mark.parametrize("step", [hang, drip(0.02)])
async def test_no_answer_can_outlast_the_deadline(step: Step) -> None:
    began = time.monotonic()
    await taking_fails(step, takeover_deadline_s=0.3)
    await listing_fails(step, list_deadline_s=0.3)
    assert 0.6 <= time.monotonic() - began < 1.5


async def test_cancelling_is_not_swallowed() -> None:
    async with Peer(hang) as peer:
        task = asyncio.create_task(take(peer))
        await peer.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# ── nothing sent ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


async def test_a_refused_connection_is_proof_that_nothing_was_sent(nobody: str) -> None:
    client = to(nobody)
    with pytest.raises(NotSent) as caught:
        await client.take_over(TARGET)
    assert (caught.value.tries, caught.value.http_status) == (2, None)
    with pytest.raises(NotSent):
        await client.list_calls()
    await client.aclose()


class Flaky(httpx.AsyncBaseTransport):
    """Fails with the given errors first, then passes on to the network."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.network, self.asked = list(errors), httpx.AsyncHTTPTransport(), 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return await self.network.handle_async_request(request)

    async def aclose(self) -> None:
        await self.network.aclose()


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"),
                                   httpx.UnsupportedProtocol("x")])
async def test_when_nothing_was_sent_it_is_tried_once_more_at_once(error: Exception) -> None:
    async with Peer(YES) as peer:
        accepted = await take(peer, transport=Flaky(error))
    assert accepted.tries == 2


async def test_when_nothing_was_sent_twice_it_is_given_up() -> None:
    flaky = Flaky(*(httpx.ConnectError("x") for _ in range(5)))
    error, peer = await taking_fails(YES, transport=flaky)
    assert type(error) is NotSent
    assert (flaky.asked, error.tries, peer.connections) == (2, 2, 0)


@pytest.mark.parametrize("error", [
    httpx.WriteError("x"), httpx.WriteTimeout("x"), httpx.ReadError("x"), httpx.ReadTimeout("x"),
    httpx.CloseError("x"), httpx.RemoteProtocolError("x"), httpx.LocalProtocolError("x"), httpx.DecodingError("x"),
    httpx.TooManyRedirects("x"),
])
async def test_any_other_failure_may_have_sent_it(error: Exception) -> None:
    flaky = Flaky(error)
    failed, _ = await taking_fails(YES, transport=flaky)
    assert type(failed) is NoUsableAnswer
    assert flaky.asked == 1


async def test_a_server_that_cannot_prove_who_it_is_gets_nothing_and_is_not_asked_again(tmp_path: Path) -> None:
    async with Peer(YES, tls=self_signed(tmp_path)) as peer:
        with pytest.raises(Untrusted) as caught:
            await take(peer)
    assert caught.value.tries == 1
    assert peer.journal == []


# ── busy ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("_short_waits")
async def test_busy_twice_and_then_success_is_success_at_the_third_try() -> None:
    async with Peer(no(1501), no("1501"), YES) as peer:
        assert (await take(peer)).tries == 3


@pytest.mark.usefixtures("_short_waits")
async def test_busy_for_ever_is_busy_after_three_posts() -> None:
    error, peer = await taking_fails(no(1501, "in processing"))
    assert (type(error), error.code, error.message, error.tries) == (Busy, "1501", "in processing", 3)
    assert len(peer.journal) == 3


async def test_the_first_wait_after_busy_is_half_a_second_give_or_take_half() -> None:
    began = time.monotonic()
    async with Peer(no(1501), YES) as peer:
        await take(peer)
    assert 0.25 <= time.monotonic() - began < 1.2


async def test_no_further_post_begins_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "BUSY_LIMIT_S", 0.1)
    error, peer = await taking_fails(no(1501))
    assert (type(error), len(peer.journal)) == (Busy, 1)


@pytest.mark.usefixtures("_short_waits")
async def test_not_found_after_busy_may_be_our_own_first_try_that_took_it() -> None:
    error, _ = await taking_fails(no(1501), no(1000, "Live call not found or invalid"))
    assert (type(error), error.code, error.tries) == (NoUsableAnswer, "1000", 2)
    assert error.message == "Live call not found or invalid"


@pytest.mark.usefixtures("_short_waits")
@pytest.mark.parametrize(("step", "kind"), [(no(1015), Refused), (hang, NoUsableAnswer), (reset, NoUsableAnswer)])
async def test_after_busy_every_other_outcome_counts_as_ever(step: Step, kind: type[QueueApiError]) -> None:
    error, peer = await taking_fails(no(1501), step, takeover_deadline_s=0.5)
    assert (type(error), error.tries, len(peer.journal)) == (kind, 2, 2)


class BusyThenGone(httpx.AsyncBaseTransport):
    """1501 once, and then nothing listens any more."""

    error: Exception = httpx.ConnectError("x")

    def __init__(self) -> None:
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked > 1:
            raise self.error
        return httpx.Response(200, stream=httpx.ByteStream(b'{"status":"error","message":"wait","code":1501}'))


class BusyThenEnding(BusyThenGone):
    """1501 once, and then a process so far at its end that it can look up no name."""

    error = RuntimeError("cannot schedule new futures after interpreter shutdown")


@pytest.mark.usefixtures("_short_waits")
async def test_no_connection_after_busy_is_busy_for_the_first_post_did_go_out() -> None:
    error, _ = await taking_fails(YES, transport=BusyThenGone())
    assert (type(error), error.code, error.tries) == (Busy, "1501", 2)


@pytest.mark.usefixtures("_short_waits")
async def test_an_error_that_nobody_foresaw_is_unknown_and_loses_no_try_before_it() -> None:
    error, _ = await taking_fails(YES, transport=BusyThenEnding())
    assert (type(error), error.tries) == (NoUsableAnswer, 2)
    assert [(one.code, one.message) for one in error.log] == [("1501", "wait"), ("", "RuntimeError")]


# ── loops and secrets ──────────────────────────────────────────────────────────────────────────────
async def test_clients_in_two_event_loops_do_not_meet() -> None:
    async with Peer(ROWS) as peer:
        for _ in range(2):
            listing = await asyncio.to_thread(lambda: asyncio.run(lists(peer)))
            accepted = await asyncio.to_thread(lambda: asyncio.run(take(peer)))
            assert (listing.received, accepted.tries) == (2, 1)


async def test_secrets_are_in_no_log_line_no_repr_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[QueueApiError] = [(await taking_fails(step, credentials=BOTH, takeover_deadline_s=0.3))[0]
                                   for step in (no(1014), reset, hang, answer(b"<html>"))]
    errors.append((await listing_fails(no(1014), credentials=BOTH))[0])
    told = [caplog.text, repr(Upstream(base_url="", credentials=BOTH)), *map(repr, errors), *map(str, errors)]
    assert not any("s3cr3t" in text for text in told)


async def test_a_secret_that_deepcall_repeats_is_in_no_message() -> None:
    said = b'{"status":"error","code":1014,"message":"Invalid session canary-ssid-77"}'
    async with Peer(answer(said)) as peer:
        client = QueueClient(Upstream(peer.url, Credentials(ssid=Secret("canary-ssid-77")), allow_private=True))
        with pytest.raises(QueueApiError) as refused:
            await client.list_calls()
        await client.aclose()
    assert refused.value.message == "Invalid session •••"


async def test_nor_is_the_accounts_other_secret_that_this_question_did_not_carry() -> None:
    said = b'{"status":"error","code":1014,"message":"Expired: canary-ssid-77 of canary-token-77"}'
    both = Credentials(ssid=Secret("canary-ssid-77"), user_id="u-1", token=Secret("canary-token-77"))
    async with Peer(answer(said)) as peer:
        client = QueueClient(Upstream(peer.url, both, allow_private=True))
        with pytest.raises(QueueApiError) as refused:
            await client.list_calls()
        await client.aclose()
    assert refused.value.message == "Expired: ••• of •••"
