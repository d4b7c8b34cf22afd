"""Connections to addresses that were checked, and to no others.

An address that is checked before the connection is made may be another one when it is made (DNS
rebinding). Here a host is looked up once, and its connection is to what was found and checked. The
name in the ``Host`` header and in the server's certificate stays the URL's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, TypeAlias

import httpcore

from audio_score_server.errors import DownloadFailed, UrlForbidden
from audio_score_server.fetching.addresses import reachable
from audio_score_server.fetching.hosts import is_address

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port; an ``OSError`` where there are none."""
_MOST_ADDRESSES: Final = 4
"""That are tried: a host that lists many unreachable ones is not worth the wait."""
_FRAMING_BYTES: Final = 2**18
"""Room for the headers of a recording and of the redirects before it."""
_FRAMING_SHARE: Final = 16
"""One byte of framing for so many of a recording: pieces of a hundred bytes have less."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system finds them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class FramingMeter:
    """Counts what a host sends besides the recording.

    Each piece of a chunked body, and each interim response, costs the event loop as much as a large
    one: a host that sends a recording byte by byte would keep it busy.
    """

    def __init__(self) -> None:
        self._received = self._kept = 0

    def receive(self, count: int) -> None:
        """Count bytes off the connection.

        Raises:
            DownloadFailed: too few of them are the recording's.
        """
        self._received += count
        if self._received - self._kept > _FRAMING_BYTES + self._kept // _FRAMING_SHARE:
            raise DownloadFailed(
                "The recording cannot be downloaded: its host sends too many headers, or too small "
                "pieces. Upload the recording itself."
            )

    def keep(self, count: int) -> None:
        """Count bytes of the recording."""
        self._kept += count


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Looks hosts up, checks every address, and connects to what it has checked."""

    def __init__(
        self, allowed: Iterable[IPv4Network | IPv6Network], resolve: Resolver, meter: FramingMeter
    ) -> None:
        """Connect to public addresses and those in ``allowed`` networks."""
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._meter = meter
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises:
            UrlForbidden: one of the host's addresses is not public.
            DownloadFailed: it has none.
            httpcore.ConnectError: none can be reached.
            httpcore.ConnectTimeout: none answers.
        """
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in (await self._checked(host, port))[:_MOST_ADDRESSES]:
            try:
                stream = await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return MeteredStream(stream, self._meter)
        assert failure is not None
        raise failure

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        """Every address of a host; all are public, or none is returned."""
        try:
            addresses = (host,) if is_address(host) else await self._resolve(host, port)
        except OSError:
            addresses = ()
        if not addresses:
            raise DownloadFailed(
                "The recording cannot be downloaded: the URL's host cannot be found. Check the URL."
            )
        # One is enough: whoever mixes them hopes that the other one is taken.
        if not all(reachable(address, self._allowed) for address in addresses):
            raise UrlForbidden(
                "The URL's host has an address that is not public. Upload the recording itself."
            )
        return addresses


class MeteredStream(httpcore.AsyncNetworkStream):
    """A connection of which a meter counts what is received."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, meter: FramingMeter) -> None:
        """Pass everything on to ``inner``."""
        self._inner = inner
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive some bytes; none where the other side has finished."""
        data = await self._inner.read(max_bytes, timeout)
        self._meter.receive(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The connection, encrypted; counted is what has been decrypted."""
        inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return MeteredStream(inner, self._meter)

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        return self._inner.get_extra_info(info)
