"""Which hosts and addresses an account may lead to: public ones, said in one plain way.

A base URL is typed by an administrator and then asked from inside the network, so it must not reach what only this
network can. Names are checked when they are typed and their addresses at each connection; `ipaddress.is_global` alone
is not enough: to it multicast and addresses that carry another one inside (NAT64, 6to4) are global.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
PORTS = (443, 8443)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"({_LABEL}\.)+{_LABEL}", re.IGNORECASE)
_LOCAL_ENDINGS = ("localhost", "local", "internal", "lan", "home", "corp", "intranet", "private", "localdomain", "arpa")
_CARRIERS = tuple(IPv6Network(net) for net in (
    "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96",
    "fec0::/10",
))


def check_host(host: str) -> None:
    """Raises ValueError, which says what to write, for a host that is no public name or address in its usual form."""
    address = as_address(host)
    if address is not None:
        if not is_public(address):
            raise ValueError(f"{host} is not a public address. Callboard asks DeepCall over the internet.")
        return
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise ValueError("The host is a plain name like v4-api.deepcall.com: ASCII letters, digits, - and dots.")
    last = host.rsplit(".", 1)[1].lower()
    if last in _LOCAL_ENDINGS or not re.search("[a-z]", last):  # 127.1, 0x7f.1: resolvers take them for addresses
        raise ValueError(f"“{host}” is no public name. Write it like v4-api.deepcall.com.")


def check_port(port: int | None) -> None:
    """Raises ValueError for a port that no public API listens on: behind it may be a mail server or a database."""
    if port is not None and port not in PORTS:
        raise ValueError(f"The port may be {' or '.join(map(str, PORTS))}, not {port}.")


def is_public(address: Address) -> bool:
    """Whether anybody on the internet means the same machine by it."""
    if isinstance(address, IPv6Address) and any(address in net for net in _CARRIERS):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_private or address.is_unspecified)


def as_address(host: str) -> Address | None:
    """The address a host is written as; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
