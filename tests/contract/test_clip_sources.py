"""What every clip source does, and every one that can be changed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import obstore
import pytest
from obstore.store import MemoryStore

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.library.bucket import BucketSource
from audio_score_server.library.clip import Clip, ClipChanged, ClipId, ClipSource
from audio_score_server.library.errors import (
    InvalidClipMedia,
    InvalidClipName,
    PreconditionFailed,
    QuotaExceeded,
)
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.writable_bucket import WritableBucket
from audio_score_server.library.writable_folder import WritableFolder
from audio_score_server.library.writing import Media, Precondition, WritableSource
from tests.support import MemorySource

ONE, TWO = ClipId("film", "1"), ClipId("film", "2")
_INTERVAL_S = 3_600.0
_COPY = 10**6


class Place(Protocol):
    """A source, and somebody who puts files there by hand."""

    source: ClipSource

    def put(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.source: ClipSource = FolderSource(folder)

    def put(self, name: str, content: bytes) -> None:
        (self._folder / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()


class _WritableFolder(_Folder):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source = WritableFolder(folder, max_bytes=1_000)


class _Memory:
    def __init__(self) -> None:
        self._source = MemorySource()
        self.source: ClipSource = self._source

    def put(self, name: str, content: bytes) -> None:
        self._source.files[name] = (content, str(hash(content)), None)
        stem = name.rpartition(".")[0]
        if name.endswith(".txt"):
            del self._source.files[name]
            media, version, _ = self._source.files[f"{stem}.wav"]
            self._source.files[f"{stem}.wav"] = (media, version, content.decode())

    def remove(self, name: str) -> None:
        del self._source.files[name]


class _BucketPlace:
    def __init__(self, folder: Path, writable: bool) -> None:
        self._store = MemoryStore()
        self._listed = folder / ".listed"
        bucket = Bucket(self._store, "memory:///")
        self.source: ClipSource = BucketSource(bucket, folder, _INTERVAL_S, _COPY)
        if writable:
            self.source = WritableBucket(bucket, folder, _INTERVAL_S, _COPY, 1_000)
        self.source.library()

    def put(self, name: str, content: bytes) -> None:
        obstore.put(self._store, name, content)
        self._look()

    def remove(self, name: str) -> None:
        obstore.delete(self._store, name)
        self._look()

    def _look(self) -> None:
        """As when the interval is over."""
        self._listed.unlink()
        self.source.library()


@pytest.fixture(params=["folder", "writable folder", "memory", "bucket", "writable bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "clips"
    folder.mkdir()
    match request.param:
        case "folder":
            yield _Folder(folder)
        case "writable folder":
            yield _WritableFolder(folder)
        case "memory":
            yield _Memory()
        case kind:
            yield _BucketPlace(folder, writable=kind != "bucket")


@pytest.fixture(params=["folder", "bucket"])
def writable(request: pytest.FixtureRequest, tmp_path: Path) -> WritableSource:
    folder = tmp_path / "clips"
    folder.mkdir()
    place: Place = (
        _WritableFolder(folder) if request.param == "folder" else _BucketPlace(folder, True)
    )
    assert isinstance(place.source, WritableSource)
    return place.source


def _found(source: ClipSource, clip_id: ClipId) -> Clip:
    clip = source.find(clip_id)
    assert clip is not None
    return clip


def _media(content: bytes = b"new", suffix: str = ".wav") -> Media:
    return Media(io.BytesIO(content), suffix)


def test_without_clips_there_are_none(place: Place) -> None:
    assert len(place.source.library()) == 0
    assert place.source.find(ONE) is None


def test_clips_are_found_listed_read_and_opened(place: Place) -> None:
    place.put("film_1.wav", b"one")
    place.put("film_2.wav", b"two, too")
    place.put("film_1.txt", b"What one says.")
    clip = _found(place.source, ONE)
    assert (clip.name, clip.size, clip.text) == ("film_1.wav", 3, "What one says.")
    assert clip.read() == b"one"
    with place.source.open(clip) as stream:
        stream.seek(1)
        assert stream.read() == b"ne"
    assert [each.id for each in place.source.library().clips()] == [ONE, TWO]
    assert place.source.library().get(ONE) == clip
    assert _found(place.source, TWO).text is None


def test_a_clip_that_changes_has_another_version(place: Place) -> None:
    place.put("film_1.wav", b"one")
    before = _found(place.source, ONE)
    place.put("film_1.wav", b"another")
    after = _found(place.source, ONE)
    assert after.version_key != before.version_key
    assert after.etag != before.etag
    assert after.read() == b"another"
    for refused in (place.source.read, place.source.open):
        with pytest.raises(ClipChanged):
            refused(before)


def test_a_clip_that_is_gone_is_not_found(place: Place) -> None:
    place.put("film_1.wav", b"one")
    before = _found(place.source, ONE)
    place.remove("film_1.wav")
    assert place.source.find(ONE) is None
    assert len(place.source.library()) == 0
    with pytest.raises(ClipChanged):
        before.read()


@pytest.mark.parametrize(
    "clip_id",
    [
        ClipId("", "1"),
        ClipId("film", ""),
        ClipId("..", ".."),
        ClipId("a/b", "1"),
        ClipId("film", "1\0"),
        ClipId("f\ud800", "1"),
        ClipId("f" * 5_000, "1"),
    ],
)
def test_what_is_no_id_is_not_found(place: Place, clip_id: ClipId) -> None:
    assert place.source.find(clip_id) is None


def test_what_is_put_is_there_at_once(writable: WritableSource) -> None:
    clip, is_new = writable.put(ONE, _media(b"one"), "ANNA: What one says.")
    assert is_new
    assert (clip.name, clip.size, clip.text) == ("film_1.wav", 3, "What one says.")
    assert clip.read() == b"one"
    assert writable.find(ONE) == clip
    assert writable.library().clips() == [clip]
    assert _found(writable, ONE).etag == clip.etag


def test_the_same_once_more_changes_nothing(writable: WritableSource) -> None:
    clip, _ = writable.put(ONE, _media(), "said")
    again, is_new = writable.put(ONE, _media(), "said", Precondition(if_none_match=("*",)))
    assert not is_new
    assert again.etag == clip.etag


def test_a_clip_is_replaced_text_ending_and_all(writable: WritableSource) -> None:
    before, _ = writable.put(ONE, _media(b"one"), "said")
    after, is_new = writable.put(ONE, _media(b"other", ".mp3"), None)
    assert not is_new
    assert (after.name, after.text) == ("film_1.mp3", None)
    assert after.etag != before.etag
    assert after.read() == b"other"
    assert writable.library().clips() == [after]
    with pytest.raises(ClipChanged):
        before.read()


def test_a_text_is_changed_alone(writable: WritableSource) -> None:
    before, _ = writable.put(ONE, _media(), "said")
    changed = writable.set_text(ONE, "other words")
    assert changed is not None
    assert (changed.text, changed.version) == ("other words", before.version)
    assert changed.etag != before.etag
    assert writable.find(ONE) == changed
    without = writable.set_text(ONE, None)
    assert without is not None
    assert without.text is None
    assert without.read() == b"new"
    assert writable.set_text(TWO, "said") is None


def test_a_clip_is_deleted_and_put_again(writable: WritableSource) -> None:
    before, _ = writable.put(ONE, _media(), "said")
    assert writable.delete(ONE)
    assert writable.find(ONE) is None
    assert len(writable.library()) == 0
    assert not writable.delete(ONE)
    after, is_new = writable.put(ONE, _media(), None)
    assert is_new
    assert after.text is None
    assert after.etag != before.etag


def test_a_change_keeps_its_condition(writable: WritableSource) -> None:
    only_new = Precondition(if_none_match=("*",))
    first, _ = writable.put(ONE, _media(b"1"), None, only_new)
    with pytest.raises(PreconditionFailed):
        writable.put(ONE, _media(b"2"), None, only_new)
    second, _ = writable.put(ONE, _media(b"3"), None, Precondition(if_match=(first.etag,)))
    stale = Precondition(if_match=(first.etag,))
    with pytest.raises(PreconditionFailed):
        writable.put(ONE, _media(b"4"), None, stale)
    with pytest.raises(PreconditionFailed):
        writable.set_text(ONE, "said", stale)
    with pytest.raises(PreconditionFailed):
        writable.delete(ONE, stale)
    with pytest.raises(PreconditionFailed):
        writable.put(TWO, _media(b"5"), None, Precondition(if_match=("*",)))
    assert writable.library().clips() == [second]
    assert writable.delete(ONE, Precondition(if_match=(second.etag,)))


def test_what_cannot_be_a_clip_is_refused(writable: WritableSource) -> None:
    for clip_id in (ClipId("..", "1"), ClipId("film", "a_b"), ClipId("con", "1")):
        with pytest.raises(InvalidClipName):
            writable.put(clip_id, _media(), None)
    with pytest.raises(InvalidClipMedia):
        writable.put(ONE, _media(suffix=".exe"), None)
    writable.put(ONE, _media(), None)
    with pytest.raises(InvalidClipName):
        writable.put(ClipId("FILM", "1"), _media(), None)
    assert [clip.id for clip in writable.library().clips()] == [ONE]


def test_the_library_grows_no_larger_than_it_may(writable: WritableSource) -> None:
    writable.put(ONE, _media(b"x" * 600), None)
    with pytest.raises(QuotaExceeded, match="AUDIO_SCORE_MAX_LIBRARY_BYTES"):
        writable.put(TWO, _media(b"x" * 600), None)
    writable.put(ONE, _media(b"y" * 900), None)
    assert [clip.size for clip in writable.library().clips()] == [900]
