"""The simulated DeepCall over HTTP: what it answers, as the contract says, and what it writes down."""

import asyncio
import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx  # noqa: TID251 - the tests play DeepCall's client, not Callboard's
import pytest

from queue_api.simulator.answers import NOT_LIVE
from queue_api.simulator.app import Simulator
from queue_api.simulator.dialects import FOREIGN
from queue_api.simulator.people import ASHA, BEN, FRONT_DESK, PEOPLE, TOKEN, USER_ID

NOW_MS = 1_760_000_000_000
LIST, TAKEOVER, CONTROL = "/api/v2/queue/list", "/api/v2/queue/callTakeover", "/_simulator"
RECORDED = b'{"status":"error","message":"Live call not found or invalid","code":1000}'
SSID = {"ssid": ASHA.ssid}
ACCOUNT = {"userId": USER_ID, "token": TOKEN}


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(seed=5, calls=12, clock=lambda: NOW_MS)


@pytest.fixture
async def deepcall(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=simulator)
    async with httpx.AsyncClient(transport=transport, base_url="http://deepcall.test") as client:
        yield client


async def ask(deepcall: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (await deepcall.post(path, json=body)).json()
    return answer


async def switch(deepcall: httpx.AsyncClient, **verbs: Any) -> dict[str, Any]:
    answer = await deepcall.post(CONTROL, json=verbs)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


async def add_call(deepcall: httpx.AsyncClient, **fields: Any) -> str:
    return str((await switch(deepcall, add_call=fields))["call_id"])


async def row_of(deepcall: httpx.AsyncClient, call_id: str) -> dict[str, Any]:
    rows = (await ask(deepcall, LIST, SSID))["data"]
    return next(row for row in rows if row["callId"] == call_id)


async def takeover_begun(simulator: Simulator) -> None:
    async with asyncio.timeout(2):
        while not simulator.being_taken:  # noqa: ASYNC110 - the simulator needs no event for itself
            await asyncio.sleep(0)


# The recorded answer


async def test_the_recorded_answer_is_given_byte_for_byte(deepcall: httpx.AsyncClient) -> None:
    answer = await deepcall.post(TAKEOVER, json=SSID | {"callId": "no-such-call"})
    assert answer.content == RECORDED
    assert len(answer.content) == 73
    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"49-8H2mQbuNJIjbDY0n2Deu2JqLEpo"'
    assert answer.headers["content-length"] == "73"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == NOW_MS / 1000


@pytest.mark.parametrize(
    "path", ["/api/v2/queue/LIST", "/API/V2/Queue/list", "/acme/api/v2/queue/list", "/api/v2/queue/list/"]
)
async def test_paths_are_found_in_any_case_and_behind_a_brand(deepcall: httpx.AsyncClient, path: str) -> None:
    assert (await ask(deepcall, path, SSID))["status"] == "success"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_the_body_is_json_whatever_its_type_says(deepcall: httpx.AsyncClient, content_type: str) -> None:
    answer = await deepcall.post(LIST, content=json.dumps(SSID), headers={"content-type": content_type})
    assert answer.json()["status"] == "success"


@pytest.mark.parametrize(("method", "path"), [("GET", LIST), ("PUT", TAKEOVER), ("POST", "/api/v2/queue/<x>")])
async def test_other_methods_and_paths_get_an_html_404(deepcall: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await deepcall.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<x>" not in answer.text


# Who asks


@pytest.mark.parametrize("credentials", [ACCOUNT, *({"ssid": person.ssid} for person in PEOPLE)])
async def test_both_credential_ways_open_the_list(deepcall: httpx.AsyncClient, credentials: dict[str, str]) -> None:
    assert len((await ask(deepcall, LIST, credentials))["data"]) == 12


@pytest.mark.parametrize("path", [LIST, TAKEOVER])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 1047),
        ({"callId": "1"}, 1002),
        (SSID | ACCOUNT, 1000),
        (SSID | {"userId": USER_ID}, 1000),
        ({"ssid": 5}, 1001),
        ({"ssid": "expired"}, 1014),
        ({"userId": USER_ID}, 1020),
        ({"token": TOKEN}, 1002),
        (ACCOUNT | {"token": "old"}, 1014),
        (ACCOUNT | {"userId": "nobody"}, 1000),
    ],
)
async def test_wrong_credentials_get_a_documented_code(
    deepcall: httpx.AsyncClient, path: str, body: dict[str, Any], code: int
) -> None:
    answer = await deepcall.post(path, json=body)
    assert answer.status_code == 200
    assert list(answer.json()) == ["status", "message", "code"]
    assert answer.json()["code"] == code


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"ssid=1", b'{"ssid":', b"\xff", b"[" * 9000])
async def test_a_body_that_is_no_json_object_is_malformed(deepcall: httpx.AsyncClient, content: bytes) -> None:
    assert (await deepcall.post(LIST, content=content)).json()["code"] == 1047


