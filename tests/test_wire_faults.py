"""Faults between us and DeepCall: through the real client, and through the real `serve` with a simulator behind a proxy.

Where each entry of the fault catalogue on the wire and upstream is tested ("here" with its number in the name):

    F01 refused                     here, client and serve    F09 two event loops     test_client
    F02 names, certificates         here (client)             F10 200 MB              here (serve); caps in test_client
    F03 accepts, never answers      here, client and serve    F12 redirect            here (serve); test_client
    F04 down while polling          here (serve)              F13 odd bodies          here (serve); test_client, test_answers
    F05 dripping                    here (client)             F14 NaN, depth, keys    here (serve); test_answers
    F06 acts, then resets           here, client and serve    F16 mutated bodies      here (client to row); test_answers
    F07 resets before reading       here, client and serve    F17 odd rows            here (to the row); test_calls
    F08 kept connection closed      here (serve)              F18 clocks              here (to the row); test_calls
"""

import asyncio
import http.cookiejar
import json
import os
import re
import secrets
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zoneinfo
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx  # noqa: TID251 - stands in for the network under the real client
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.board import Board, heard
from dashboard.rows import Flags, row_html, with_elapsed
from queue_api import client as client_module
from queue_api.client import Accepted, Listing, QueueClient
from queue_api.errors import NotSent, NoUsableAnswer, QueueApiError, Untrusted
from tests.chaos.proxy import (
    BLACKHOLE,
    OK,
    REFUSE,
    RESET_AFTER,
    RESET_BEFORE,
    Proxy,
    Verb,
    cut,
    drip,
    latency,
)
from tests.makers import NORTHGATE, NOW
from tests.peer import Peer, answer
from tests.processes import Callboard, Upstream, furnish, manage, running
from tests.test_browser import PASSWORD
from tests.test_client import ROWS, TARGET, YES, to

LONG = bool(os.environ.get("CALLBOARD_LONG"))
MIB = 1024 * 1024


# ── through the client: every verb of the wire has its class ───────────────────────────────────────
def port_of(peer: Peer) -> int:
    return int(peer.url.rsplit(":", 1)[1])


async def take_over(url: str) -> Accepted | QueueApiError:
    client = to(url, takeover_deadline_s=0.4)
    try:
        return await client.take_over(TARGET)
    except QueueApiError as error:
        return error
    finally:
        await client.aclose()


async def list_calls(url: str) -> Listing | QueueApiError:
    client = to(url, list_deadline_s=0.4)
    try:
        return await client.list_calls()
    except QueueApiError as error:
        return error
    finally:
        await client.aclose()


@pytest.mark.parametrize(("verb", "kind", "reached", "tries"), [
    pytest.param(OK, Accepted, 1, 1, id="ok"),
    pytest.param(latency(0.1), Accepted, 1, 1, id="slow"),
    pytest.param(REFUSE, NotSent, 0, 2, id="f01-refused"),
    pytest.param(BLACKHOLE, NoUsableAnswer, 0, 1, id="f03-never-answers"),
    pytest.param(latency(5), NoUsableAnswer, 1, 1, id="f03-acts-and-answers-too-late"),
    pytest.param(drip(1, 0.05), NoUsableAnswer, 1, 1, id="f05-drips"),
    pytest.param(RESET_AFTER, NoUsableAnswer, 1, 1, id="f06-acts-then-resets"),
    pytest.param(cut(0), NoUsableAnswer, 1, 1, id="f06-acts-then-closes"),
    pytest.param(cut(30), NoUsableAnswer, 1, 1, id="f06-cut-in-the-head"),
    pytest.param(cut(90), NoUsableAnswer, 1, 1, id="f06-cut-in-the-body"),
    pytest.param(RESET_BEFORE, NoUsableAnswer, 0, 1, id="f07-resets-before-reading"),
])
async def test_a_takeover_is_not_sent_only_when_that_is_proven_and_never_posted_twice(
        verb: Verb, kind: type[object], reached: int, tries: int) -> None:
    async with Peer(YES) as peer, Proxy(port_of(peer)) as proxy:
        proxy.switch(verb)
        outcome = await take_over(proxy.url)
    assert type(outcome) is kind
    assert (len(peer.journal), outcome.tries) == (reached, tries)


