"""The snippet for an Nginx of one's own, in front of real servers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.files import LOGROTATE, NGINX
from tests.process.clients import Client, ask, get, wait_until
from tests.process.server import ServerProcess, running, write_config
from tests.support import chirp, encoded

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]
SECOND: Final = encoded(chirp(1.0))
TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _site(folder: Path, port: int) -> Path:
    """A whole configuration around the snippet, with paths of its own."""
    snippet = NGINX.read_text()
    for ours, theirs in (
        ("/run/audio-score/1/server.sock", f"{folder}/1.sock"),
        ("/run/audio-score/2/server.sock", f"{folder}/2.sock"),
        ("/var/log/nginx/", f"{folder}/"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert ours in snippet
        snippet = snippet.replace(ours, theirs)
    temporary = "".join(f"{each}_temp_path {folder}/{each};\n" for each in TEMPORARY)
    head = f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(f"{user}{head}http {{\n{temporary}{snippet}}}\n")
    return path


def _nginx(folder: Path, *words: str) -> list[str]:
    return ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "error.log"), *words]


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_nginx_understands_every_line(tmp_path: Path) -> None:
    _site(tmp_path, _port())
    result = subprocess.run(_nginx(tmp_path, "-t"), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "warn" not in result.stderr


@contextmanager
def _front(folder: Path) -> Iterator[str]:
    port = _port()
    _site(folder, port)
    nginx = subprocess.Popen(_nginx(folder, "-g", "daemon off;"))
    try:
        wait_until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        nginx.terminate()
        nginx.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _servers(stack: ExitStack, folder: Path, **settings: Any) -> list[ServerProcess]:
    config = write_config(folder, **settings)
    servers = [
        stack.enter_context(running("--config", config, "--socket", f"{folder}/{number}.sock"))
        for number in (1, 2)
    ]
    for server in servers:
        server.wait_until_ready()
    return servers


def _score(url: str, recording: bytes = SECOND, **headers: str) -> int:
    with Client(url) as client:
        return client.send(ask(recording, **headers)).answer().status


def test_requests_are_spread_and_survive_a_server(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = _servers(stack, tmp_path, max_upload_bytes=1_000_000)
        url = stack.enter_context(_front(tmp_path))
        assert [_score(url) for _ in range(8)] == [200] * 8
        assert all("path=/score" in server.log for server in servers)
        # The server's own answer, as Nginx takes more than it does.
        assert _score(url, bytes(2_000_000)) == 413
        assert get(url, "/metrics").status == 404
        servers[0].kill()
        assert [_score(url) for _ in range(8)] == [200] * 8
        servers[1].kill()
        answer = get(url, "/clips", X_Request_Id="mine-1")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["X-Request-Id"] == "mine-1"
        assert "No server can be reached" in answer.detail
        log = tmp_path / "audio-score.log"
        wait_until(lambda: '"GET /clips" 503' in log.read_text())


def test_a_client_cannot_pass_for_another_to_escape_its_rate(tmp_path: Path) -> None:
    with ExitStack() as stack:
        _servers(stack, tmp_path, rate_limit_per_minute=1)
        url = stack.enter_context(_front(tmp_path))
        asked = [
            _score(url, X_Forwarded_For=f"10.0.0.{n}", X_Real_Ip=f"10.0.0.{n}") for n in range(6)
        ]
        # Each of the two servers counts for itself.
        assert sorted(asked) == [200, 200, 429, 429, 429, 429]


def test_a_request_keeps_the_id_that_its_client_gave_it(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = _servers(stack, tmp_path)[0]
        url = stack.enter_context(_front(tmp_path))
        given = [get(url, "/clips", X_Request_Id="mine-1").headers["X-Request-Id"] for _ in "12"]
        assert given == ["mine-1"] * 2
        assert "request_id=mine-1" in server.log
        # What is no id, or none at all, is replaced.
        for headers in ({"X_Request_Id": "two words"}, {}):
            made = get(url, "/clips", **headers).headers["X-Request-Id"]
            assert re.fullmatch("[0-9a-f]{32}", made)
        log = tmp_path / "audio-score.log"
        wait_until(lambda: log.read_text().count("; mine-1\n") == 2)


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
def test_logrotate_understands_every_line(tmp_path: Path) -> None:
    state = tmp_path / "state"
    rules = tmp_path / "rules"
    # It asks for the user even when it only explains; this machine may not have it.
    rules.write_text(LOGROTATE.read_text().replace("audio-score audio-score", "root root"))
    rules.chmod(0o644)
    result = subprocess.run(
        ["logrotate", "--debug", "--state", str(state), str(rules)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stderr
    assert "rotating pattern: /var/log/audio-score/*.log" in result.stderr
