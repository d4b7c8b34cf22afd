"""The local copy of a bucket's media: bounded, and the least used goes."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.library.bucket_copy import MediaCopy


class _Store:
    """Counts what is fetched from it."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def get(self, copy: MediaCopy, key: str, size: int = 10) -> bytes:
        def fetch() -> bytes:
            self.fetched.append(key)
            return content

        content = (key * size).encode()[:size]
        assert copy.fetched(key, '"etag"', size, fetch) == content
        return content


def _used(folder: Path) -> int:
    media = folder / "media"
    kept = [*media.iterdir()] if media.exists() else []
    return sum(path.stat().st_size for path in kept)


def test_what_was_used_least_goes(tmp_path: Path) -> None:
    store, copy = _Store(), MediaCopy(tmp_path, 35)
    for key in ("a", "b", "c"):
        store.get(copy, key)
    for second, path in enumerate(sorted((tmp_path / "media").iterdir(), key=os.path.getmtime)):
        os.utime(path, (second, second))
    store.get(copy, "a")
    store.get(copy, "d")
    assert store.fetched == ["a", "b", "c", "d"]
    store.get(copy, "a")
    store.get(copy, "b")
    assert store.fetched == ["a", "b", "c", "d", "b"]


def test_another_version_is_another_object(tmp_path: Path) -> None:
    copy = MediaCopy(tmp_path, 100)
    assert copy.fetched("a", "1", 3, lambda: b"one") == b"one"
    assert copy.fetched("a", "2", 3, lambda: b"two") == b"two"
    assert copy.fetched("a", "1", 3, lambda: b"not asked") == b"one"


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    store, copy = _Store(), MediaCopy(tmp_path, 5)
    store.get(copy, "a")
    store.get(copy, "a")
    assert store.fetched == ["a", "a"]
    assert copy.opened("a", '"etag"', 10) is None


def test_what_is_here_is_opened(tmp_path: Path) -> None:
    store, copy = _Store(), MediaCopy(tmp_path, 100)
    content = store.get(copy, "a")
    stream = copy.opened("a", '"etag"', 10)
    assert stream is not None
    with stream:
        # It stays readable when it goes.
        for path in (tmp_path / "media").iterdir():
            path.unlink()
        assert stream.read() == content
    assert copy.opened("a", '"etag"', 9) is None


def test_what_a_killed_worker_left_is_counted_and_goes(tmp_path: Path) -> None:
    store, copy = _Store(), MediaCopy(tmp_path, 30)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "unknown").write_bytes(b"x" * 25)
    (tmp_path / ".partial").write_bytes(b"half of")
    store.get(copy, "a")
    assert _used(tmp_path) <= 30
    (tmp_path / ".usage").write_text("nonsense")
    store.get(copy, "b")
    assert _used(tmp_path) <= 30
    assert not (tmp_path / ".partial").exists()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40)), max_size=30),
    st.integers(0, 100),
)
def test_it_is_never_larger_than_it_may_be(asked: list[tuple[str, int]], largest: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), _Store()
        copies = [MediaCopy(folder, largest) for _ in range(2)]
        for number, (key, size) in enumerate(asked):
            store.get(copies[number % 2], f"{key}{size}", size)
            assert _used(folder) <= largest


def test_threads_of_several_copies_keep_within_it(tmp_path: Path) -> None:
    store = _Store()
    copies = [MediaCopy(tmp_path, 100) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.get(copies[n % 4], f"key{n % 20}"), range(200)))
    assert _used(tmp_path) <= 100


def test_a_disk_that_is_full_is_told_once_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "media").write_text("in the way")
    store, copy = _Store(), MediaCopy(tmp_path, 100)
    for _ in range(3):
        store.get(copy, "a")
    assert store.fetched == ["a"] * 3
    assert caplog.text.count("Free some space or make the cache folder writable") == 1
