"""How a server starts, fails to start, and stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.process.server import ROOT, clean_environment, running

FAKE = {"models": [{"key": "fake", "type": "fake"}]}


def _write_config(folder: Path, settings: object) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return str(path)


def _run(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run_server.py"), "--port", "0", *flags],
        capture_output=True,
        text=True,
        env=clean_environment(variables),
        timeout=60,
    )


def test_models_that_cannot_load_are_left_out_with_one_line_each(tmp_path: Path) -> None:
    with running(AUDIO_SCORE_CACHE_DIR=str(tmp_path)) as server:
        server.wait_until_ready()
        lines = [line for line in server.lines if "is left out" in line]
        models = httpx.get(f"{server.url}/models").json()
    assert ["whisper-small" in line or "higgs-audio-v2" in line for line in lines] == [True, True]
    assert [model["key"] for model in models] == ["phones"]
    assert "Traceback" not in server.log


def test_start_fails_with_code_3_when_no_model_loads() -> None:
    result = _run("--model-keys", "whisper-small")
    assert result.returncode == 3
    assert "None of the models could be loaded: whisper-small" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_traceback_of_a_failed_model_is_at_debug_level() -> None:
    result = _run("--model-keys", "whisper-small", "--log-level", "debug")
    assert "Traceback" in result.stderr


def test_wrong_settings_end_with_code_2_and_the_right_name() -> None:
    result = _run(AUDIO_SCORE_MAX_BATCH_SIZES="4")
    assert result.returncode == 2
    assert "did you mean 'AUDIO_SCORE_MAX_BATCH_SIZE'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    config = _write_config(tmp_path, FAKE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = _run("--config", config, "--port", str(port))
    assert result.returncode == 1
    assert f"Cannot listen on http://127.0.0.1:{port}: Address already in use." in result.stderr
    assert "--port" in result.stderr


def _get_over(path: Path, address: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        return client.get(f"http://server{address}")


def test_a_unix_socket_serves_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    config = _write_config(tmp_path, FAKE)
    with running("--config", config, "--socket", str(path)) as server:
        server.wait_until_ready()
        assert _get_over(path, "/health/ready").status_code == 200
        assert server.stop() == 0
    assert not path.exists()


def test_a_killed_servers_socket_is_taken_over_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    config = _write_config(tmp_path, FAKE)
    with running("--config", config, "--socket", str(path)) as server:
        server.wait_until_ready()
        second = _run("--config", config, "--socket", str(path))
        assert second.returncode == 1
        assert "Cannot listen" in second.stderr
        assert _get_over(path, "/health/ready").status_code == 200
        server.process.kill()
        server.process.wait()
    assert path.exists()
    with running("--config", config, "--socket", str(path)) as server:
        server.wait_until_ready()
        assert _get_over(path, "/health/ready").status_code == 200


def test_json_logs_are_json(tmp_path: Path) -> None:
    config = _write_config(tmp_path, FAKE)
    with running("--config", config, AUDIO_SCORE_LOG_FORMAT="json") as server:
        server.wait_until_ready()
        assert server.stop() == 0
    records = [json.loads(line) for line in server.lines]
    assert {"time", "level", "logger", "message"} <= records[0].keys()


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_cleanly(tmp_path: Path, signal_name: str) -> None:
    config = _write_config(tmp_path, FAKE)
    with running("--config", config) as server:
        server.wait_until_ready()
        server.process.send_signal(getattr(signal, signal_name))
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log
