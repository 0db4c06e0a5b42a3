"""Faults that are switched on for the requests of an endpoint.

Faults of the wire itself (resets, drips, half answers) are not among them.
"""

import asyncio
from typing import Annotated, Any, Literal

import msgspec

from queue_api.simulator.answers import Answer, error_answer, message_for
from queue_api.simulator.dialects import IDS, TIMES, Dialect

Endpoint = Literal["list", "takeover", "*"]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]

HUGE_START = b'{"status":"success","message":"'
ERROR_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"

OTHER_TYPES: tuple[Any, ...] = (None, [], {}, True, 1.5e300, -0.5, [["x"]], {"id": {"id": 1}}, "", "\u202e\x00")


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One fault as `POST /_simulator` takes it; the fields are explained in `control`."""

    endpoint: Endpoint
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    latency_s: Seconds = 0
    hang: bool = False
    act: bool = False
    code: int | str | None = None
    message: str | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    body: str | None = None
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = {}
    huge_bytes: Annotated[int, msgspec.Meta(ge=1)] | None = None
    date_offset_s: float = 0
    total_above: int = 0
    without_ids: bool = False
    without_identity: bool = False
    zero_dates: bool = False
    numbers_as_strings: bool = False
    other_types: bool = False
    every: Annotated[int, msgspec.Meta(ge=1)] = 1

    def answer(self) -> Answer | None:
        """The answer given instead of the true one; None when the true one is given."""
        if self.huge_bytes is not None:
            start = Answer(HUGE_START, status=self.status or 200, headers=self.headers)
            return msgspec.structs.replace(start, stream_bytes=self.huge_bytes)
        if self.body is not None:
            return Answer(self.body.encode(), None, self.status or 200, self.content_type, self.headers)
        if self.code is not None:
            message = message_for(self.code) if self.message is None else self.message
            plain = error_answer(self.code, message, status=self.status or 200)
            return msgspec.structs.replace(plain, headers=self.headers)
        if self.status is not None:
            page = ERROR_PAGE.format(self.status).encode()
            return Answer(page, None, self.status, self.content_type, self.headers)
        return None

    def spoil(self, rows: list[dict[str, Any]], dialect: Dialect, turn: int) -> None:
        """Damage every n-th row in place, the first included. Each `turn` damages them otherwise."""
        names = dialect.fields
        for row in rows[:: self.every]:
            if self.without_ids or self.without_identity:
                del row[names["call_id"]]
            if self.without_identity:
                del row[names["caller"]], row[names["agent_id"]]
            if self.zero_dates:
                row.update({names[time]: dialect.zero_time() for time in TIMES})
            if self.numbers_as_strings:
                row.update({name: str(row[name]) for name in _numbers(row, dialect)})
            if self.other_types:
                row.update({name: OTHER_TYPES[(place + turn) % len(OTHER_TYPES)] for place, name in enumerate(row)})


def _numbers(row: dict[str, Any], dialect: Dialect) -> list[str]:
    names = (dialect.fields[ours] for ours in (*IDS, *TIMES))
    return [name for name in names if isinstance(row.get(name), int)]


class FaultQueue:
    """Faults wait in line: the oldest that matches applies until its `times` are used up or it is cleared."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.taken = 0
        self._released = {"list": asyncio.Event(), "takeover": asyncio.Event()}

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def switched_on(self) -> list[Fault]:
        """What will apply from now on, `times` being what is left of it."""
        return list(self._waiting)

    def take(self, endpoint: str) -> Fault | None:
        """The fault for the request that has just come, if any; it counts as used."""
        for place, fault in enumerate(self._waiting):
            if fault.endpoint in (endpoint, "*"):
                if fault.times == 1:
                    del self._waiting[place]
                elif fault.times is not None:
                    self._waiting[place] = msgspec.structs.replace(fault, times=fault.times - 1)
                self.taken += 1
                return fault
        return None

    def released(self, endpoint: str) -> asyncio.Event:
        """Set when what the endpoint's faults hold back now is let go."""
        return self._released[endpoint]

    def clear(self, endpoint: Endpoint = "*") -> None:
        """Switch off the faults set for `endpoint` ("*" means all) and let go what they hold back."""
        self._waiting = [f for f in self._waiting if endpoint != "*" and f.endpoint != endpoint]
        for name in list(self._released):
            if endpoint in (name, "*"):
                self._released[name].set()
                self._released[name] = asyncio.Event()
