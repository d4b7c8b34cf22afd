"""HTTP requests to processes that listen on Unix sockets.

By ``httpcore``, with which ``httpx`` sends its requests: that one takes six times the time to load,
seven times the memory, and twice the time for a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpcore


async def get(
    socket: Path, path: str, timeout_s: float, headers: Mapping[str, str] | None = None
) -> httpcore.Response | None:
    """GET.

    Args:
        socket: path of the Unix socket.
        path: to ask for.
        timeout_s: for the whole answer.
        headers: further ones of the request.

    Returns:
        The whole answer; None where none came in time.
    """
    # No connection is kept: the process may be another when it is asked again.
    fields = {"Connection": "close", **(headers or {})}
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpcore.AsyncConnectionPool(uds=str(socket)) as pool,
        ):
            return await pool.request(
                "GET", f"http://localhost{path}", headers=list(fields.items())
            )
    except (TimeoutError, OSError, httpcore.NetworkError, httpcore.ProtocolError):
        return None


async def is_ok(socket: Path, path: str, timeout_s: float) -> bool | None:
    """Whether the answer to ``get`` is a success (2xx); None where none came in time."""
    response = await get(socket, path, timeout_s)
    return None if response is None else 200 <= response.status < 300
