"""A collector of OpenTelemetry traces, on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_PATIENCE_S: Final = 20.0


class Collector:
    """The spans that have come so far, and the services that sent them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._spans: list[Span] = []
        self.services: set[str] = set()
        self._news = threading.Condition()

    def take(self, body: bytes) -> None:
        """What a server has sent."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._news:
            for resource in request.resource_spans:
                for attribute in resource.resource.attributes:
                    if attribute.key == "service.name":
                        self.services.add(attribute.value.string_value)
                for scope in resource.scope_spans:
                    self._spans.extend(scope.spans)
            self._news.notify_all()

    def trace(self, trace_id: bytes, size: int) -> list[Span]:
        """The spans of a trace, as soon as there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.so_far(trace_id)) >= size, _PATIENCE_S)
            return self.so_far(trace_id)

    def so_far(self, trace_id: bytes) -> list[Span]:
        """The spans of a trace that have come yet."""
        return [span for span in self._spans if span.trace_id == trace_id]


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens until the end of the ``with`` block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            taken.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody looks."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
