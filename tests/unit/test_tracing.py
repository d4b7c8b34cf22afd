from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from audio_score_server.telemetry.stages import STAGES, Stages
from audio_score_server.telemetry.tracing import Tracing, start_tracing

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def _recorded(
    headers: Mapping[str, str],
    failed: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """The span of a request that passed all stages, and those below it.

    ``meanwhile`` is called after tracing has begun and before the request arrives.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    meanwhile()
    stages = Stages()
    for place, stage in enumerate(STAGES):
        stages.add(stage, stages.arrived + place / 10, 0.1)
    tracing.record("POST /score", stages, headers, {"http.response.status_code": 200}, failed)
    tracing.close()
    *children, root = exporter.get_finished_spans()
    return root, list(children)


def test_a_request_without_a_trace_begins_one() -> None:
    before = time.time_ns()
    root, children = _recorded({})
    after = time.time_ns()
    assert root.parent is None
    assert root.kind == SpanKind.SERVER
    assert root.name == "POST /score"
    assert dict(root.attributes or {}) == {"http.response.status_code": 200}
    assert root.start_time is not None
    assert before - 10**6 <= root.start_time <= after + 10**6
    assert tuple(child.name for child in children) == STAGES
    assert {child.parent.span_id for child in children if child.parent} == {root.context.span_id}


def test_stages_are_where_and_as_long_as_they_were() -> None:
    root, children = _recorded({})
    assert root.start_time is not None
    for place, child in enumerate(children):
        assert child.start_time is not None
        assert child.end_time is not None
        assert child.start_time - root.start_time == pytest.approx(place * 10**8, abs=10**6)
        assert child.end_time - child.start_time == pytest.approx(10**8, abs=10**6)


def test_a_clock_that_was_set_anew_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    true = time.time

    def set_on() -> None:
        monkeypatch.setattr(time, "time", lambda: true() + 3600)

    root, children = _recorded({}, meanwhile=set_on)
    assert root.start_time is not None
    assert root.end_time is not None
    assert root.start_time / 1e9 == pytest.approx(true() + 3600, abs=60)
    assert 0 <= root.end_time - root.start_time < 60e9
    assert children[0].start_time == root.start_time


def test_a_given_trace_is_joined() -> None:
    root, children = _recorded({"traceparent": f"00-{TRACE:032x}-{PARENT:016x}-01"})
    assert root.parent is not None
    assert root.parent.span_id == PARENT
    assert {span.context.trace_id for span in (root, *children)} == {TRACE}


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{0:032x}-{PARENT:016x}-01", "\xff" * 55])
def test_a_broken_trace_is_passed_over(given: str) -> None:
    root, _ = _recorded({"traceparent": given})
    assert root.parent is None


def test_only_the_servers_faults_are_errors() -> None:
    assert _recorded({})[0].status.status_code == StatusCode.UNSET
    assert _recorded({}, failed=True)[0].status.status_code == StatusCode.ERROR


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {ENDPOINT: ""},
        {ENDPOINT: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://localhost:4318", "OTEL_SDK_DISABLED": "TRUE"},
        {ENDPOINT: "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_unasked_there_are_no_traces(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert start_tracing(environment) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER must be otlp"),
        (
            {ENDPOINT: "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf",
        ),
    ],
)
def test_what_is_asked_for_and_not_there_is_told(
    environment: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert start_tracing(environment) is None
    assert reason in caplog.text
