"""Imports point one way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.process.server import ROOT


def test_imports_point_down_the_requests_path() -> None:
    # In a process of its own: it sets logging up as it likes.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
