"""Stopping while clients stall and threads are at work."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.process.server import ROOT, ServerProcess, post, running

UID, CID = "RiverTales-s01e01", "part01"
TAKE = ROOT / "audio_clip" / f"{UID}_{CID}_right.mp3"


def _config(folder: Path, batch_ms: int) -> str:
    path = folder / f"config-{batch_ms}.json"
    model = {"key": "fake", "type": "fake", "batch_ms": batch_ms}
    settings = {
        "models": [model],
        "video_clip_dir": str(ROOT / "video_clip"),
        "canary_interval_s": 0,
    }
    path.write_text(json.dumps(settings))
    return str(path)


def _stalled(server: ServerProcess) -> socket.socket:
    """A client that stops in the middle of its upload."""
    host, port = server.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    head = "POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    client.sendall(f"{head}Content-Length: 1000\r\n\r\n--b\r\n".encode())
    return client


def _read(client: socket.socket) -> str:
    with client, client.makefile("rb") as answer:
        return answer.read().decode()


def test_stalled_clients_are_told_and_busy_threads_are_left(tmp_path: Path) -> None:
    # The cache is built by a quick model of the same fingerprint.
    with running("--config", _config(tmp_path, 0)) as server:
        server.wait_until_ready()
        assert server.stop() == 0
    with running("--config", _config(tmp_path, 300_000)) as server:
        server.wait_until_ready()
        stalled = _stalled(server)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(post, server.url, TAKE, UID, CID)
            server.wait_for_line(lambda line: "Ready" in line)
            assert httpx.get(f"{server.url}/health/live").status_code == 200
            server.process.terminate()
            assert server.process.wait(40) == 1
            answer = slow.result()
        told = _read(stalled)

    assert answer.status_code == 503
    assert "stopping" in answer.json()["detail"]
    assert told.startswith("HTTP/1.1 503")
    assert '{"detail":"The server is stopping.' in told
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
        served = post(server.url, TAKE, "film", "1").status_code
        assert server.stop() == 0
    assert served == (404 if what == "text" else 200)


def test_a_link_that_leads_in_a_circle_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "loop_a.mov").symlink_to("loop_a.mov")
    (tmp_path / "film_1.mp3").write_bytes(TAKE.read_bytes())
    variables = {"AUDIO_SCORE_VIDEO_CLIP_DIR": str(tmp_path)}
    variables["AUDIO_SCORE_CACHE_DIR"] = str(tmp_path / "cache")
    with running("--model-keys", "phones", **variables) as server:
        server.wait_until_ready()
        assert "Skipped loop_a.mov" in server.log
        assert len(httpx.get(f"{server.url}/clips").json()) == 1
