"""Buckets for tests: a real S3 server in this process, and a proxy before it that misbehaves."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote
from uuid import uuid4

import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from audio_score_server.buckets.opening import Patience

IMPATIENT = Patience(
    connect_s=1.0, silent_s=0.5, request_s=5.0, content_s=5.0, retry_s=5.0, retries=4
)
"""Short enough for tests, and long enough for a machine that is busy."""
Kind = Literal["pass", "refuse", "lose_answer", "cut", "stall"]
_BODIES = {503: "SlowDown", 500: "InternalError", 409: "ConditionalRequestConflict"}
_STALL_S = 2.0


@dataclass(slots=True)
class Fault:
    """What happens to the next requests of a kind.

    Attributes:
        what: ``pass``: nothing; ``refuse``: the connection is closed; ``lose_answer``: so it is,
            after the store has done what was asked; ``cut``: half of the answer comes; ``stall``:
            nothing comes for long; a number: that status, and the store is not asked.
        method: of the requests.
        part: of their path.
        times: how many of them.
    """

    what: Kind | int
    method: str = ""
    part: str = ""
    times: int = 1


@dataclass(slots=True)
class BucketProxy:
    """Stands before an object store, and fails as it is told.

    Attributes:
        url: where it listens.
        faults: what is to happen; those that have happened are taken away.
        down: whether nobody is there.
        conditions: whether conditions get through.
        asked: method and path of each request that came.
        on_get: part of a path, what is set when it is asked for, and what is waited for then.
    """

    url: str
    faults: list[Fault] = field(default_factory=list)
    down: bool = False
    conditions: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    on_get: tuple[str, threading.Event, threading.Event] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    alone: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str) -> Kind | int | None:
        """What is to happen to a request."""
        with self.lock:
            self.asked.append((method, path))
            if self.down:
                return "refuse"
            for fault in self.faults:
                if fault.method in ("", method) and fault.part in path:
                    fault.times -= 1
                    if fault.times == 0:
                        self.faults.remove(fault)
                    return fault.what
        return None

    def count(self, method: str, part: str) -> int:
        """How many such requests came."""
        with self.lock:
            return sum(part in path for asked, path in self.asked if asked == method)


@contextmanager
def moto() -> Iterator[str]:
    """An S3 server; its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def misbehaving(target: str) -> Iterator[BucketProxy]:
    """A proxy before an object store."""
    handler = type("Handler", (_Handler,), {"target": target.removeprefix("http://")})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    proxy = BucketProxy(f"http://127.0.0.1:{server.server_address[1]}")
    handler.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""
    proxy: BucketProxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path)
        what = self.proxy.fault(self.command, path)
        if what == "refuse":
            self.close_connection = True
        elif isinstance(what, int):
            code = _BODIES.get(what, "Error")
            self._answer(what, {}, f"<Error><Code>{code}</Code></Error>".encode())
        else:
            held = self.proxy.on_get
            if held is not None and self.command == "GET" and held[0] in path:
                held[1].set()
                held[2].wait(30.0)
            status, headers, content = self._asked(body)
            if what == "stall":
                time.sleep(_STALL_S)
            if what in ("lose_answer", "stall"):
                self.close_connection = True
            else:
                self._answer(status, headers, content, cut=what == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = dict(self.headers.items())
        if not self.proxy.conditions:
            headers = {k: v for k, v in headers.items() if not k.lower().startswith("if-")}
        # The server looks and then puts, which two threads must not do at once.
        with self.proxy.alone:
            connection = http.client.HTTPConnection(self.target, timeout=30)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

    def _answer(
        self, status: int, headers: dict[str, str], content: bytes, cut: bool = False
    ) -> None:
        dropped = ("connection", "transfer-encoding", "content-length", "server", "date")
        length = headers.get("Content-Length") or headers.get("content-length")
        try:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in dropped:
                    self.send_header(name, value)
            told = length if self.command == "HEAD" and length else str(len(content))
            self.send_header("Content-Length", told)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
        except OSError:
            # Whoever asked has lost patience.
            cut = True
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def new_bucket(endpoint: str) -> str:
    """Make a bucket; its name."""
    name = f"clips-{uuid4().hex[:12]}"
    host = endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("PUT", f"/{name}")
        assert connection.getresponse().status == 200
    finally:
        connection.close()
    return name


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_REGION": "us-east-1",
}


class ByHand:
    """Somebody who puts objects into a bucket with other tools."""

    def __init__(self, endpoint: str, bucket: str, prefix: str = "library") -> None:
        self.url = f"s3://{bucket}/{prefix}"
        self._store = S3Store(
            bucket,
            prefix=prefix,
            endpoint=endpoint,
            access_key_id="tests",
            secret_access_key="tests",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def put(self, key: str, content: bytes) -> None:
        obstore.put(self._store, key, content)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self._store, key).bytes())

    def delete(self, key: str) -> None:
        obstore.delete(self._store, key)

    def names(self) -> list[str]:
        return sorted(meta["path"] for chunk in obstore.list(self._store) for meta in chunk)
