"""What a server tells of its requests: metrics, log lines, headers, traces."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from audio_score_server.telemetry.stages import STAGES
from tests.process.clients import CID, UID, Client, Numbers, ask, get
from tests.process.collector import Collector, collector
from tests.process.server import (
    ROOT,
    ServerProcess,
    clean_environment,
    post,
    running,
    write_config,
)
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
SECOND: Final = encoded(chirp(1.0))
TEXT: Final = "hello"
"""What the clip says."""
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Logs for people."""
    with running("--config", write_config(tmp_path_factory.mktemp("text"))) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def traces() -> Iterator[Collector]:
    """Where the traces go."""
    with collector() as traces:
        yield traces


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, traces: Collector) -> Iterator[ServerProcess]:
    """Logs for machines and traces."""
    config = write_config(tmp_path_factory.mktemp("machine"), log_format="json")
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running("--config", config, **tracing) as server:
        server.wait_until_ready()
        yield server


def _lines(server: ServerProcess, identity: str) -> list[str]:
    """The lines of a request, once it has ended and the next one, too."""
    last = f"after-{identity}"
    get(server.url, "/clips", X_Request_Id=last)
    server.wait_for_line(lambda line: last in line)
    return [line for line in server.lines if identity in line and last not in line]


def test_metrics_are_what_the_documentation_lists(text: ServerProcess) -> None:
    documented = re.findall(
        r"^\| `(audio_score_\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    families = Numbers(text.url).families
    assert {name.removesuffix("_total") for name in documented} == {
        name for name in families if name.startswith("audio_score_")
    }
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= set(families)


def test_metrics_keep_to_the_conventions(text: ServerProcess) -> None:
    answer = get(text.url, "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for family in Numbers(text.url).families.values():
        assert family.documentation
        if "seconds" in family.name:
            assert family.name.endswith("_seconds")
        if family.type == "counter":
            assert all(sample.name == f"{family.name}_total" for sample in family.samples)
    assert "_created" not in answer.body.decode()


def test_a_request_moves_the_metrics_that_it_should(text: ServerProcess) -> None:
    before = Numbers(text.url)
    assert post(text.url, encoded(chirp(2.0)), UID, CID).status_code == 200
    after = Numbers(text.url)

    def grown(name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    assert grown("audio_score_requests_total", model="fake", outcome="ok") == 1
    assert grown("audio_score_requests_total") == 1
    assert grown("audio_score_request_seconds_count", model="fake") == 1
    for stage in STAGES:
        assert grown("audio_score_stage_seconds_count", model="fake", stage=stage) == 1
        assert grown("audio_score_stage_seconds_sum", model="fake", stage=stage) > 0
    assert grown("audio_score_batch_size_count", model="fake") == 1
    assert grown("audio_score_batch_size_sum", model="fake") == 1
    assert grown("audio_score_audio_seconds_total", model="fake") == pytest.approx(2.0)
    assert grown("audio_score_device_seconds_total", model="fake") > 0
    assert grown("audio_score_reference_lookups_total", model="fake") == 1
    assert after.of("audio_score_models_loaded") == 1
    assert after.of("audio_score_queue_length") == after.of("audio_score_queue_age_seconds") == 0
    assert after.of("audio_score_real_time_factor") == pytest.approx(
        grown("audio_score_device_seconds_total") / 2.0
    )


@pytest.mark.parametrize(
    ("recording", "uid", "outcome"),
    [(SECOND, "no-such-film", "rejected"), (b"no sound", UID, "rejected"), (SECOND, UID, "ok")],
)
def test_outcomes(text: ServerProcess, recording: bytes, uid: str, outcome: str) -> None:
    name = "audio_score_requests_total"
    before = Numbers(text.url)
    post(text.url, recording, uid, CID)
    get(text.url, "/scored")
    after = Numbers(text.url)
    assert after.of(name) - before.of(name) == 1
    assert after.of(name, outcome=outcome) - before.of(name, outcome=outcome) == 1


@pytest.mark.parametrize("given", ["a", "0123-abc_DEF.~", "x" * 128])
def test_a_requests_own_id_comes_back(text: ServerProcess, given: str) -> None:
    assert get(text.url, "/clips", X_Request_Id=given).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "caf\xe9", "a\tb"])
def test_an_odd_id_is_replaced(text: ServerProcess, given: str) -> None:
    with Client(text.url) as client:
        request = f"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: {given}\r\n\r\n"
        answer = client.send(request.encode("latin-1")).answer()
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_errors_of_every_floor_carry_the_id(text: ServerProcess) -> None:
    headers = {"X_Request_Id": "mine"}
    with Client(text.url) as client:
        no_form = client.send(b"POST /score HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n")
        answers = [no_form.answer(), get(text.url, "/nothing", **headers)]
    with Client(text.url) as client:
        large = f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: {10**9}\r\n"
        request = f"{large}Expect: 100-continue\r\nX-Request-Id: mine\r\n\r\n"
        answers.append(client.send(request.encode()).answer())
    assert [answer.status for answer in answers] == [422, 404, 413]
    assert [answer.headers["X-Request-Id"] for answer in answers] == ["mine"] * 3


def test_a_line_of_text_for_each_request(text: ServerProcess) -> None:
    with Client(text.url) as client:
        assert client.send(ask(SECOND, X_Request_Id="text-1")).answer().status == 200
    (line,) = _lines(text, "text-1")
    assert " INFO     method=POST path=/score status=200 ms=" in line
    assert " model=fake audio_s=1.0 receive_ms=" in line
    assert [f" {stage}_ms=" in line for stage in STAGES] == [True] * len(STAGES)
    assert line.endswith(" request_id=text-1")


def test_an_object_for_each_request(machine: ServerProcess) -> None:
    with Client(machine.url) as client:
        assert client.send(ask(SECOND, X_Request_Id="json-1")).answer().status == 200
    (line,) = _lines(machine, "json-1")
    fields: dict[str, Any] = json.loads(line)
    assert fields["request_id"] == "json-1"
    assert fields["logger"] == "audio_score_server.access"
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/score", 200)
    assert (fields["model"], fields["audio_s"]) == ("fake", 1.0)
    spent = [fields[f"{stage}_ms"] for stage in STAGES]
    assert 0 < sum(spent) <= fields["ms"] + 1


def test_errors_of_a_request_have_its_id_too(machine: ServerProcess) -> None:
    with Client(machine.url) as client:
        client.send(ask(b"no sound", X_Request_Id="json-2"))
        assert client.answer().status == 400
    (line,) = _lines(machine, "json-2")
    assert json.loads(line)["status"] == 400


def test_a_path_cannot_forge_a_line(text: ServerProcess) -> None:
    forged = "/x%0A2026-01-01%2000:00:00,000%20INFO%20forged"
    get(text.url, forged, X_Request_Id="forger")
    (line,) = _lines(text, "forger")
    assert "path=/x%0A2026" in line
    assert not [line for line in text.lines if line.startswith("2026-01-01 00:00:00")]


def test_probes_are_quiet_and_nothing_of_a_recording_is_logged(text: ServerProcess) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/metrics"):
        get(text.url, path, X_Request_Id=f"probe{path}")
    with Client(text.url) as client:
        assert client.send(ask(SECOND, X_Request_Id="secret")).answer().status == 200
    assert len(_lines(text, "secret")) == 1
    assert "probe/" not in text.log
    assert TEXT not in text.log
    assert "band" not in text.log  # what the fake model hears


def test_ids_do_not_mix(machine: ServerProcess) -> None:
    lengths = [round(0.5 + 0.1 * number, 1) for number in range(16)]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(machine.url)) for _ in lengths]
        for client, seconds in zip(clients, lengths, strict=True):
            client.send(ask(encoded(chirp(seconds)), X_Request_Id=f"length-{seconds}"))
        answers = [client.answer() for client in clients]
    told = {answer.headers["X-Request-Id"] for answer in answers}
    assert told == {f"length-{seconds}" for seconds in lengths}
    for seconds in lengths:
        (line,) = _lines(machine, f"length-{seconds}")
        assert json.loads(line)["audio_s"] == seconds


