"""Operations in general: ask until there is an answer, and read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import httpx

from audio_score_client.calls import Call
from audio_score_client.deadline import Deadline
from audio_score_client.errors import AnsweredError, ConnectionLost, UnexpectedAnswer, error_class
from audio_score_client.events import Event, EventDecoder
from audio_score_client.retrying import Attempts, late, retry_after_s, translated
from audio_score_client.steps import Do, Emit, Flow, Items, Open, Receive

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Read = Callable[[httpx.Response, Any], T]
"""Makes a result of an answer and of its JSON, which is None where it has no body."""
_LARGEST_ERROR: Final = 2**20
_SHOWN: Final = 200


def exchange(call: Call, attempts: Attempts, read: Read[T]) -> Flow[T]:
    """Ask until there is an answer; what ``read`` makes of it.

    Raises:
        AudioScoreClientError: there is none, or it is an error.
    """
    while True:
        try:
            response = yield from _opened(call, attempts.deadline)
            content = yield from _whole(call, attempts.deadline)
        except httpx.HTTPError as error:
            yield from attempts.lost(call, error)
            continue
        if response.is_success:
            return read(response, _json(response, content))
        yield from attempts.refused(call, _error(response, content))


def download(call: Call, attempts: Attempts, to: BinaryIO) -> Flow[None]:
    """Fetch a file; after a break it goes on where it stopped, if the file is still the same.

    Args:
        call: for the file.
        attempts: of the operation.
        to: where it goes, from its beginning.
    """
    done, etag = 0, ""
    while True:
        headers = {**call.headers, "Accept-Encoding": "identity", "Accept": "*/*"}
        # Of a weak tag it is not certain that the bytes are the same.
        if done and etag and not etag.startswith("W/"):
            headers |= {"Range": f"bytes={done}-", "If-Range": etag}
        ranged = Call(call.method, call.path, call.params, headers)
        try:
            response = yield from _opened(ranged, attempts.deadline)
            if not response.is_success:
                content = yield from _whole(call, attempts.deadline, _LARGEST_ERROR)
                yield from attempts.refused(call, _error(response, content))
                continue
            done, etag = _start(response, done), response.headers.get("ETag", "")
            yield Do(lambda place=done: _cut(to, place))  # type: ignore[misc]
            while (chunk := (yield from _more(call, attempts.deadline))) is not None:
                yield Do(lambda data=chunk: to.write(data))  # type: ignore[misc]
                done += len(chunk)
                attempts.succeed()
            return
        except httpx.HTTPError as error:
            yield from attempts.lost(call, error)


class Reading(Protocol[T_co]):
    """What is made of events.

    Attributes:
        done: whether the last one has come.
    """

    done: bool

    def take(self, event: Event) -> T_co | None:
        """The item that an event holds; None where it holds none.

        Raises:
            AudioScoreClientError: it tells of an error.
        """
        ...


def events(call: Call, attempts: Attempts, reading: Reading[T]) -> Items[T]:
    """What is read of events as they come; until they begin it is tried again.

    Raises:
        ConnectionLost: they broke off.
        AudioScoreClientError: there is no answer, or it is an error.
    """
    while True:
        try:
            response = yield from _opened(call, attempts.deadline)
            if response.is_success:
                break
            content = yield from _whole(call, attempts.deadline, _LARGEST_ERROR)
        except httpx.HTTPError as error:
            yield from attempts.lost(call, error)
            continue
        yield from attempts.refused(call, _error(response, content))
    decoder = EventDecoder()
    try:
        while (chunk := (yield from _more(call, attempts.deadline))) is not None:
            for item in filter(None, map(reading.take, decoder.feed(chunk))):
                yield Emit(item)
            if reading.done:
                return
    except httpx.HTTPError as error:
        raise translated(call, error, attempts.deadline) from error
    raise ConnectionLost(f"{call}: the stream ended before it was complete.")


def error_of_event(data: Any) -> AnsweredError:
    """The error that an event tells amid a stream."""
    code, detail = _told(data)
    return error_class(200, code)(200, code, detail)


def _opened(call: Call, deadline: Deadline) -> Flow[httpx.Response]:
    if not deadline.left_s():
        raise late(call, deadline)
    response = yield Open(call, deadline)
    assert isinstance(response, httpx.Response)
    return response


def _more(call: Call, deadline: Deadline) -> Flow[bytes | None]:
    # A server that sends byte by byte never makes a single wait too long.
    if not deadline.left_s():
        raise late(call, deadline)
    chunk = yield Receive(deadline)
    assert chunk is None or isinstance(chunk, bytes)
    return chunk


def _whole(call: Call, deadline: Deadline, largest: float = float("inf")) -> Flow[bytes]:
    chunks = []
    while (chunk := (yield from _more(call, deadline))) is not None:
        chunks.append(chunk)
        largest -= len(chunk)
        if largest < 0:
            break
    return b"".join(chunks)


def _json(response: httpx.Response, content: bytes) -> Any:
    if response.status_code == 204 or not content:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"The answer of {response.url.host} is no JSON: {_shown(content)}. Is there an Audio "
            "Score Server at the address?"
        ) from error


def _error(response: httpx.Response, content: bytes) -> AnsweredError:
    """The error that an answer tells; of proxies, too, which answer in their own ways.

    Raises:
        UnexpectedAnswer: it sends elsewhere, where the API key does not go.
    """
    status = response.status_code
    if status < 400:
        place = response.headers.get("Location", "")
        raise UnexpectedAnswer(
            f"The server answers {status} and sends to {place!r}; give the client the address of "
            "the server itself."
        )
    try:
        code, detail = _told(json.loads(content))
    except ValueError:
        code, detail = "", ""
    shown = f"{response.reason_phrase or 'error'}: {_shown(content)}".rstrip(": ")
    request_id = response.headers.get("X-Request-Id")
    wait_s = retry_after_s(response.headers)
    return error_class(status, code)(status, code, detail or shown, request_id, wait_s)


def _told(data: Any) -> tuple[str, str]:
    if not isinstance(data, dict):
        return "", ""
    code, detail = data.get("code"), data.get("detail")
    return code if isinstance(code, str) else "", detail if isinstance(detail, str) else ""


def _shown(content: bytes) -> str:
    return " ".join(content[:_SHOWN].decode("utf-8", "replace").split())


def _start(response: httpx.Response, done: int) -> int:
    """Where what comes now belongs."""
    if response.status_code != 206:
        return 0
    told = response.headers.get("Content-Range", "")
    if not told.startswith(f"bytes {done}-"):
        raise UnexpectedAnswer(f"The server sends {told!r}, asked for the bytes from {done}.")
    return done


def _cut(to: BinaryIO, place: int) -> None:
    to.seek(place)
    to.truncate()
