"""The client that awaits."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import anyio
import httpx
from anyio import to_thread

from audio_score_client.binding import bound_signature
from audio_score_client.calls import OffLoop, Server
from audio_score_client.deadline import Deadline
from audio_score_client.operations import Operations
from audio_score_client.retrying import Policy
from audio_score_client.steps import (
    NOTHING,
    Do,
    Emit,
    Failure,
    Flow,
    Items,
    Open,
    Pause,
    Receive,
    Step,
    resume,
)

P = ParamSpec("P")
T = TypeVar("T")


def _answering(
    operation: Callable[Concatenate[Operations, P], Flow[T]],
) -> Callable[Concatenate[AsyncAudioScoreClient, P], Awaitable[T]]:
    """The method that carries out an operation and returns its result."""

    @wraps(operation)
    async def method(client: AsyncAudioScoreClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client._finish(operation(client._operations, *args, **kwargs))

    return bound_signature(method, operation, "{}")


def _iterating(
    operation: Callable[Concatenate[Operations, P], Items[T]],
) -> Callable[Concatenate[AsyncAudioScoreClient, P], AsyncIterator[T]]:
    """The method that carries out an operation and yields its items."""

    @wraps(operation)
    def method(
        client: AsyncAudioScoreClient, /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        return client._iterate(operation(client._operations, *args, **kwargs))

    return bound_signature(method, operation, "AsyncIterator[{}]")


class AsyncAudioScoreClient:
    """Speaks to an Audio Score Server; awaits its answers, on asyncio.

    Close it, or use it in an ``async with`` block::

        async with AsyncAudioScoreClient("http://localhost:9000") as client:
            print((await client.score("take.m4a", "RiverTales-s01e01", "part01")).sim_score)

    What the methods do, take and raise is told at ``Operations``.
    """

    def __init__(
        self,
        url: str = "http://localhost:9000",
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int = 4,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            url: the server's address, with whatever path it is served under.
            api_key: that of ``AUDIO_SCORE_API_KEY`` where left out; never logged, and sent to no
                other address.
            timeout_s: longest time for an operation, all tries together; ``math.inf`` for no limit.
                The server is told what is left of it.
            retries: most times that a request is sent again, after 429, 503 or a lost connection.
            http: for proxies, certificates and such of your own; it stays open.

        Raises:
            ValueError: one of these cannot be.
        """
        self._server = Server.of(url, api_key)
        self._operations = Operations(Policy(timeout_s, retries))
        self._own = http is None
        self._http = httpx.AsyncClient() if http is None else http

    score = _answering(Operations.score)
    scores = _answering(Operations.scores)
    transcribe = _answering(Operations.transcribe)
    transcribe_segments = _iterating(Operations.transcribe_segments)
    start_transcription = _answering(Operations.start_transcription)
    job = _answering(Operations.job)
    wait_for_job = _answering(Operations.wait_for_job)
    cancel_job = _answering(Operations.cancel_job)
    models = _answering(Operations.models)
    health = _answering(Operations.health)
    clips = _iterating(Operations.clips)
    clip = _answering(Operations.clip)
    clip_media = _answering(Operations.clip_media)
    save_clip_media = _answering(Operations.save_clip_media)
    put_clip = _answering(Operations.put_clip)
    set_clip_text = _answering(Operations.set_clip_text)
    delete_clip = _answering(Operations.delete_clip)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.url!r})"

    async def _finish(self, flow: Flow[T]) -> T:
        async with _Wire(self._http, self._server, flow) as wire:
            outcome: object = NOTHING
            while True:
                try:
                    step = resume(flow, outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = await wire.perform(step)

    async def _iterate(self, flow: Items[T]) -> AsyncIterator[T]:
        async with _Wire(self._http, self._server, flow) as wire:
            outcome: object = NOTHING
            while True:
                try:
                    step = resume(flow, outcome)
                except StopIteration:
                    return
                if isinstance(step, Emit):
                    yield step.item
                    outcome = NOTHING
                else:
                    outcome = await wire.perform(step)


class _Wire:
    """One operation's exchange with the server, an answer at a time."""

    def __init__(
        self, http: httpx.AsyncClient, server: Server, flow: Generator[Any, Any, Any]
    ) -> None:
        self._http = http
        self._server = server
        self._flow = flow
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._flow.close()
        await self._hang_up()

    async def perform(self, step: Step) -> Any:
        """The outcome of a step."""
        try:
            match step:
                case Open():
                    return await _in_time(step.deadline, self._open(step))
                case Receive():
                    return await _in_time(step.deadline, self._receive())
                case Pause():
                    return await anyio.sleep(step.seconds)
                case Do():
                    return await to_thread.run_sync(step.work)
        except Exception as error:
            return Failure(error)

    async def _open(self, step: Open) -> httpx.Response:
        await self._hang_up()
        request, files = self._server.request(self._http, step.call, step.deadline)
        with files:
            if step.call.uploads:
                assert isinstance(request.stream, Iterable)
                request.stream = OffLoop(request.stream)
            self._response = await self._http.send(request, stream=True, follow_redirects=False)
        self._chunks = aiter(self._response.aiter_bytes())
        return self._response

    async def _receive(self) -> bytes | None:
        assert self._chunks is not None
        return await anext(self._chunks, None)

    async def _hang_up(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            # Also when this is cancelled: the connection would stay open.
            with anyio.CancelScope(shield=True):
                await response.aclose()


async def _in_time(deadline: Deadline, work: Awaitable[T]) -> T:
    """Await something until the deadline at most.

    Raises:
        httpx.ReadTimeout: that has come.
    """
    left_s = deadline.left_s()
    if math.isinf(left_s):
        return await work
    try:
        with anyio.fail_after(left_s):
            return await work
    except TimeoutError as error:
        raise httpx.ReadTimeout("the time is up") from error
