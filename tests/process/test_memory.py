"""What a server's process keeps of recordings that it has scored."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.process import lengths
from tests.process.server import ROOT, clean_environment, write_config

pytestmark = pytest.mark.process
_NO_OTHER_CACHE: Final = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1"}
"""oneDNN's own, of 1024 operations, is full after some hundred lengths."""
_MOST_BYTES: Final = 2_000
"""A tenth of what PyTorch kept of each length."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc tells what it gave out")
def test_nothing_is_kept_of_each_length_of_sound(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", lengths.__name__, "--config", write_config(tmp_path)],
        cwd=ROOT,
        env=clean_environment(_NO_OTHER_CACHE),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert int(done.stdout) < _MOST_BYTES
