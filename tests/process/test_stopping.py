"""What does not end, and must not keep the server from ending or starting."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from tests.process.clients import Client, ask
from tests.process.gated import gated
from tests.process.server import ROOT, post, running, write_config

UID, CID = "RiverTales-s01e01", "part01"
TAKE = ROOT / "audio_clip" / f"{UID}_{CID}_right.mp3"


def test_threads_that_do_not_end_are_left(tmp_path: Path) -> None:
    with (
        gated(write_config(tmp_path, shutdown_timeout_s=0)) as server,
        Client(server.url) as client,
    ):
        client.send(ask(TAKE.read_bytes()))
        server.given()
        server.process.terminate()
        assert client.answer().status == 503
        assert server.wait() == 1
    assert "Threads are still at work" in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize("what", ["text", "manifest"])
def test_a_pipe_in_the_place_of_a_file_does_not_block_the_start(tmp_path: Path, what: str) -> None:
    clips, cache = tmp_path / "clips", tmp_path / "cache"
    clips.mkdir()
    for number in (1, 2):
        (clips / f"film_{number}.mp3").write_bytes(TAKE.read_bytes())
    entry = cache / "phones" / "film" / "1"
    entry.mkdir(parents=True)
    os.mkfifo(clips / "film_1.txt" if what == "text" else entry / "manifest.json")
    variables = {"AUDIO_SCORE_VIDEO_CLIP_DIR": str(clips), "AUDIO_SCORE_CACHE_DIR": str(cache)}
    with running("--model-keys", "phones", **variables) as server:
        server.wait_until_ready()
        assert post(server.url, TAKE, "film", "2").status_code == 200
        assert post(server.url, TAKE, "film", "1").status_code == 200
        assert ("film_1.txt cannot be read" in server.log) == (what == "text")
        assert server.stop() == 0


@pytest.mark.parametrize("target", ["loop_a.mov", "nowhere"])
def test_a_clip_that_is_a_link_to_nowhere_is_broken_not_unknown(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "loop_a.mov").symlink_to(target)
    (tmp_path / "film_1.mp3").write_bytes(TAKE.read_bytes())
    variables = {"AUDIO_SCORE_VIDEO_CLIP_DIR": str(tmp_path)}
    variables["AUDIO_SCORE_CACHE_DIR"] = str(tmp_path / "cache")
    with running("--model-keys", "phones", **variables) as server:
        server.wait_until_ready()
        answer = post(server.url, TAKE, "loop", "a")
        assert answer.status_code == 500
        assert "loop_a is broken on the server" in answer.json()["detail"]
        assert str(tmp_path) not in answer.text
        assert "skipped clip loop_a.mov" in server.log
        assert len(httpx.get(f"{server.url}/clips").json()) == 1
