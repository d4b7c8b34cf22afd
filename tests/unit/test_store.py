from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.references.entry import FEATURES, MANIFEST, EntryInvalid
from audio_score_server.references.store import BUILDING, ReferenceStore
from tests.support import make_clip, make_reference, named_clip, path_of, rescanned, same_reference

_MADE_BY = ("runner-1", "settings-1")
_REPOSITORY = Path(__file__).parents[2]


def _store(tmp_path: Path, made_by: tuple[str, str] = _MADE_BY) -> ReferenceStore:
    return ReferenceStore(tmp_path / "cache" / "model", made_by, 10**6)


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return make_clip(tmp_path / "clips")


def _write(store: ReferenceStore, clip: Clip, seed: int = 0) -> None:
    with store.claim(clip) as mine:
        assert mine
        store.write(clip, make_reference(seed))


def test_what_is_written_is_read_by_another_worker(tmp_path: Path, clip: Clip) -> None:
    _write(_store(tmp_path), clip)
    other = _store(tmp_path)
    other.check(clip)
    assert other.remembered(clip) is None
    assert same_reference(other.read(clip), make_reference())


def test_what_is_read_is_remembered(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    _write(store, clip)
    read = store.read(clip)
    shutil.rmtree(tmp_path / "cache")
    assert store.read(clip) is read
    assert store.remembered(clip) is read


def test_what_is_only_remembered_is_not_on_disk(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    store.remember(clip, make_reference())
    assert same_reference(store.read(clip), make_reference())
    with pytest.raises(EntryInvalid, match="missing"):
        store.check(clip)


def test_an_entry_is_where_people_look_for_it(tmp_path: Path, clip: Clip) -> None:
    _write(_store(tmp_path), clip)
    assert (tmp_path / "cache" / "model" / "film" / "1" / MANIFEST).is_file()


def test_what_another_model_made_is_not_read(tmp_path: Path, clip: Clip) -> None:
    _write(_store(tmp_path), clip)
    other = _store(tmp_path, ("runner-2", "settings-1"))
    with pytest.raises(EntryInvalid):
        other.read(clip)
    assert other.remembered(clip) is None


def test_a_touched_clip_is_hashed_only_once(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    _write(store, clip)
    os.utime(path_of(clip), ns=(1, 1))
    touched = rescanned(path_of(clip))
    store.check(touched)
    # Without the file there is nothing left to hash: the time alone has to do.
    path_of(clip).unlink()
    store.check(touched)
    assert same_reference(store.read(touched), make_reference())


def test_a_damaged_entry_is_not_remembered(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    _write(store, clip)
    (tmp_path / "cache" / "model" / "film" / "1" / FEATURES).write_bytes(b"x")
    with pytest.raises(EntryInvalid):
        store.read(clip)
    assert store.remembered(clip) is None
    _write(store, clip, 1)
    assert same_reference(store.read(clip), make_reference(1))


def test_one_claim_at_a_time_is_granted(tmp_path: Path, clip: Clip) -> None:
    one, other = _store(tmp_path), _store(tmp_path)
    with one.claim(clip) as first, other.claim(clip) as second, one.claim(clip) as third:
        assert (first, second, third) == (True, False, False)
    with other.claim(clip) as later:
        assert later


def test_a_claim_ends_with_an_error_inside_it(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.claim(clip):
        raise ZeroDivisionError
    with store.claim(clip) as mine:
        assert mine


def _stripe(cid: str) -> int:
    return zlib.crc32(str(ClipId("film", cid)).encode()) % 64


def test_claims_of_clips_on_other_stripes_are_independent(tmp_path: Path) -> None:
    cids = [str(number) for number in range(300)]
    other = next(cid for cid in cids if _stripe(cid) != _stripe("0"))
    same = next(cid for cid in cids[1:] if _stripe(cid) == _stripe("0"))
    store = _store(tmp_path)
    clips = [make_clip(tmp_path / "clips", f"film_{cid}.wav") for cid in ("0", other, same)]
    with store.claim(clips[0]), store.claim(clips[1]) as apart, store.claim(clips[2]) as shared:
        assert apart
        assert not shared


def test_any_number_of_clips_needs_a_bounded_number_of_locks(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    for number in range(300):
        numbered = named_clip(str(number))
        with store.claim(numbered) as mine:
            assert mine
    assert len(list((tmp_path / "cache" / "model" / BUILDING).iterdir())) <= 64


def test_what_a_killed_builder_left_bars_nobody_where_nothing_can_be_locked(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlockable(*_: object, **__: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("audio_score_server.references.store.FileLock.acquire", unlockable)
    left = tmp_path / "cache" / "model" / BUILDING / f"{_stripe(clip.id.cid):02d}" / "new"
    left.mkdir(parents=True)
    (left / MANIFEST).write_text("half")
    one, other = _store(tmp_path), _store(tmp_path)
    with one.claim(clip) as first, other.claim(clip) as second:
        assert first
        assert second
        one.write(clip, make_reference(1))
        other.write(clip, make_reference(2))
    assert same_reference(_store(tmp_path).read(clip), make_reference(2))


_CLAIM = """
import os, signal, sys
from pathlib import Path
from audio_score_server.references import entry
from audio_score_server.library.folder import FolderSource
from audio_score_server.references.store import ReferenceStore
from tests.support import make_reference

clips, cache, ending = sys.argv[1:]
clip = FolderSource(Path(clips)).library().clips()[0]
store = ReferenceStore(Path(cache), ("runner-1", "settings-1"), 0)
with store.claim(clip) as mine:
    print("mine" if mine else "taken", flush=True)
    if ending == "killed":
        entry.os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        store.write(clip, make_reference())
    sys.stdin.read()
"""


@contextmanager
def _other_worker(tmp_path: Path, ending: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that claims the clip, says how that went, and holds on until it is told."""
    arguments = [str(tmp_path / "clips"), str(tmp_path / "cache" / "model"), ending]
    with subprocess.Popen(
        [sys.executable, "-c", _CLAIM, *arguments],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_claim_keeps_other_processes_out_until_it_ends(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    with store.claim(clip) as mine:
        assert mine
        with _other_worker(tmp_path) as other:
            assert _said(other) == "taken"
    with _other_worker(tmp_path) as other:
        assert _said(other) == "mine"
        with store.claim(clip) as mine:
            assert not mine
        assert other.stdin is not None
        other.stdin.close()
        assert other.wait(60) == 0
        with store.claim(clip) as mine:
            assert mine


def test_a_killed_builder_leaves_neither_entry_nor_claim(tmp_path: Path, clip: Clip) -> None:
    store = _store(tmp_path)
    with _other_worker(tmp_path, "killed") as other:
        assert _said(other) == "mine"
        assert other.wait(60) == -9
    building = tmp_path / "cache" / "model" / BUILDING
    assert list(building.rglob(FEATURES))
    with pytest.raises(EntryInvalid, match="missing"):
        store.check(clip)
    with store.claim(clip) as mine:
        assert mine
        assert not list(building.rglob(FEATURES))
        store.write(clip, make_reference())
    assert same_reference(store.read(clip), make_reference())


def test_a_cache_that_cannot_be_written_is_everyones(tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    store = _store(tmp_path)
    with store.claim(clip) as first, store.claim(clip) as second:
        assert (first, second) == (True, True)
        with pytest.raises(OSError, match="Not a directory"):
            store.write(clip, make_reference())
    with pytest.raises(EntryInvalid, match="missing"):
        store.read(clip)
