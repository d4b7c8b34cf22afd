"""What a request may take: so many bytes, so long a silence, and the server's own time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_score_server.errors import AudioScoreError, NotReady, TooLargeAudio
from audio_score_server.web.errors import status_of

_DISCARD_FACTOR: Final = 4
_DISCARD_S: Final = 10.0
_SILENCE_S: Final = 30.0
"""A client that sends nothing for so long, in the middle of its body, has stalled."""


class BodyTooLarge(Exception):
    """Ends the reading of a body that has gone past the limit."""


class _CountedBody:
    """A request's channel that breaks off at the limit and then keeps the application quiet."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send = receive, send
        self._left = max_bytes
        self._complete = False
        self.too_large = self.answered = False

    async def receive(self) -> Message:
        if self._complete:
            # What comes after the body is the client's leaving, whenever that is.
            return await self._receive()
        async with asyncio.timeout(_SILENCE_S):
            message = await self._receive()
        self._complete = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.too_large = True
            raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if not self.too_large:
            self.answered = True
            await self._send(message)


class RequestBounds:
    """ASGI middleware: 413 for bodies over ``max_bytes``, 503 when the server must stop.

    Plain ASGI, since Starlette's own middleware base hides a client's departure from the handler.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what stays within the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _stated_length(headers) > self._max_bytes:
            # A client that asks before it sends is told before it has sent.
            if headers.get("expect", "").lower() != "100-continue":
                await self._discard(receive)
            await self._refuse(scope, send)
            return
        counted = _CountedBody(receive, send, self._max_bytes)
        try:
            await self._app(scope, counted.receive, counted.send)
        except BodyTooLarge:
            # Frameworks that let the error through are as good as those that answer it.
            pass
        except asyncio.CancelledError:
            # The server's grace period is over, and this request's with it.
            if counted.answered:
                raise
            await _answer(NotReady("The server is stopping. Try again shortly."), scope, send)
        if counted.too_large and not counted.answered:
            await self._discard(receive)
            await self._refuse(scope, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        error = TooLargeAudio(
            f"The upload is too large: at most {self._max_bytes:,} bytes are taken. Send a "
            "compressed format such as MP3 or WebM, or raise AUDIO_SCORE_MAX_UPLOAD_BYTES."
        )
        await _answer(error, scope, send)

    async def _discard(self, receive: Receive) -> None:
        """Read on a little: a client that is still sending does not look for an answer."""
        discarded = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_S):
                while discarded < _DISCARD_FACTOR * self._max_bytes:
                    message = await receive()
                    discarded += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return


async def _answer(error: AudioScoreError, scope: Scope, send: Send) -> None:
    answer = JSONResponse({"detail": str(error)}, status_of(error), {"Connection": "close"})
    await answer(scope, _nothing_more, send)


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


def _stated_length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
