"""A chat-completions endpoint on a real socket, which answers as it is told and keeps what it got.

It runs in a thread of its own, so that tests of every kind can use it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

_PATIENCE_S: Final = 10.0
FOREVER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back.

    Attributes:
        body: of the response.
        status: HTTP status.
        headers: besides ``Content-Length``.
        reason: beside the status.
        after_s: seconds to wait first; the wait ends when the client hangs up.
        cut: send so many bytes of the body and hang up.
        lingers: rather than hang up after that, wait until the client does.
        begin: whether anything is sent at all; else the connection is hung up on.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = "Whatever"
    after_s: float = 0.0
    cut: int | None = None
    lingers: bool = False
    begin: bool = True

    def encoded(self) -> bytes:
        """The response as it travels."""
        if not self.begin:
            return b""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **self.headers}.items()]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        return head.encode() + self.body[: self.cut]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; names of headers in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def question(self) -> dict[str, Any]:
        """The JSON of the body."""
        question: dict[str, Any] = json.loads(self.body)
        return question


def completion(content: object, finish: str | None = "stop", **message: object) -> Reply:
    """A chat completion with this content, as JSON unless it is text, or None."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    return Reply(
        json.dumps(
            {
                "id": "chat-1",
                "object": "chat.completion",
                "created": 1,
                "model": "fake",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": finish,
                        "message": {"role": "assistant", "content": text, **message},
                    }
                ],
            }
        ).encode()
    )


def similarities(audio: float, text: float) -> Reply:
    """The answer of a model that does as it is told."""
    return completion({"audio_sim_score": audio, "text_sim_score": text})


def failure(status: int, message: str = "no", **headers: str) -> Reply:
    """A refusal in the usual form; in the names of headers, ``_`` stands for ``-``."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": message}}).encode(), status, names)


class Chat:
    """The running endpoint.

    Attributes:
        url: what to set ``api_base`` to.
        requests: every request, in order.
        under_way: requests not yet answered.
        most_under_way: their number when it was largest.
        hung_up: clients that left before their answer.
    """

    def __init__(self, replies: tuple[Reply, ...]) -> None:
        self.url = ""
        self.requests: list[Asked] = []
        self.under_way = self.most_under_way = self.hung_up = 0
        self._replies = replies
        self._news = threading.Condition()

    def wait_until(self, condition: Callable[[Chat], bool]) -> None:
        """Until the endpoint has seen something."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self), _PATIENCE_S), "it never happened"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request."""
        try:
            reply = self._came(await _request(reader))
            stayed = await _stays(reader, reply.after_s)
            self._went(stayed)
            if stayed:
                writer.write(reply.encoded())
                await writer.drain()
                await _stays(reader, FOREVER if reply.lingers else 0)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # clients may leave at any time
        finally:
            writer.close()

    def _came(self, request: Asked) -> Reply:
        with self._news:
            reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
            self.requests.append(request)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self._news.notify_all()
        return reply

    def _went(self, stayed: bool) -> None:
        with self._news:
            self.under_way -= 1
            self.hung_up += not stayed
            self._news.notify_all()


@contextmanager
def chat(*replies: Reply) -> Iterator[Chat]:
    """An endpoint that gives these replies in turn, the last one for ever."""
    endpoint = Chat(replies)
    listening, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
        endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        listening.set()
        await ended.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="chat")
    thread.start()
    try:
        assert listening.wait(_PATIENCE_S)
        yield endpoint
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.strip().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, value in (text.split(":", 1) for text in fields)
    }
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _stays(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the client waits for so long."""
    if seconds == 0:
        return True
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return True
    return False
