"""Changes of several files as one, whoever looks on and whenever the writer dies."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audio_score_server.library.journal import HIDDEN, Journal

_DYING = """
import os, signal, sys
from pathlib import Path
from audio_score_server.library import journal

folder, place, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
real = getattr(os, place)
calls = 0

def dying(*arguments, **named):
    global calls
    calls += 1
    if calls > count:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)

change = journal.Journal(folder)
with change.staged() as staged:
    (staged / "a.mov").write_text("new")
    (staged / "a.txt").write_text("new")
    with change.exclusive():
        setattr(os, place, dying)
        change.commit(staged, ["a.srt"])
"""


def _state(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


OLD = {"a.mov": "old", "a.srt": "old", "b.mov": "other"}
NEW = {"a.mov": "new", "a.txt": "new", "b.mov": "other"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in OLD.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def _change(folder: Path) -> None:
    journal = Journal(folder)
    with journal.staged() as staged:
        (staged / "a.mov").write_text("new")
        (staged / "a.txt").write_text("new")
        with journal.exclusive():
            journal.commit(staged, ["a.srt"])


def test_a_change_is_carried_out(folder: Path) -> None:
    _change(folder)
    assert _state(folder) == NEW
    assert sorted(path.name for path in (folder / HIDDEN).iterdir()) == ["lock", "staging"]
    assert not list((folder / HIDDEN / "staging").iterdir())


@pytest.mark.parametrize("place", ["rename", "replace", "fsync", "unlink"])
@pytest.mark.parametrize("count", range(4))
def test_a_writer_that_is_killed_anywhere_leaves_all_or_nothing(
    folder: Path, place: str, count: int
) -> None:
    subprocess.run([sys.executable, "-c", _DYING, str(folder), place, str(count)], check=False)
    with Journal(folder).shared():
        seen = _state(folder)
    assert seen in (OLD, NEW)
    # And whoever writes next finds a clean folder.
    _change(folder)
    assert _state(folder) == NEW


def test_a_change_that_is_not_committed_leaves_nothing(folder: Path) -> None:
    journal = Journal(folder)
    with journal.staged() as staged:
        (staged / "a.mov").write_text("new")
    assert _state(folder) == OLD
    assert not list((folder / HIDDEN / "staging").iterdir())


def test_readers_share_and_a_writer_waits_for_them(folder: Path) -> None:
    journal = Journal(folder)
    journal.prepare()
    writer = threading.Thread(target=_change, args=(folder,))
    with journal.shared(), Journal(folder).shared():
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        assert _state(folder) == OLD
    writer.join()
    assert _state(folder) == NEW


def test_readers_need_no_right_to_write(folder: Path) -> None:
    with Journal(folder).shared():
        assert _state(folder) == OLD
    assert not (folder / HIDDEN).exists()


def _write_often(folder: Path, number: int) -> None:
    for turn in range(20):
        journal = Journal(folder)
        with journal.staged() as staged:
            for name in ("a.mov", "a.txt"):
                (staged / name).write_text(f"{number} {turn}")
            with journal.exclusive():
                journal.commit(staged)


def test_nobody_ever_sees_a_mixture_of_two_writers(folder: Path) -> None:
    (folder / "a.txt").write_text("old")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(folder, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        with Journal(folder).shared():
            pair = (folder / "a.mov").read_text(), (folder / "a.txt").read_text()
        assert pair[0] == pair[1]
        seen.add(pair)
    assert len(seen) > 1
    assert all(writer.exitcode == 0 for writer in writers)


def test_what_was_forsaken_long_ago_is_cleared_away(folder: Path) -> None:
    journal = Journal(folder)
    journal.prepare()
    staging = folder / HIDDEN / "staging"
    for name, age in (("old", 100_000), ("young", 10)):
        (staging / name).mkdir()
        (staging / name / "a.mov").write_text("new")
        stamp = (staging / name).stat().st_mtime - age
        os.utime(staging / name, (stamp, stamp))
    journal.prepare()
    assert [path.name for path in staging.iterdir()] == ["young"]
