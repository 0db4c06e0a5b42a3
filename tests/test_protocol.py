"""What travels on the socket (docs/protocol.md): the server's encoder against `fixtures/protocol.json`.

The page's scripts are tested against the same file. To write it anew after a meant change:
`python manage.py shell -c "from tests.test_protocol import write; write()"`
"""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from django.template.loader import render_to_string

from dashboard import fanout, member, screens
from dashboard.access import Audience, Scope
from dashboard.board import Board
from dashboard.consumers import BoardConsumer
from dashboard.days import midnight_ms
from dashboard.fanout import Stream
from dashboard.frames import everything
from dashboard.mirror import Mirror
from dashboard.notices import NoticeView
from dashboard.numbers import Day, Gap, Tally
from dashboard.queue_cards import QueueCard
from queue_api.calls import CallState
from tests.makers import NOW, Screen, attempt, board, call, mirror_of

FIXTURE = Path(__file__).parent / "fixtures" / "protocol.json"
DOCUMENT = Path(__file__).parent.parent / "docs" / "protocol.md"
AUDIENCE = Audience(scope=Scope(everything=True), full_numbers=True, may_take_over=True)
ORDERS = screens.Orders(name="Service desk", identify=2, message="Fire drill at three", until=NOW + 3_600_000)
WAITS = call("c-1", entered_at=NOW - 90_000, caller_name="Mr Khan", kind="IBD")
TALKS = call("c-2", state=CallState.TALKING, answered_at=NOW - 30_000, agent_id="1102", agent_name="Ben", kind="IBD")
RINGS = call("c-3", state=CallState.RINGING, agent_id="1103", agent_name="Meera", queue_id="303", queue_name="Billing")


def server_messages() -> dict[str, Any]:
    """One of each message: a full board of two calls; then one is being taken over, one went and one came."""
    with patch.object(fanout, "now_ms", lambda: NOW):
        mirror = mirror_of(_noted(board(WAITS, TALKS), answered=1), queues={1: {"302": QueueCard(12, "Sales")}})
        stream = Stream(AUDIENCE)
        stream.id, stream.seq = "5f0c1a2b", 811
        stream.refresh(mirror)
        full = stream.text(everything(stream.picture))
        _the_next_list(mirror)
        frame = stream.text(stream.refresh(mirror))
        tick = stream.text(None)
        notice, alarm = fanout.notice_text(_notice()), fanout.alarm_text()
    with patch.object(screens, "now_ms", lambda: NOW), patch.object(screens, "version", lambda: "0123456789ab"):
        screen = screens.orders_text(ORDERS)
    return {name: json.loads(text) for name, text in (
        ("full", full), ("frame", frame), ("tick", tick), ("notice", notice), ("alarm", alarm), ("screen", screen))}


def _the_next_list(mirror: Mirror) -> None:
    mirror.offer(_noted(board(WAITS, RINGS, seq=2, heard_at=NOW + 2000), answered=2))
    mirror.note([attempt("c-1", "sent", version=3)])


def _noted(of: Board, answered: int) -> Board:
    """With a day of three calls, after a gap until ten o'clock."""
    since = midnight_ms("UTC", NOW)
    sales = Tally(offered=3, answered=answered, within=answered, waits=answered, wait_ms=9000 * answered,
                  wait_most_ms=9000)
    return msgspec.structs.replace(
        of, day=Day(since=since, gaps=(Gap(since, since + 10 * 3_600_000),), queues={"302": sales}))


def _notice() -> str:
    notice = NoticeView("refused", NOW, title="Refused", code="1000", vendor_message="Call not found",
                        advice="It has probably ended.", caller="•••• 5678", key="0123456789abcdef" * 2, rev=8,
                        number=4)
    return render_to_string("dashboard/_notice.html", {"notice": notice})


def fixture() -> dict[str, Any]:
    messages: dict[str, Any] = json.loads(FIXTURE.read_text())
    return messages


def write() -> None:
    page = {"ack": {"ack": 812}, "resync": {"resync": 811}, "test": {"test": 812}}
    kept = {"server": server_messages(), "page": page}
    FIXTURE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", ["full", "frame", "tick", "notice", "alarm", "screen"])
def test_the_server_encodes_what_the_fixture_says(name: str) -> None:
    assert server_messages()[name] == fixture()["server"][name]


@pytest.mark.parametrize("name", ["ack", "resync", "test"])
def test_the_server_understands_what_the_page_sends(name: str) -> None:
    message = fixture()["page"][name]
    assert BoardConsumer()._verb(json.dumps(message)) == (name, message[name])


ODD = [
    "", "null", "[]", "7", '"ack"', "{", '{"ack": "1"}', '{"ack": true}', '{"ack": 1.0}', '{"ack": null}',
    '{"ack": NaN}', '{"ack": 1, "resync": 1}', '{"takeover": 1}', "{}", "[" * 2000, '{"ack":' + "1" * 5000 + "}",
    " " * 4096 + '{"ack":1}',
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:24])
def test_anything_but_the_three_verbs_is_not_understood(text: str) -> None:
    assert BoardConsumer()._verb(text) is None


def test_binary_is_not_understood() -> None:
    assert BoardConsumer()._verb(None) is None


@pytest.mark.parametrize(("name", "fields"), [
    ("frame", {"stream", "seq", "prev", "now", "asof", "html", "gone", "full"}),
    ("full", {"stream", "seq", "prev", "now", "asof", "html", "gone", "full"}),
    ("tick", {"stream", "seq", "prev", "now", "asof"}),
    ("notice", {"notice", "now"}),
    ("alarm", {"alarm", "now"}),
    ("screen", {"screen", "now"}),
])
def test_each_message_has_the_documented_fields(name: str, fields: set[str]) -> None:
    assert set(fixture()["server"][name]) == fields
    document = DOCUMENT.read_text()
    assert [field for field in fields if f"`{field}`" not in document and f"`{field}:" not in document] == []


def test_the_document_names_every_order_to_a_screen() -> None:
    document = DOCUMENT.read_text()
    assert [field for field in fixture()["server"]["screen"]["screen"] if f"`{field}`" not in document] == []


def test_the_document_names_every_verb_and_close_code() -> None:
    document = DOCUMENT.read_text()
    for name in fixture()["page"]:
        assert f'{{"{name}": seq}}' in document
    for code in (member.RESTART, member.FULL, member.TOO_SLOW, member.SIGN_IN, member.REVOKED):
        assert str(code) in document


def test_the_numbers_of_the_fixture_follow_one_another() -> None:
    server = fixture()["server"]
    assert server["frame"]["prev"] == server["full"]["seq"]
    assert server["tick"]["prev"] == server["tick"]["seq"] == server["frame"]["seq"]
    assert len({server[name]["stream"] for name in ("full", "frame", "tick")}) == 1


def test_a_screen_can_be_drawn_from_the_fixture() -> None:
    screen, server = Screen(), fixture()["server"]
    for name, rows in (("full", ["1-c-1", "1-c-2"]), ("frame", ["1-c-1", "1-c-3"])):
        screen.show(server[name]["html"], server[name]["gone"], server[name]["full"])
        assert [ref for ref, _ in screen.listed()] == rows


def test_texts_are_compact_and_keep_their_letters() -> None:
    stream = Stream(AUDIENCE)
    stream.refresh(mirror_of(board(call(caller_name="Zoë –"))))
    text = stream.text(everything(stream.picture))
    assert "Zoë –" in text
    assert '", "' not in text.split('"html"')[0]
