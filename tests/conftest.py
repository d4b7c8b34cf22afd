"""Fixtures of every kind of test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.server import ServerProcess, running
from training.kokoro import models_folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A ready server on the demo clips with the embedded model, and a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    limits = {"AUDIO_SCORE_MAX_UPLOAD_BYTES": "2000000", "AUDIO_SCORE_MAX_AUDIO_SECONDS": "20"}
    with running(AUDIO_SCORE_CACHE_DIR=str(cache), **limits) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="session")
def whisper_base() -> Path:
    """A trained Whisper of many languages, in CTranslate2's format."""
    return _trained("whisper-base")


@pytest.fixture(scope="session")
def whisper_tiny_en() -> Path:
    """A trained Whisper for English alone, in CTranslate2's format."""
    return _trained("whisper-tiny.en")


@pytest.fixture(scope="session")
def kokoro() -> Path:
    """A voice for any line: ``model.onnx``, ``voices.npz`` and ``vocab.json``."""
    return _trained("kokoro")


def _trained(name: str) -> Path:
    """The folder of a model that ``scripts/fetch_test_models`` has fetched."""
    folder = models_folder() / name
    if not (folder / "fetched").is_file():
        pytest.skip(f"{folder} is not there; scripts/fetch_test_models fetches it")
    return folder


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """An empty folder for clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder
