"""Refusing large bodies while they arrive, before anything is made of them."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_score_server.errors import TooLargeAudio
from audio_score_server.web.errors import status_of

_DISCARD_FACTOR: Final = 4
_DISCARD_S: Final = 10.0


class BodyTooLarge(Exception):
    """Ends the reading of a body that has gone past the limit."""


class _CountedBody:
    """A request's channel that breaks off at the limit and then keeps the application quiet."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send = receive, send
        self._left = max_bytes
        self.too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.too_large = True
            raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if not self.too_large:
            await self._send(message)


class BodyLimit:
    """ASGI middleware that answers 413 to bodies over ``max_bytes``.

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
        if _stated_length(scope) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        counted = _CountedBody(receive, send, self._max_bytes)
        try:
            await self._app(scope, counted.receive, counted.send)
        except BodyTooLarge:
            # Frameworks that let the error through are as good as those that answer it.
            pass
        if counted.too_large:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read on a little first: a client that is still sending does not look for an answer."""
        try:
            async with asyncio.timeout(_DISCARD_S):
                await self._discard(receive)
        except TimeoutError:
            pass
        error = TooLargeAudio(
            f"The upload is too large: at most {self._max_bytes:,} bytes are taken. Send a "
            "compressed format such as MP3 or WebM, or raise AUDIO_SCORE_MAX_UPLOAD_BYTES."
        )
        answer = JSONResponse({"detail": str(error)}, status_of(error), {"Connection": "close"})
        await answer(scope, receive, send)

    async def _discard(self, receive: Receive) -> None:
        discarded = 0
        while discarded < _DISCARD_FACTOR * self._max_bytes:
            message = await receive()
            discarded += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                return


def _stated_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
