"""The whole path, over real sockets, on the demo."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.process.server import ROOT, ServerProcess, post

CLIPS = sorted(path.stem for path in (ROOT / "video_clip").glob("*.mov"))
FIELDS = ["model", "sim_score", "audio_sim_score", "text_sim_score"]
FORMATS = {
    "wav": [],
    "mp3": ["-b:a", "64k"],
    "m4a": ["-b:a", "64k"],
    "webm": ["-c:a", "libopus", "-b:a", "32k"],
    "ogg": ["-c:a", "libvorbis"],
    "flac": [],
}


def _recordings(clip: str, kind: str) -> list[Path]:
    return sorted((ROOT / "audio_clip").glob(f"{clip}_{kind}*"))


def _score(demo: ServerProcess, clip: str, recording: Path) -> dict[str, float]:
    uid, _, cid = clip.rpartition("_")
    answer = post(demo.url, recording, uid, cid)
    assert answer.status_code == 200, answer.text
    fields: dict[str, float] = answer.json()
    return fields


@pytest.mark.parametrize("clip", CLIPS)
def test_right_line_beats_half_line_beats_wrong_line_and_silence(
    demo: ServerProcess, clip: str
) -> None:
    right = [
        _score(demo, clip, recording)["sim_score"]
        for kind in ("right", "other", "child", "slow")
        for recording in _recordings(clip, kind)
    ]
    (half,) = (
        _score(demo, clip, recording)["sim_score"] for recording in _recordings(clip, "half")
    )
    (wrong,) = (
        _score(demo, clip, recording)["sim_score"] for recording in _recordings(clip, "wrong")
    )
    silence = _score(demo, clip, ROOT / "audio_clip" / "silence.ogg")["sim_score"]

    assert len(right) >= 2
    assert min(right) > half > max(wrong, silence)


def test_answer_is_exactly_the_four_fields(demo: ServerProcess) -> None:
    clip = CLIPS[0]
    (recording,) = _recordings(clip, "right")
    answer = _score(demo, clip, recording)

    assert list(answer) == FIELDS
    assert str(answer["model"]) == "phones"
    average = (answer["audio_sim_score"] + answer["text_sim_score"]) / 2
    assert answer["sim_score"] == pytest.approx(average, abs=2e-6)
    assert all(0 <= answer[field] <= 1 for field in FIELDS[1:])


def test_score_with_a_trailing_slash_is_the_same_address(demo: ServerProcess) -> None:
    uid, _, cid = CLIPS[0].rpartition("_")
    answer = httpx.post(
        f"{demo.url}/score/",
        data={"uid": uid, "cid": cid, "model": "phones"},
        files={"audio": _recordings(CLIPS[0], "right")[0].read_bytes()},
    )
    assert answer.status_code == 200


def test_same_recording_scores_the_same_in_every_format(
    demo: ServerProcess, tmp_path: Path
) -> None:
    clip = "RiverTales-s01e01_part01"
    source = tmp_path / "take.wav"
    _write_take(source, clip)
    scores = {}
    for suffix, options in FORMATS.items():
        encoded = tmp_path / f"encoded.{suffix}"
        command = ["ffmpeg", "-loglevel", "error", "-y", "-i", str(source), *options, str(encoded)]
        subprocess.run(command, check=True)
        scores[suffix] = _score(demo, clip, encoded)

    # The evidence of phones tells clear from very clear readings, and codecs make them less clear.
    for field, most in zip(FIELDS[1:], (0.03, 0.03, 0.05), strict=True):
        values = [score[field] for score in scores.values()]
        assert max(values) - min(values) < most, (field, scores)


def _write_take(path: Path, clip: str) -> None:
    """A recording of the line at full quality: the clip's own sound track, slowed a little."""
    command = ["ffmpeg", "-loglevel", "error", "-i", str(ROOT / "video_clip" / f"{clip}.mov")]
    subprocess.run([*command, "-filter:a", "atempo=0.93", "-ar", "48000", str(path)], check=True)
