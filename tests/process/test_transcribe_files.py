"""Transcripts from the command line, and drafts of clips' texts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.process.server import ROOT, clean_environment, write_config

pytestmark = pytest.mark.process
TAKES: Final = sorted((ROOT / "audio_clip").glob("*part01_right.*"))
_CLIP: Final = ROOT / "video_clip" / "RiverTales-s01e01_part01.mov"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "audio_score_server", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=clean_environment({}), capture_output=True, text=True
    )


def test_files_become_texts_in_a_folder_and_what_cannot_is_told(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound")
    output = tmp_path / "texts"
    asked = ("--format", "json", "--words", "--output", output, "--config", config)
    done = _run("transcribe", *TAKES, broken, *asked)
    assert done.returncode == 1
    assert "broken.mp3: The recording cannot be decoded" in done.stderr
    assert {path.name for path in output.iterdir()} == {f"{take.stem}.json" for take in TAKES}
    for path in output.iterdir():
        answer = json.loads(path.read_text())
        assert answer["segments"][0]["words"]


def test_standard_output_takes_subtitles(tmp_path: Path) -> None:
    done = _run("transcribe", TAKES[0], "--format", "vtt", "--config", write_config(tmp_path))
    assert done.returncode == 0
    assert done.stdout.startswith("WEBVTT\n")
    assert "-->" in done.stdout


@pytest.mark.parametrize(
    ("flag", "value", "code", "told"),
    [("--model", "nobody", 3, "nobody"), ("--language", "fr", 1, "'fr'")],
)
def test_what_there_is_not_is_told(
    tmp_path: Path, flag: str, value: str, code: int, told: str
) -> None:
    done = _run("transcribe", TAKES[0], flag, value, "--config", write_config(tmp_path))
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_draft_counts_only_when_it_is_accepted(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(_CLIP, folder)
    shutil.copy(_CLIP, folder / "film_spoken.mov")
    (folder / "film_spoken.txt").write_text("It has a text.")
    asked = ("clips", "transcribe", "--clips-dir", folder, "--config", config)
    assert _run(*asked).returncode == 0
    draft = folder / f"{_CLIP.stem}.txt.draft"
    assert draft.read_text().startswith("band")
    assert not (folder / "film_spoken.txt.draft").exists()
    assert not (folder / f"{_CLIP.stem}.txt").exists()
    draft.write_text("As a person has put it right.")
    assert _run(*asked).returncode == 0
    accepted = _run(*asked, "--accept")
    assert accepted.stdout.split() == [f"{_CLIP.stem}.txt"]
    assert (folder / f"{_CLIP.stem}.txt").read_text() == "As a person has put it right."
    assert not draft.exists()
