"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from audio_score_client.binding import bound_signature
from audio_score_client.calls import Server
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
) -> Callable[Concatenate[AudioScoreClient, P], T]:
    """The method that carries out an operation and returns its result."""

    @wraps(operation)
    def method(client: AudioScoreClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client._finish(operation(client._operations, *args, **kwargs))

    return bound_signature(method, operation, "{}")


def _iterating(
    operation: Callable[Concatenate[Operations, P], Items[T]],
) -> Callable[Concatenate[AudioScoreClient, P], Iterator[T]]:
    """The method that carries out an operation and yields its items."""

    @wraps(operation)
    def method(client: AudioScoreClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return client._iterate(operation(client._operations, *args, **kwargs))

    return bound_signature(method, operation, "Iterator[{}]")


class AudioScoreClient:
    """Speaks to an Audio Score Server; blocks until there is an answer.

    Safe to use from several threads. Close it, or use it in a ``with`` block::

        with AudioScoreClient("http://localhost:9000") as client:
            print(client.score("take.m4a", "RiverTales-s01e01", "part01").sim_score)

    What the methods do, take and raise is told at ``Operations``.
    """

    def __init__(
        self,
        url: str = "http://localhost:9000",
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int = 4,
        http: httpx.Client | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            url: the server's address, with whatever path it is served under.
            api_key: that of ``AUDIO_SCORE_API_KEY`` where left out; never logged, and sent to no
                other address.
            timeout_s: longest time for an operation, all tries together; ``math.inf`` for no limit.
                The server is told what is left of it. Should a server stall in the middle of a
                body, it may take as long again until that is noticed.
            retries: most times that a request is sent again, after 429, 503 or a lost connection.
            http: for proxies, certificates and such of your own; it stays open.

        Raises:
            ValueError: one of these cannot be.
        """
        self._server = Server.of(url, api_key)
        self._operations = Operations(Policy(timeout_s, retries))
        self._own = http is None
        self._http = httpx.Client() if http is None else http

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

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.url!r})"

    def _finish(self, flow: Flow[T]) -> T:
        with closing(flow), _Wire(self._http, self._server) as wire:
            outcome: object = NOTHING
            while True:
                try:
                    step = resume(flow, outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = wire.perform(step)

    def _iterate(self, flow: Items[T]) -> Iterator[T]:
        with closing(flow), _Wire(self._http, self._server) as wire:
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
                    outcome = wire.perform(step)


class _Wire:
    """One operation's exchange with the server, an answer at a time."""

    def __init__(self, http: httpx.Client, server: Server) -> None:
        self._http = http
        self._server = server
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._hang_up()

    def perform(self, step: Step) -> Any:
        """The outcome of a step."""
        try:
            match step:
                case Open():
                    return self._open(step)
                case Receive():
                    return next(self._chunks, None)
                case Pause():
                    return time.sleep(step.seconds)
                case Do():
                    return step.work()
        except Exception as error:
            return Failure(error)

    def _open(self, step: Open) -> httpx.Response:
        self._hang_up()
        request, files = self._server.request(self._http, step.call, step.deadline)
        with files:
            self._response = self._http.send(request, stream=True, follow_redirects=False)
        self._chunks = self._response.iter_bytes()
        return self._response

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
