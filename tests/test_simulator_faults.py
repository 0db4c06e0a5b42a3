"""The simulated DeepCall with a fault switched on, as its client sees it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx  # noqa: TID251 - the tests play DeepCall's client, not Callboard's
import pytest

from queue_api.simulator.answers import MESSAGES
from queue_api.simulator.app import Simulator
from queue_api.simulator.faults import Fault
from queue_api.simulator.people import ASHA
from tests.test_simulator import ACCOUNT, LIST, NOW_MS, SSID, TAKEOVER, add_call, ask, row_of, switch, takeover_begun


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(seed=5, calls=12, clock=lambda: NOW_MS)


@pytest.fixture
async def deepcall(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=simulator)
    async with httpx.AsyncClient(transport=transport, base_url="http://deepcall.test") as client:
        yield client


@pytest.mark.parametrize("code", MESSAGES)
async def test_every_documented_code_can_be_switched_on(deepcall: httpx.AsyncClient, code: int) -> None:
    await switch(deepcall, fault={"endpoint": "takeover", "code": code})
    answer = await ask(deepcall, TAKEOVER, SSID | {"callId": "1"})
    assert answer == {"status": "error", "message": MESSAGES[code], "code": code}


async def test_a_code_in_no_catalogue_comes_with_its_own_message(deepcall: httpx.AsyncClient) -> None:
    await switch(deepcall, fault={"endpoint": "*", "code": 7777, "message": "Blåbær"})
    answer = await deepcall.post(LIST, json=SSID)
    assert answer.content == '{"status":"error","message":"Blåbær","code":7777}'.encode()


async def test_faults_wait_in_line_and_count_down(deepcall: httpx.AsyncClient) -> None:
    await switch(deepcall, fault={"endpoint": "list", "code": 1501, "times": 2})
    await switch(deepcall, fault={"endpoint": "list", "code": 1032, "times": 1})
    codes = [(await ask(deepcall, LIST, SSID)).get("code") for _ in range(4)]
    assert codes == [1501, 1501, 1032, None]


async def test_html_can_stand_in_for_json(deepcall: httpx.AsyncClient) -> None:
    await switch(deepcall, fault={"endpoint": "list", "status": 502})
    answer = await deepcall.post(LIST, json=SSID)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")
    assert "502" in answer.text


async def test_any_body_type_and_header_can_be_answered(deepcall: httpx.AsyncClient) -> None:
    fault = {"endpoint": "list", "status": 307, "body": "null", "content_type": "application/json"}
    await switch(deepcall, fault=fault | {"headers": {"Location": "http://169.254.169.254/"}})
    answer = await deepcall.post(LIST, json=SSID)
    assert (answer.status_code, answer.text) == (307, "null")
    assert answer.headers["location"] == "http://169.254.169.254/"


async def test_a_huge_answer_is_streamed_without_a_length(deepcall: httpx.AsyncClient) -> None:
    await switch(deepcall, fault={"endpoint": "list", "huge_bytes": 300_000})
    answer = await deepcall.post(LIST, json=SSID)
    assert len(answer.content) == 300_000
    assert "content-length" not in answer.headers


async def test_a_takeover_can_act_and_still_answer_with_an_error(
    deepcall: httpx.AsyncClient, simulator: Simulator
) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    await switch(deepcall, fault={"endpoint": "takeover", "act": True, "code": 1032})
    assert (await ask(deepcall, TAKEOVER, SSID | {"callId": call_id}))["code"] == 1032
    assert (await row_of(deepcall, call_id))["agentName"] == ASHA.name
    assert simulator.journal.entries("takeover")[0].effect is True


async def test_an_answer_can_be_late(deepcall: httpx.AsyncClient, simulator: Simulator) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    await switch(deepcall, fault={"endpoint": "takeover", "latency_s": 0.05})
    late = asyncio.create_task(ask(deepcall, TAKEOVER, SSID | {"callId": call_id}))
    await takeover_begun(simulator)
    assert simulator.world.calls[call_id].agent_id == "2001"
    assert (await late)["status"] == "success"


async def test_a_client_that_leaves_a_hanging_takeover_has_moved_nothing(simulator: Simulator) -> None:
    simulator.faults.add(Fault("takeover", hang=True))
    call = next(iter(simulator.world.calls.values()))
    agent_id, sent = call.agent_id, list[Any]()
    body = json.dumps(SSID | {"callId": call.call_id}).encode()
    messages: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await simulator({"type": "http", "method": "POST", "path": TAKEOVER}, receive, send)
    assert (sent, call.agent_id, simulator.being_taken) == ([], agent_id, set())
    assert simulator.journal.entries()[0].answered is False


async def test_a_wrong_date_leaves_the_rows_alone_and_a_wrong_clock_does_not(
    deepcall: httpx.AsyncClient,
) -> None:
    call_id = await add_call(deepcall, state="waiting")
    await switch(deepcall, fault={"endpoint": "list", "date_offset_s": 300, "times": 1})
    dates, times = [], []
    for _ in range(2):
        answer = await deepcall.post(LIST, json=SSID)
        dates.append(parsedate_to_datetime(answer.headers["date"]).timestamp() - NOW_MS / 1000)
        times.append(next(row["queueTime"] for row in answer.json()["data"] if row["callId"] == call_id))
        await switch(deepcall, clock_offset_s=300)
    assert dates == [300, 300]
    assert times == ["2025-10-09 14:23:20", "2025-10-09 14:28:20"]


# Two lists at once


async def lists_begun(simulator: Simulator, count: int) -> None:
    async with asyncio.timeout(2):
        while simulator.listing.total() < count:  # noqa: ASYNC110 - the simulator needs no event for itself
            await asyncio.sleep(0)


async def test_lists_of_one_account_that_are_in_flight_at_once_are_counted(
    deepcall: httpx.AsyncClient, simulator: Simulator
) -> None:
    await switch(deepcall, fault={"endpoint": "list", "hang": True})
    asked = [asyncio.create_task(ask(deepcall, LIST, body)) for body in (SSID, SSID, ACCOUNT)]
    await lists_begun(simulator, 3)
    assert (await switch(deepcall, clear="*"))["lists_at_once"] == 2
    assert [(await one)["status"] for one in asked] == ["success"] * 3
    assert (await switch(deepcall, clear_journal=True))["lists_at_once"] == 0
    await ask(deepcall, LIST, SSID)
    assert (await switch(deepcall))["lists_at_once"] == 1


async def test_a_list_beside_another_can_be_answered_1501(deepcall: httpx.AsyncClient, simulator: Simulator) -> None:
    await switch(deepcall, one_list_at_a_time=True, fault={"endpoint": "list", "hang": True})
    first = asyncio.create_task(ask(deepcall, LIST, SSID))
    await lists_begun(simulator, 1)
    assert (await ask(deepcall, LIST, SSID))["code"] == 1501
    await switch(deepcall, clear="*")
    assert (await first)["status"] == (await ask(deepcall, LIST, SSID))["status"] == "success"


async def test_a_list_whose_client_left_is_in_flight_no_longer(simulator: Simulator) -> None:
    simulator.faults.add(Fault("list", latency_s=60))
    messages: Iterator[dict[str, Any]] = iter([
        {"type": "http.request", "body": json.dumps(SSID).encode()}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await simulator({"type": "http", "method": "POST", "path": LIST}, receive, send)
    assert (sent, simulator.listing.total()) == ([], 0)
