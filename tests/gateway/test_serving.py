"""A gateway at work: the same answers as a server's, and what it adds."""

from __future__ import annotations

import json
import os
import pty
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.gateway.gate import SECOND, Gate, needs_nginx, serving_gate
from tests.process.clients import Client, Numbers, ask, form, get, head, wait_until
from tests.process.server import ROOT

pytestmark = [pytest.mark.process, needs_nginx]
_LARGEST: Final = 8_000_000


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    with serving_gate(folder, 2, max_upload_bytes=_LARGEST) as gate:
        yield gate


def test_a_score_is_a_servers_with_the_same_id(gate: Gate) -> None:
    with Client(gate.url) as client:
        answer = client.send(ask(SECOND, X_Request_Id="mine-1")).answer()
        assert answer.status == 200
        assert answer.headers["X-Request-Id"] == "mine-1"
        assert "device;dur=" in answer.headers["Server-Timing"]
        second = client.send(ask(SECOND, X_Request_Id="two words")).answer()
    assert re.fullmatch("[0-9a-f]{32}", second.headers["X-Request-Id"])
    gate.wait_for_line(lambda line: "path=/score" in line and "request_id=mine-1" in line)


def test_the_access_log_tells_of_workers(gate: Gate) -> None:
    with Client(gate.url) as client:
        assert client.send(ask(SECOND, X_Request_Id="logged-1")).answer().status == 200
    log = gate.folder / "logs" / "access.log"
    wait_until(lambda: "logged-1" in log.read_text())
    (line,) = (line for line in log.read_text().splitlines() if "logged-1" in line)
    assert re.search(r'"POST /score HTTP/1.1" status=200 .* upstream="unix:worker-\d.sock"', line)
    assert re.search(r'upstream_status="200" upstream_seconds="0\.\d+"', line)


def test_health_is_that_of_the_whole(gate: Gate) -> None:
    assert get(gate.url, "/health/live").json == {"status": "alive"}
    assert get(gate.url, "/health/ready").json == {"status": "ready"}
    health = get(gate.url, "/health").json
    assert health["status"] == "ready"
    assert [model["key"] for model in health["models"]] == ["fake"]
    assert health["processes"] == {"worker-0": "ready", "worker-1": "ready", "nginx": "ready"}
    assert get(gate.url, "/health/nothing").status == 404


def test_metrics_are_those_of_all_workers(gate: Gate) -> None:
    before = Numbers(gate.url)
    clients = [Client(gate.url).send(ask(SECOND)) for _ in range(4)]
    assert [client.answer().status for client in clients] == [200] * 4
    for client in clients:
        client.leave()
    after = Numbers(gate.url)
    name = "audio_score_requests_total"
    gains = [
        after.of(name, worker=worker, outcome="ok") - before.of(name, worker=worker, outcome="ok")
        for worker in ("0", "1")
    ]
    assert gains == [2, 2]
    assert after.of("audio_score_gateway_process_state", process="nginx", state="ready") == 1


def test_documentation_and_the_rest_come_from_a_worker(gate: Gate) -> None:
    assert get(gate.url, "/models").json[0]["key"] == "fake"
    assert b"swagger" in get(gate.url, "/docs").body
    assert get(gate.url, "/nothing").detail.startswith("There is nothing at /nothing")


@pytest.mark.parametrize("length", [_LARGEST + 1, _LARGEST + 2_000_000])
def test_too_large_an_upload_is_refused_in_the_same_words(gate: Gate, length: int) -> None:
    with Client(gate.url) as client:
        answer = client.send(head(length) + bytes(length)).answer()
    assert answer.status == 413
    assert answer.detail.startswith("The upload is too large: at most 8,000,000 bytes are taken.")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]


