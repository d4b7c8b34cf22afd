"""Everything goes wrong at once, and no request that can be served is lost.

The disk is full, nobody hears what is logged, the clock jumps, a recording kills whoever hears it,
and more plots are asked for than can be drawn. The clock that jumps is Python's alone, in the
supervisor and its workers: the real one is everybody's, and Nginx's cannot be told apart from it.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.gateway.gate import SECOND, needs_nginx
from tests.process.clients import Answer, Client, Numbers, ask, form, get, head, wait_until
from tests.process.server import ROOT, write_config
from tests.process.test_unheard import unheard
from tests.support import chirp, encoded

pytestmark = [pytest.mark.process, needs_nginx]
_DISK: Final = 16 * 2**20
_POISON: Final = encoded(chirp(0.5))
_CLIENTS: Final = 6
_WORKERS: Final = 3
_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.1
_GIVE_UP_S: Final = 30.0
_DAY_S: Final = 86_400
_RUDE: Final = """
import os, signal, sys, time

def jumping(real=time.time, path=os.environ["CHAOS_CLOCK"]):
    with open(path) as offset:
        return real() + float(offset.read() or 0)

time.time = jumping
if "serve" in sys.orig_argv:
    from audio_score_server.runners import fake

    def run(self, utterances, harmless=fake.FakeRunner.run):
        if any(len(utterance.features) == 25 for utterance in utterances):
            os.kill(os.getpid(), signal.SIGKILL)
        return harmless(self, utterances)

    fake.FakeRunner.run = run
"""
"""What every Python process does at its start: half a second of sound kills a worker."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class _Clients:
    """Each asks again and again; who is refused for now asks once more, as it is told to."""

    def __init__(self, url: str, request: bytes, patient: bool) -> None:
        self.outcomes: Counter[str] = Counter()
        self._url, self._request, self._patient = url, request, patient
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go) for _ in range(_CLIENTS)]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def wait_for_more(self, outcome: str, count: int) -> None:
        wanted = self.outcomes[outcome] + count
        wait_until(lambda: self.outcomes[outcome] >= wanted, _PATIENCE_S)

    def _go(self) -> None:
        while not self._stop.is_set():
            self.outcomes[self._outcome()] += 1

    def _outcome(self) -> str:
        deadline = time.monotonic() + _GIVE_UP_S
        while True:
            try:
                answer = _sent(self._url, self._request)
            except OSError as error:
                return repr(error)
            if answer.status != 503:
                return str(answer.status)
            assert int(answer.headers["Retry-After"]) >= 1
            if not self._patient or time.monotonic() > deadline:
                return "503"
            time.sleep(_PAUSE_S)


def _sent(url: str, request: bytes) -> Answer:
    with Client(url) as client:
        return client.send(request).answer()


def _plot_request() -> bytes:
    field = b'Content-Disposition: form-data; name="detail"\r\n\r\nplot\r\n'
    body = form(SECOND)
    boundary = body.partition(b"\r\n")[0]
    body = boundary + b"\r\n" + field + body
    return head(len(body)) + body


def _status(folder: Path) -> dict[str, Any]:
    try:
        status: dict[str, Any] = json.loads((folder / "run" / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return status


def _at_full_strength(url: str) -> bool:
    processes = get(url, "/health").json["processes"]
    return len(processes) == _WORKERS + 1 and set(processes.values()) == {"ready"}


def _poison(url: str) -> None:
    """Two workers hear of it, and die; the third does not."""
    answer = _sent(url, ask(_POISON))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    wait_until(lambda: _at_full_strength(url), _PATIENCE_S)


@contextmanager
def _gateway(disk: Path, clock: Path) -> Iterator[str]:
    """The address of a supervisor with a closed stderr; it ends in order, whatever has been."""
    (rude := clock.parent / "rude").mkdir()
    (rude / "sitecustomize.py").write_text(_RUDE)
    config = write_config(clock.parent, batch_ms=20)
    words = ("--config", config, "--workers", str(_WORKERS), "--listen-port", "0")
    folders = ("--run-dir", str(disk / "run"), "--log-dir", str(disk / "logs"))
    program = str(ROOT / "run_server_with_gate.py")
    variables = {"PYTHONPATH": f"{rude}{os.pathsep}{ROOT}", "CHAOS_CLOCK": str(clock)}
    with unheard("nothing", program, *words, *folders, **variables) as process:
        wait_until(lambda: _status(disk).get("state") == "serving", _PATIENCE_S)
        yield _status(disk)["url"]
        process.terminate()
        assert process.wait(30) == 0


def _fill(disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(bytes(2 * _DISK))


def _jump(clock: Path, offset_s: int) -> None:
    """At once: who reads half of it would see another time."""
    clock.with_suffix(".new").write_text(str(offset_s))
    clock.with_suffix(".new").replace(clock)


@pytest.mark.timeout(180)
def test_no_request_that_can_be_served_is_lost(tmp_path: Path, disk: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    with _gateway(disk, clock) as url:
        scores = _Clients(url, ask(SECOND), patient=True)
        plots = _Clients(url, _plot_request(), patient=False)
        with scores.at_work(), plots.at_work():
            scores.wait_for_more("200", 20)
            _fill(disk)
            for offset_s in (_DAY_S, -_DAY_S):
                _jump(clock, offset_s)
                scores.wait_for_more("200", 20)
            _poison(url)
            scores.wait_for_more("200", 20)
        restarts = Numbers(url).of("audio_score_gateway_process_restarts_total")
    assert set(scores.outcomes) == {"200"}, scores.outcomes
    assert set(plots.outcomes) == {"200", "503"}, plots.outcomes
    assert restarts == 2
