"""Where a request or a handshake came from: the proxy's X-Real-IP when one is in front, else the connection.

A proxy sets that header anew; no other header ever counts, since a client may write what it likes.
"""

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def of_request(request: HttpRequest) -> str | None:
    """The address as text; None when what stands there is none."""
    return _read(request.headers.get("X-Real-IP", ""), request.META.get("REMOTE_ADDR", ""))


def of_scope(scope: dict[str, Any]) -> str | None:
    """The same of an ASGI scope."""
    real_ip = str(dict(scope["headers"]).get(b"x-real-ip", b""), "latin-1")
    return _read(real_ip, (scope.get("client") or [""])[0])


def network(address: str | None) -> str:
    """What counts as one address: of IPv6 a household's /64. "" for all whose address is not known."""
    if address is None:
        return ""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return address


def _read(real_ip: str, peer: str) -> str | None:
    try:
        return str(ipaddress.ip_address((real_ip if settings.BEHIND_PROXY else peer).strip()))
    except ValueError:
        return None
