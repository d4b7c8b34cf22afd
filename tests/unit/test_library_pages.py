"""Pages of libraries, let go and used again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
from pathlib import Path
import torch
from audio_score_server.runners.library_pages import release_library_pages

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))

numbers = torch.arange(1000.0)
before, right = held(), float((numbers @ numbers).log())
released = release_library_pages()
after = held()
assert float((numbers @ numbers).log()) == right
assert 10 * 2**20 < released <= before, (released, before)
assert before - after > released / 2, (before, after, released)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells of pages")
def test_pages_are_let_go_and_come_again() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert not done.returncode, done.stderr
