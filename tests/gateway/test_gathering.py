from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from audio_score_server.serving.write_coalescing import WriteCoalescingProtocol

_LARGE = "x" * 5_000_000


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    text = _LARGE if scope["path"] == "/large" else "short"
    await PlainTextResponse(text)(scope, receive, send)


async def _asked(path: str) -> tuple[bytes, bytes]:
    """The first piece of the answer, and all that follows."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(_app, http=WriteCoalescingProtocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=2**20)
        head = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        first, rest = await reader.read(2**20), await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await serving
    return first, rest


def test_an_answer_leaves_in_one_piece() -> None:
    first, rest = asyncio.run(_asked("/"))
    assert first.endswith(b"\r\n\r\nshort")
    assert rest == b""


def test_a_large_answer_is_whole() -> None:
    first, rest = asyncio.run(_asked("/large"))
    assert (first + rest).partition(b"\r\n\r\n")[2] == _LARGE.encode()
