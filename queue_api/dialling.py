"""The transport under the client: resolves a host once, checks what came, and dials one of those addresses.

Between a check and a second look-up a name could change its mind; so there is no second look-up. TLS still proves the
name: the certificate is checked against the host of the URL (`sni_hostname`), never against the address.
"""

import asyncio
import socket
from ipaddress import ip_address

import httpx  # noqa: TID251 - the transport of the one client

from queue_api.public_addresses import Address, as_address, is_public

DIALLED = 3  # of a name's addresses, at most


class NotPublic(Exception):
    """The host's addresses are not all public, and this installation allows no others."""


class Dialling(httpx.AsyncBaseTransport):
    """Wraps `network`. Raises `NotPublic` before anything is sent, httpx's own errors otherwise."""

    def __init__(self, network: httpx.AsyncBaseTransport, *, allow_private: bool) -> None:
        self.network, self.allow_private = network, allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        addresses = await self._addresses(host, request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        failed: httpx.TransportError | None = None
        for address in addresses[:DIALLED]:
            request.url = request.url.copy_with(host=str(address))
            try:
                return await self.network.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing was sent: the next one may answer
                failed = error
        raise failed or httpx.ConnectError(f"{host} has no address", request=request)

    async def aclose(self) -> None:
        await self.network.aclose()

    async def _addresses(self, host: str, request: httpx.Request) -> list[Address]:
        written = as_address(host)
        addresses = [written] if written else await self._look_up(host, request)
        if not self.allow_private:
            _check(host, addresses)
        return addresses

    async def _look_up(self, host: str, request: httpx.Request) -> list[Address]:
        limit_s = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(limit_s):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The name was not resolved in time", request=request) from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return list(dict.fromkeys(ip_address(str(where[0]).partition("%")[0]) for *_, where in found))


def _check(host: str, addresses: list[Address]) -> None:
    """All of them: a name with one private address among public ones is out to be dialled there."""
    for address in addresses:
        if not is_public(address):
            raise NotPublic(f"{host} leads to {address}, which is not a public address")