def test_ids_do_not_mix_on_one_connection(machine: ServerProcess) -> None:
    with Client(machine.url) as client:
        client.send(b"".join(ask(SECOND, X_Request_Id=f"pipe-{n}") for n in range(3)))
        answers = [client.answer() for _ in range(3)]
    assert [answer.headers["X-Request-Id"] for answer in answers] == ["pipe-0", "pipe-1", "pipe-2"]
    assert [len(_lines(machine, f"pipe-{n}")) for n in range(3)] == [1] * 3


def test_server_timing_has_the_stages(text: ServerProcess) -> None:
    with Client(text.url) as client:
        answer = client.send(ask(SECOND)).answer()
        missing = client.send(ask(SECOND, uid="other")).answer()
    told = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert tuple(told) == STAGES
    assert all(float(milliseconds) >= 0 for milliseconds in told.values())
    assert missing.headers["Server-Timing"].startswith("receive;dur=")


def _traced(server: ServerProcess, traces: Collector, recording: bytes, size: int) -> list[Span]:
    trace = f"{time.time_ns():032x}"
    with Client(server.url) as client:
        client.send(ask(recording, traceparent=f"00-{trace}-{PARENT}-01", X_Request_Id="traced"))
        client.answer()
    return traces.trace(bytes.fromhex(trace), size)


