"""A host of recordings on a real socket of this machine, which answers as it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Answer: TypeAlias = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is sent before hanging up, or what sends it."""
_TRIES: Final = 20


@dataclass
class RecordingHost:
    """Where it listens, and what it was asked.

    Attributes:
        port: it listens at.
        requests: as they came, up to the empty line.
        connections: that were made, whether anything was asked or not.
    """

    port: int = 0
    requests: list[str] = field(default_factory=list)
    connections: int = 0


def ok(body: bytes, **headers: str) -> bytes:
    """A response with a body; in names of headers, ``_`` stands for ``-``."""
    return response(200, body, {"Content-Length": str(len(body)), **_named(headers)})


def chunked(*pieces: bytes) -> bytes:
    """A response with a body in pieces."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return response(200, framed, {"Transfer-Encoding": "chunked"})


def redirect(location: str, status: int = 302) -> bytes:
    """A response that sends elsewhere."""
    return response(status, b"", {"Location": location, "Content-Length": "0"})


def response(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A response as it travels."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{key}: {headers[key]}" for key in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def recording_host(
    *answers: Answer,
    addresses: tuple[str, ...] = ("127.0.0.1",),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RecordingHost]:
    """Listen, and give each connection its answer; the last one is given again and again."""
    host = RecordingHost()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = answers[min(host.connections, len(answers) - 1)]
        host.connections += 1
        try:
            host.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            await _send(answer, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with AsyncExitStack() as servers:
        for listening in _listening(addresses):
            server = await asyncio.start_server(serve, sock=listening, ssl=tls)
            await servers.enter_async_context(server)
            host.port = listening.getsockname()[1]
        yield host


def _listening(addresses: tuple[str, ...]) -> list[socket.socket]:
    """Sockets at one port of every address."""
    for _ in range(_TRIES):
        sockets: list[socket.socket] = []
        port = 0
        try:
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                sockets.append(socket.create_server((address, port), family=family))
                port = sockets[0].getsockname()[1]
        except OSError:
            # What is free at one address may be taken at another.
            for each in sockets:
                each.close()
        else:
            return sockets
    raise RuntimeError(f"no port is free at all of {addresses}")


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    if isinstance(answer, bytes):
        writer.write(answer)
        await writer.drain()
    else:
        await answer(writer)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
