"""Real server processes, started, watched until they are ready, and ended."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.demo import ROOT

_LISTENING: Final = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)\.")
_PREFIX: Final = "AUDIO_SCORE_"
_POLL_S: Final = 0.025
"""Often enough to time seconds, seldom enough not to slow what is timed."""
_ANSWER_S: Final = 30.0
_PATIENCE_S: Final = 300.0
_END_S: Final = 20.0
_LOG_TAIL: Final = 2_000


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has just become ready.

    Attributes:
        pid: of its process.
        port: on the loopback address.
        listening_s: from the start of the process until it said where it listens.
        ready_s: from the start of the process until it answered that it is ready.
        rss_mib: resident memory when ready.
        log: what it had logged by then.
    """

    pid: int
    port: int
    listening_s: float
    ready_s: float
    rss_mib: float
    log: str

    def cpu_s(self) -> float:
        """CPU seconds used so far, over all cores."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running_server(
    clips: Path,
    cache: Path,
    *,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """A server of the phones model on a free port; it is ended on leaving.

    Args:
        clips: folder of reference clips.
        cache: folder of precomputed features.
        flags: further command-line flags.
        environment: further environment variables.

    Raises:
        RuntimeError: it ended or did not become ready in time; the text holds the end of its log.
    """
    command = [sys.executable, str(ROOT / "run_server.py"), "--port", "0", *flags]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--model-keys", "phones"],
            stdout=subprocess.DEVNULL,
            stderr=log.fileno(),
            env=_environment(clips, cache, environment or {}),
        )
        try:
            yield _wait(process, log.fileno(), started)
        finally:
            _end(process)


def _environment(clips: Path, cache: Path, further: Mapping[str, str]) -> dict[str, str]:
    """This process's own, free of settings for the server that happen to be in it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    ours = {"VIDEO_CLIP_DIR": str(clips), "CACHE_DIR": str(cache), "LOG_FORMAT": "text"}
    return inherited | {_PREFIX + name: value for name, value in ours.items()} | dict(further)


def _wait(process: subprocess.Popen[bytes], log: int, started: float) -> RunningServer:
    deadline = started + _PATIENCE_S
    port, listening_s = None, 0.0
    while time.perf_counter() < deadline and process.poll() is None:
        if port is None:
            found = _LISTENING.search(_content(log))
            if found is not None:
                port, listening_s = int(found[1]), time.perf_counter() - started
        elif _is_ready(port):
            ready_s = time.perf_counter() - started
            rss_mib = psutil.Process(process.pid).memory_info().rss / 2**20
            return RunningServer(
                process.pid, port, listening_s, ready_s, rss_mib, log=_content(log)
            )
        time.sleep(_POLL_S)
    raise RuntimeError(f"The server did not become ready:\n{_content(log)[-_LOG_TAIL:]}")


def _content(log: int) -> str:
    # The child shares the position of this file; reading by offset leaves it where it is.
    return os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