def test_the_largest_upload_takes_little_memory(gate: Gate) -> None:
    pids = [gate.nginx()["pid"], *(worker["pid"] for worker in gate.workers())]
    family = [psutil.Process(pid) for pid in pids]
    family += family[0].children()
    before = [process.memory_info().rss for process in family]
    body = form(bytes(_LARGEST - 1_000))
    clients = [Client(gate.url).send(head(len(body))) for _ in range(4)]
    most = before
    for start in range(0, len(body), 1_000_000):
        for client in clients:
            client.send(body[start : start + 1_000_000])
        now = [process.memory_info().rss for process in family]
        most = [max(pair) for pair in zip(most, now, strict=True)]
    for client in clients:
        assert client.answer().status == 400
        client.leave()
    now = [process.memory_info().rss for process in family]
    growth = [max(pair) - old for *pair, old in zip(most, now, before, strict=True)]
    names = [process.name() for process in family]
    for name, grown in zip(names, growth, strict=True):
        # A worker reads what it decodes; nginx passes on what it has on disk.
        limit = 4_000_000 if name == "nginx" else 6 * _LARGEST
        assert grown < limit, dict(zip(names, growth, strict=True))
    assert not any(path.is_file() for path in (gate.folder / "logs/client_body_temp").rglob("*"))


def test_threads_are_divided_and_temporary_files_kept_together(gate: Gate) -> None:
    for worker in gate.workers():
        variables = psutil.Process(worker["pid"]).environ()
        assert variables["AUDIO_SCORE_CPU_THREADS"] == str(worker["cpu_threads"])
        assert Path(variables["TMPDIR"]).parent == gate.folder / "logs" / "worker_temp"
    cores = len(os.sched_getaffinity(0))
    assert sum(worker["cpu_threads"] for worker in gate.workers()) == max(2, cores)


def _run_status(gate: Gate, output: int) -> subprocess.CompletedProcess[bytes]:
    run = str(gate.folder / "run")
    command = [sys.executable, "-m", "audio_score_server", "status", "--run-dir", run]
    return subprocess.run(command, cwd=ROOT, stdout=output, check=True)


def test_status_is_json_for_machines_and_a_table_for_people(gate: Gate) -> None:
    status = json.loads(_run_status(gate, subprocess.PIPE).stdout)
    assert status["state"] == "serving"
    assert status["pid"] == gate.process.pid
    assert status["url"] == gate.url
    ours, theirs = pty.openpty()
    _run_status(gate, theirs)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert f"{gate.url} is serving" in shown
    assert re.search(r"worker-0 +ready +\S+ \w+ +\d+ +0 ", shown)


def test_keys_and_rates_hold_behind_the_gateway(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    mine, yours = "0123456789abcdef", "fedcba9876543210"
    keys.write_text(f"{mine}\n{yours}\n")
    keys.chmod(0o600)
    with serving_gate(tmp_path, 2, api_keys_file=str(keys), rate_limit_per_minute=3) as gate:

        def status(**headers: str) -> tuple[int, str | None]:
            with Client(gate.url) as client:
                answer = client.send(ask(SECOND, **headers)).answer()
            assert answer.headers["Content-Type"] == "application/json"
            return answer.status, answer.headers["Retry-After"]

        bearer = [{"Authorization": f"Bearer {key}"} for key in (mine, yours)]
        assert [status(**bearer[0]) for _ in range(3)] == [(200, None)] * 3
        assert status(**bearer[0]) == (429, "20")
        assert status(Authorization=f"bearer   {mine}") == (429, "20")
        assert status(**bearer[1]) == (200, None)
        assert [status() for _ in range(4)] == [(401, None)] * 3 + [(429, "20")]
        assert status(Authorization="Bearer nonsense-nonsense") == (401, None)
        assert get(gate.url, "/health").status == get(gate.url, "/docs").status == 200
        assert get(gate.url, "/metrics").status == get(gate.url, "/clips").status == 401
        metrics = get(gate.url, "/metrics", **bearer[1])
        assert b'outcome="ok",worker="' in metrics.body


def test_https(tmp_path: Path) -> None:
    certificate, key = tmp_path / "my cert.pem", tmp_path / "my $key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    flags = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with serving_gate(tmp_path, 1, *flags) as gate:
        assert gate.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{gate.url}/health", context=trust, timeout=20) as answer:
            assert json.load(answer)["status"] == "ready"
        assert gate.stop() == 0
