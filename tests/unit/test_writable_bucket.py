"""Clips put into, changed in and taken out of a bucket: whole, whoever else writes or dies."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.library import bucket_sweep
from audio_score_server.library.bucket import BucketSource
from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.library.errors import (
    LibraryUnavailable,
    PreconditionFailed,
    QuotaExceeded,
)
from audio_score_server.library.writable_bucket import WritableBucket
from audio_score_server.library.writing import Media, Precondition
from tests.buckets import IMPATIENT, BucketProxy, ByHand, Fault, Kind
from tests.process.server import ROOT

ONE = ClipId("film", "1")
_SELDOM_S = 3_600.0
_COPY = 10**6
_HASTY = replace(IMPATIENT, retries=1, retry_s=0.2)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A folder for a host each time."""
    return (tmp_path / f"host{number}" for number in range(10_000))


def _host(by_hand: ByHand, folders: Iterator[Path]) -> WritableBucket:
    bucket = Bucket.open(by_hand.url, _HASTY)
    return WritableBucket(bucket, next(folders), _SELDOM_S, _COPY)


def _media(content: bytes = b"new", suffix: str = ".wav") -> Media:
    return Media(io.BytesIO(content), suffix)


def _seen(by_hand: ByHand, folders: Iterator[Path]) -> tuple[bytes, str | None] | None:
    """Media and text of the clip, for a host that knows nothing yet."""
    source = BucketSource(Bucket.open(by_hand.url, IMPATIENT), next(folders), _SELDOM_S, _COPY)
    clip = source.library().get(ONE)
    return None if clip is None else (clip.read(), clip.text)


_OLD, _NEW = (b"old media", "old words"), (b"new media!", "new words")


def _put(host: WritableBucket, state: tuple[bytes, str]) -> Clip:
    return host.put(ONE, _media(state[0]), state[1])[0]


@pytest.mark.parametrize("last", ["refuse", "lose_answer"])
@pytest.mark.parametrize("by", ["http", "hand"])
def test_a_writer_that_is_cut_off_at_any_request_leaves_no_mixture(
    by_hand: ByHand, proxy: BucketProxy, folders: Iterator[Path], last: Kind, by: str
) -> None:
    seen = []
    for done in range(10):
        proxy.faults = []
        host = _host(by_hand, folders)
        _put(host, _OLD)
        if by == "hand":
            host.delete(ONE)
            by_hand.put("film_1.mp4", _OLD[0])
            by_hand.put("film_1.srt", _OLD[1].encode())
        proxy.faults = [Fault("pass", times=done)] if done else []
        proxy.faults += [Fault(last), Fault("refuse", times=10**6)]
        with suppress(LibraryUnavailable):
            _put(host, _NEW)
        proxy.faults = []
        seen.append(_seen(by_hand, folders))
        # And nothing that is left is in the way of the next one.
        assert _put(host, _NEW).text == _NEW[1]
        assert _seen(by_hand, folders) == _NEW
    assert set(seen) == {_OLD, _NEW}
    assert seen == sorted(seen, key=lambda state: state == _NEW)


_WRITER = """
import io, sys
from pathlib import Path
from audio_score_server.buckets.bucket import Bucket
from audio_score_server.library.clip import ClipId
from audio_score_server.library.writable_bucket import WritableBucket
from audio_score_server.library.writing import Media
host = WritableBucket(Bucket.open(sys.argv[1]), Path(sys.argv[2]), 3600.0, 10**6)
for number in range(1_000_000):
    word = f"number{number}"
    host.put(ClipId("film", "1"), Media(io.BytesIO(word.encode()), ".wav"), word)
    print(number, flush=True)
"""


@pytest.mark.usefixtures("proxy")
def test_a_writer_that_is_killed_leaves_no_mixture(
    by_hand: ByHand, folders: Iterator[Path]
) -> None:
    folder = next(folders)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, by_hand.url, str(folder)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(5):
                assert writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        seen = _seen(by_hand, folders)
        assert seen is not None
        assert seen[0].decode() == seen[1]
        # Of the same host, whose index may be behind.
        host = WritableBucket(Bucket.open(by_hand.url), folder, 0.0, _COPY)
        clip = host.library().get(ONE)
        assert clip is not None
        assert clip.read().decode() == clip.text