# The list


async def test_rows_use_the_default_names_and_india_time(deepcall: httpx.AsyncClient) -> None:
    call_id = await add_call(deepcall, agent_id="2001", agent_name="Meera Khan", entered_ago_s=60)
    row = await row_of(deepcall, call_id)
    assert row["queueTime"] == "2025-10-09 14:22:20"
    assert row["answerTime"] == "2025-10-09 14:23:20"
    assert (row["agentid"], row["agentName"], row["status"]) == ("2001", "Meera Khan", "talking")
    assert {"callernumber", "callerName", "groupId", "groupName", "cType", "did"} < set(row)


async def test_the_world_moves_with_the_clock_between_two_lists() -> None:
    now_ms = [NOW_MS]
    transport = httpx.ASGITransport(app=Simulator(calls=12, churn=5, clock=lambda: now_ms[0]))
    async with httpx.AsyncClient(transport=transport, base_url="http://deepcall.test") as client:
        before = (await client.post(LIST, json=SSID)).json()
        now_ms[0] += 2000
        assert (await client.post(LIST, json=SSID)).json() != before


async def test_filter_and_limit_narrow_the_list_but_not_the_total(deepcall: httpx.AsyncClient) -> None:
    answer = await ask(deepcall, LIST, SSID | {"filter": ["talking"], "limit": 2})
    assert [row["status"] for row in answer["data"]] == ["talking", "talking"]
    assert answer["total"] > 2


@pytest.mark.parametrize("wanted", ["talking", ["gone"], {"status": "talking"}, [1], 5])
async def test_an_invalid_filter_is_1502(deepcall: httpx.AsyncClient, wanted: object) -> None:
    assert (await ask(deepcall, LIST, SSID | {"filter": wanted}))["code"] == 1502


async def test_another_dialect_shares_no_name_with_the_default(deepcall: httpx.AsyncClient) -> None:
    default = (await ask(deepcall, LIST, SSID))["data"][0]
    await switch(deepcall, dialect="foreign", add_call={"call_id": "77", "agent_id": "2001"})
    row = (await ask(deepcall, LIST, SSID))["data"]["calls"][-1]
    assert set(row) == set(FOREIGN.fields.values())
    assert not set(row) & set(default)
    assert (row["legRef"], row["executiveNo"], row["phase"]) == (77, 2001, "BRIDGED")
    assert row["joinedMs"] == row["bridgedMs"] == NOW_MS


# Takeover


@pytest.mark.parametrize("named", ["callId agentid", "callernumber agentid", "callernumber callId", "callId"])
async def test_every_documented_way_to_name_a_call_moves_it(deepcall: httpx.AsyncClient, named: str) -> None:
    call_id = await add_call(deepcall, caller="+919800000001", agent_id="2001", entered_ago_s=9)
    names = {"callId": call_id, "callernumber": "+919800000001", "agentid": "2001"}
    answer = await ask(deepcall, TAKEOVER, SSID | {name: names[name] for name in named.split()})
    assert answer == {"status": "success", "message": "Call connected to Asha Rao"}
    row = await row_of(deepcall, call_id)
    assert (row["agentid"], row["agentName"], row["status"]) == (ASHA.agent_id, ASHA.name, "talking")
    assert row["answerTime"] == "2025-10-09 14:23:20"


@pytest.mark.parametrize(("credentials", "who"), [({"ssid": BEN.ssid}, BEN), (ACCOUNT, FRONT_DESK)])
async def test_the_session_decides_who_gets_the_call(
    deepcall: httpx.AsyncClient, credentials: dict[str, str], who: Any
) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    await ask(deepcall, TAKEOVER, credentials | {"callId": call_id, "agentid": "2001"})
    assert (await row_of(deepcall, call_id))["agentName"] == who.name


