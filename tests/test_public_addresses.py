"""Where an account's base URL may lead: in the form, and again at each connection (F77)."""

import socket
from typing import Any

import httpx  # noqa: TID251 - what the transport is handed
import pytest

from queue_api.addresses import clean_base_url
from queue_api.client import QueueClient, Upstream
from queue_api.credentials import Credentials, Secret
from queue_api.dialling import Dialling, NotPublic
from queue_api.errors import Untrusted
from queue_api.naming import TakeoverTarget
from queue_api.public_addresses import as_address, is_public
from tests.peer import Peer, answer

PUBLIC = "93.184.216.34"
TRICKS = [
    "https://127.0.0.1", "https://127.1", "https://127.0.1", "https://2130706433", "https://0x7f.1", "https://0x7f000001",
    "https://0177.0.0.1", "https://①②⑦.0.0.1", "https://127。0。0。1", "https://0", "https://0.0.0.0", "https://[::]",
    "https://[::1]", "https://[0:0:0:0:0:0:0:1]", "https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]",
    "https://[::127.0.0.1]", "https://[64:ff9b::7f00:1]", "https://[64:ff9b:1::a00:1]", "https://[2002:7f00:1::]",
    "https://[2001:0:7f00:1::]", "https://[fe80::1]", "https://[fe80::1%25eth0]", "https://[fc00::1]", "https://[ff02::1]",
    "https://[fec0::1]", "https://10.0.0.8", "https://172.16.0.1", "https://192.168.1.1", "https://169.254.169.254",
    "https://100.64.0.1", "https://198.18.0.1", "https://224.0.0.1", "https://240.0.0.1", "https://255.255.255.255",
    "https://localhost", "https://LOCALHOST", "https://api.localhost", "https://localhost.", "https://printer.local",
    "https://metadata.google.internal", "https://intranet", "https://deepcall.example.", "https://-a.example",
    "https://user:pass@deepcall.example", "https://deepcall.example@127.0.0.1", "https://127.0.0.1\\@deepcall.example",
    "https://127.0.0.1#@deepcall.example", "https://127.0.0.1?@deepcall.example", "https://deepcall.example:22",
    "https://deepcall.example:6379", "https://deepcall.example:0", "https://deepcall.example:443:80",
    "https://deepcall.example/../../etc", "https://deepcall.example/%2e%2e/x", "https://deepcall.example\r\nHost: x",
    "https://deepcall.example\x00.evil.example", "https://deepcall.example\t", "file:///etc/passwd", "gopher://127.0.0.1",
    "http://deepcall.example", "//deepcall.example", "https:deepcall.example", "https:///deepcall.example", "https://",
    "https://dеepcall.example",  # the first e is Cyrillic
]


# ── in the form ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", [one for one in TRICKS if one != "https://deepcall.example\t"])
def test_f77_no_spelling_of_an_inner_address_is_taken_for_a_base_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"[.:]"):
        clean_base_url(text, allow_private=False)


@pytest.mark.parametrize(("text", "kept"), [
    ("https://v4-api.deepcall.com/api/v2", "https://v4-api.deepcall.com"),
    ("https://brand.example:8443/x", "https://brand.example:8443/x"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    (f"https://{PUBLIC}", f"https://{PUBLIC}"),
    ("https://[2606:2800:220:1:248:1893:25c8:1946]", "https://[2606:2800:220:1:248:1893:25c8:1946]"),
])
def test_a_public_name_or_address_is_taken(text: str, kept: str) -> None:
    assert clean_base_url(text, allow_private=False) == kept


# ── at connect ─────────────────────────────────────────────────────────────────────────────────────
class Network(httpx.AsyncBaseTransport):
    """The network: which addresses were dialled, under which name."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, object, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.dialled.append((request.url.host, request.extensions.get("sni_hostname"), request.headers["Host"]))
        return httpx.Response(200, content=b'{"status":"success","data":[]}')


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name is resolved to these; the names that were asked for."""
    asked: list[str] = []

    def look_up(host: Any, *_args: Any, **_options: Any) -> list[Any]:
        asked.append(host.decode() if isinstance(host, bytes) else host)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0))
                for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


async def dial(url: str, **options: bool) -> Network:
    network = Network()
    request = httpx.Request("POST", url)
    await Dialling(network, **{"allow_private": False} | options).handle_async_request(request)
    return network


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "2002:a00:1::", "224.0.0.1", "0.0.0.0", "100.64.3.4",
])
async def test_f77_a_name_that_leads_to_an_inner_address_is_not_dialled(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    names_lead_to(monkeypatch, PUBLIC, address)
    with pytest.raises(NotPublic, match="not a public address"):
        await dial("https://deepcall.example/api/v2/queue/list")


async def test_f77_an_inner_address_in_the_url_itself_is_not_dialled() -> None:
    for host in ("127.0.0.1", "[::1]", "192.168.0.1"):
        with pytest.raises(NotPublic):
            await dial(f"https://{host}/")


async def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_dialled(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names_lead_to(monkeypatch, PUBLIC)
    network = await dial("https://deepcall.example/api/v2/queue/list")
    assert asked == ["deepcall.example"]
    assert network.dialled == [(PUBLIC, "deepcall.example", "deepcall.example")]


async def test_where_private_addresses_are_allowed_they_are_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, "10.0.0.8")
    assert (await dial("https://deepcall.example/", allow_private=True)).dialled[0][0] == "10.0.0.8"


async def test_when_one_address_of_a_name_is_down_the_next_one_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Peer(answer({"status": "success", "data": []})) as peer:
        names_lead_to(monkeypatch, "127.0.0.9", "127.0.0.1")
        client = QueueClient(Upstream(base_url=peer.url.replace("127.0.0.1", "deepcall.test"), allow_private=True,
                                      credentials=Credentials(ssid=Secret("s"))))
        assert (await client.list_calls()).received == 0
        await client.aclose()


async def test_a_takeover_that_would_go_to_an_inner_address_is_not_sent_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names_lead_to(monkeypatch, "10.0.0.8")
    client = QueueClient(Upstream(base_url="https://deepcall.example", credentials=Credentials(ssid=Secret("s"))))
    with pytest.raises(Untrusted, match="public address") as caught:
        await client.take_over(TakeoverTarget(call_id="c1", agentid="7"))
    await client.aclose()
    assert (len(asked), caught.value.tries) == (1, 1)


def test_addresses_that_carry_another_one_inside_are_not_public() -> None:
    found = [as_address(text) for text in ("64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8", "2001:0:808::1")]
    assert [one for one in found if one is None or is_public(one)] == []
