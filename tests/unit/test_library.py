from __future__ import annotations

import logging
import os
import re
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.errors import UnknownClip
from audio_score_server.library.clip import ClipChanged, ClipId, Library
from audio_score_server.library.errors import ClipUnreadable, LibraryUnavailable
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.listing import SUFFIXES


def _files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"sound")


def _ids(folder: Path) -> list[tuple[str, str]]:
    return [(clip.id.uid, clip.id.cid) for clip in FolderSource(folder).library().clips()]


@pytest.mark.parametrize(
    ("name", "uid", "cid"),
    [
        ("film_1.mov", "film", "1"),
        ("a_b_c.wav", "a_b", "c"),
        ("film-s01e02_part01.MOV", "film-s01e02", "part01"),
        ("film_1.5.mp4", "film", "1.5"),
        ("__x.wav", "_", "x"),
        ("film one_part two.wav", "film one", "part two"),
        ("фильм_один.wav", "фильм", "один"),
        ("a.b_c.wav", "a.b", "c"),
    ],
)
def test_the_last_underscore_parts_video_and_clip(
    tmp_path: Path, name: str, uid: str, cid: str
) -> None:
    _files(tmp_path, name)
    assert _ids(tmp_path) == [(uid, cid)]


@pytest.mark.parametrize("suffix", [*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES), ".mOv"])
def test_every_ending_counts_in_any_case(tmp_path: Path, suffix: str) -> None:
    _files(tmp_path, f"film_1{suffix}")
    assert _ids(tmp_path) == [("film", "1")]


@pytest.mark.parametrize("name", ["film.mov", "film_.mov", "_1.mov", "_.mov"])
def test_a_clip_of_another_name_is_told_and_left(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _files(tmp_path, name, "good_1.mov")
    assert _ids(tmp_path) == [("good", "1")]
    assert f"Skipped {name}: a clip is called <uid>_<cid>.mov" in caplog.text


@pytest.mark.parametrize("name", ["a_..mov", "a_...mov", "a_.b.mov", ".a_b.mov", ".._b.mov"])
def test_ids_that_would_hide_or_climb_are_left(tmp_path: Path, name: str) -> None:
    _files(tmp_path, name)
    assert _ids(tmp_path) == []


def test_other_files_are_left_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _files(tmp_path, "readme.md", "a_b.txt", "a_b", "a_b.mov.part", ".hidden_1.mov", ".DS_Store")
    (tmp_path / ".folder_1.mov").mkdir()
    with caplog.at_level(logging.DEBUG):
        assert _ids(tmp_path) == []
    assert not caplog.records


def test_links_to_clips_are_clips(tmp_path: Path) -> None:
    _files(tmp_path, "elsewhere.bin")
    (tmp_path / "film_1.mov").symlink_to(tmp_path / "elsewhere.bin")
    assert _ids(tmp_path) == [("film", "1")]


@pytest.mark.parametrize("target", ["nowhere", "film_1.mov"])
def test_a_link_that_leads_nowhere_is_a_clip_that_cannot_be_read(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "film_1.mov").symlink_to(target)
    clip = FolderSource(tmp_path).library().find("film", "1")
    assert (clip.name, clip.size) == ("film_1.mov", 0)
    with pytest.raises(OSError, match=r"film_1\.mov"):
        clip.read()


def test_what_is_no_file_is_told_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "film_1.mov")
    assert _ids(tmp_path) == []
    assert "Skipped film_1.mov: it is neither a file nor a folder." in caplog.text


@given(st.permutations(SUFFIXES), st.integers(2, len(SUFFIXES)))
def test_of_two_files_of_one_clip_the_earlier_ending_wins(suffixes: list[str], count: int) -> None:
    present = suffixes[:count]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in present:
            _files(Path(folder), f"film_1{suffix}")
        clips = FolderSource(Path(folder)).library().clips()
    assert [Path(clip.name).suffix for clip in clips] == [min(present, key=SUFFIXES.index)]


_NAMES = st.text(string.ascii_letters + string.digits + "_-. é", min_size=1, max_size=12)


@given(st.lists(_NAMES, max_size=6))
def test_no_name_makes_an_id_that_leaves_its_folder(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            _files(Path(folder), f"{name}.wav")
        for clip in FolderSource(Path(folder)).library().clips():
            assert Path(clip.name).stem == f"{clip.id.uid}_{clip.id.cid}" == str(clip.id)
            for part in (clip.id.uid, clip.id.cid):
                assert part
                assert not part.startswith(".")
                assert "/" not in part
            assert "_" not in clip.id.cid


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"Hello there.", "Hello there."),
        (b"\xef\xbb\xbfHello", "Hello"),
        (b"  Hello \r\n\t there\n\n", "Hello there"),
        ("Grüße — “ja”".encode(), "Grüße — “ja”"),
        (b"", None),
        (b" \n\t ", None),
        (b"\xef\xbb\xbf\n", None),
    ],
)
def test_the_text_beside_a_clip_is_trimmed(
    tmp_path: Path, content: bytes, text: str | None
) -> None:
    _files(tmp_path, "film_1.mov")
    (tmp_path / "film_1.txt").write_bytes(content)
    assert FolderSource(tmp_path).library().find("film", "1").text == text


