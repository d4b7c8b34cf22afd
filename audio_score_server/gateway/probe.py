"""Asking a process on its Unix socket, within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an HTTP answer."""

    status: int
    body: bytes


async def ask(
    socket: Path, target: str, limit_s: float, headers: Mapping[str, str] | None = None
) -> Answer | None:
    """GET; None where no whole answer came in time."""
    try:
        async with asyncio.timeout(limit_s):
            return await _exchange(socket, target, headers or {})
    except (TimeoutError, OSError, ValueError):
        return None


async def _exchange(socket: Path, target: str, headers: Mapping[str, str]) -> Answer:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=_MOST_BYTES)
    try:
        fields = {"Host": "localhost", "Connection": "close", **headers}
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {each}" for name, each in fields.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return Answer(int(head.split(b" ", 2)[1]), body)
    except IndexError:
        raise ValueError("no status line") from None
    finally:
        writer.close()