def test_a_trace_has_a_span_for_each_stage(machine: ServerProcess, traces: Collector) -> None:
    began = time.time_ns()
    spans = _traced(machine, traces, SECOND, 1 + len(STAGES))
    (root,) = (span for span in spans if span.parent_span_id == bytes.fromhex(PARENT))
    children = {span.name: span for span in spans if span.parent_span_id == root.span_id}
    assert root.name == "POST /score"
    assert root.kind == Span.SPAN_KIND_SERVER
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert tuple(sorted(children)) == tuple(sorted(STAGES))
    assert traces.services == {"audio-score-server"}
    told = {each.key: each.value for each in root.attributes}
    assert told["http.response.status_code"].int_value == 200
    assert told["audio_score.model"].string_value == "fake"
    assert told["request.id"].string_value == "traced"
    rounding = 2_000_000
    for child in children.values():
        assert root.start_time_unix_nano - rounding <= child.start_time_unix_nano
        assert child.end_time_unix_nano <= root.end_time_unix_nano + rounding
    assert began - rounding < root.start_time_unix_nano < time.time_ns()


def test_probes_are_not_traced_and_refusals_are(machine: ServerProcess, traces: Collector) -> None:
    get(machine.url, "/health/live", traceparent=f"00-{TRACE}-{PARENT}-01")
    spans = _traced(machine, traces, b"no sound", 3)
    assert {span.name for span in spans} == {"POST /score", "receive", "decode"}
    assert not traces.so_far(bytes.fromhex(TRACE))


def test_without_variables_no_tracing_is_imported() -> None:
    code = "import sys, audio_score_server.serving.server as s\n"
    code += "from audio_score_server.settings import FakeSettings, Settings\n"
    code += "settings = Settings(models=(FakeSettings(key='fake', type='fake'),))\n"
    code += "s.create_app(settings, s.build_service, print)\n"
    # FastAPI imports the interface for itself.
    heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto")
    code += f"sys.exit(any(name.startswith({heavy}) for name in sys.modules))"
    kept = {n: v for n, v in clean_environment({}).items() if not n.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept).returncode == 0


@pytest.mark.parametrize("reach", ["refused", "silent"])
def test_a_collector_out_of_reach_slows_nothing(tmp_path: Path, reach: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if reach == "refused":
            listening.close()
        tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
        with running("--config", write_config(tmp_path), **tracing) as server:
            server.wait_until_ready()
            post(server.url, SECOND, UID, CID)
            began = time.monotonic()
            for _ in range(20):
                assert post(server.url, SECOND, UID, CID).status_code == 200
            told = time.monotonic()
            assert server.stop() == 0
            ended = time.monotonic()
    assert told - began < 20
    assert ended - told < 20
    assert "Traceback" not in server.log