async def test_a_supervisors_id_that_is_not_on_the_call_is_read_as_who_takes_it(
    deepcall: httpx.AsyncClient,
) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    await ask(deepcall, TAKEOVER, ACCOUNT | {"callId": call_id, "agentid": BEN.agent_id})
    assert (await row_of(deepcall, call_id))["agentName"] == BEN.name


async def test_a_waiting_call_can_be_taken(deepcall: httpx.AsyncClient) -> None:
    call_id = await add_call(deepcall, state="waiting")
    assert (await ask(deepcall, TAKEOVER, SSID | {"callId": call_id}))["status"] == "success"


@pytest.mark.parametrize(
    "wrong",
    [{"agentid": "2999"}, {"callernumber": "+910000000000"}, {"callId": "gone"}],
)
async def test_a_name_that_fits_no_live_call_is_1000(
    deepcall: httpx.AsyncClient, simulator: Simulator, wrong: dict[str, str]
) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    answer = await ask(deepcall, TAKEOVER, SSID | {"callId": call_id} | wrong)
    assert answer == {"status": "error", "message": NOT_LIVE, "code": 1000}
    assert simulator.journal.entries("takeover")[0].effect is False


@pytest.mark.parametrize("half", [{}, {"agentid": "2001"}, {"callernumber": "+919800000001"}, {"callId": ""}])
async def test_a_takeover_that_names_too_little_is_1000(deepcall: httpx.AsyncClient, half: dict[str, str]) -> None:
    answer = await ask(deepcall, TAKEOVER, SSID | half)
    assert (answer["code"], answer["message"]) == (1000, "Invalid parameters")


async def test_ids_that_are_not_text_are_1001(deepcall: httpx.AsyncClient) -> None:
    assert (await ask(deepcall, TAKEOVER, SSID | {"callId": 5}))["code"] == 1001


async def test_the_same_takeover_while_one_is_in_progress_is_1501(
    deepcall: httpx.AsyncClient, simulator: Simulator
) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    await switch(deepcall, fault={"endpoint": "takeover", "hang": True, "times": 1})
    body = {"callId": call_id, "agentid": "2001"}
    first = asyncio.create_task(ask(deepcall, TAKEOVER, SSID | body))
    await takeover_begun(simulator)
    assert (await ask(deepcall, TAKEOVER, {"ssid": BEN.ssid} | body))["code"] == 1501
    await switch(deepcall, clear="takeover")
    async with asyncio.timeout(2):
        assert (await first)["status"] == "success"
    assert [entry.effect for entry in simulator.journal.entries("takeover")] == [True, False]


# The journal and what this is


async def test_the_journal_has_what_was_asked_exactly(deepcall: httpx.AsyncClient) -> None:
    call_id = await add_call(deepcall, agent_id="2001")
    asked = SSID | {"callId": call_id, "agentid": "2001"}
    await ask(deepcall, LIST, ACCOUNT)
    await ask(deepcall, TAKEOVER, asked)
    (entry,) = (await deepcall.get(f"{CONTROL}/journal?endpoint=takeover")).json()["journal"]
    assert entry == {
        "at_ms": NOW_MS,
        "endpoint": "takeover",
        "method": "POST",
        "path": TAKEOVER,
        "body": asked,
        "answered": True,
        "status": 200,
        "code": None,
        "effect": True,
    }


async def test_the_journal_can_be_had_with_the_state_and_forgotten(deepcall: httpx.AsyncClient) -> None:
    await deepcall.get(LIST)
    state = (await deepcall.get(f"{CONTROL}?journal=1")).json()
    assert [(entry["endpoint"], entry["status"]) for entry in state["journal"]] == [("other", 404)]
    assert (await switch(deepcall, clear_journal=True))["asked"]["other"] == 0


async def test_it_says_plainly_that_it_is_a_simulator(deepcall: httpx.AsyncClient) -> None:
    state = (await deepcall.get(CONTROL)).json()
    assert state["simulator"] is True
    assert "not DeepCall" in state["about"]
    assert sum(state["live"].values()) == 12


@pytest.mark.parametrize(("method", "path"), [("PUT", CONTROL), ("POST", "/_simulator/journal")])
async def test_the_switches_are_at_one_address_only(deepcall: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await deepcall.request(method, path)).status_code == 404
