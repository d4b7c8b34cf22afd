"""``audio-score evaluate`` from end to end."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from audio_score_server.cli import command
from audio_score_server.evaluation.manifest import read_manifest
from tests.process.server import ROOT

SPEECH = ROOT.parent / "shared" / "speech"
COMPONENTS = {"sim_score", "audio_sim_score", "text_sim_score"}
_STOPPED = 130


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """The command's log goes where standard error is while the test runs."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo recordings of one video, labelled by their names, and an opinion on each."""
    folder = tmp_path_factory.mktemp("demo set")
    worth = {"right": 9, "half": 5, "wrong": 1}
    lines = ["file,clip,label,human_total,robot_score"]
    for path in sorted((ROOT / "audio_clip").glob("RiverTales-*")):
        uid, cid, kind = path.stem.split("_")
        label = kind if kind in worth else "right"
        lines.append(f"{path},{uid}_{cid}.mov,{label},{worth.get(kind, 8)},{len(lines) % 3}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def _config(folder: Path, **model: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"models": [model or {"key": "phones", "type": "phones"}]}))
    return path


def _evaluate(folder: Path, *arguments: object) -> int:
    config = _config(folder if folder.is_dir() else folder.parent)
    return command(["evaluate", str(folder), "--config", str(config), *map(str, arguments)])


def _model(output: Path, model: str = "phones") -> dict[str, Any]:
    report = json.loads((output / "report.json").read_text())
    result: dict[str, Any] = report["models"][model]
    return result


def test_the_demo_is_judged(
    demo_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, output = ROOT / "video_clip", tmp_path / "new" / "output"
    assert _evaluate(demo_set, "--clips", clips, "--output", output) == 0
    told = capsys.readouterr().out
    assert (output / "report.txt").read_text() == told
    assert set(told.split()) >= COMPONENTS

    result = _model(output)
    assert (result["recordings"], result["left_out"]) == (15, {})
    trials = _trials(output)
    # Nine right readings, each against two more clips; three halves and three wrong lines.
    assert len(trials) == result["trials"] == 9 * 3 + 3 + 3
    for name in COMPONENTS:
        component = result["components"][name]
        assert component["discrimination"]["auc"]["value"] > 0.9
        right, half, wrong = (
            component["spreads"][label]["mean"] for label in ("right", "half", "wrong")
        )
        assert right > max(half, wrong)
        assert component["correlations"]["human_total"]["spearman"]["value"] > 0.5
    assert result["others"]["robot_score"]["human_total"]["count"] == 15
    for picture in ("distributions", "errors", "reliability", "measures"):
        content = (output / f"phones-{picture}.png").read_bytes()
        assert content.startswith(b"\x89PNG")


def _trials(output: Path) -> list[dict[str, str]]:
    with (output / "scores.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_is_repeated_and_compared(
    demo_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--clips", ROOT / "video_clip", "--limit", 1, "--cache", tmp_path / "cache")
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    servers = tmp_path / "cache" / "phones" / "film" / "1"
    servers.mkdir(parents=True)
    assert _evaluate(demo_set, *arguments, "--output", first) == 0
    earlier = first / "report.json"
    capsys.readouterr()
    assert _evaluate(demo_set, *arguments, "--output", second, "--compare", earlier) == 0
    assert "0.0000" in capsys.readouterr().out
    trials, again = (_trials(output) for output in (first, second))
    assert [list(trial.values())[:5] for trial in trials] == [
        list(trial.values())[:5] for trial in again
    ]
    for name in COMPONENTS:
        scores = [float(trial[name]) for trial in trials]
        assert scores == pytest.approx([float(trial[name]) for trial in again], abs=2e-6)

    assert _evaluate(demo_set, *arguments, "--output", third, "--no-texts") == 0
    untold = [float(trial["text_sim_score"]) for trial in _trials(third)]
    told = [float(trial["text_sim_score"]) for trial in trials]
    assert told != pytest.approx(untold, abs=0.01)
    assert servers.is_dir()


def _set(folder: Path, lines: Sequence[str], **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join(["file,text", *lines]))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _demo(name: str) -> bytes:
    (path,) = (ROOT / "audio_clip").glob(f"RiverTales-s01e01_{name}.*")
    return path.read_bytes()


def test_what_cannot_be_decoded_is_told_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a,One", "b,One", "c,One", "d,Two", "e,Two", "f,Three", "g,Three"]
    one, two = _demo("part01_right"), _demo("part02_right")
    sounds = {"a": one, "b": one, "c": b"noise", "d": two, "e": two, "f": b"", "g": two}
    output = tmp_path / "output"
    assert _evaluate(_set(tmp_path / "set", lines, **sounds), "--output", output) == 0
    result = _model(output)
    assert set(result["left_out"]) == {"c", "clip f"}
    assert (result["recordings"], result["trials"]) == (3, 2 + 2 + 2)
    assert "Left out (2)" in capsys.readouterr().out


def test_where_nothing_can_be_decoded_nothing_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = dict.fromkeys("abcd", b"noise")
    folder = _set(tmp_path / "set", ["a,One", "b,One", "c,Two", "d,Two"], **sounds)
    assert _evaluate(folder) == 2
    assert "phones could score nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "manifest.csv does not exist"),
        (("--compare", "nowhere.json"), "nowhere.json cannot be read"),
        (("--compare", __file__), "cannot be read"),
        (("--voice", "nobody"), "A voice is called flite:slt"),
        (("--model-keys", "nobody"), "no model is called 'nobody'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_scored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert _evaluate(tmp_path, *arguments) == 2
    assert message in capsys.readouterr().err


def test_an_output_that_is_a_file_is_told(
    demo_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ("--clips", ROOT / "video_clip", "--output", tmp_path / "file")
    assert _evaluate(demo_set, *arguments) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_names_that_are_no_clip_ids_do(tmp_path: Path) -> None:
    names = ["ünder_score.x", "with space", "-t", "a_b_c.flac", ".hidden"]
    sounds = {name: _demo("part01_right") for name in names}
    lines = [f"{name},{'One' if place < 2 else 'Two'}" for place, name in enumerate(names)]
    output = tmp_path / "output"
    assert _evaluate(_set(tmp_path / "s e t", lines, **sounds), "--output", output) == 0
    assert (_model(output)["recordings"], _model(output)["left_out"]) == (3, {})


def test_ctrl_c_ends_it_and_leaves_nothing(demo_set: Path, tmp_path: Path) -> None:
    config = _config(tmp_path, key="slow", type="fake", batch_ms=1000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = [sys.executable, "-m", "audio_score_server", "evaluate", str(demo_set)]
    options = ["--clips", str(ROOT / "video_clip"), "--config", str(config), "--log-level", "info"]
    with subprocess.Popen(
        [*program, *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Ready after" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == _STOPPED
    assert "Stopped" in rest
    assert "Traceback" not in rest
    assert not list(scratch.iterdir())


@pytest.mark.shared
def test_unseen_speakers_right_readings_are_told_from_wrong_ones(tmp_path: Path) -> None:
    if not SPEECH.is_dir():
        pytest.skip("the recordings of ../shared are not here")
    assert _evaluate_copy(tmp_path, SPEECH / "manifest.csv", "--limit", 5) == 0
    result = _model(tmp_path / "output")
    assert (result["recordings"], result["trials"]) == (24, 24 * 6)
    for name in COMPONENTS:
        assert result["components"][name]["discrimination"]["auc"]["value"] >= 0.94


def _evaluate_copy(folder: Path, manifest: Path, *arguments: object) -> int:
    """With the settings in a folder that may be written."""
    config = _config(folder)
    options = ("--config", str(config), "--output", str(folder / "output"))
    return command(["evaluate", str(manifest), *options, *map(str, arguments)])


@pytest.mark.shared
def test_a_voice_speaks_for_recordings_without_clips(tmp_path: Path) -> None:
    if not (SPEECH / "human.csv").is_file():
        pytest.skip("the recordings of ../shared are not here")
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    rows = read_manifest(SPEECH / "human.csv").rows[:12]
    lines = ["file,text,human_total"]
    lines += [f'{row.path},"{row.text}",{row.measures["human_total"]}' for row in rows]
    manifest = tmp_path / "some.csv"
    manifest.write_text("\n".join(lines))
    assert _evaluate_copy(tmp_path, manifest, "--voice", "flite:slt", "--limit", 1) == 0
    component = _model(tmp_path / "output")["components"]["sim_score"]
    assert component["correlations"]["human_total"]["count"] == 12
    assert component["discrimination"]["auc"]["value"] >= 0.9
