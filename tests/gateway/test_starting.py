"""What keeps a gateway from starting is message in one message, and nothing is left running."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.gate import gate_of, left_of, needs_nginx, serving_gate, wait_until_none_is_left
from tests.process.server import ROOT, write_config

pytestmark = [pytest.mark.process, needs_nginx]


def _refused(folder: Path, *flags: str, config: str | None = None) -> tuple[int, str]:
    """Exit code and the last line of a supervisor that does not start."""
    named = config or write_config(folder)
    with gate_of(folder, "--config", named, "--workers", "1", *flags) as gate:
        code = gate.wait()
    assert code != 0
    assert "Traceback" not in gate.log
    assert left_of(folder) == []
    for name in ("run", "logs"):
        if (folder / name).is_dir():
            assert {path.name for path in (folder / name).iterdir()} <= {
                "access.log",
                "nginx-error.log",
            }
    return code, gate.lines[-1]


def _program(folder: Path, text: str) -> str:
    path = folder / "nginx"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, message = _refused(tmp_path, "--listen-port", port)
    assert code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in message
    assert "--listen-port" in message


def test_a_host_that_is_elsewhere(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--listen-host", "192.0.2.1")
    assert code == 1
    assert "Cannot listen on 192.0.2.1, port 0: Cannot assign requested address." in message


def test_a_missing_nginx(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--nginx", "no-such-nginx")
    assert code == 1
    assert "There is no program 'no-such-nginx'. Install it" in message
    assert "--nginx" in message


def test_an_old_nginx(tmp_path: Path) -> None:
    old = _program(tmp_path, "echo 'nginx version: nginx/1.18.0 (Ubuntu)' >&2")
    code, message = _refused(tmp_path, "--nginx", old)
    assert code == 1
    assert "is Nginx 1.18.0, at least 1.19.5 is needed." in message


def test_another_program_than_nginx(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--nginx", "/bin/true")
    assert code == 1
    assert "/bin/true is no Nginx" in message


@pytest.mark.parametrize("flag", ["--run-dir", "--log-dir"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, flag: str) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "run", Path("/proc/run")):
        code, message = _refused(tmp_path, flag, str(folder))
        assert code == 1
        assert f"{flag} {folder} cannot be written: " in message
        assert "Name another folder" in message


def test_a_second_supervisor_on_the_same_folder(tmp_path: Path) -> None:
    with serving_gate(tmp_path, 1) as first:
        with gate_of(tmp_path, "--config", str(tmp_path / "config.json")) as second:
            assert second.wait() == 1
        assert f"Another supervisor (process {first.process.pid}) uses " in second.lines[-1]
        assert first.is_serving()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"models": [', "cannot be read: Expecting value"),
        ('{"models": [{"key": "a", "type": "fak"}]}', "did you mean 'fake'?"),
    ],
)
def test_a_wrong_settings_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    code, line = _refused(tmp_path, config=str(path))
    assert code == 2
    assert line.startswith(f"Wrong settings: {path}")
    assert message in line


def test_a_wrong_flag(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--workers", "none")
    assert code == 2
    assert message.startswith("Wrong settings: --workers: Input should be a valid integer")


def test_a_body_limit_below_the_servers_own(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--client-max-body-size", "1m")
    assert code == 1
    assert "--client-max-body-size: 1,048,576 bytes are less than the 20,000,000 of" in message


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    code, message = _refused(tmp_path, "--tls-certificate", str(path), "--tls-key", str(path))
    assert code == 1
    if content is None:
        assert f"--tls-certificate {path} cannot be read: No such file or directory." in message
    else:
        assert "Nginx does not take its configuration: [emerg] " in message
        assert "tls-certificate.pem" in message


def test_a_worker_that_is_never_ready(tmp_path: Path) -> None:
    code, message = _refused(tmp_path, "--startup-timeout", "0.3")
    assert code == 3
    assert "No worker is left: worker-0 was not ready after 0.3 s." in message
    assert "--startup-timeout" in message


def test_a_worker_without_a_model(tmp_path: Path) -> None:
    config = Path(write_config(tmp_path))
    settings = json.loads(config.read_text())
    broken = {"key": "w", "type": "whisper", "model_id": str(tmp_path)}
    config.write_text(json.dumps({**settings, "models": [broken]}))
    code, message = _refused(tmp_path, config=str(config))
    assert code == 3
    assert "worker-0 exited with code 3 (no model could be loaded)" in message


def test_nginx_that_exits_again_and_again(tmp_path: Path) -> None:
    real = (
        'PATH=$PATH:/usr/sbin; for word in $@; do case $word in -V|-t) exec nginx "$@";; esac; done'
    )
    broken = _program(tmp_path, f"{real}; exit 7")
    code, message = _refused(tmp_path, "--nginx", broken)
    assert code == 1
    assert "Nginx exits again and again." in message


def test_a_signal_during_the_start(tmp_path: Path) -> None:
    with gate_of(tmp_path, "--config", write_config(tmp_path)) as gate:
        gate.wait_for_line(lambda line: "Starting 2 workers" in line)
        assert gate.stop() == 0
    wait_until_none_is_left(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []


def test_status_of_none(tmp_path: Path) -> None:
    message = subprocess.run(
        [sys.executable, "-m", "audio_score_server", "status", "--run-dir", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ},
    )
    assert message.returncode == 1
    assert message.stderr.startswith("No supervisor uses ")
