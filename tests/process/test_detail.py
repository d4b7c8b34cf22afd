"""``detail``, over real sockets, on the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.process.server import ROOT, ServerProcess

UID, CID = "RiverTales-s01e01", "part01"
TEXT = "The little boat drifts slowly toward the morning sun."
RECORDINGS = ROOT / "audio_clip"
CLIP = ROOT / "video_clip" / f"{UID}_{CID}.mov"


def _ask(demo: ServerProcess, recording: Path, detail: str) -> httpx.Response:
    fields = {"uid": UID, "cid": CID, "detail": detail}
    with recording.open("rb") as audio:
        return httpx.post(f"{demo.url}/score", data=fields, files={"audio": audio}, timeout=60)


def _full(demo: ServerProcess, recording: Path) -> dict[str, Any]:
    answer = _ask(demo, recording, "full")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _statuses(words: list[dict[str, Any]]) -> list[str]:
    return [word["status"] for word in words if word["status"] != "insertion"]


@pytest.fixture(scope="module")
def other(demo: ServerProcess) -> dict[str, Any]:
    """A right reading by another voice."""
    return _full(demo, RECORDINGS / f"{UID}_{CID}_other.m4a")


def test_the_numbers_are_the_same_with_reasons(demo: ServerProcess, other: dict[str, Any]) -> None:
    plain = _ask(demo, RECORDINGS / f"{UID}_{CID}_other.m4a", "").json()
    assert {name: other[name] for name in plain} == plain
    assert list(other) == [*plain, "detail"]


def test_a_right_reading_says_every_word_in_its_place(other: dict[str, Any]) -> None:
    detail = other["detail"]
    words = [word for word in detail["words"] if word["status"] != "insertion"]
    assert detail["expected"] == TEXT
    assert [word["text"] for word in words] == TEXT.lower().rstrip(".").split() or [
        word["text"] for word in words
    ] == TEXT.rstrip(".").split()
    assert _statuses(words).count("correct") >= len(words) - 1
    starts = [word["recording"]["start"] for word in words]
    assert starts == sorted(starts)
    assert all(0 <= phone["score"] <= 1 for word in words for phone in word["phones"])
    assert detail["warnings"] == []
    assert detail["fluency"]["overall"] > 0.6
    assert 0.5 < detail["timing"]["duration_ratio"] < 2
    assert set(detail["timings_ms"]) >= {"receive", "decode", "queue", "device"}


def test_half_a_line_misses_the_other_half(demo: ServerProcess) -> None:
    words = _full(demo, RECORDINGS / f"{UID}_{CID}_half.wav")["detail"]["words"]
    statuses = _statuses(words)
    middle = len(statuses) // 2
    assert statuses[:middle].count("correct") >= middle - 1
    assert statuses[middle + 1 :].count("correct") == 0


def test_the_clips_own_sound_is_called_a_playback(demo: ServerProcess) -> None:
    found = _full(demo, CLIP)
    assert found["audio_sim_score"] == pytest.approx(1.0, abs=1e-3)
    assert found["detail"]["warnings"] == ["replay"]
    assert found["detail"]["prosody"]["pitch_correlation"] > 0.99
    assert found["detail"]["timing"]["start_offset_s"] == pytest.approx(0.0, abs=0.05)


def test_another_line_is_called_the_wrong_one(demo: ServerProcess) -> None:
    found = _full(demo, RECORDINGS / f"{UID}_{CID}_wrong.ogg")
    assert found["detail"]["warnings"] == ["content_mismatch"]
    assert found["sim_score"] < 0.2


def test_silence_is_called_so_and_has_no_times(demo: ServerProcess) -> None:
    found = _full(demo, RECORDINGS / "silence.ogg")
    assert found["sim_score"] == 0
    assert found["detail"]["warnings"][0] in ("silent", "no_speech")
    assert found["detail"]["timing"] is None
    assert set(_statuses(found["detail"]["words"])) == {"omission"}


@pytest.mark.parametrize("name", [f"{UID}_{CID}_other.m4a", f"{UID}_{CID}_half.wav", "silence.ogg"])
def test_a_plot_is_a_picture_of_the_words(demo: ServerProcess, name: str) -> None:
    answer = _ask(demo, RECORDINGS / name, "plot")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    picture = ElementTree.fromstring(answer.content)
    assert picture.tag.endswith("svg")
    assert "morning" in "".join(picture.itertext())


def test_other_details_are_refused_with_those_there_are(demo: ServerProcess) -> None:
    answer = _ask(demo, RECORDINGS / "silence.ogg", "everything")
    assert answer.status_code == 422
    assert "'full' or 'plot'" in answer.json()["detail"]
