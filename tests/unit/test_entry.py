from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures
from audio_score_server.library.clip import Clip, ClipChanged
from audio_score_server.references.entry import (
    FEATURES,
    MANIFEST,
    TRANSCRIPT,
    EntryInvalid,
    check_entry,
    read_entry,
    write_entry,
)
from tests.support import make_clip, make_reference, path_of, rescanned, same_reference

_MADE_BY = ("runner-1", "settings-1")


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return make_clip(tmp_path / "clips")


@pytest.fixture
def entry(tmp_path: Path, clip: Clip) -> Path:
    """A valid entry of the clip."""
    folder = tmp_path / "cache" / "film" / "1"
    write_entry(folder, tmp_path / "scratch", clip, _MADE_BY, make_reference())
    return folder


def _assert_valid(entry: Path, clip: Clip) -> None:
    check_entry(entry, clip, _MADE_BY)
    assert same_reference(read_entry(entry, clip, _MADE_BY), make_reference())


def _assert_invalid(
    entry: Path, clip: Clip, reason: str, made_by: tuple[str, str] = _MADE_BY
) -> None:
    with pytest.raises(EntryInvalid, match=reason):
        read_entry(entry, clip, made_by)


def test_what_is_written_is_read(entry: Path, clip: Clip, tmp_path: Path) -> None:
    _assert_valid(entry, clip)
    assert sorted(path.name for path in entry.iterdir()) == sorted([FEATURES, MANIFEST, TRANSCRIPT])
    assert (entry / TRANSCRIPT).read_text(encoding="utf-8") == "hello wörld\n"
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_references_of_any_length_are_kept(clip: Clip, tmp_path: Path, frames: int) -> None:
    reference = make_reference(frames=frames)
    write_entry(tmp_path / "e" / "1", tmp_path / "scratch", clip, _MADE_BY, reference)
    assert same_reference(read_entry(tmp_path / "e" / "1", clip, _MADE_BY), reference)


