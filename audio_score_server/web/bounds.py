"""What a request may take: so many bytes, so long to send them, and the server's own time."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, NoReturn

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_score_server.errors import (
    AudioScoreError,
    NotReady,
    QueueFull,
    TooLargeAudio,
    UploadTimeout,
)
from audio_score_server.web.authentication import Authenticator
from audio_score_server.web.errors import answer_of
from audio_score_server.web.families import RouteFamilies, RouteFamily, UploadLimits

_DISCARD_FACTOR: Final = 4
_DISCARD_S: Final = 10.0
_PAUSE_S: Final = 1.0
"""A client that sends nothing for so long looks for an answer."""
_RETRY_S: Final = 1.0


class _BodyRejected(Exception):
    """Ends the reading of a body; the channel knows why."""


class _RequestChannel:
    """A request's channel: breaks off at the limits, and notices when the client leaves."""

    def __init__(self, receive: Receive, send: Send, limits: UploadLimits) -> None:
        self._receive, self._send = receive, send
        self._limits = limits
        self._left = limits.max_bytes
        self._deadline = time.monotonic() + limits.request_s
        self._received = asyncio.Event()
        self.answered = self.completed = self.disconnected = False
        self.rejection: AudioScoreError | None = None
        """Why the body is not read to its end."""

    @property
    def received(self) -> bool:
        """Whether the whole body is here."""
        return self._received.is_set()

    async def receive(self) -> Message:
        if self.received:
            # Nobody reads on but ``disconnection``; whoever asks waits for the end of the channel.
            await asyncio.Event().wait()
        message = await self._next()
        if not message.get("more_body", False):
            self.disconnected = message["type"] == "http.disconnect"
            self._received.set()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._reject(_too_large(self._limits))
        return message

    async def _next(self) -> Message:
        left_s = self._deadline - time.monotonic()
        try:
            async with asyncio.timeout(min(self._limits.idle_s, left_s)):
                return await self._receive()
        except TimeoutError:
            limits = self._limits
            stalled = left_s > limits.idle_s
            self._reject(_stalled(limits.idle_s) if stalled else _unfinished(limits))

    def _reject(self, error: AudioScoreError) -> NoReturn:
        # Frameworks turn whatever ends the reading into an answer of their own.
        self.rejection = error
        raise _BodyRejected

    async def send(self, message: Message) -> None:
        if self.rejection is None and not self.disconnected:
            self.answered = True
            await self._send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            self.completed = self.completed or ended

    async def disconnection(self) -> None:
        """Until the client leaves, after it has sent its body, or has its answer."""
        await self._received.wait()
        while not self.disconnected:
            self.disconnected = (await self._receive())["type"] == "http.disconnect"


class RequestBounds:
    """ASGI middleware: 413 and 408 for bodies over the limits, 503 when there are too many.

    Before that, whatever ``authenticator`` rejects. Also 503 when all must stop. A client that
    leaves takes its request with it. Plain ASGI, since Starlette's own middleware base hides from
    the handler that a client has left.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, families: RouteFamilies) -> None:
        """Bound what an application is asked, for each family of routes; ask first who asks."""
        self._app = app
        self._authenticator = authenticator
        self._families = families
        self._receiving: defaultdict[str, set[_RequestChannel]] = defaultdict(set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what stays within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        family = self._families.of(scope["path"])
        rejection = self._authenticator.rejection(scope) or self._rejection(scope, family)
        if rejection is not None:
            # A client that asks before it sends is told before it has sent.
            asks = Headers(scope=scope).get("expect", "").lower() == "100-continue"
            whole = not asks and await _discard(receive, family.limits.max_bytes)
            await _answer(rejection, scope, send, whole)
            return
        channel = _RequestChannel(receive, send, family.limits)
        error = await self._pass_on(scope, channel, self._receiving[family.name])
        if error is None or channel.answered or channel.disconnected:
            return
        if not channel.received and not isinstance(error, NotReady):
            await _discard(receive, family.limits.max_bytes)
        await _answer(error, scope, send)

    def _rejection(self, scope: Scope, family: RouteFamily) -> AudioScoreError | None:
        headers, limits = Headers(scope=scope), family.limits
        length = _stated_length(headers)
        if length > limits.max_bytes:
            return _too_large(limits)
        receiving = self._receiving[family.name]
        receiving -= {each for each in receiving if each.received}
        sends = length > 0 or "transfer-encoding" in headers
        if sends and len(receiving) >= limits.max_uploads:
            return QueueFull(len(receiving), _RETRY_S)
        # What reading and taking apart a form costs is better spent on those who were let in.
        return family.overloaded() if sends else None

    async def _pass_on(
        self, scope: Scope, channel: _RequestChannel, receiving: set[_RequestChannel]
    ) -> AudioScoreError | None:
        """Have the request answered; or say why it cannot be."""
        receiving.add(channel)
        try:
            await _while_connected(self._serve(scope, channel), channel)
        except _BodyRejected:
            # Frameworks that let the error through are as good as those that answer it.
            pass
        except asyncio.CancelledError:
            # The server's grace period is over, and this request's with it.
            if channel.answered:
                raise
            return NotReady("The server is stopping. Try again shortly.")
        finally:
            receiving.discard(channel)
        return channel.rejection

    async def _serve(self, scope: Scope, channel: _RequestChannel) -> None:
        await self._app(scope, channel.receive, channel.send)


async def _discard(receive: Receive, max_bytes: int) -> bool:
    """Read on a little: a client that is still sending does not look for an answer.

    Returns:
        Whether nothing is left, so that the connection can go on.
    """
    left = _DISCARD_FACTOR * max_bytes
    # Cancelled when the grace period is over: then the answer goes at once.
    with suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_DISCARD_S):
            while left > 0:
                async with asyncio.timeout(_PAUSE_S):
                    message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return bool(message["type"] == "http.request")
    return False


def _too_large(limits: UploadLimits) -> TooLargeAudio:
    return TooLargeAudio(
        f"The upload is too large: at most {limits.max_bytes:,} bytes are taken. Send a compressed "
        f"format such as MP3 or WebM, or raise {limits.bytes_setting}."
    )


def _stalled(idle_s: float) -> UploadTimeout:
    return UploadTimeout(
        f"The upload has stalled: nothing came for {idle_s:g} s. Send it again, over a steadier "
        "connection, or raise AUDIO_SCORE_UPLOAD_IDLE_TIMEOUT_S."
    )


def _unfinished(limits: UploadLimits) -> UploadTimeout:
    return UploadTimeout(
        f"The upload was not done within {limits.request_s:g} s. Send a compressed format such as "
        f"MP3 or WebM, or raise {limits.time_setting}."
    )


async def _while_connected(work: Coroutine[Any, Any, None], channel: _RequestChannel) -> None:
    """Await the work, and cancel it when the client leaves before its answer."""
    task = asyncio.create_task(work)
    disconnection = asyncio.create_task(channel.disconnection())
    try:
        await asyncio.wait((task, disconnection), return_when=asyncio.FIRST_COMPLETED)
        if channel.completed:
            # The end of an answer looks like a disconnection; the work may have to tidy up yet.
            await asyncio.wait((task,))
    finally:
        disconnection.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
    if not (task.cancelled() and channel.disconnected):
        await task


async def _answer(error: AudioScoreError, scope: Scope, send: Send, goes_on: bool = False) -> None:
    path = scope["path"]
    answer = answer_of(error, path) if goes_on else answer_of(error, path, Connection="close")
    await answer(scope, _nothing_more, send)


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


def _stated_length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
