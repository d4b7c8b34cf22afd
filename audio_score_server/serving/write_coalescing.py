"""Answers that leave in one piece: whole, or not at all.

Uvicorn writes the head of an answer and its body one after the other. A process that is killed in
between has answered with a head alone, which a proxy has passed on and cannot take back; without
any of it, it asks another server. One piece is also one packet and one system call.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class WriteCoalescingProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's own, over a transport that gathers what is written at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client has connected."""
        super().connection_made(cast(asyncio.Transport, _CoalescingTransport(transport, self.loop)))


class _CoalescingTransport:
    """A transport that sends, together, what is written before the event loop turns."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)
