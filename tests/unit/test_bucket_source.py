"""The clips of a bucket: listed, fetched once, and served while the bucket is gone."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.library.bucket import BucketSource
from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.library.errors import ClipUnreadable, LibraryUnavailable
from audio_score_server.library.writable_bucket import WritableBucket
from audio_score_server.library.writing import Media
from tests.buckets import IMPATIENT, BucketProxy, ByHand, Fault
from tests.process.server import ROOT

ONE = ClipId("film", "1")
_ALWAYS_S = 0.0
_SELDOM_S = 3_600.0
_COPY = 10**6


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def _source(by_hand: ByHand, copy: Path, interval_s: float = _ALWAYS_S) -> BucketSource:
    return BucketSource(Bucket.open(by_hand.url, IMPATIENT), copy, interval_s, _COPY)


def _clip(source: BucketSource, clip_id: ClipId = ONE) -> Clip:
    clip = source.find(clip_id)
    assert clip is not None
    return clip


def _texts(source: BucketSource) -> dict[str, str | None]:
    return {clip.name: clip.text for clip in source.library().clips()}


@pytest.mark.usefixtures("proxy")
def test_objects_are_named_as_files_are(by_hand: ByHand, copy: Path) -> None:
    for key, content in {
        "film_1.MOV": b"1",
        "film_1.mp4": b"2",
        "film_1.SRT": b"1\n00:00:01,000 --> 00:00:02,000\nFrom the captions.\n",
        "film_1.vtt": b"Not from these.",
        "film_2.wav": b"3",
        "film_2.txt": "MÃ¼ller".encode(),
        "a_b_3.flac": b"4",
        "film_4.txt": b"of no clip",
        "film.wav": b"no id",
        "_5.wav": b"hidden",
        "deeper/film_6.wav": b"not looked for",
        "film_7.wav": b"5",
        "film_7.txt": b"\xff\xfe\x00",
        "notes.pdf": b"",
    }.items():
        by_hand.put(key, content)
    assert _texts(_source(by_hand, copy)) == {
        "a_b_3.flac": None,
        "film_1.MOV": "From the captions.",
        "film_2.wav": "MÃ¼ller",
        "film_7.wav": None,
    }


def test_media_and_texts_are_fetched_once_for_all_workers(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    by_hand.put("film_1.wav", b"one")
    by_hand.put("film_1.txt", b"What one says.")
    for _ in range(3):
        source = _source(by_hand, copy)
        assert _texts(source) == {"film_1.wav": "What one says."}
        assert _clip(source).read() == b"one"
    assert proxy.count("GET", "film_1.txt") == 1
    assert proxy.count("GET", "film_1.wav") == 1
    by_hand.put("film_1.txt", b"What it says now.")
    assert _texts(source) == {"film_1.wav": "What it says now."}
    assert proxy.count("GET", "film_1.wav") == 1


def test_the_bucket_is_listed_once_in_an_interval_for_the_host(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    by_hand.put("film_1.wav", b"one")
    for _ in range(3):
        assert len(_source(by_hand, copy, _SELDOM_S).library()) == 1
    assert proxy.count("GET", "list-type") == 1


def test_many_threads_fetch_an_object_once(by_hand: ByHand, proxy: BucketProxy, copy: Path) -> None:
    by_hand.put("film_1.wav", b"one")
    source = _source(by_hand, copy, _SELDOM_S)
    source.library()
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(lambda _: _clip(source).read(), range(16)))
    assert contents == [b"one"] * 16
    assert proxy.count("GET", "film_1.wav") == 1


def test_a_clip_that_was_replaced_since_the_listing_is_found_as_it_is(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    by_hand.put("film_1.wav", b"one")
    source = _source(by_hand, copy, _SELDOM_S)
    source.library()
    before = _clip(source)
    by_hand.put("film_1.wav", b"another")
    with pytest.raises(ClipChanged):
        before.read()
    assert _clip(source).read() == b"another"
    by_hand.delete("film_1.wav")
    other = _source(by_hand, copy.with_name("other"), _SELDOM_S)
    assert other.library().get(ONE) is None
    assert proxy.count("GET", "list-type") > 2


def test_an_etag_that_the_store_does_not_keep_to_is_an_error_and_no_endless_change(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    by_hand.put("film_1.wav", b"one")
    source = _source(by_hand, copy, _SELDOM_S)
    source.library()
    proxy.faults = [Fault(412, "GET", "film_1.wav", times=100)]
    with pytest.raises(OSError, match="with the ETag"):
        _clip(source).read()


def test_a_bucket_that_goes_away_leaves_what_is_known(
    by_hand: ByHand, proxy: BucketProxy, copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    by_hand.put("film_1.wav", b"one")
    by_hand.put("film_2.wav", b"two")
    source = _source(by_hand, copy)
    source.library()
    assert _clip(source).read() == b"one"
    proxy.down = True
    for _ in range(3):
        assert len(source.library()) == 2
    assert _clip(source).read() == b"one"
    unfetched = _clip(source, ClipId("film", "2"))
    for refused in (unfetched.read, unfetched.sha256):
        with pytest.raises(ClipUnreadable, match="network"):
            refused()
    told = [record for record in caplog.records if "Served are the 2 clips" in record.message]
    assert len(told) == 1
    assert "Check the URL" in told[0].message
    proxy.down = False
    by_hand.put("film_3.wav", b"three")
    assert len(source.library()) == 3
    assert "can be reached again" in caplog.text


def test_after_a_failure_ten_thousand_clips_do_not_wait_one_after_the_other(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    for number in range(20):
        by_hand.put(f"film_{number}.wav", b"x")
    source = _source(by_hand, copy, _SELDOM_S)
    clips = source.library().clips()
    proxy.down = True
    proxy.asked.clear()
    for clip in clips:
        with pytest.raises(ClipUnreadable):
            clip.read()
    assert len(proxy.asked) <= 1 + IMPATIENT.retries


def test_a_host_starts_without_the_bucket_from_its_copy(
    by_hand: ByHand, proxy: BucketProxy, copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    by_hand.put("film_1.wav", b"one")
    by_hand.put("film_1.txt", b"said")
    first = _source(by_hand, copy)
    first.library()
    _clip(first).read()
    proxy.down = True
    again = _source(by_hand, copy)
    assert _texts(again) == {"film_1.wav": "said"}
    assert _clip(again).read() == b"one"
    assert "cannot be used" in caplog.text


def test_a_host_that_knows_nothing_says_so(by_hand: ByHand, proxy: BucketProxy, copy: Path) -> None:
    proxy.down = True
    source = _source(by_hand, copy)
    for refused in (source.library, lambda: source.find(ONE)):
        with pytest.raises(LibraryUnavailable, match="s3://"):
            refused()
    proxy.down = False
    by_hand.put("film_1.wav", b"one")
    assert len(source.library()) == 1


def test_a_damaged_copy_is_made_anew(by_hand: ByHand, proxy: BucketProxy, copy: Path) -> None:
    by_hand.put("film_1.wav", b"one")
    source = _source(by_hand, copy)
    source.library()
    _clip(source).read()
    (media,) = (copy / "media").iterdir()
    media.write_bytes(b"on")
    (copy / "index.json").write_text("{")
    again = _source(by_hand, copy)
    again.library()
    assert _clip(again).read() == b"one"
    assert proxy.count("GET", "film_1.wav") == 2


@pytest.mark.usefixtures("proxy")
def test_where_a_file_is_in_the_way_clips_are_served_all_the_same(
    by_hand: ByHand, copy: Path
) -> None:
    copy.write_text("in the way")
    by_hand.put("film_1.wav", b"one")
    source = _source(by_hand, copy)
    for _ in range(2):
        assert len(source.library()) == 1
        assert _clip(source).read() == b"one"


@pytest.mark.usefixtures("proxy")
def test_a_change_by_one_worker_is_known_to_the_others_at_once(by_hand: ByHand, copy: Path) -> None:
    def worker() -> WritableBucket:
        bucket = Bucket.open(by_hand.url, IMPATIENT)
        return WritableBucket(bucket, copy, _SELDOM_S, _COPY)

    one, other = worker(), worker()
    one.library()
    assert other.find(ONE) is None
    clip, _ = one.put(ONE, Media(io.BytesIO(b"new"), ".wav"), "said")
    assert other.find(ONE) == clip
    assert other.library().clips() == [clip]
    one.delete(ONE)
    assert other.find(ONE) is None


@pytest.mark.usefixtures("proxy")
def test_other_workers_changes_are_told(by_hand: ByHand, copy: Path) -> None:
    async def scenario() -> None:
        watcher = _source(by_hand, copy, _SELDOM_S)
        changes = watcher.changes()
        told = asyncio.ensure_future(anext(changes))
        by_hand.put("film_1.wav", b"one")
        while not told.done():
            await asyncio.sleep(0.2)
            (copy / ".listed").unlink(missing_ok=True)
            by_hand.put("film_1.txt", os.urandom(4).hex().encode())
            await asyncio.to_thread(_source(by_hand, copy).library)
        await changes.aclose()
        assert len(watcher.library()) == 1

    asyncio.run(scenario())


def test_what_is_written_while_the_bucket_is_listed_stays_known(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    bucket = Bucket.open(by_hand.url, IMPATIENT)
    source = WritableBucket(bucket, copy, _ALWAYS_S, _COPY)
    by_hand.put("film_2.wav", b"two")
    by_hand.put("film_2.txt", b"said")
    stale = bucket.listed()
    source.library()
    generation = source.index.current()
    assert generation is not None
    clip, _ = source.put(ONE, Media(io.BytesIO(b"new"), ".wav"), "said")
    source.index.replace(stale, {}, generation.snapshot.generation)
    assert source.find(ONE) == clip
    assert source.library().get(ONE) == clip


_FETCHER = """
import sys
from pathlib import Path
from audio_score_server.buckets.bucket import Bucket
from audio_score_server.library.bucket import BucketSource
source = BucketSource(Bucket.open(sys.argv[1]), Path(sys.argv[2]), 3600.0, 10**6)
for clip in source.library().clips():
    print(clip.name, len(clip.read()), flush=True)
