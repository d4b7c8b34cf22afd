from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.files import write_atomically
from audio_score_server.gateway.orphans import Orphan, end_orphans, record_children
from audio_score_server.gateway.run_dir import CHILDREN, LOCK, RunDir, owner_of


@contextmanager
def _taken(run: Path, logs: Path) -> Iterator[RunDir]:
    run_dir = RunDir(run, logs)
    try:
        yield run_dir
    finally:
        run_dir.clear()
        run_dir.release()


@contextmanager
def _sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """A leader of a session, and a child of its own in it."""
    program = (
        "import subprocess, sys; subprocess.Popen(['sleep', '60']); print(flush=True); "
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    try:
        with process.stdin, process.stdout:
            yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def test_it_is_made_for_its_owners_group_only_and_left_empty(tmp_path: Path) -> None:
    run, logs = tmp_path / "a" / "run", tmp_path / "logs"
    with _taken(run, logs) as run_dir:
        assert run.stat().st_mode & 0o777 == 0o750
        assert owner_of(run) == os.getpid()
        (run / "worker-0.1.sock").touch()
        (run / "worker-0.sock").symlink_to("nowhere")
        (run / "tls-key.pem").symlink_to("nowhere")
        assert run_dir.make_temp_dir("worker-0.1").is_dir()
        record_children(run / CHILDREN, [])
    assert list(run.iterdir()) == []
    assert list(logs.iterdir()) == []
    assert owner_of(run) is None


def test_a_second_supervisor_is_refused(tmp_path: Path) -> None:
    with (
        _taken(tmp_path / "run", tmp_path / "logs"),
        pytest.raises(GatewayError, match=rf"Another supervisor \(process {os.getpid()}\) uses "),
    ):
        RunDir(tmp_path / "run", tmp_path / "logs")


def test_who_asks_for_the_status_keeps_no_supervisor_from_starting(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK).write_text("1")
    done = threading.Event()

    def ask() -> set[int | None]:
        owners = set()
        while not done.is_set():
            owners.add(owner_of(run))
        return owners

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for _ in range(100):
            with _taken(run, tmp_path / "logs"):
                assert owner_of(run) == os.getpid()
        done.set()
        # 0, or 1 as here before, is read between the lock and the number's writing.
        assert set().union(*(each.result() for each in asking)) <= {None, 0, 1, os.getpid()}


def test_what_a_crashed_supervisor_left_is_cleared(tmp_path: Path) -> None:
    run, logs = tmp_path / "run", tmp_path / "logs"
    run.mkdir()
    (run / LOCK).write_text("1")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(run / "worker-0.1.sock"))
    (run / "nginx.pid").write_text("1")
    (run / CHILDREN).write_text("{half")
    (logs / "client_body_temp" / "0").mkdir(parents=True)
    (logs / "access.log").write_text("kept")
    with _taken(run, logs):
        assert [path.name for path in run.iterdir()] == [LOCK]
    assert [path.name for path in logs.iterdir()] == ["access.log"]


def test_orphans_of_a_crashed_supervisor_are_ended_with_what_they_started(tmp_path: Path) -> None:
    run, logs = tmp_path / "run", tmp_path / "logs"
    with _sleeping() as process:
        children = psutil.Process(process.pid).children()
        crashed = RunDir(run, logs)
        record_children(run / CHILDREN, [process.pid])
        crashed.release()
        with _taken(run, logs):
            assert process.wait(5) == -signal.SIGKILL
        (child,) = children
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_strangers_that_were_given_the_same_number_are_let_be() -> None:
    with _sleeping() as process:
        end_orphans([Orphan(process.pid, started=1)])
        assert process.poll() is None


def test_a_folder_that_holds_other_things_is_not_taken(tmp_path: Path) -> None:
    run = tmp_path / "home"
    run.mkdir(mode=0o755)
    (run / "letters.txt").touch()
    with pytest.raises(GatewayError, match=r"holds other things \(letters.txt\)"):
        RunDir(run, tmp_path / "logs")
    assert run.stat().st_mode & 0o777 == 0o755


def test_a_file_that_cannot_be_replaced_stays_and_half_a_new_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_atomically(path, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_a_path_too_long_for_sockets_is_an_error(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 100)
    with pytest.raises(GatewayError, match=r"the path is too long by \d+ bytes"):
        RunDir(run, tmp_path / "logs")
    assert not run.exists()
