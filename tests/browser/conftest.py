"""A server to be looked at, and keys for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import LEAD_S, demo_take, microphone_file
from tests.process.server import ROOT, ServerProcess, running

ADMIN_KEY = "a-key-for-administrators"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """On a copy of the demo's clips, which teachers may change."""
    base = tmp_path_factory.mktemp("studio")
    shutil.copytree(ROOT / "video_clip", base / "clips")
    # A clip without a picture.
    shutil.copy(demo_take("right"), base / "clips" / "Sound_part01.mp3")
    text = (ROOT / "video_clip" / "RiverTales-s01e01_part01.txt").read_text()
    (base / "clips" / "Sound_part01.txt").write_text(text)
    variables = {
        "AUDIO_SCORE_VIDEO_CLIP_DIR": str(base / "clips"),
        "AUDIO_SCORE_CACHE_DIR": str(base / "cache"),
        "AUDIO_SCORE_ADMIN_KEYS_FILE": str(key_file(base / "admin", ADMIN_KEY)),
        "AUDIO_SCORE_MODEL_KEYS": "phones",
        "AUDIO_SCORE_MAX_AUDIO_SECONDS": "20",
    }
    with running(**variables) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="session")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microphone into which the right line is spoken, in another voice than the clip's."""
    return microphone_file(tmp_path_factory.mktemp("mic") / "right.wav", demo_take("other"), LEAD_S)


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microphone into which another line is spoken."""
    return microphone_file(tmp_path_factory.mktemp("mic") / "wrong.wav", demo_take("wrong"), LEAD_S)


def key_file(path: Path, key: str) -> Path:
    """A file of one key."""
    path.write_text(key + "\n")
    path.chmod(0o600)
    return path
