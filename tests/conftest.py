"""Fixtures of every kind of test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.server import ServerProcess, running


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A ready server on the demo clips with the embedded model, and a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    limits = {"AUDIO_SCORE_MAX_UPLOAD_BYTES": "2000000", "AUDIO_SCORE_MAX_AUDIO_SECONDS": "20"}
    with running(AUDIO_SCORE_CACHE_DIR=str(cache), **limits) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """An empty folder for clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder
