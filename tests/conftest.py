"""Fixtures of every kind of test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.server import ServerProcess, running
from training.kokoro import models_folder

if TYPE_CHECKING:
    from tests.buckets import BucketProxy, ByHand


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


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of an S3 server."""
    # It takes a while to import, and most tests do without.
    from tests.buckets import moto

    with moto() as endpoint:
        yield endpoint


@pytest.fixture
def proxy(object_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketProxy]:
    """Stands before that server, and is what the environment names as the endpoint."""
    from tests.buckets import CREDENTIALS, misbehaving

    with misbehaving(object_store) as proxy:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url}.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def by_hand(object_store: str) -> ByHand:
    """Somebody with other tools, at a new bucket of that server."""
    from tests.buckets import ByHand, new_bucket

    return ByHand(object_store, new_bucket(object_store))