@pytest.mark.parametrize(("verb", "kind"), [
    pytest.param(REFUSE, NotSent, id="f01-refused"), pytest.param(BLACKHOLE, NoUsableAnswer, id="f03-never-answers"),
    pytest.param(RESET_AFTER, NoUsableAnswer, id="f06-resets"), pytest.param(cut(120), NoUsableAnswer, id="f06-cut"),
    pytest.param(RESET_BEFORE, NoUsableAnswer, id="f07-resets-before-reading"),
])
async def test_a_list_that_did_not_come_is_an_error_and_the_next_one_comes(verb: Verb, kind: type[Exception]) -> None:
    async with Peer(ROWS) as peer, Proxy(port_of(peer)) as proxy:
        proxy.switch(verb)
        failed = await list_calls(proxy.url)
        proxy.switch(OK)
        listing = await list_calls(proxy.url)
    assert isinstance(failed, kind)
    assert isinstance(listing, Listing)
    assert listing.received == 2


# ── names and certificates ─────────────────────────────────────────────────────────────────────────
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
HERE = x509.IPAddress(ip_address("127.0.0.1"))
DAY = timedelta(days=1)


class Authority:
    """Signs certificates that the client is made to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key, self.now = folder, ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        certificate = self._begun(self.key, NAME, self.now - DAY, self.now + DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(self.key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, name: x509.GeneralName, begins: timedelta, ends: timedelta) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        begun = self._begun(key, x509.Name([]), self.now + begins, self.now + ends)
        certificate = begun.add_extension(
            x509.SubjectAlternativeName([name]), critical=True).sign(self.key, hashes.SHA256())
        pem = self.folder / "server.pem"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _begun(self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, begins: datetime,
               ends: datetime) -> x509.CertificateBuilder:
        return (x509.CertificateBuilder().issuer_name(NAME).subject_name(subject).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    monkeypatch.setattr(client_module, "_tls", lambda: ssl.create_default_context(cadata=authority.pem))
    return authority


async def test_f02_a_certificate_in_order_is_let_through(authority: Authority) -> None:
    async with Peer(YES, tls=authority.server(HERE, -DAY, DAY)) as peer:
        assert isinstance(await take_over(peer.url), Accepted)


@pytest.mark.parametrize(("name", "begins", "ends"), [
    pytest.param(x509.DNSName("deepcall.example"), -DAY, DAY, id="another-name"),
    pytest.param(x509.DNSName("127.0.0.1"), -DAY, DAY, id="address-as-name"),
    pytest.param(HERE, -2 * DAY, -DAY, id="expired"), pytest.param(HERE, DAY, 2 * DAY, id="not-yet-valid"),
])
async def test_f02_a_certificate_that_does_not_fit_gets_nothing_and_is_not_asked_again(
        authority: Authority, name: x509.GeneralName, begins: timedelta, ends: timedelta) -> None:
    async with Peer(YES, tls=authority.server(name, begins, ends)) as peer:
        taken, listed = await take_over(peer.url), await list_calls(peer.url)
    assert isinstance(taken, Untrusted)
    assert isinstance(listed, Untrusted)
    assert (peer.journal, taken.tries) == ([], 1)
    assert "certificate" in taken.message


async def test_f02_a_name_that_does_not_resolve_is_proof_that_nothing_was_sent(
        monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(host: str, *_args: Any, **_kwargs: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    outcome = await take_over("https://deepcall.example")
    assert type(outcome) is NotSent
    assert outcome.tries == len(asked) == 2
    assert "Name or service not known" in outcome.message