def test_features_lose_no_more_than_half_precision_does(clip: Clip, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    features = EncoderFeatures(frames, np.ones(9, np.float32), 43.066)
    reference = replace(make_reference(), features=features, alignment=None)
    write_entry(tmp_path / "e", tmp_path / "scratch", clip, _MADE_BY, reference)
    read = read_entry(tmp_path / "e", clip, _MADE_BY)
    assert read.features.frames.dtype == np.float32
    assert read.features.speech.dtype == np.float32
    assert read.features.frame_rate_hz == 43.066
    np.testing.assert_allclose(read.features.frames, frames, rtol=1e-3, atol=1e-6)


def test_an_entry_replaces_another(entry: Path, clip: Clip, tmp_path: Path) -> None:
    (entry / "left over").write_text("x")
    write_entry(entry, tmp_path / "scratch", clip, _MADE_BY, make_reference(7))
    assert same_reference(read_entry(entry, clip, _MADE_BY), make_reference(7))
    assert not (entry / "left over").exists()


def _edit_manifest(entry: Path, **changes: object) -> None:
    manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
    manifest.update(changes)
    (entry / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as stream:
        stream.truncate(size)


def _replace_with_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda entry: shutil.rmtree(entry), "missing"),
    "no manifest": (lambda entry: (entry / MANIFEST).unlink(), "missing"),
    "empty manifest": (lambda entry: (entry / MANIFEST).write_bytes(b""), "manifest"),
    "cut manifest": (lambda entry: _truncate(entry / MANIFEST, 100), "manifest"),
    "manifest of null": (lambda entry: (entry / MANIFEST).write_bytes(b"null"), "manifest"),
    "manifest not text": (lambda entry: (entry / MANIFEST).write_bytes(b"\xff\0"), "manifest"),
    "manifest a folder": (lambda entry: _replace_with_folder(entry / MANIFEST), "manifest"),
    "unknown key": (lambda entry: _edit_manifest(entry, extra=1), "manifest"),
    "wrong type": (lambda entry: _edit_manifest(entry, clip_size="big"), "manifest"),
    "newer format": (lambda entry: _edit_manifest(entry, format=99), "made by another"),
    "no features": (lambda entry: (entry / FEATURES).unlink(), "missing or cut short"),
    "empty features": (lambda entry: _truncate(entry / FEATURES, 0), "missing or cut short"),
    "cut features": (lambda entry: _truncate(entry / FEATURES, 99), "missing or cut short"),
    "long features": (lambda entry: _truncate(entry / FEATURES, 9_999), "cut short"),
    "features a folder": (lambda entry: _replace_with_folder(entry / FEATURES), "damaged"),
    "no transcript": (lambda entry: (entry / TRANSCRIPT).unlink(), "missing or cut short"),
    "long transcript": (lambda entry: _truncate(entry / TRANSCRIPT, 99), "cut short"),
    "flipped transcript": (lambda entry: _flip(entry / TRANSCRIPT, 0), "has changed"),
    "transcript a folder": (lambda entry: _replace_with_folder(entry / TRANSCRIPT), "damaged"),
    "flipped header": (lambda entry: _flip(entry / FEATURES, 0), "has changed"),
    "flipped frame": (lambda entry: _flip(entry / FEATURES, -60), "has changed"),
    "flipped end": (lambda entry: _flip(entry / FEATURES, -1), "has changed"),
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_damage_is_noticed(entry: Path, clip: Clip, damage: str) -> None:
    harm, reason = _DAMAGES[damage]
    harm(entry)
    _assert_invalid(entry, clip, reason)


def test_a_file_in_the_place_of_an_entry_is_no_entry(entry: Path, clip: Clip) -> None:
    shutil.rmtree(entry)
    entry.write_text("x")
    _assert_invalid(entry, clip, "missing")


@settings(max_examples=40)
@given(st.integers(0), st.integers(0, 7))
def test_any_flipped_bit_of_the_features_is_noticed(place: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        entry, clip = Path(name) / "entry", make_clip(Path(name) / "clips")
        write_entry(entry, Path(name) / "scratch", clip, _MADE_BY, make_reference(0, 3))
        content = bytearray((entry / FEATURES).read_bytes())
        content[place % len(content)] ^= 1 << bit
        (entry / FEATURES).write_bytes(content)
        _assert_invalid(entry, clip, "has changed")


@pytest.mark.parametrize("made_by", [("runner-2", "settings-1"), ("runner-1", "settings-2")])
def test_what_another_runner_or_other_settings_made_is_invalid(
    entry: Path, clip: Clip, made_by: tuple[str, str]
) -> None:
    _assert_invalid(entry, clip, "another model or with other settings", made_by)


@pytest.mark.parametrize("text", ["other", "hello there", None])
def test_a_changed_text_makes_the_entry_invalid(entry: Path, clip: Clip, text: str | None) -> None:
    path = path_of(clip).with_suffix(".txt")
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    _assert_invalid(entry, rescanned(path_of(clip)), "text beside the clip has changed")


def test_a_text_of_other_white_space_is_the_same(entry: Path, clip: Clip) -> None:
    path_of(clip).with_suffix(".txt").write_bytes(b"\xef\xbb\xbf hello \r\n")
    _assert_valid(entry, rescanned(path_of(clip)))


def _at(path: Path, nanoseconds: int) -> Clip:
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return rescanned(path)


def test_a_clip_of_another_size_makes_the_entry_invalid(entry: Path, clip: Clip) -> None:
    path_of(clip).write_bytes(path_of(clip).read_bytes() + b"\0")
    _assert_invalid(entry, _at(path_of(clip), 10**18), "the clip has changed")


def test_a_clip_of_the_same_size_and_other_content_makes_it_invalid(
    entry: Path, clip: Clip
) -> None:
    _flip(path_of(clip), 500)
    _assert_invalid(entry, _at(path_of(clip), 10**18), "the clip has changed")


def test_a_touched_clip_of_the_same_content_stays_valid(entry: Path, clip: Clip) -> None:
    _assert_valid(entry, _at(path_of(clip), 10**18))


def test_a_touched_clip_that_is_gone_makes_the_entry_invalid(entry: Path, clip: Clip) -> None:
    touched = _at(path_of(clip), 10**18)
    path_of(clip).unlink()
    with pytest.raises(EntryInvalid):
        check_entry(entry, touched, _MADE_BY)


def test_a_check_reads_no_features(entry: Path, clip: Clip) -> None:
    _flip(entry / FEATURES, -1)
    check_entry(entry, clip, _MADE_BY)


@contextlib.contextmanager
def _full_disk(free_bytes: int) -> Iterator[None]:
    """No file may grow past the limit, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("free_bytes", [0, 5, 600, 2_000])
def test_a_full_disk_leaves_no_entry(clip: Clip, tmp_path: Path, free_bytes: int) -> None:
    folder = tmp_path / "cache" / "film" / "1"
    reference = make_reference(frames=200)
    with _full_disk(free_bytes), pytest.raises(OSError, match="File too large"):
        write_entry(folder, tmp_path / "scratch", clip, _MADE_BY, reference)
    assert not folder.exists()


def test_a_full_disk_leaves_the_entry_that_was_there(
    entry: Path, clip: Clip, tmp_path: Path
) -> None:
    with _full_disk(100), pytest.raises(OSError, match="File too large"):
        write_entry(entry, tmp_path / "scratch", clip, _MADE_BY, make_reference(7))
    _assert_valid(entry, clip)


@pytest.mark.parametrize("place", ["fsync", "rename"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_an_interrupted_write_leaves_nothing_half_written(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, time: int
) -> None:
    folder = tmp_path / "cache" / "film" / "1"
    calls = 0
    real: Callable[..., None] = getattr(os, place)

    def interrupted(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == time:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, place, interrupted)
        with contextlib.suppress(KeyboardInterrupt):
            write_entry(folder, tmp_path / "scratch", clip, _MADE_BY, make_reference())
    if folder.exists():
        _assert_valid(folder, clip)
    else:
        _assert_invalid(folder, clip, "missing")


def test_a_clip_that_changed_since_it_was_found_is_not_written(clip: Clip, tmp_path: Path) -> None:
    _at(path_of(clip), 1)
    with pytest.raises(ClipChanged, match="has changed"):
        write_entry(tmp_path / "e", tmp_path / "scratch", clip, _MADE_BY, make_reference())
    assert not (tmp_path / "e").exists()


def test_a_clip_that_vanished_cannot_be_written(clip: Clip, tmp_path: Path) -> None:
    path_of(clip).unlink()
    with pytest.raises(ClipChanged, match="gone"):
        write_entry(tmp_path / "e", tmp_path / "scratch", clip, _MADE_BY, make_reference())
    assert not (tmp_path / "e").exists()
