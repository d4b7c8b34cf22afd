"""Clients that do what well-behaved ones never do, and a view of a server's metrics."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

UID: Final = "film"
CID: Final = "1"
"""The clip that ``make_clip`` makes."""
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.005
_BOUNDARY: Final = "boundary-of-the-tests"


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """What is wrong and what to do."""
        body = self.json
        assert list(body) == ["detail", "code"]
        assert isinstance(body["detail"], str)
        return body["detail"]


class Client:
    """One connection, over a port or a Unix socket; leaving its ``with`` block closes it."""

    def __init__(self, url: str) -> None:
        self.socket = _connected(url)
        self.socket.settimeout(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def send(self, data: bytes) -> Self:
        self.socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """The next answer, whole."""
        response = HTTPResponse(self.socket)
        response.begin()
        return Answer(response.status, response.msg, response.read())

    def leave(self) -> None:
        """Close the connection, whatever is under way."""
        self.socket.close()


def _connected(url: str) -> socket.socket:
    if url.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(url.removeprefix("unix:"))
        except OSError:
            client.close()
            raise
        return client
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def form(recording: bytes, uid: str = UID) -> bytes:
    """The body of a request for a score."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("uid", uid), ("cid", CID))
    ]
    audio = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    return "".join([*parts, audio]).encode() + recording + f"\r\n--{_BOUNDARY}--\r\n".encode()


def head(length: int | None, **headers: str) -> bytes:
    """Everything before the body; in names of headers ``_`` stands for ``-``.

    ``length``: as stated; None where the body comes in chunks.
    """
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        "POST /score HTTP/1.1",
        "Host: server",
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}",
        size,
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(recording: bytes, uid: str = UID, **headers: str) -> bytes:
    """A whole request for a score."""
    body = form(recording, uid)
    return head(len(body), **headers) + body


def get(url: str, path: str, **headers: str) -> Answer:
    """GET, on a connection of its own."""
    lines = [f"GET {path} HTTP/1.1", "Host: server", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with Client(url) as client:
        return client.send(("\r\n".join(lines) + "\r\n\r\n").encode()).answer()


class Numbers:
    """A server's metrics at one moment."""

    def __init__(self, url: str) -> None:
        answer = get(url, "/metrics")
        assert answer.status == 200
        self.families: dict[str, Metric] = {
            family.name: family for family in text_string_to_metric_families(answer.body.decode())
        }
        self._samples = [s for family in self.families.values() for s in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def requests(url: str, outcome: str) -> float:
    """How many requests for a score have ended so."""
    return Numbers(url).of("audio_score_requests_total", outcome=outcome)


def queued(url: str) -> float:
    """How many requests wait for the device."""
    return Numbers(url).of("audio_score_queue_length")


def wait_until(condition: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(_LOOK_S)
