"""The cache across starts, kills and workers."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.process.server import ROOT, ServerProcess, post, running
from tests.support import encoded

UID, CID = "RiverTales-s01e01", "part01"
TAKE = ROOT / "audio_clip" / f"{UID}_{CID}_right.mp3"


def _many_clips(folder: Path, count: int) -> None:
    """Copies of a demo recording under many names, without text: each is encoded by itself."""
    for index in range(count):
        shutil.copy(TAKE, folder / f"video{index % 7}_part{index:03d}.mp3")


def _variables(folder: Path, cache: Path) -> dict[str, str]:
    return {
        "AUDIO_SCORE_VIDEO_CLIP_DIR": str(folder),
        "AUDIO_SCORE_CACHE_DIR": str(cache),
        "AUDIO_SCORE_MODEL_KEYS": "phones",
    }


def _inodes(cache: Path) -> dict[str, int]:
    """Which features there are, each with its file: a rebuilt entry has a new one."""
    return {
        str(path.relative_to(cache)): path.stat().st_ino
        for path in cache.glob("phones/video*/*/features.safetensors")
    }


def test_a_second_start_encodes_nothing(clip_folder: Path, tmp_path: Path) -> None:
    _many_clips(clip_folder, 12)
    variables = _variables(clip_folder, tmp_path / "cache")
    with running(**variables) as server:
        server.wait_until_ready()
        assert "phones: 12 of 12 clips encoded" in server.log
    entries = _inodes(tmp_path / "cache")
    with running(**variables) as server:
        server.wait_until_ready()
        assert "phones: 12 of 12 clips are cached" in server.log
        assert "encoded" not in server.log
    assert len(entries) == 12
    assert _inodes(tmp_path / "cache") == entries


def test_killed_at_any_moment_the_next_start_completes_and_recomputes_nothing(
    clip_folder: Path, tmp_path: Path
) -> None:
    count = 120
    _many_clips(clip_folder, count)
    cache = tmp_path / "cache"
    variables = _variables(clip_folder, cache)
    chance = random.Random(7)
    kept: dict[str, int] = {}
    for _ in range(4):
        with running(**variables) as server:
            server.wait_for_line(lambda line: "cache entries to build" in line)
            time.sleep(chance.uniform(0.0, 0.6))
        # Leaving the block killed it with SIGKILL, wherever it was.
        now = _inodes(cache)
        assert kept.items() <= now.items()
        kept = now
    with running(**variables) as server:
        server.wait_until_ready()
        answer = post(server.url, TAKE, "video3", "part003")
    entries = _inodes(cache)
    assert len(entries) == count
    assert kept.items() <= entries.items()
    assert answer.json()["audio_sim_score"] > 0.99
    assert not list(cache.glob("phones/.building/*/new"))


def test_workers_starting_together_share_the_work(clip_folder: Path, tmp_path: Path) -> None:
    _many_clips(clip_folder, 150)
    variables = _variables(clip_folder, tmp_path / "cache")
    with running(**variables) as first, running(**variables) as second:
        first.wait_until_ready()
        second.wait_until_ready()
        shares = [_encoded_here(server) for server in (first, second)]
    assert len(_inodes(tmp_path / "cache")) == 150
    assert sum(shares) == 150
    assert min(shares) > 0


def _encoded_here(server: ServerProcess) -> int:
    """All of the library's that it found waiting, less those that others encoded.

    By the first line of progress that is complete; the built-in lines' come later.
    """
    lines = [line for line in server.lines if re.search(r" (\d+) of \1 clips encoded", line)]
    if not lines:
        return 0
    waiting = re.search(r"(\d+) clips encoded", lines[0])
    others = re.search(r", (\d+) by other workers", lines[0])
    assert waiting is not None
    return int(waiting[1]) - int(others[1] if others else 0)


def test_stale_and_damaged_entries_are_rebuilt_and_said_so(
    clip_folder: Path, tmp_path: Path
) -> None:
    _many_clips(clip_folder, 4)
    cache = tmp_path / "cache"
    variables = _variables(clip_folder, cache)
    with running(**variables) as server:
        server.wait_until_ready()
    before = _inodes(cache)
    features = sorted(cache.glob("phones/video*/*/features.safetensors"))
    features[0].write_bytes(features[0].read_bytes()[:100])
    features[1].parent.joinpath("manifest.json").write_text("{")
    (clip_folder / "video2_part002.txt").write_text("Good morning.\n")
    with running(**variables) as server:
        server.wait_until_ready()
        log = server.log
    assert "damaged: features.safetensors is missing or cut short" in log
    assert "damaged: its manifest cannot be read" in log
    assert "the text beside the clip has changed" in log
    after = _inodes(cache)
    assert sum(before[name] == after[name] for name in before) == 1


def test_an_entry_damaged_behind_the_servers_back_is_rebuilt_on_demand(
    clip_folder: Path, tmp_path: Path
) -> None:
    _many_clips(clip_folder, 1)
    cache = tmp_path / "cache"
    # The canary would bring the entry into memory, and the cohort keep it there.
    unremembered = {"AUDIO_SCORE_CANARY_INTERVAL_S": "0", "AUDIO_SCORE_REFERENCE_MEMORY_MIB": "0"}
    with running(**_variables(clip_folder, cache), **unremembered) as server:
        server.wait_until_ready()
        (features,) = cache.glob("phones/video*/*/features.safetensors")
        content = bytearray(features.read_bytes())
        content[-5] ^= 0xFF
        features.write_bytes(bytes(content))
        answer = post(server.url, TAKE, "video0", "part000")
        log = server.log
    assert answer.status_code == 200
    assert answer.json()["audio_sim_score"] > 0.99
    assert "building the entry of clip" in log


def test_entries_of_vanished_clips_are_flushed_unless_told_otherwise(
    clip_folder: Path, tmp_path: Path
) -> None:
    _many_clips(clip_folder, 3)
    cache = tmp_path / "cache"
    variables = _variables(clip_folder, cache)
    with running(**variables) as server:
        server.wait_until_ready()
    (clip_folder / "video0_part000.mp3").unlink()
    with running(**variables, AUDIO_SCORE_DISABLE_CACHE_FLUSH="1") as server:
        server.wait_until_ready()
    assert len(_inodes(cache)) == 3
    with running(**variables) as server:
        server.wait_until_ready()
        assert "Removed 1 cache entries" in server.log
    assert len(_inodes(cache)) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no film", "no decoder finds sound in it"),
        (b"", "the file is empty"),
        (encoded(np.zeros(16_000, np.float32)), "there is nothing but silence in it"),
    ],
)
def test_a_clip_that_cannot_be_read_is_skipped_and_told(
    clip_folder: Path, tmp_path: Path, content: bytes, complaint: str
) -> None:
    _many_clips(clip_folder, 1)
    (clip_folder / "video9_broken.mov").write_bytes(content)
    with running(**_variables(clip_folder, tmp_path / "cache")) as server:
        server.wait_until_ready()
        answer = post(server.url, TAKE, "video9", "broken")
        clips = httpx.get(f"{server.url}/clips").json()
        log = server.log
    assert f"skipped clip video9_broken.mov: {complaint}" in log
    assert "take it out of the folder" in log
    assert answer.status_code == 500
    assert "video9_broken is broken on the server" in answer.json()["detail"]
    assert "ecord again" not in answer.text
    assert [clip["cid"] for clip in clips] == ["part000"]


def test_a_cache_that_cannot_be_written_does_not_stop_the_server(
    clip_folder: Path, tmp_path: Path
) -> None:
    _many_clips(clip_folder, 2)
    # A file where the folder should be: unlike missing rights, that stops root too.
    (tmp_path / "cache").write_text("")
    with running(**_variables(clip_folder, tmp_path / "cache")) as server:
        server.wait_until_ready()
        answer = post(server.url, TAKE, "video0", "part000")
        log = server.log
    assert answer.status_code == 200
    assert "is not cached" in log


def test_the_manifest_tells_what_an_entry_was_made_from(clip_folder: Path, tmp_path: Path) -> None:
    _many_clips(clip_folder, 1)
    (clip_folder / "video0_part000.txt").write_text("Good morning.\n")
    with running(**_variables(clip_folder, tmp_path / "cache")) as server:
        server.wait_until_ready()
    entry = tmp_path / "cache" / "phones" / "video0" / "part000"
    manifest = json.loads((entry / "manifest.json").read_text())
    assert manifest["text"] == "Good morning."
    assert manifest["runner"].startswith("phones-")
    assert (entry / "transcript.txt").read_text() == "G UH D M AO R N IH NG\n"
