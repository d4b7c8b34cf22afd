"""Metrics, status and log lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audio_score_server.gateway.child import labelled_json, labelled_text
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.metrics import exposition, merge_metrics, process_metrics
from audio_score_server.gateway.status import (
    ProcessStatus,
    format_duration,
    format_table,
    read_status,
)
from audio_score_server.telemetry.metrics import Metrics


def test_metrics_of_workers_are_told_apart() -> None:
    texts = {}
    for index in (0, 3):
        metrics = Metrics()
        metrics.announce("phones")
        metrics.observe_batch("phones", 1 + index, 1.0, 0.5)
        texts[index] = metrics.exposition().decode()
    own = process_metrics(
        [
            ProcessStatus("worker-0", "ready", 0.0, 1, 2, ""),
            ProcessStatus("nginx", "ready", 0.0, 2, 0, ""),
        ]
    )
    together = exposition([*merge_metrics(texts), *own]).decode()
    samples = [
        sample for family in text_string_to_metric_families(together) for sample in family.samples
    ]
    sums = {
        sample.labels["worker"]: sample.value
        for sample in samples
        if sample.name == "audio_score_batch_size_sum"
    }
    assert sums == {"0": 1.0, "3": 4.0}
    assert together.count("# TYPE audio_score_batch_size histogram") == 1
    assert 'audio_score_requests_total{model="phones",outcome="ok",worker="3"} 0.0' in together
    assert 'audio_score_gateway_process_restarts_total{process="worker-0"} 2.0' in together
    assert 'audio_score_gateway_process_state{process="nginx",state="ready"} 1.0' in together


def test_lines_of_output_are_labelled() -> None:
    assert labelled_text("hello", "worker-1") == "worker-1 | hello"
    record = {"level": "info", "message": "hello"}
    assert json.loads(labelled_json(json.dumps(record), "nginx")) == {**record, "process": "nginx"}
    wrapped = {"level": "error", "message": "Traceback", "process": "nginx"}
    assert json.loads(labelled_json("Traceback", "nginx")) == wrapped
    assert json.loads(labelled_json("5", "nginx"))["message"] == "5"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s"), (59, "59 s"), (90, "1.5 min"), (7_200, "2.0 h"), (2e5, "2.3 d")],
)
def test_durations_are_in_the_largest_unit(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_the_table_has_a_line_for_each_process() -> None:
    process = {
        "name": "worker-0",
        "state": "backoff",
        "state_since": 90.0,
        "pid": None,
        "restarts": 3,
        "last_error": "was killed by signal 9",
        "gpu": "1",
        "cpu_threads": 4,
    }
    status = {
        "pid": 7,
        "url": "http://h:1",
        "state": "degraded",
        "started_at": 40.0,
        "processes": [process],
    }
    lines = format_table(status, 100.0).splitlines()
    assert lines[0] == "http://h:1 is degraded; supervisor 7, up for 1.0 min."
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "process state for pid restarts gpu threads last error",
        "worker-0 backoff 10 s - 3 1 4 was killed by signal 9",
    ]


def test_there_is_no_status_without_a_supervisor(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="No supervisor uses"):
        read_status(tmp_path / "run")
