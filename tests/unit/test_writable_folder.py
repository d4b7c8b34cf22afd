"""Clips put into, changed in and taken out of a folder."""

from __future__ import annotations

import errno
import io
import os
import resource
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.library.errors import (
    InvalidClipMedia,
    InvalidClipName,
    LibraryUnavailable,
    PreconditionFailed,
    QuotaExceeded,
)
from audio_score_server.library.writable_folder import WritableFolder
from audio_score_server.library.writing import Media, Precondition, WritableSource, check_name

FIRST = ClipId("film", "1")


def media(content: bytes = b"sound", suffix: str = ".mov") -> Media:
    return Media(io.BytesIO(content), suffix)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_it_is_a_source_that_can_be_written(clip_folder: Path) -> None:
    assert isinstance(WritableFolder(clip_folder), WritableSource)


def test_a_clip_is_there_as_soon_as_it_is_put(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    clip, is_new = source.put(FIRST, media(), "hello")
    assert is_new
    assert clip.text == "hello"
    assert clip.settled_in_s == 0.0
    other = WritableFolder(clip_folder)
    assert other.find(FIRST) == clip
    assert other.library().clips() == [clip]
    assert clip.read() == b"sound"


def test_the_same_clip_once_more_changes_nothing(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    first, _ = source.put(FIRST, media(), "Anna: hello [waves]")
    again, is_new = source.put(FIRST, media(), "Anna: hello [waves]", Precondition(None, ("*",)))
    assert not is_new
    assert again == first
    assert again.etag == first.etag


def test_another_ending_takes_the_place_of_the_former(clip_folder: Path) -> None:
    for name in ("film_1.mov", "film_1.MP4", "film_1.srt", "film_1.txt.draft", "film_11.mov"):
        (clip_folder / name).write_bytes(b"old")
    source = WritableFolder(clip_folder)
    clip, is_new = source.put(FIRST, media(suffix=".wav"), None)
    assert not is_new
    assert _names(clip_folder) == ["film_1.wav", "film_11.mov"]
    assert clip.text is None


def test_a_text_comes_changes_and_goes(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    put, _ = source.put(FIRST, media(), None)
    for text in ("one", "two", None):
        clip = source.set_text(FIRST, text)
        assert clip is not None
        assert (clip.text, clip.version) == (text, put.version)
    assert _names(clip_folder) == ["film_1.mov"]
    assert source.set_text(ClipId("film", "2"), "text") is None


def test_a_clip_is_deleted_with_its_texts(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    source.put(FIRST, media(), "hello")
    (clip_folder / "film_1.txt.draft").write_text("a draft")
    assert source.delete(FIRST)
    assert _names(clip_folder) == []
    assert not source.delete(FIRST)
    assert source.find(FIRST) is None


def test_a_clip_that_was_replaced_is_read_no_more(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    before, _ = source.put(FIRST, media(b"one"), None)
    after, _ = source.put(FIRST, media(b"two"), None)
    assert after.etag != before.etag
    with pytest.raises(ClipChanged, match="has changed"):
        before.read()
    source.delete(FIRST)
    with pytest.raises(ClipChanged, match="gone"):
        after.read()


def _matching(clip: Clip | None, etag: str) -> Precondition:
    return Precondition((etag if clip is None else clip.etag,))


def test_preconditions_hold_or_nothing_changes(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    with pytest.raises(PreconditionFailed, match="is not there"):
        source.put(FIRST, media(), None, Precondition(("*",)))
    first, _ = source.put(FIRST, media(), None, Precondition(None, ("*",)))
    with pytest.raises(PreconditionFailed, match="there already"):
        source.put(FIRST, media(b"other"), None, Precondition(None, ("*",)))
    second, _ = source.put(FIRST, media(b"other"), None, Precondition((first.etag,)))
    stale = Precondition((first.etag,))
    for change in (
        lambda: source.put(FIRST, media(b"third"), None, stale),
        lambda: source.set_text(FIRST, "text", stale),
        lambda: source.delete(FIRST, stale),
    ):
        with pytest.raises(PreconditionFailed, match="changed meanwhile"):
            change()
    assert source.find(FIRST) == second


@pytest.mark.parametrize(
    ("uid", "cid"),
    [
        *(
            ("..", "1"),
            ("film", ".."),
            ("a/b", "1"),
            ("film", "a/../../b"),
            ("", "1"),
            ("film", ""),
        ),
        *((".hidden", "1"), ("film", "1."), ("film", "a_b"), ("film", "a b"), ("film\0", "1")),
        *(("fi\u200blm", "1"), ("\u0444ilm", "1"), ("cafe\u0301", "1"), ("film", "\uff11")),
        *(("con", "1"), ("film", "NUL"), ("film", "com1.take"), ("x" * 101, "1"), ("-a", "1")),
        *(("film\n", "1"), ("film", "1\r"), ("~", "1"), ("film", "$(id)"), ("film", "..%2f")),
    ],
)
def test_no_clip_is_written_under_a_name_that_is_not_plain(
    clip_folder: Path, uid: str, cid: str
) -> None:
    source = WritableFolder(clip_folder)
    with pytest.raises(InvalidClipName, match=r"cannot be written|name of a device"):
        source.put(ClipId(uid, cid), media(), "text")
    assert not list(clip_folder.parent.rglob("*.mov"))


@given(st.text(string.printable + "äé\u0430\u200b", max_size=8), st.text(max_size=8))
def test_whatever_may_be_written_is_one_plain_name(uid: str, cid: str) -> None:
    clip_id = ClipId(uid, cid)
    try:
        check_name(clip_id)
    except InvalidClipName:
        return
    name = f"{clip_id}.mov"
    assert name.isascii()
    assert Path(name).name == name
    assert name.rpartition(".")[0].rpartition("_")[0] == uid


def test_ids_that_differ_in_capitals_alone_are_not_both_there(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    source.put(ClipId("Film", "1"), media(), None)
    with pytest.raises(InvalidClipName, match="There is a clip Film_1 already"):
        source.put(FIRST, media(), None)


def test_a_file_of_another_kind_is_refused(clip_folder: Path) -> None:
    with pytest.raises(InvalidClipMedia, match=r"not in '\.exe'"):
        WritableFolder(clip_folder).put(FIRST, media(suffix=".exe"), None)


def test_a_library_grows_to_its_quota_and_no_further(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder, max_bytes=100)
    source.put(FIRST, media(b"x" * 60), None)
    with pytest.raises(QuotaExceeded, match="110 bytes; it may have 100"):
        source.put(ClipId("film", "2"), media(b"x" * 50), None)
    # What is replaced counts no more.
    source.put(FIRST, media(b"y" * 90), None)
    with pytest.raises(QuotaExceeded, match="111 bytes"):
        source.set_text(FIRST, "x" * 20)
    assert _names(clip_folder) == ["film_1.mov"]


def test_a_full_disk_loses_nothing(clip_folder: Path) -> None:
    source = WritableFolder(clip_folder)
    clip, _ = source.put(FIRST, media(b"x" * 1_000), "hello")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        with pytest.raises(QuotaExceeded, match="no space left"):
            source.put(FIRST, media(b"y" * 5_000), "bye")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert source.find(FIRST) == clip
    assert clip.read() == b"x" * 1_000


def test_a_folder_that_cannot_be_written_is_told(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(LibraryUnavailable, match="Read-only file system"):
        WritableFolder(clip_folder).put(FIRST, media(), None)
