"""What an upstream may send that is no list of calls: other rows and the next list stay whole."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.board import Board, heard
from dashboard.frames import picture
from queue_api.calls import FieldMap, parse_rows
from queue_api.client import LIST_CAP, Listing, QueueClient, Upstream
from queue_api.credentials import Credentials, Secret
from queue_api.errors import NoUsableAnswer
from queue_api.simulator.faults import OTHER_TYPES
from queue_api.simulator.simulation import Simulation
from tests.makers import EVERYTHING, NOW, mirror_of
from tests.peer import Peer, answer
from tests.processes import Callboard, furnish, running, until
from tests.processes import Upstream as DeepCall
from tests.supervisors import Supervisor

STEP = 2000
ZONE = "Asia/Kolkata"
ODD = st.sampled_from(OTHER_TYPES) | st.integers() | st.floats() | st.text(max_size=5) | st.booleans()


def rows_of(calls: int = 12) -> list[dict[str, Any]]:
    """Rows as the simulator lists them, without an answer around them."""
    simulation = Simulation(seed=5, calls=calls, churn=0, clock=lambda: NOW - 60_000)
    return [simulation.dialect.row(call) for call in simulation.world.calls.values()]


def read(rows: list[Any]) -> Listing:
    parsed = parse_rows(rows, FieldMap.with_overrides({}, {}), ZONE, NOW)
    return Listing(calls=parsed.calls, received=len(rows), unusable=parsed.unusable, duplicates=parsed.duplicates)


def after(board: Board, *lists: Listing) -> Board:
    for one in lists:
        at = (board.heard_at or NOW) + STEP
        board = heard(board, one, asked_at=at, now=at, misses=2, gap_ms=6000)
    return board


def shown(board: Board) -> dict[str, str]:
    """Every row of the list and every number and feed over it, as HTML; the list's age apart."""
    view = picture(mirror_of(board), EVERYTHING, board.heard_at or NOW)
    return view.rows | {name: html for name, html in view.parts.items() if name.startswith(("kpi", "banner"))}


# ── one bad row ────────────────────────────────────────────────────────────────────────────────────
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 20), ODD), min_size=1, max_size=8))
def test_whatever_some_rows_hold_the_others_are_shown_as_ever(damage: list[tuple[int, int, Any]]) -> None:
    rows = rows_of()
    hurt = set()
    for number, field, value in damage:
        names = list(rows[number])
        rows[number][names[field % len(names)]] = value
        hurt.add(number)
    whole, damaged = read(rows_of()).calls, read(rows).calls
    kept = {call.key: call for call in damaged}
    for number, call in enumerate(whole):
        if number not in hurt:
            assert kept.get(call.key) == call or any(rows[other].get("callId") == call.call_id for other in hurt)


# ── another type in each field, and back ───────────────────────────────────────────────────────────
@pytest.mark.parametrize("damaged_lists", [1, 3, 10])
def test_fields_that_turn_into_other_types_for_a_while_leave_no_trace(damaged_lists: int) -> None:
    good = read(rows_of())
    begun = after(Board(account=1), Listing(calls=(), received=0), good)
    bad = []
    for turn in range(damaged_lists):
        rows = rows_of()
        for row in rows:
            kept = row["callId"]
            row.update({name: OTHER_TYPES[(place + turn) % len(OTHER_TYPES)] for place, name in enumerate(row)})
            row["callId"] = kept
        bad.append(read(rows))
    poisoned, calm = after(begun, *bad, good), after(begun, *[good] * damaged_lists, good)
    assert set(poisoned.calls) == set(calm.calls)
    for ref, html in shown(calm).items():
        assert timeless(shown(poisoned)[ref]) == timeless(html)


def timeless(html: str) -> str:
    """Without since when: of ringing and of hold only our own eyes tell, and they were shut meanwhile."""
    return re.sub(r' data-(since|key|at-least)="[^"]*"| title="[^"]*"|≥', "", html)


def test_what_a_call_did_while_its_state_was_no_word_is_at_least() -> None:
    rows = rows_of(1)
    rows[0].update(status="hold", agentid="2001")
    held = read(rows)
    rows[0]["status"] = "\u202egarbage"
    unknown = read(rows)
    (call,) = after(Board(account=1), Listing(calls=(), received=0), held, unknown, held).calls.values()
    assert call.at_least
    (call,) = after(Board(account=1), Listing(calls=(), received=0), held, held).calls.values()
    assert not call.at_least


# ── size ───────────────────────────────────────────────────────────────────────────────────────────
def list_of(size: int) -> str:
    """A good answer of exactly so many bytes."""
    bare = json.dumps({"status": "success", "data": rows_of(24), "note": ""})
    return json.dumps({"status": "success", "data": rows_of(24), "note": "x" * (size - len(bare))})


async def asked(body: str) -> Listing:
    async with Peer(answer(body.encode())) as peer:
        client = QueueClient(Upstream(base_url=peer.url, allow_private=True, credentials=Credentials(ssid=Secret("s"))))
        try:
            return await client.list_calls()
        finally:
            await client.aclose()


async def test_a_list_of_five_mebibytes_is_read_and_one_byte_more_is_refused_with_the_limit() -> None:
    assert LIST_CAP == 5 * 1024 * 1024
    assert len((await asked(list_of(LIST_CAP))).calls) == 24
    with pytest.raises(NoUsableAnswer, match="larger than 5120 KiB"):
        await asked(list_of(LIST_CAP + 1))


# ── through the real server ────────────────────────────────────────────────────────────────────────
@pytest.mark.processes
def test_a_deepcall_that_poisons_its_lists_and_recovers_leaves_the_page_as_it_was(tmp_path: Path) -> None:
    deepcall = DeepCall(tmp_path, "--seed", "9")
    with running(deepcall):
        furnish(tmp_path, deepcall.url)
        serve = Callboard(tmp_path)
        with running(serve):
            deepcall.switch(frozen=True)
            asha = Supervisor(serve.url, "asha")
            until(lambda: len(rows_on(asha)) == 24, 15, "all calls")
            before = rows_on(asha)
            for spoiled in ({"other_types": True, "every": 3}, {"other_types": True}):
                lists = len(deepcall.journal("list"))
                deepcall.switch(fault={"endpoint": "list", **spoiled})
                until(lambda: len(deepcall.journal("list")) >= lists + 3, 15, "poisoned lists")  # noqa: B023
                assert asha.get("/")[0] == 200
                deepcall.switch(clear="*")
                until(lambda: rows_on(asha) == before, 15, "the board as it was")
            assert "Traceback" not in serve.log.read_text()


def rows_on(asha: Supervisor) -> dict[str, str]:
    """Call id -> its row on a page that is loaded now, without how long things have lasted."""
    html = asha.get("/")[1]
    rows = re.findall(r'<div role="row" class="row".*?</button></span></div>', html, re.S)
    return {re.search(r'data-call-id="([^"]*)"', row)[1]: timeless(re.sub(r">[≥ ]*[\d:]+<", "><", row))  # type: ignore[index]
            for row in rows}
