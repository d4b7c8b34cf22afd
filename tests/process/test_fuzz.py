"""Damaged uploads: some hundreds to a real server, and what counts as its fault."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from bench import fuzz
from bench.fuzz import Upload
from bench.fuzz_files import FORMATS, whole_files
from tests.process.server import ROOT, clean_environment

pytestmark = pytest.mark.process
_DEADLINE_S: Final = 0.1


@pytest.mark.timeout(300)
def test_some_hundred_damaged_uploads_find_no_fault(tmp_path: Path) -> None:
    words = ("--uploads", "200", "--deadline-s", "30", "--faults", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz", *words],
        cwd=ROOT,
        env=clean_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 1: 0 faults" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_upload_follows_from_the_seed_and_its_number() -> None:
    files, again = (list(whole_files().values()) for _ in range(2))
    assert len(FORMATS) >= 30
    assert files == again
    some = [Upload.of(1, number, files) for number in range(50)]
    assert some == [Upload.of(1, number, again) for number in range(50)]
    assert len({upload.data for upload in some}) > 45
    assert some != [Upload.of(2, number, files) for number in range(50)]


class _Broken(BaseHTTPRequestHandler):
    """Answers in turn: as it should, with a refusal, a fault, too late, and not at all."""

    protocol_version = "HTTP/1.1"
    turns: Iterator[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        turn = next(self.turns)
        if turn == "late":
            time.sleep(_DEADLINE_S + 1.5 * fuzz._LATE_S)
        if turn != "none":
            self.send_response(200 if turn == "late" else int(turn))
            self.send_header("Content-Length", "0")
            self.end_headers()
        self.close_connection = turn == "none"

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_faults_are_told_saved_and_end_in_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _Broken.turns = iter(("200", "400", "500", "late", "none", "200"))
    words = ["--seed", "3", "--first", "7", "--uploads", "6", "--faults", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["fuzz", *words, "--deadline-s", str(_DEADLINE_S)])
    monkeypatch.setattr(fuzz, "phones_server", _broken_server)
    with pytest.raises(SystemExit) as exit_code:
        fuzz.main()
    assert exit_code.value.code == 1
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines() if line.startswith("FAULT")] == [
        "FAULT 500",
        "FAULT late",
        "FAULT no answer",
    ]
    assert "--seed 3 --first 9 --uploads 1" in told
    files = list(whole_files().values())
    for number in (9, 10, 11):
        saved = (tmp_path / f"seed3-{number}.bin").read_bytes()
        assert saved == Upload.of(3, number, files).data


@contextmanager
def _broken_server(*_: object) -> Iterator[SimpleNamespace]:
    """Stands in for a server's process."""
    with HTTPServer(("127.0.0.1", 0), _Broken) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            held = (0.0, 0, 0)
            yield SimpleNamespace(port=server.server_port, running=True, held=lambda: held)
        finally:
            server.shutdown()
            thread.join()
