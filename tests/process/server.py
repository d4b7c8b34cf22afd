"""Real server processes for tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from tests.support import make_clip

ROOT = Path(__file__).resolve().parents[2]
_LISTENING = re.compile(r'Listening on ((?:http://|unix:)\S+?)\.(?:"|$)')
_START_S = 150.0
_END_S = 30.0


class ServerProcess:
    """A running ``run_server.py`` and what it has logged so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        assert process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(process.stderr,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def wait(self) -> int:
        """Its exit code, once it has ended and all that it logged is here."""
        code = self.process.wait(_END_S)
        self._reader.join()
        return code

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return "\n".join(self.lines)

    def wait_for_line(self, wanted: Callable[[str], bool]) -> str:
        """The first line that is wanted, whether it has come already or comes yet."""
        deadline = time.monotonic() + _START_S
        with self._news:
            while True:
                for line in self.lines:
                    if wanted(line):
                        return line
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the line never came:\n{self.log}")
                self._news.wait(0.2)

    @property
    def url(self) -> str:
        """Where it listens."""
        line = self.wait_for_line(lambda line: _LISTENING.search(line) is not None)
        match = _LISTENING.search(line)
        assert match is not None
        return match[1]

    def wait_until_ready(self) -> None:
        """Until the log says so."""
        self.wait_for_line(lambda line: "Ready after" in line)

    def stop(self) -> int:
        """Ask it to stop; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of the server, and with ``extra``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUDIO_SCORE")}
    return {**kept, "HF_HUB_OFFLINE": "1", **extra}


@contextmanager
def running(*flags: str, **variables: str) -> Iterator[ServerProcess]:
    """A server with these flags and variables; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_server.py"), "--port", "0", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(variables),
    )
    server = ServerProcess(process)
    try:
        yield server
    finally:
        server.kill()


def post(
    url: str, recording: Path | bytes, uid: str, cid: str, model: str | None = None
) -> httpx.Response:
    """POST a recording to ``/score``."""
    content = recording if isinstance(recording, bytes) else recording.read_bytes()
    data = {"uid": uid, "cid": cid} | ({"model": model} if model else {})
    return httpx.post(f"{url}/score", data=data, files={"audio": content}, timeout=60)


def write_config(folder: Path, batch_ms: float = 0, **settings: object) -> str:
    """A settings file for a fake model and one clip of a second, without a canary."""
    make_clip(folder / "clips")
    path = folder / "config.json"
    model = {"key": "fake", "type": "fake", "batch_ms": batch_ms, "audio_similarity": "pooled"}
    chosen = {"models": [model], "video_clip_dir": "clips", "canary_interval_s": 0, **settings}
    path.write_text(json.dumps(chosen))
    return str(path)
