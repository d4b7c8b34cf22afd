"""A small HTTP server of the tests' own, which does what good servers never do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from types import TracebackType
from typing import Any, Final, Literal, Self

_PATIENCE_S: Final = 30.0
_DRIP_S: Final = 0.2


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def parts(self) -> list[tuple[str, str | None, bytes]]:
        """The form: name, file name and content of each part."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        found = []
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append((name, part.get_filename(), content))
        return found


@dataclass(frozen=True)
class Reply:
    """What the host sends, and whether it stays in the line afterwards.

    Attributes:
        body: JSON, or bytes as they are.
        status: of HTTP.
        headers: besides the length and the type.
        sent: how many bytes of the body go out; None for all.
        stalls: whether it says nothing more then, instead of closing the connection.
        drips: what comes byte by byte: nothing, the body, or all of it.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None
    stalls: bool = False
    drips: Literal["", "body", "all"] = ""


class _Broken:
    """Closes the connection without an answer."""


BROKEN: Final = _Broken()
SCORE: Final = {"model": "m", "sim_score": 0.5, "audio_sim_score": 0.25, "text_sim_score": 0.75}
Answering = Reply | _Broken | Callable[[Request], Reply]


class Host:
    """Answers requests one after the other, each with the next of its replies."""

    def __init__(self, *replies: Answering) -> None:
        self.requests: list[Request] = []
        self.dripped = 0
        """How many bytes went out by themselves."""
        self._replies = list(replies)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(_PATIENCE_S)
            try:
                self._answer(connection, stream)
            except OSError:
                return  # the client has left

    def _answer(self, connection: socket.socket, stream: Any) -> None:
        request = _request(stream)
        if request is None:
            return
        self.requests.append(request)
        reply = self._replies.pop(0) if self._replies else Reply({"code": "none_left"}, 500)
        if isinstance(reply, _Broken):
            return
        told = reply(request) if callable(reply) else reply
        body = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        headers = {"Content-Length": str(len(body)), "Connection": "close", **told.headers}
        lines = [f"HTTP/1.1 {told.status} Whatever", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode()
        whole = head + body[: told.sent]
        at_once = {"": len(whole), "body": len(head), "all": 0}[told.drips]
        connection.sendall(whole[:at_once])
        for place in range(at_once, len(whole)):
            if self._ended.wait(_DRIP_S):
                return
            connection.sendall(whole[place : place + 1])
            self.dripped += 1
        if told.stalls:
            self._ended.wait(_PATIENCE_S)


def _request(stream: Any) -> Request | None:
    first = stream.readline().decode()
    if not first:
        return None
    method, target, _ = first.split(" ")
    headers = {}
    while line := stream.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)
