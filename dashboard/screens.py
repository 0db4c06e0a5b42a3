"""What a wall is told to do beside its numbers, and what it tells of itself.

    administrator saves ──doorbell──> sweep re-reads the display ──> Orders differ ──> {"screen": …} on its socket
    screen connects: version and size in the address, its address on the net from the handshake ──> the display
    screen acknowledges a frame: so old is what it shows ──> written with the next sweep, never per frame

Orders stand in the `Viewer` of a wall and not in its audience: two walls with the same queues share every byte of
their frames, and each is called by its own name.
"""

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from django.utils import timezone

from dashboard import client_address
from dashboard.clock import now_ms
from dashboard.models import Display
from dashboard.pairing import seen
from dashboard.release import version

QUERY_BYTES = 200  # more tells nothing of a screen
VERSION = re.compile(r"[0-9a-f]{1,16}")
SIZE = re.compile(r"[1-9]\d{2,4}x[1-9]\d{2,4}")
NOTED = ("version", "resolution", "address", "data_at")


class Orders(msgspec.Struct, frozen=True):
    """`identify`, `reload`, `test_alert`: the screen acts when the number is larger than the one it knows.

    `until`, `expires`: epoch ms, or None for open end. `rotate`: it must fetch a new secret.
    """

    name: str
    identify: int = 0
    reload: int = 0
    test_alert: int = 0
    message: str = ""
    until: int | None = None
    expires: int | None = None
    rotate: bool = False


class Told(msgspec.Struct):
    """What one screen said of itself, and of when the oldest list is that it has acknowledged (epoch ms)."""

    version: str = ""
    resolution: str = ""
    address: str | None = None
    data_at: int | None = None


def orders_for(display: Display, secret_hash: str = "") -> Orders:
    """`secret_hash`: by which the screen came. With an old one it must fetch the new one, whoever asked for it."""
    shown = display.message and (display.message_until is None or display.message_until > timezone.now())
    return Orders(
        name=display.name, identify=display.identify, reload=display.reload, test_alert=display.test_alert,
        message=display.message if shown else "", until=_ms(display.message_until) if shown else None,
        expires=_ms(display.expires_at), rotate=display.rotate or secret_hash not in ("", display.token_hash),
    )


def orders_text(orders: Orders) -> str:
    """The message (docs/protocol.md)."""
    told = msgspec.structs.asdict(orders) | {"version": version()}
    return json.dumps({"screen": told, "now": now_ms()}, separators=(",", ":"), ensure_ascii=False)


def told_by(scope: dict[str, Any]) -> Told:
    """Of a handshake. Anybody can write anything there: what does not look like it is left out."""
    query = scope.get("query_string", b"")
    said = parse_qs(query.decode("latin-1"), max_num_fields=4) if len(query) <= QUERY_BYTES and (
        query.count(b"&") < 4) else {}
    told, size = said.get("version", [""])[-1], said.get("size", [""])[-1]
    return Told(version=told if VERSION.fullmatch(told) else "",
                resolution=size.replace("x", "×") if SIZE.fullmatch(size) else "",
                address=client_address.of_scope(scope))


def note(displays: Mapping[str, Display], told: Mapping[str, Told]) -> None:
    """All of these are in touch. What they told is written in one statement, and only where it is news."""
    seen([display.pk for display in displays.values()])
    changed = [displays[key] for key, said in told.items() if key in displays and _take(displays[key], said)]
    if changed:
        Display.objects.bulk_update(changed, NOTED)


def _take(display: Display, said: Told) -> bool:
    """Writes it into the display; whether anything is new."""
    before = [getattr(display, name) for name in NOTED]
    display.version, display.resolution = said.version or display.version, said.resolution or display.resolution
    display.address = said.address or display.address
    if said.data_at is not None:
        display.data_at = datetime.datetime.fromtimestamp(said.data_at / 1000, datetime.UTC)
    return before != [getattr(display, name) for name in NOTED]


def _ms(moment: datetime.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
