"""Server-sent events whose source ends with the client."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from audio_score_server.errors import AudioScoreError

EVENT_STREAM: Final = "text/event-stream"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nginx would keep the events back until it has some kilobytes of them."""


class EventStream(StreamingResponse):
    """Events as they come."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        """``events``: closed when they have been sent, or nobody reads them any more."""
        super().__init__(events, media_type=EVENT_STREAM, headers=_HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        # Whoever is cancelled while it sends leaves the generator to the garbage collector.
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


def event(data: dict[str, Any], name: str | None = None) -> str:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def begun(events: AsyncGenerator[str, None]) -> EventStream:
    """An answer of events, the first of which is there.

    Raises:
        AudioScoreError: what happened instead of the first one: it is an answer with a status.
            What happens later is an event.
    """
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    return EventStream(_all(first, events))


async def _all(first: str, events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with aclosing(events):
        try:
            yield first
            async for each in events:
                yield each
        except AudioScoreError as error:
            yield event({"detail": str(error), "code": error.code}, "error")
