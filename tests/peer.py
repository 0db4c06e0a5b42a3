"""A scriptable HTTP/1.1 server on loopback: it answers each request with the next step of its script.

Steps can answer, drip, hang, cut, stream without end, close or reset. The last step repeats. What was asked is in
`journal`, `asked` is set by the first request; `connections` counts sockets and `streamed` the bytes of endless
answers that were taken.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Step = Callable[["Peer", asyncio.StreamWriter], Awaitable[None]]


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script)
        self.tls = tls
        self.journal: list[Request] = []
        self.asked = asyncio.Event()
        self.connections = 0
        self.streamed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                self.journal.append(await _read(reader))
                self.asked.set()
                step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await step(self, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side has gone
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _version = head[0].split(" ")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def head(length: int | None, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """The bytes before a body; without a length the body ends with the connection."""
    fields = {"Content-Type": "application/json"} | ({} if length is None else {"Content-Length": str(length)})
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in (fields | (headers or {})).items())]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Step:
    """A whole answer; what is not bytes is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(_peer: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(head(len(data), status, headers) + data)
        await writer.drain()

    return step


def drip(every_s: float) -> Step:
    """A byte of the body every so often, for ever: no single read is slow."""
    async def step(_peer: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(head(100_000))
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(every_s)

    return step


async def hang(_peer: Peer, _writer: asyncio.StreamWriter) -> None:
    """Takes the request and never answers."""
    await asyncio.Event().wait()


def cut(data: bytes) -> Step:
    """An answer that promises more than it brings."""
    async def step(_peer: Peer, writer: asyncio.StreamWriter) -> None:
        writer.write(head(len(data) + 10) + data)
        await writer.drain()
        writer.close()

    return step


async def endless(peer: Peer, writer: asyncio.StreamWriter) -> None:
    """A body without a length and without an end."""
    writer.write(head(None))
    while not writer.is_closing():
        writer.write(b" " * 65_536)
        await writer.drain()
        peer.streamed += 65_536


async def close(_peer: Peer, writer: asyncio.StreamWriter) -> None:
    """Takes the request and hangs up without a word."""
    writer.close()


async def reset(_peer: Peer, writer: asyncio.StreamWriter) -> None:
    """Takes the request and resets the connection."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256()))
    pem = folder / "peer.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
