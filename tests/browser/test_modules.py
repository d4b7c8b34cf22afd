"""Modules that only compute, asked in the browser that runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import Studio, chromium
from tests.process.server import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(scope="module")
def studio(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with chromium(server.url, tmp_path_factory.mktemp("profile")) as studio:
        studio.open()
        studio.see(".clip")
        yield studio


def _ask(studio: Studio, module: str, expression: str, argument: Any = None) -> Any:
    """What an expression of a module's exports (``m``) and an argument (``a``) is."""
    script = (
        "async (a) => { const base = document.documentElement.dataset.base;"
        f" const m = await import(`/${{base}}/{module}.js`); return {expression}; }}"
    )
    return studio.page.evaluate(script, argument)


@pytest.mark.parametrize("pitch_hz", [110, 220, 330])
def test_a_tone_has_its_pitch(studio: Studio, pitch_hz: int) -> None:
    tone = (
        "[...m.melodyOf({ sampleRate: 48000, getChannelData: () => Float32Array.from({ length: "
        "24000 }, (_, i) => 0.3 * Math.sin(2 * Math.PI * a * i / 48000)) }).hz]"
    )
    for found in _ask(studio, "pitch", tone, pitch_hz):
        assert found == pytest.approx(pitch_hz, rel=0.03)


def test_silence_has_none(studio: Studio) -> None:
    silence = (
        "Math.max(...m.melodyOf({ sampleRate: 44100, getChannelData: () => "
        "new Float32Array(44100) }).hz)"
    )
    assert _ask(studio, "pitch", silence) == 0


def test_words_are_found_in_their_line_and_nothing_of_it_is_lost(studio: Studio) -> None:
    line = "Hey, seven 7 seas. HEY!"
    words = [{"text": text} for text in ("hey", "seven", "eleven", "seas", "hey")]
    pieces = _ask(studio, "line", "m.piecesOf(a.line, a.words)", {"line": line, "words": words})
    assert "".join(piece["text"] for piece in pieces) == line
    assert [piece["text"] for piece in pieces if piece["word"]] == ["Hey", "seven", "seas", "HEY"]


def test_times_go_from_the_take_to_the_clip_and_never_back(studio: Studio) -> None:
    def word(recording: tuple[float, float] | None, reference: tuple[float, float]) -> Any:
        spans = [each and {"start": each[0], "end": each[1]} for each in (recording, reference)]
        return {"text": "w", "recording": spans[0], "reference": spans[1]}

    words = [word((1.0, 2.0), (0.5, 0.8)), word(None, (0.8, 1.0)), word((2.0, 2.5), (1.0, 2.0))]
    times = [each / 10 for each in range(50)]
    argument = {"words": words, "times": times}
    found = _ask(studio, "warp", "a.times.map(m.warpOf(a.words))", argument)
    assert found == sorted(found)
    assert found[10] == pytest.approx(0.5)
    assert found[25] == pytest.approx(2.0)
    assert found[45] == pytest.approx(4.0), "beyond the words time goes on as it is"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"warnings": ["silent"]}, "silent"),
        ({"words": [{"status": "omission"}]}, "missing"),
        ({"words": [{"status": "omission"}] * 3}, "missingMany"),
        ({"words": [{"status": "substitution"}]}, "other"),
        ({"timing": {"start_offset_s": 0.6, "duration_ratio": 1}}, "sooner"),
        ({"timing": {"start_offset_s": 0, "duration_ratio": 1.5}}, "faster"),
        ({"words": [{"recording": {"start": 0, "end": 0.2}}]}, "hold"),
        ({"words": [{"phones": [{"score": 0.2, "phone": "TH"}] * 3}]}, "phone"),
        ({"prosody": {"pitch_correlation": 0.1}}, "melody"),
        ({}, "great"),
    ],
)
def test_one_thing_is_suggested(studio: Studio, changes: dict[str, Any], key: str) -> None:
    span = {"start": 0, "end": 0.5}
    sun: dict[str, Any] = {"text": "sun", "status": "correct", "recording": span, "reference": span}
    sun["phones"] = [{"score": 0.9, "phone": "S"}] * 3
    plain: dict[str, Any] = {
        **{"warnings": [], "words": [{}], "prosody": {"pitch_correlation": 0.9}},
        "timing": {"start_offset_s": 0, "duration_ratio": 1},
    }
    detail = {**plain, **changes}
    detail["words"] = [{**sun, **word} for word in detail["words"]]
    score = {"sim_score": 0.9, "detail": detail}
    assert _ask(studio, "advice", "m.adviceOn(a)", score)["key"] == f"advice.{key}"
