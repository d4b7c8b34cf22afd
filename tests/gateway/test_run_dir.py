from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from audio_score_server.gateway import rundir as module
from audio_score_server.gateway.errors import GatewayError
from audio_score_server.gateway.rundir import (
    CHILDREN,
    LOCK,
    Orphan,
    RunDir,
    end_orphans,
    owner_of,
    write_whole,
)


@contextmanager
def _taken(run: Path, logs: Path) -> Iterator[RunDir]:
    rundir = RunDir(run, logs)
    try:
        yield rundir
    finally:
        rundir.clear()
        rundir.release()


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
    with _taken(run, logs) as rundir:
        assert run.stat().st_mode & 0o777 == 0o750
        assert owner_of(run) == os.getpid()
        (run / "worker-0.1.sock").touch()
        (run / "worker-0.sock").symlink_to("nowhere")
        (run / "tls-key.pem").symlink_to("nowhere")
        assert rundir.uploads("worker-0.1").is_dir()
        rundir.record([])
    assert list(run.iterdir()) == []
    assert list(logs.iterdir()) == []
    assert owner_of(run) is None


def test_a_second_launcher_is_refused(tmp_path: Path) -> None:
    with (
        _taken(tmp_path / "run", tmp_path / "logs"),
        pytest.raises(GatewayError, match=rf"Another launcher \(process {os.getpid()}\) uses "),
    ):
        RunDir(tmp_path / "run", tmp_path / "logs")


def test_who_asks_for_the_status_keeps_nobody_from_starting(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK).write_text("1")
    with (run / LOCK).open() as asked, ThreadPoolExecutor(1) as pool:
        # As ``owner_of`` holds it, for longer.
        fcntl.flock(asked, fcntl.LOCK_SH)
        starting = pool.submit(RunDir, run, tmp_path / "logs")
        with pytest.raises(TimeoutError):
            starting.result(timeout=0.1)
        fcntl.flock(asked, fcntl.LOCK_UN)
        rundir = starting.result(timeout=10)
    assert owner_of(run) == os.getpid()
    rundir.release()


def test_a_question_that_never_ends_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ASKED_S", 0.05)
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK).write_text("1")
    with (run / LOCK).open() as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        with pytest.raises(GatewayError, match=r"Some process holds .*gateway\.lock open"):
            RunDir(run, tmp_path / "logs")


def test_what_a_crashed_launcher_left_is_cleared(tmp_path: Path) -> None:
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


def test_orphans_of_a_crashed_launcher_are_ended_with_what_they_started(tmp_path: Path) -> None:
    run, logs = tmp_path / "run", tmp_path / "logs"
    with _sleeping() as process:
        children = psutil.Process(process.pid).children()
        crashed = RunDir(run, logs)
        crashed.record([process.pid])
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
            write_whole(path, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_a_path_too_long_for_sockets_is_told(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 100)
    with pytest.raises(GatewayError, match=r"the path is too long by \d+ bytes"):
        RunDir(run, tmp_path / "logs")
    assert not run.exists()
