"""``audio-score clips list``, ``add`` and ``remove``: of a folder, and of a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.web.schemas import ClipSummaryResponse
from tests.cli.conftest import Run
from tests.process.server import ROOT, running, write_config
from tests.support import chirp, encoded, make_clip, wav_bytes

ADMIN: Final = "admin-" + 16 * "a"
Place = tuple[str | Path, ...]
"""Flags that say where the clips are."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Place]]:
    """The clip folder of a server, and flags for the server."""
    folder = tmp_path_factory.mktemp("server")
    keys = folder / "admins"
    keys.write_text(f"# of the tests\n{ADMIN}\n")
    keys.chmod(0o600)
    config = write_config(folder, admin_keys_file=str(keys), cache_dir="cache")
    with running("--config", config) as server:
        server.wait_until_ready()
        yield folder / "clips", ("--server", server.url, "--admin-key-file", keys)


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path, shared: tuple[Path, Place]) -> Place:
    """A library with nothing but the clip film/1, and the flags that lead there."""
    if request.param == "folder":
        return ("--config", write_config(tmp_path))
    folder, flags = shared
    for path in folder.iterdir():
        if path.name.startswith("film_"):
            path.unlink()
    make_clip(folder)
    return flags


def _reading(place: Place) -> Place:
    """Listing takes no key."""
    return place[:2]


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A file that may become a clip."""
    path = tmp_path / "film_2.wav"
    path.write_bytes(encoded(chirp(1.5)))
    return path


def test_clips_come_and_go(run: Run, place: Place, line: Path) -> None:
    assert run("clips", "list", *_reading(place)) == (0, "film/1\thello\n", "")
    added = run("clips", "add", line, "--text", "Good  morning\nall", *place)
    assert added == (0, "film/2\n", "")
    listed = run("clips", "list", *_reading(place))
    assert listed == (0, "film/1\thello\nfilm/2\tGood morning all\n", "")
    assert run("clips", "remove", "film/2", "film/1", *place) == (0, "film/2\nfilm/1\n", "")
    assert run("clips", "list", *_reading(place)) == (0, "", "")


def test_json_is_that_of_the_api(run: Run, place: Place) -> None:
    code, out, _ = run("clips", "list", "--json", *_reading(place))
    (clip,) = json.loads(out)
    assert code == 0
    assert list(clip) == list(ClipSummaryResponse.model_fields)
    assert (clip["uid"], clip["cid"], clip["text"]) == ("film", "1", "hello")


def test_clips_are_searched(run: Run, place: Place, line: Path) -> None:
    run("clips", "add", line, "--clip", "other/2", "--text", "Good morning", *place)
    for flags, expected in (
        (("--uid", "film"), "film/1\thello\n"),
        (("--query", "MORN good"), "other/2\tGood morning\n"),
        (("--query", "morning hello"), ""),
    ):
        assert run("clips", "list", *flags, *_reading(place)) == (0, expected, "")
    run("clips", "remove", "other/2", *place)


def test_nothing_is_replaced_unasked(run: Run, place: Place, line: Path) -> None:
    code, out, err = run("clips", "add", line, "--clip", "film/1", *place)
    assert (code, out) == (1, "")
    assert "film/1 is there already" in err
    assert "--replace" in err
    assert "hello" in run("clips", "list", *_reading(place))[1]
    replaced = run("clips", "add", line, "--clip", "film/1", "--replace", *place)
    assert replaced == (0, "film/1\n", "")
    assert run("clips", "list", *_reading(place))[1] == "film/1\n"


def test_what_is_not_there_is_told_and_the_rest_removed(run: Run, place: Place) -> None:
    code, out, err = run("clips", "remove", "film/9", "film/1", *place)
    assert (code, out) == (1, "film/1\n")
    assert err == "There is no clip film/9.\n"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("silent.wav", "nothing but silence"),
        ("no_sound.wav", "no decoder finds sound"),
        ("film_2.exe", "not in '.exe'"),
        ("missing_1.wav", "missing_1.wav"),
    ],
)
def test_what_cannot_be_a_clip_is_told(
    run: Run, place: Place, line: Path, name: str, told: str
) -> None:
    folder = line.parent
    (folder / "silent.wav").write_bytes(wav_bytes(bytes(32_000), 16_000))
    (folder / "no_sound.wav").write_bytes(b"text")
    shutil.copy(line, folder / "film_2.exe")
    code, out, err = run("clips", "add", folder / name, "--clip", "new/1", *place)
    assert (code, out) == (1, "")
    assert told in err
    assert "new/1" not in run("clips", "list", *_reading(place))[1]


def test_an_id_that_cannot_be_written_is_told(run: Run, place: Place, line: Path) -> None:
    code, _, err = run("clips", "add", line, "--clip", "film/part_1", *place)
    assert code == 1
    assert "The cid 'part_1' cannot be written" in err


def test_a_file_whose_name_tells_no_ids_needs_them(run: Run, place: Place, tmp_path: Path) -> None:
    code, _, err = run("clips", "add", tmp_path / "line.wav", *place)
    assert code == 2
    assert "--clip" in err


def test_a_server_wants_a_key(
    run: Run,
    line: Path,
    shared: tuple[Path, Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, url, *_ = shared[1]
    code, _, err = run("clips", "add", line, server, url)
    assert code == 1
    assert "unauthorized" in err
    monkeypatch.setenv("AUDIO_SCORE_API_KEY", ADMIN)
    assert run("clips", "add", line, server, url)[0] == 0
    assert run("clips", "remove", "film/2", server, url)[0] == 0
    empty = tmp_path / "empty"
    empty.write_text("# nothing\n")
    code, _, err = run("clips", "remove", "film/1", server, url, "--admin-key-file", empty)
    assert code == 2
    assert "holds no key" in err
    assert ADMIN not in err
    code, _, err = run("clips", "remove", "film/1", server, url, "--admin-key-file", tmp_path / "-")
    assert code == 2


def test_a_folder_that_cannot_be_read_is_told(run: Run, tmp_path: Path) -> None:
    code, _, err = run("clips", "list", "--clips-dir", tmp_path / "none")
    assert code == 1
    assert "The clips cannot be read" in err


def test_the_demos_clips_are_listed(run: Run) -> None:
    code, out, _ = run("clips", "list", "--clips-dir", ROOT / "video_clip")
    assert code == 0
    assert len(out.splitlines()) == 5
