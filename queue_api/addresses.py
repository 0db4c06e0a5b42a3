"""What an administrator types as DeepCall's address, made safe to put paths behind."""

import re
from urllib.parse import urlsplit

from queue_api.public_addresses import check_host, check_port

ACTING = ("calltakeover", "bargingcall")  # endpoints that move calls: never to be polled


def clean_base_url(text: str, allow_private: bool) -> str:
    """The address to put paths behind, without a trailing /api/v2. Raises ValueError that says what to do."""
    text = text.strip()
    if re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise ValueError("The base URL has spaces, backslashes or control characters. Write it like https://host.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"The base URL cannot be read ({error}). Write it like https://host.") from error
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        raise ValueError(f"The base URL must begin with https://{' or http://' if allow_private else ''}.")
    if not host or parts.username or parts.password or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("The base URL is a host and perhaps a path, without a user, ? or #: https://host.")
    if not allow_private:
        check_host(host)
        check_port(port)
    path = re.sub(r"/api/v2(/queue)?/*$", "", parts.path.rstrip("/"), flags=re.IGNORECASE).rstrip("/")
    if ".." in path or "//" in path or "%" in path:
        raise ValueError("The base URL's path may not contain .., // or %.")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"


def same_server(one: str, other: str) -> bool:
    """Whether two base URLs lead to the same scheme, host and port: what was stored for one may go to the other."""
    first, second = urlsplit(one.strip().lower()), urlsplit(other.strip().lower())
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def clean_list_path(text: str) -> str:
    """The path below /api/v2/. Raises ValueError for anything that could leave it."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/?", text):
        raise ValueError("The list path is made of letters, digits, _ and -, with / between: queue/list.")
    if text.rstrip("/").rsplit("/", 1)[-1].lower() in ACTING:
        raise ValueError("The list path must name an endpoint that only reads, for example queue/list.")
    return text