@pytest.mark.usefixtures("proxy")
def test_readers_see_whole_clips_while_two_hosts_write(
    by_hand: ByHand, folders: Iterator[Path]
) -> None:
    hosts = [_host(by_hand, folders) for _ in range(2)]
    done = threading.Event()

    def write(host: WritableBucket, name: str) -> None:
        for number in range(8):
            word = f"{name}{number}"
            host.put(ONE, _media(word.encode()), word)

    def read(host: WritableBucket) -> int:
        count = 0
        while not done.is_set():
            clip = host.find(ONE) if host.index.current() else None
            with suppress(ClipChanged):
                if clip is not None:
                    assert clip.read().decode() == clip.text
                    count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        readings = [pool.submit(read, host) for host in hosts]
        writings = [pool.submit(write, host, f"host{n}x") for n, host in enumerate(hosts)]
        try:
            for writing in writings:
                writing.result()
        finally:
            done.set()
        assert all(reading.result() for reading in readings)
    assert _seen(by_hand, folders) in [(b"host0x7", "host0x7"), (b"host1x7", "host1x7")]
    # What was replaced is gone.
    assert len([key for key in by_hand.names() if key.startswith(".library/film_1/")]) == 1


@pytest.mark.usefixtures("proxy")
def test_of_those_who_create_the_same_clip_one_does(
    by_hand: ByHand, folders: Iterator[Path]
) -> None:
    hosts = [_host(by_hand, folders) for _ in range(4)]

    def create(number: int) -> int | None:
        only_new = Precondition(if_none_match=("*",))
        try:
            hosts[number].put(ONE, _media(b"%d" % number), None, only_new)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        (created,) = [each for each in pool.map(create, range(4)) if each is not None]
    assert _seen(by_hand, folders) == (b"%d" % created, None)


@pytest.mark.usefixtures("proxy")
def test_no_change_on_a_condition_is_lost(by_hand: ByHand, folders: Iterator[Path]) -> None:
    hosts = [_host(by_hand, folders) for _ in range(3)]
    hosts[0].put(ONE, _media(), "0")
    for host in hosts:
        host.library()

    def count(host: WritableBucket) -> None:
        left = 4
        while left:
            clip = host.find(ONE)
            assert clip is not None
            assert clip.text is not None
            unchanged = Precondition(if_match=(clip.etag,))
            try:
                host.set_text(ONE, str(int(clip.text) + 1), unchanged)
                left -= 1
            except PreconditionFailed:
                # Another host's change, of which this one learns by listing.
                (host.folder / ".listed").unlink(missing_ok=True)
                host.library()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(count, hosts))
    assert _seen(by_hand, folders) == (b"new", "12")


@pytest.mark.parametrize("what", ["lose_answer", "stall", 500, 503, 409, 412])
def test_a_change_survives_what_passes(
    by_hand: ByHand, proxy: BucketProxy, folders: Iterator[Path], what: Kind | int
) -> None:
    host = _host(by_hand, folders)
    host.put(ONE, _media(b"first"), "first")
    proxy.faults = [Fault(what, "PUT", ".clip.json")]
    clip, is_new = host.put(ONE, _media(b"second"), "second")
    assert proxy.faults == []
    assert not is_new
    assert clip.read() == b"second"
    assert _seen(by_hand, folders) == (b"second", "second")


def test_a_change_whose_answer_was_lost_is_known_for_ones_own(
    by_hand: ByHand, proxy: BucketProxy, folders: Iterator[Path]
) -> None:
    host = _host(by_hand, folders)
    lost = Fault("lose_answer", "PUT", ".clip.json")
    proxy.faults = [replace(lost)]
    clip, is_new = host.put(ONE, _media(), None, Precondition(if_none_match=("*",)))
    assert is_new
    proxy.faults = [replace(lost)]
    assert host.delete(ONE, Precondition(if_match=(clip.etag,)))
    assert proxy.faults == []


def test_a_full_bucket_is_told_as_such(
    by_hand: ByHand, proxy: BucketProxy, folders: Iterator[Path]
) -> None:
    host = _host(by_hand, folders)
    proxy.faults = [Fault(507, "PUT", times=100)]
    with pytest.raises(QuotaExceeded, match="Free some space"):
        host.put(ONE, _media(), None)