"""


def _fetcher(by_hand: ByHand, copy: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _FETCHER, by_hand.url, str(copy)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_processes_share_the_copy(by_hand: ByHand, proxy: BucketProxy, copy: Path) -> None:
    for number in range(10):
        by_hand.put(f"film_{number}.wav", b"x" * (number + 1))
    expected = "".join(f"film_{number}.wav {number + 1}\n" for number in range(10))
    fetchers = [_fetcher(by_hand, copy) for _ in range(3)]
    assert [fetcher.communicate(timeout=60)[0] for fetcher in fetchers] == [expected] * 3
    assert proxy.count("GET", ".wav") == 10
    assert proxy.count("GET", "list-type") == 1


def test_a_worker_killed_while_it_fetches_is_in_nobodys_way(
    by_hand: ByHand, proxy: BucketProxy, copy: Path
) -> None:
    by_hand.put("film_1.wav", b"one")
    _source(by_hand, copy, _SELDOM_S).library()
    arrived = threading.Event()
    proxy.on_get = ("film_1.wav", arrived, release := threading.Event())
    with _fetcher(by_hand, copy) as killed:
        assert arrived.wait(60.0)
        killed.send_signal(signal.SIGKILL)
        killed.wait(60.0)
    proxy.on_get = None
    release.set()
    assert _clip(_source(by_hand, copy, _SELDOM_S)).read() == b"one"
