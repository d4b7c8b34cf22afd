"""Traces for OpenTelemetry, when its usual variables ask for them.

A request's stages are measured anyway; its spans are made of them when it has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from audio_score_server.telemetry.stages import Stages

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_LOG = logging.getLogger(__name__)
_ASKING: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_SERVICE_NAME: Final = "audio-score-server"
_CLOSE_S: Final = 2.0


class Tracing:
    """Sends a span for each request, with one below it for each stage."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE_NAME)

    def record(
        self,
        name: str,
        stages: Stages,
        headers: Mapping[str, str],
        attributes: Mapping[str, str | int],
        failed: bool,
    ) -> None:
        """A request has ended just now.

        Args:
            name: of its span.
            stages: where it spent its time.
            headers: of the request, which may say what trace it belongs to.
            attributes: of its span.
            failed: whether that was the server's fault.
        """
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        ended = time.monotonic()
        # Spans are told in time since the epoch, stages are measured on a clock that never jumps.
        # Asked anew for each trace: clocks are set, and the one that never jumps stands still while
        # a machine is suspended.
        epoch_s = time.time() - ended
        span = self._tracer.start_span(
            name, parent, SpanKind.SERVER, attributes, start_time=_ns(epoch_s + stages.arrived)
        )
        own = set_span_in_context(span, parent)
        for part in stages.spans:
            began_s = epoch_s + part.started
            child = self._tracer.start_span(part.stage, own, start_time=_ns(began_s))
            child.end(_ns(began_s + part.seconds))
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(_ns(epoch_s + ended))

    def close(self) -> None:
        """Send what has not been sent yet; a collector out of reach is not waited for long."""
        # The exporter tries for 10 s; the process does not wait for a thread of this kind.
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(_CLOSE_S)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def start_tracing(environment: Mapping[str, str]) -> Tracing | None:
    """Tracing as the ``OTEL_*`` variables ask for; None where they do not."""
    asked = any(environment.get(name) for name in _ASKING)
    if not asked or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        if environment["OTEL_TRACES_EXPORTER"] != "none":
            _LOG.warning("No traces: OTEL_TRACES_EXPORTER must be otlp, the only one there is.")
        return None
    if environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") != "http/protobuf":
        _LOG.warning("No traces: OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf.")
        return None
    # Imported here: few servers need it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    names = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": _SERVICE_NAME}
    provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
