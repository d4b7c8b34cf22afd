"""Real servers on a library in a bucket, and what becomes of them when it goes away."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.buckets import CREDENTIALS, BucketProxy, ByHand
from tests.process.server import ServerProcess, post, running, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process

_SOUND = encoded(chirp())
_ADMIN = {"Authorization": "Bearer the-key-of-the-library"}


def _variables(proxy: BucketProxy) -> dict[str, str]:
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url}


def _config(folder: Path, by_hand: ByHand, shared: str | None = None) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "admin").write_text("the-key-of-the-library\n")
    (folder / "admin").chmod(0o600)
    return write_config(
        folder,
        video_clip_dir=by_hand.url,
        bucket_interval_s=0.5,
        admin_keys_file="admin",
        cache_dir="cache",
        shared_cache_url=shared,
    )


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _ids(server: ServerProcess) -> list[str]:
    return [clip["cid"] for clip in httpx.get(f"{server.url}/clips", timeout=60).json()]


def _put(server: ServerProcess, cid: str) -> httpx.Response:
    files = {"media": ("sound.wav", _SOUND)}
    url = f"{server.url}/clips/film/{cid}"
    return httpx.put(url, files=files, data={"text": "said"}, headers=_ADMIN, timeout=60)


def test_a_library_in_a_bucket_is_served_changed_and_outlives_the_bucket(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    by_hand.put("film_1.wav", _SOUND)
    config = _config(tmp_path, by_hand)
    with running("--config", config, **_variables(proxy)) as server:
        server.wait_until_ready()
        assert post(server.url, _SOUND, "film", "1").status_code == 200
        assert _put(server, "2").status_code == 201
        assert post(server.url, _SOUND, "film", "2").json()["audio_sim_score"] > 0.9
        by_hand.put("film_3.wav", _SOUND)
        _until(lambda: _ids(server) == ["1", "2", "3"])
        _until(lambda: post(server.url, _SOUND, "film", "3").status_code == 200)
        media = httpx.get(f"{server.url}/clips/film/2/media", headers={"Range": "bytes=0-3"})
        assert (media.status_code, media.content) == (206, _SOUND[:4])

        proxy.down = True
        for cid in ("1", "2", "3"):
            assert post(server.url, _SOUND, "film", cid).status_code == 200
        refused = _put(server, "4")
        assert (refused.status_code, refused.json()["code"]) == (503, "library_unavailable")
        server.wait_for_line(lambda line: "Served are the 3 clips that this host knows" in line)
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_a_host_starts_while_the_bucket_is_gone(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    config = _config(tmp_path, by_hand)
    with running("--config", config, **_variables(proxy)) as server:
        server.wait_until_ready()
        for cid in ("1", "2", "3"):
            assert _put(server, cid).status_code == 201
        assert server.stop() == 0
    proxy.down = True
    with running("--config", config, **_variables(proxy)) as server:
        server.wait_until_ready()
        assert "Check the URL" in server.log
        assert _ids(server) == ["1", "2", "3"]
        assert post(server.url, _SOUND, "film", "2").json()["audio_sim_score"] > 0.9
        proxy.down = False
        _until(lambda: _put(server, "4").status_code == 201)
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_a_server_that_never_saw_the_bucket_serves_it_once_it_is_there(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    by_hand.put("film_1.wav", _SOUND)
    proxy.down = True
    with running("--config", _config(tmp_path, by_hand), **_variables(proxy)) as server:
        server.wait_until_ready()
        refused = post(server.url, _SOUND, "film", "1")
        assert (refused.status_code, refused.json()["code"]) == (503, "library_unavailable")
        proxy.down = False
        _until(lambda: post(server.url, _SOUND, "film", "1").status_code == 200)
        assert "Traceback" not in server.log


def test_two_workers_of_a_host_know_of_each_others_changes(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    by_hand.put("film_1.wav", _SOUND)
    config = _config(tmp_path, by_hand)
    with (
        running("--config", config, **_variables(proxy)) as one,
        running("--config", config, **_variables(proxy)) as other,
    ):
        one.wait_until_ready()
        other.wait_until_ready()
        for number in range(2, 6):
            assert _put(one, str(number)).status_code == 201
            assert post(other.url, _SOUND, "film", str(number)).status_code == 200
        # What one worker was given is on the host; the other may only have been faster.
        assert proxy.count("GET", ".library/film") < 4


def test_hosts_share_what_they_compute(tmp_path: Path, by_hand: ByHand, proxy: BucketProxy) -> None:
    by_hand.put("film_1.wav", _SOUND)
    by_hand.put("film_2.wav", encoded(chirp(lowest=900.0)))
    shared = f"{by_hand.url}-features"
    for host in ("one", "two"):
        config = _config(tmp_path / host, by_hand, shared)
        with running("--config", config, **_variables(proxy)) as server:
            server.wait_until_ready()
            assert post(server.url, _SOUND, "film", "1").json()["audio_sim_score"] > 0.9
    assert proxy.count("PUT", ".zip") == 2


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("VIDEO_CLIP_DIR", "s4://bucket/clips", "a bucket is s3://bucket/prefix"),
        ("SHARED_CACHE_URL", "features", "a bucket is s3://bucket/prefix"),
        ("VIDEO_CLIP_DIR", "az://container/clips", "Account must be specified"),
    ],
)
def test_a_wrong_url_is_a_wrong_setting(
    tmp_path: Path, setting: str, value: str, told: str
) -> None:
    config = write_config(tmp_path)
    with running("--config", config, **{f"AUDIO_SCORE_{setting}": value}) as server:
        assert server.wait() == 2
        assert told in server.log
        assert "Traceback" not in server.log
