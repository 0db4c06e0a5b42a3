"""How the simulated DeepCall words its list: field names, state words, ids, times and nesting.

The vendor does not print its row fields. `DEFAULT` uses the names Callboard tries first; `FOREIGN` shares
none of them, so an account needs its own tables: `fields` and `words`, keyed by our field and our state.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from queue_api.simulator.world import LiveCall

ZONE = ZoneInfo("Asia/Kolkata")
IDS = ("call_id", "agent_id", "queue_id")
TIMES = ("entered_at", "answered_at")


class Dialect(msgspec.Struct, frozen=True):
    """One way to write a list.

    With `typed`, ids are numbers and times epoch milliseconds; else all is text.
    """

    name: str
    fields: dict[str, str]
    words: dict[str, str]
    nested: bool
    typed: bool

    def row(self, call: LiveCall, *, clock_offset_ms: int = 0) -> dict[str, Any]:
        """One live call as a row of the list."""
        values: dict[str, Any] = {
            "call_id": self._id(call.call_id),
            "caller": call.caller,
            "caller_name": call.caller_name,
            "agent_id": self._id(call.agent_id),
            "agent_name": call.agent_name,
            "queue_id": self._id(call.queue_id),
            "queue_name": call.queue_name,
            "kind": call.kind,
            "called_number": call.called_number,
            "state": self.words[call.state],
            "entered_at": self._time(call.entered_ms, clock_offset_ms),
            "answered_at": self._time(call.answered_ms, clock_offset_ms),
        }
        return {self.fields[ours]: value for ours, value in values.items()}

    def wrap(self, rows: list[dict[str, Any]]) -> Any:
        """What stands under `data`."""
        return {"calls": rows} if self.nested else rows

    def zero_time(self) -> int | str:
        """A time that is none, as databases write it."""
        return 0 if self.typed else "0000-00-00 00:00:00"

    def _id(self, text: str) -> int | str | None:
        if not self.typed:
            return text
        return int(text) if text.isdecimal() else text or None

    def _time(self, epoch_ms: int | None, offset_ms: int) -> int | str | None:
        if epoch_ms is None:
            return None if self.typed else ""
        if self.typed:
            return epoch_ms + offset_ms
        moment = datetime.fromtimestamp((epoch_ms + offset_ms) / 1000, UTC)
        return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


DEFAULT = Dialect(
    name="default",
    fields={
        "call_id": "callId",
        "caller": "callernumber",
        "caller_name": "callerName",
        "agent_id": "agentid",
        "agent_name": "agentName",
        "queue_id": "groupId",
        "queue_name": "groupName",
        "kind": "cType",
        "called_number": "did",
        "state": "status",
        "entered_at": "queueTime",
        "answered_at": "answerTime",
    },
    words={state: state for state in ("waiting", "ringing", "talking", "hold")},
    nested=False,
    typed=False,
)
FOREIGN = Dialect(
    name="foreign",
    fields={
        "call_id": "legRef",
        "caller": "customerMsisdn",
        "caller_name": "customerTitle",
        "agent_id": "executiveNo",
        "agent_name": "executive",
        "queue_id": "skillNo",
        "queue_name": "skill",
        "kind": "traffic",
        "called_number": "lineDialled",
        "state": "phase",
        "entered_at": "joinedMs",
        "answered_at": "bridgedMs",
    },
    words={"waiting": "IN_ROTATION", "ringing": "ALERTING", "talking": "BRIDGED", "hold": "PARKED"},
    nested=True,
    typed=True,
)
DIALECTS = {dialect.name: dialect for dialect in (DEFAULT, FOREIGN)}
