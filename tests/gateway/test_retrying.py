"""Which workers a request meets: real Nginx, with stand-ins for workers that die and refuse."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.gateway.nginx import find_nginx, install_config
from audio_score_server.gateway.nginx_config import NginxConfig, render, worker_socket
from audio_score_server.gateway.run_dir import RunDir
from tests.gateway.gate import needs_nginx
from tests.process.clients import Answer, Client, ask, get, wait_until

pytestmark = [pytest.mark.process, needs_nginx]
_WORKERS: Final = 4
_ANSWERS: Final = {"200": "OK", "502": "Bad Gateway", "503": "Busy", "507": "Insufficient Storage"}
_DEATH: Final = "death"
_DYING: Final = "dying"
"""Dead, and its socket takes connections yet."""


class _Worker(socketserver.ThreadingUnixStreamServer):
    """Answers with a status, or dies of a request."""

    daemon_threads = True

    def __init__(self, path: Path, behaviour: str) -> None:
        super().__init__(str(path), _Connection)
        self.path, self.behaviour = path, behaviour
        self.seen = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Connection(socketserver.StreamRequestHandler):
    """Kept open for as long as the other side keeps it."""

    def handle(self) -> None:
        worker = self.server
        assert isinstance(worker, _Worker)
        while line := self.rfile.readline():
            length = 0
            while (field := self.rfile.readline()) not in (b"\r\n", b""):
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            self.rfile.read(length)
            behaviour = worker.behaviour if line.startswith(b"POST") else "200"
            worker.seen += behaviour == worker.behaviour and line.startswith(b"POST")
            if behaviour in (_DEATH, _DYING):
                if behaviour == _DEATH:
                    worker.path.unlink(missing_ok=True)
                return
            body = b'{"detail":"said by a worker","code":"said"}'
            head = (
                f"HTTP/1.1 {behaviour} {_ANSWERS[behaviour]}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + body)


class _Gateway:
    """Nginx before some workers."""

    def __init__(self, url: str, workers: list[_Worker]) -> None:
        self.url, self.workers = url, workers

    def score(self) -> Answer:
        with Client(self.url) as client:
            return client.send(ask(b"sound")).answer()

    @property
    def met(self) -> int:
        """How many workers have seen a recording, each counted as often as it has."""
        return sum(worker.seen for worker in self.workers)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., _Gateway]]:
    """Starts Nginx before workers of these behaviours; without one for a place, nobody is there."""
    with ExitStack() as stack:
        yield lambda *behaviours: stack.enter_context(_serving(tmp_path, behaviours))


@contextmanager
def _serving(folder: Path, behaviours: tuple[str | None, ...]) -> Iterator[_Gateway]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    binary = find_nginx("nginx", os.environ)
    run_dir = RunDir(folder / "run", folder / "logs")
    config = NginxConfig(
        listen=place,
        pid_path=str(run_dir.path / "nginx.pid"),
        workers=len(behaviours),
        max_body_bytes=10**6,
        max_upload_bytes=10**6,
        max_transcription_bytes=10**7,
        max_clip_bytes=10**7,
        transcription_timeout_s=20.0,
        request_timeout_s=10,
        health_timeout_s=10,
        shutdown_timeout_s=1,
        user="root" if os.geteuid() == 0 else None,
        missing_modules=binary.missing_modules,
    )
    install_config(binary, run_dir, render(config))
    workers = [
        _Worker(run_dir.path / worker_socket(index), behaviour)
        for index, behaviour in enumerate(behaviours)
        if behaviour is not None
    ]
    nginx = subprocess.Popen(binary.command(run_dir), cwd=run_dir.path)
    try:
        wait_until(lambda: (run_dir.path / "nginx.sock").exists() and _listens(place))
        yield _Gateway(f"http://{place}", workers)
    finally:
        nginx.terminate()
        nginx.wait()
        for worker in workers:
            worker.shutdown()
            worker.server_close()
        run_dir.clear()
        run_dir.release()


def _listens(place: str) -> bool:
    host, port = place.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.parametrize("warm", [False, True])
def test_a_recording_that_kills_meets_two_workers_and_no_more(
    gateway: Callable[..., _Gateway], warm: bool
) -> None:
    serving = gateway(*[_DEATH] * _WORKERS)
    for _ in range(2 * _WORKERS * warm):
        # Connections to workers that are kept must not make it another matter.
        assert get(serving.url, "/clips").status == 200
    answer = serving.score()
    assert answer.status == 503
    assert answer.detail == "No worker can be reached at the moment. Try again shortly."
    assert serving.met == 2


@pytest.mark.parametrize("place", range(_WORKERS))
def test_those_who_are_not_there_are_passed_over(
    gateway: Callable[..., _Gateway], place: int
) -> None:
    behaviours: list[str | None] = [None] * _WORKERS
    behaviours[place] = "200"
    serving = gateway(*behaviours)
    assert [serving.score().status for _ in range(_WORKERS)] == [200] * _WORKERS


def test_one_who_dies_while_another_is_not_there_is_not_missed(
    gateway: Callable[..., _Gateway],
) -> None:
    serving = gateway(_DEATH, None, None, "200")
    assert [serving.score().status for _ in range(_WORKERS)] == [200] * _WORKERS


@pytest.mark.parametrize("absent", [0, 2, 3])
def test_one_who_is_dying_is_not_met_again(gateway: Callable[..., _Gateway], absent: int) -> None:
    behaviours: list[str | None] = ["200", _DYING, "200", "200"]
    behaviours[absent] = None
    serving = gateway(*behaviours)
    assert [serving.score().status for _ in range(4 * _WORKERS)] == [200] * 4 * _WORKERS


def test_a_recording_that_kills_meets_two_workers_whoever_is_not_there(
    gateway: Callable[..., _Gateway],
) -> None:
    serving = gateway(_DEATH, None, _DEATH, _DEATH)
    assert serving.score().status == 503
    assert serving.met <= 2


def test_one_who_is_full_sends_to_another(gateway: Callable[..., _Gateway]) -> None:
    serving = gateway("503", "200")
    assert [serving.score().status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(("status", "met"), [("503", 2), ("507", 1), ("502", 1)])
def test_what_workers_answer_is_passed_on(
    gateway: Callable[..., _Gateway], status: str, met: int
) -> None:
    serving = gateway(*[status] * _WORKERS)
    answer = serving.score()
    assert (answer.status, serving.met) == (int(status), met)
    assert answer.detail == "said by a worker"


def test_a_single_worker_that_dies_is_a_503(gateway: Callable[..., _Gateway]) -> None:
    serving = gateway(_DEATH)
    assert serving.score().status == 503
    assert serving.met == 1


def test_no_worker_at_all_is_a_503(gateway: Callable[..., _Gateway]) -> None:
    answer = gateway(None, None, None).score()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