def test_a_clip_without_a_text_has_none(tmp_path: Path) -> None:
    _files(tmp_path, "film_1.mov", "film_1.5.mov")
    (tmp_path / "film_1.5.txt").write_text("another clip's")
    assert FolderSource(tmp_path).library().find("film", "1").text is None
    assert FolderSource(tmp_path).library().find("film", "1.5").text == "another clip's"


@pytest.mark.parametrize(
    ("content", "text"), [(b"\xff\xfeH\0i\0", "Hi"), (b"caf\xe9", "caf\xe9"), (b"\x80", "\u20ac")]
)
def test_a_text_that_is_not_utf_8_is_read_all_the_same(
    tmp_path: Path, content: bytes, text: str
) -> None:
    _files(tmp_path, "film_1.mov")
    (tmp_path / "film_1.txt").write_bytes(content)
    assert FolderSource(tmp_path).library().find("film", "1").text == text


def test_a_text_that_cannot_be_read_is_told_and_its_clip_goes_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _files(tmp_path, "film_1.mov")
    (tmp_path / "film_1.txt").mkdir()
    assert FolderSource(tmp_path).library().find("film", "1").text is None
    assert "film_1.txt cannot be read" in caplog.text


def test_two_files_of_one_clip_and_folders_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _files(tmp_path, "film_1.mp4", "film_1.mov", "film_2.wav")
    for name in ("season1", "season2", ".hidden"):
        (tmp_path / name).mkdir()
    assert FolderSource(tmp_path).library().find("film", "1").name == "film_1.mov"
    assert "film_1.mov and film_1.mp4 are one clip: film_1.mov is taken" in caplog.text
    assert "season1, season2" in caplog.text
    assert ".hidden" not in caplog.text
    assert "film_2" not in caplog.text


def test_a_name_that_is_not_utf_8_does_not_become_an_id(tmp_path: Path) -> None:
    _files(tmp_path, "film_2.mov")
    with open(os.fsencode(tmp_path) + b"/caf\xe9_1.mov", "wb") as stream:  # noqa: PTH123
        stream.write(b"sound")
    for uid, cid in _ids(tmp_path):
        assert f"{uid}_{cid}".encode()


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_without_a_folder_there_are_no_clips(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _files(tmp_path, "file")
    with pytest.raises(LibraryUnavailable, match=re.escape(str(tmp_path / name))):
        FolderSource(tmp_path / name).library()


def test_clips_come_in_order_of_id(tmp_path: Path) -> None:
    _files(tmp_path, "b_1.mov", "a_2.mov", "a_10.wav", "a_1.mov")
    assert _ids(tmp_path) == [("a", "1"), ("a", "10"), ("a", "2"), ("b", "1")]


def test_a_clip_knows_its_file(tmp_path: Path) -> None:
    _files(tmp_path, "film_1.mov")
    clip = FolderSource(tmp_path).library().find("film", "1")
    assert clip.id == ClipId("film", "1")
    assert clip.name == "film_1.mov"
    assert clip.size == 5
    assert clip.read() == b"sound"
    os.utime(tmp_path / "film_1.mov", ns=(1, 123_456_790))
    with pytest.raises(ClipChanged, match="has changed"):
        clip.read()


def test_a_clip_whose_folder_is_gone_has_not_changed(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    _files(tmp_path / "clips", "film_1.mov", "film_2.mov")
    one, other = FolderSource(tmp_path / "clips").library().clips()
    (tmp_path / "clips" / "film_1.mov").unlink()
    with pytest.raises(ClipChanged, match="gone"):
        one.read()
    (tmp_path / "clips").rename(tmp_path / "elsewhere")
    with pytest.raises(ClipUnreadable, match="folder is not there"):
        other.read()


def test_an_unknown_clip_is_answered_with_those_of_its_video(tmp_path: Path) -> None:
    _files(tmp_path, *(f"film_{number}.mov" for number in range(1, 8)), "other_9.mov")
    with pytest.raises(UnknownClip, match=r"'film' has no clip '9'; it has 1, 2, 3, 4, 5 and 2"):
        FolderSource(tmp_path).library().find("film", "9")


def test_an_unknown_video_is_answered_with_those_there_are(tmp_path: Path) -> None:
    _files(tmp_path, "film_1.mov", "film_2.mov", "other_1.mov")
    with pytest.raises(UnknownClip, match=r"no video 'x'; there are film, other\. GET /clips"):
        FolderSource(tmp_path).library().find("x", "1")
    with pytest.raises(UnknownClip, match="there are none"):
        Library([]).find("x", "1")


def test_a_very_long_video_id_is_found_and_shortened_only_in_the_text(tmp_path: Path) -> None:
    uid = "v" * 120
    (tmp_path / f"{uid}_1.wav").write_bytes(b"sound")
    with pytest.raises(UnknownClip, match="has no clip '2'; it has 1") as rejection:
        FolderSource(tmp_path).library().find(uid, "2")
    assert uid not in str(rejection.value)
