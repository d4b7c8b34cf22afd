from __future__ import annotations

import os
from pathlib import Path

from audio_score_server.library.clip import Clip, Library
from audio_score_server.references.entry import MANIFEST
from audio_score_server.references.prune import prune
from audio_score_server.references.store import BUILDING, ReferenceStore
from tests.support import make_clip, make_reference, named_clip


def _entry(cache: Path, model: str, clip: Clip) -> Path:
    store = ReferenceStore(cache / model, ("runner", "settings"), 0)
    with store.claim(clip) as mine:
        assert mine
        store.write(clip, make_reference())
    return cache / model / clip.id.uid / clip.id.cid


def _clips(folder: Path, *names: str) -> list[Clip]:
    return [make_clip(folder / "clips", f"{name}.wav") for name in names]


def _library(clips: list[Clip]) -> Library:
    return Library(clips)


def test_entries_of_clips_that_are_gone_are_removed(tmp_path: Path) -> None:
    kept, gone, last = _clips(tmp_path, "film_1", "film_2", "other_1")
    entries = [_entry(tmp_path / "cache", "model", clip) for clip in (kept, gone, last)]
    assert prune(tmp_path / "cache", ["model"], _library([kept])) == 2
    assert [entry.exists() for entry in entries] == [True, False, False]
    assert not (tmp_path / "cache" / "model" / "other").exists()


def test_entries_of_unknown_models_are_removed_with_their_folders(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    kept = _entry(tmp_path / "cache", "model", clip)
    _entry(tmp_path / "cache", "former", clip)
    assert prune(tmp_path / "cache", ["model"], _library([clip])) == 1
    assert kept.exists()
    assert not (tmp_path / "cache" / "former").exists()


def test_a_configured_model_that_is_not_loaded_keeps_its_entries(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    entries = [_entry(tmp_path / "cache", model, clip) for model in ("loaded", "not-loaded")]
    assert prune(tmp_path / "cache", ["loaded", "not-loaded"], _library([clip])) == 0
    assert all(entry.exists() for entry in entries)


def test_young_entries_stay_while_others_may_know_more(tmp_path: Path) -> None:
    kept, gone = _clips(tmp_path, "film_1", "film_2")
    entry = _entry(tmp_path / "cache", "model", gone)
    assert prune(tmp_path / "cache", ["model"], _library([kept]), min_age_s=60.0) == 0
    os.utime(entry / MANIFEST, (0, 0))
    assert prune(tmp_path / "cache", ["model"], _library([kept]), min_age_s=60.0) == 1
    assert not entry.exists()


def test_an_empty_library_flushes_nothing(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    entries = [_entry(tmp_path / "cache", model, clip) for model in ("model", "former")]
    assert prune(tmp_path / "cache", ["model"], Library([])) == 0
    assert all(entry.exists() for entry in entries)


def test_what_is_no_entry_is_left_alone(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    _entry(tmp_path / "cache", "model", clip)
    foreign = [
        tmp_path / "cache" / "notes.txt",
        tmp_path / "cache" / "photos" / "2024" / "may" / "sea.jpg",
        tmp_path / "cache" / "photos" / MANIFEST,
        tmp_path / "cache" / "photos" / "2024" / MANIFEST,
        tmp_path / "cache" / "model" / "film" / "notes.txt",
        tmp_path / "cache" / "model" / "film" / "2" / "notes.txt",
        tmp_path / "cache" / "model" / "notes.txt",
        tmp_path / "cache" / ".gitkeep",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "cache" / "empty").mkdir()
    assert prune(tmp_path / "cache", ["model"], _library([clip])) == 0
    assert all(path.exists() for path in foreign)
    assert (tmp_path / "cache" / "empty").is_dir()


def test_links_are_not_followed(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    elsewhere = _entry(tmp_path / "elsewhere", "former", clip)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "former").symlink_to(tmp_path / "elsewhere" / "former")
    assert prune(tmp_path / "cache", ["model"], _library([clip])) == 0
    assert elsewhere.exists()


def test_what_other_workers_are_building_is_left_alone(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, "film_1")
    store = ReferenceStore(tmp_path / "cache" / "model", ("runner", "settings"), 0)
    with store.claim(clip) as mine:
        assert mine
        fresh = tmp_path / "cache" / "model" / BUILDING / "00" / "new"
        fresh.mkdir(parents=True)
        (fresh / MANIFEST).write_text("{}")
        assert prune(tmp_path / "cache", ["model"], _library([clip])) == 0
        assert (fresh / MANIFEST).exists()
        store.write(clip, make_reference())
    store.check(clip)


def test_flushing_again_finds_nothing(tmp_path: Path) -> None:
    kept, gone = _clips(tmp_path, "film_1", "film_2")
    _entry(tmp_path / "cache", "model", gone)
    assert prune(tmp_path / "cache", ["model"], _library([kept])) == 1
    assert prune(tmp_path / "cache", ["model"], _library([kept])) == 0


def test_a_cache_that_is_not_there_is_flushed_quietly(tmp_path: Path) -> None:
    clip = named_clip("1")
    assert prune(tmp_path / "nowhere", ["model"], _library([clip])) == 0
    assert not (tmp_path / "nowhere").exists()
