"""``audio-score clips check`` on a library that has every fault, and on one that has none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import FloatArray
from audio_score_server.library_check.findings import REMEDIES
from tests.process.server import ROOT, clean_environment
from tests.support import encoded

_LIMITS = DecodeLimits(16_000, 0.1, 60.0)
_DEMO = "RiverTales-s01e01_part0{}"


def _check(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "audio_score_server", "clips", "check", str(folder), *flags],
        cwd=ROOT,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def _voice(part: int) -> FloatArray:
    """A demo clip's own sound."""
    return decode((ROOT / "video_clip" / f"{_DEMO.format(part)}.mov").read_bytes(), _LIMITS).samples


def _text(part: int) -> str:
    return (ROOT / "video_clip" / f"{_DEMO.format(part)}.txt").read_text()


def _padded(samples: FloatArray, seconds: float = 0.6) -> FloatArray:
    return np.pad(samples, round(16_000 * seconds))


def _under(voice: FloatArray, background: FloatArray, ratio_db: float) -> FloatArray:
    scale = np.sqrt(np.square(voice).mean() / np.square(background).mean())
    mixed = voice + background * scale * 10 ** (-ratio_db / 20)
    return np.asarray(0.5 * mixed / np.abs(mixed).max(), np.float32)


def _chords(samples: int) -> FloatArray:
    moments = np.arange(samples) / 16_000
    tones = (220.0, 277.2, 329.6, 440.0)
    partials = (np.sin(2 * np.pi * tone * n * moments) / n for tone in tones for n in (1, 2, 3))
    return np.asarray(sum(partials), np.float32)


def _put(folder: Path, name: str, samples: FloatArray, text: str | bytes | None) -> None:
    (folder / f"{name}.wav").write_bytes(encoded(samples))
    if text is not None:
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.txt").write_bytes(content)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in which every fault is there once, each in a clip or file of its own."""
    folder = tmp_path_factory.mktemp("faulty")
    chance = np.random.default_rng(5)
    voices = [_padded(_voice(part)) for part in (1, 2, 3)]
    noise = chance.standard_normal(len(voices[2])).astype(np.float32)
    _put(folder, "film_good", voices[0], _text(1))
    _put(folder, "film_sametext", voices[0][8_000:], _text(1))
    _put(folder, "film_samesound", voices[0], "I shall never sail across the cold ocean again.")
    _put(folder, "film_clipped", np.clip(60 * voices[1], -1, 1), None)
    _put(folder, "film_noise", _under(voices[2], noise, 5), _text(3))
    _put(folder, "film_music", _under(voices[1], _chords(len(voices[1])), 5), _text(2))
    _put(folder, "film_silent", np.zeros(16_000, np.float32), "Nobody has said a word today.")
    _put(folder, "film_tone", _chords(32_000) * np.float32(0.05), "Only bells are ringing here.")
    _put(folder, "film_short", voices[0][:1_000], "Oh")
    _put(folder, "film_long", np.tile(voices[0], 60)[: 16_000 * 130], "An endless story of rain.")
    _put(
        folder, "film_latin", voices[1][3_000:], "Caf\xe9 au lait, if you please.".encode("cp1252")
    )
    (folder / "film_broken.mov").write_bytes(b"this is no film")
    (folder / "film_broken.txt").write_text("What might have been said.")
    _put(folder, "film_damaged", voices[2][3_000:], b"\xff\xfe\x00")
    shutil.copy(folder / "film_good.wav", folder / "film_good.mp4")
    shutil.copy(folder / "film_good.wav", folder / "nounderscore.wav")
    (folder / "film_nobody.txt").write_text("No clip has this name.")
    (folder / "season2").mkdir()
    os.mkfifo(folder / "film_pipe.wav")
    return folder


@pytest.fixture(scope="module")
def told(faulty: Path) -> dict[str, set[str]]:
    """For each code, the files that have it."""
    answer = _check(faulty, "--json")
    assert answer.returncode == 1, answer.stderr
    findings: list[dict[str, Any]] = json.loads(answer.stdout)["findings"]
    assert all(each["remedy"] and each["detail"] for each in findings)
    return {code: {each["file"] for each in findings if each["code"] == code} for code in REMEDIES}


@pytest.mark.parametrize(
    ("code", "file"),
    [
        ("skipped_name", "nounderscore.wav"),
        ("skipped_name", "film_pipe.wav"),
        ("subfolder", "season2"),
        ("double_file", "film_good.wav"),
        ("no_text", "film_clipped.wav"),
        ("unreadable_text", "film_damaged.txt"),
        ("guessed_encoding", "film_latin.txt"),
        ("stray_text", "film_nobody.txt"),
        ("undecodable", "film_broken.mov"),
        ("too_short", "film_short.wav"),
        ("too_long", "film_long.wav"),
        ("silent", "film_silent.wav"),
        ("no_speech", "film_tone.wav"),
        ("clipped", "film_clipped.wav"),
        ("noise", "film_noise.wav"),
        ("music", "film_music.wav"),
        ("text_mismatch", "film_samesound.wav"),
        ("same_text", "film_sametext.wav"),
        ("same_sound", "film_samesound.wav"),
    ],
)
def test_every_fault_is_told(told: dict[str, set[str]], code: str, file: str) -> None:
    assert file in told[code], told


def test_a_good_clip_has_no_findings_of_its_sound(told: dict[str, set[str]]) -> None:
    named = {code for code, files in told.items() if "film_good.mp4" in files}
    assert named == set()


def test_the_table_names_file_finding_and_remedy(faulty: Path) -> None:
    answer = _check(faulty)
    assert answer.returncode == 1
    lines = [line for line in answer.stdout.splitlines() if line.startswith("film_noise.wav")]
    assert any("  noise  " in line and line.endswith(REMEDIES["noise"]) for line in lines)
    assert "clips checked" in answer.stdout.splitlines()[-1]


def test_nothing_is_wrong_with_the_demo() -> None:
    answer = _check(ROOT / "video_clip")
    assert (answer.returncode, answer.stdout) == (0, "5 clips checked: nothing is wrong.\n")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    answer = _check(tmp_path / "nowhere")
    assert answer.returncode == 1
    assert "nowhere" in answer.stderr
    assert "Traceback" not in answer.stderr
