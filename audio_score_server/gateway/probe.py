"""HTTP requests to processes that listen on Unix sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


async def get(
    socket: Path, path: str, timeout_s: float, headers: Mapping[str, str] | None = None
) -> httpx.Response | None:
    """GET.

    Args:
        socket: path of the Unix socket.
        path: to ask for.
        timeout_s: for the whole answer.
        headers: further ones of the request.

    Returns:
        The whole answer; None where none came in time.
    """
    import httpx  # only where something is probed: it takes 70 ms to load

    # None is encrypted, and the machine's certificates would take longer to load than the answer.
    transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=False)
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as client,
        ):
            # The process may be another when it is asked again.
            fields = {"Connection": "close", **(headers or {})}
            return await client.get(f"http://localhost{path}", headers=fields)
    except (TimeoutError, OSError, httpx.HTTPError):
        return None


async def is_ok(socket: Path, path: str, timeout_s: float) -> bool | None:
    """Whether the answer to ``get`` is a success (2xx); None where none came in time."""
    response = await get(socket, path, timeout_s)
    return None if response is None else response.is_success