def test_a_store_that_heeds_no_conditions_is_not_written(
    by_hand: ByHand, proxy: BucketProxy, folders: Iterator[Path]
) -> None:
    proxy.conditions = False
    host = _host(by_hand, folders)
    with pytest.raises(LibraryUnavailable, match="heeds no conditions"):
        host.put(ONE, _media(), None)
    by_hand.put("film_1.wav", b"one")
    assert _seen(by_hand, folders) == (b"one", None)


@pytest.mark.usefixtures("proxy")
def test_what_was_there_by_hand_goes_with_the_clip(
    by_hand: ByHand, folders: Iterator[Path]
) -> None:
    for key in ("film_1.mov", "film_1.mp4", "film_1.txt", "film_1.VTT", "film_10.mov"):
        by_hand.put(key, b"by hand")
    host = _host(by_hand, folders)
    host.library()
    host.put(ONE, _media(), None)
    assert [key for key in by_hand.names() if not key.startswith(".library")] == [
        "film_1.clip.json",
        "film_10.mov",
    ]
    host.delete(ONE)
    assert [key for key in by_hand.names() if key.startswith(".library/film")] == []


@pytest.mark.usefixtures("proxy")
def test_a_manifest_that_cannot_be_read_hides_the_clip_until_it_is_written_anew(
    by_hand: ByHand, folders: Iterator[Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for content in (b"{", b"[]", json.dumps({"format": 2}).encode(), b"\xff"):
        by_hand.put("film_1.clip.json", content)
        by_hand.put("film_1.wav", b"one")
        assert _seen(by_hand, folders) is None
        assert "no clip manifest that this version can read" in caplog.text
        _put(_host(by_hand, folders), _NEW)
        assert _seen(by_hand, folders) == _NEW


@pytest.mark.usefixtures("proxy")
def test_what_killed_writers_left_is_deleted_after_a_day(
    by_hand: ByHand, folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = _host(by_hand, folders)
    _put(host, _OLD)
    by_hand.put(".library/film_1/left.wav", b"left")
    by_hand.put(".library/film_2/left.wav", b"left")
    known = host.index.current()
    assert known is not None
    assert bucket_sweep.sweep(host.bucket, known) == 0
    monkeypatch.setattr(bucket_sweep, "_FORSAKEN_S", -10.0)
    assert bucket_sweep.sweep(host.bucket, known) == 2
    assert _seen(by_hand, folders) == _OLD


_Change = tuple[str, bytes, str | None]
_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "text", "delete", "media by hand", "text by hand", "look"]),
        st.sampled_from([b"one", b"two", b"three"]),
        st.sampled_from([None, "a", "b c", "d"]),
    ),
    max_size=10,
)


class _Expected:
    """The clip as a folder would have it: a file with media and a file with text."""

    def __init__(self) -> None:
        self.media: bytes | None = None
        self.text: str | None = None

    def apply(self, change: _Change) -> None:
        what, content, text = change
        if what == "put":
            self.media, self.text = content, text
        elif what == "text" and self.media is not None:
            self.text = text
        elif what == "delete" and self.media is not None:
            self.media = self.text = None
        elif what == "media by hand":
            self.media = content
        elif what == "text by hand":
            self.text = text or "by hand"


def _apply(change: _Change, host: WritableBucket, store: MemoryStore) -> None:
    what, content, text = change
    if what == "put":
        host.put(ONE, _media(content), text)
    elif what == "text":
        host.set_text(ONE, text)
    elif what == "delete":
        host.delete(ONE)
    elif what == "media by hand":
        obstore.put(store, "film_1.wav", content)
    elif what == "text by hand":
        obstore.put(store, "film_1.txt", (text or "by hand").encode())
    else:
        host.library()


@settings(max_examples=60)
@given(_CHANGES)
def test_any_changes_by_anybody_come_to_what_a_folder_would_have(changes: list[_Change]) -> None:
    store, expected = MemoryStore(), _Expected()
    with tempfile.TemporaryDirectory() as folder:
        host = WritableBucket(Bucket(store, "memory:///"), Path(folder, "a"), 0.0, _COPY)
        for change in changes:
            expected.apply(change)
            _apply(change, host, store)
        for at in ("a", "b"):
            source = BucketSource(Bucket(store, "memory:///"), Path(folder, at), 0.0, _COPY)
            clip = source.library().get(ONE)
            if expected.media is None:
                assert clip is None
            else:
                assert clip is not None
                assert (clip.read(), clip.text) == (expected.media, expected.text)
