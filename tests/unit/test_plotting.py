from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from audio_score_server.domain import Contours, Score
from audio_score_server.plotting import style
from audio_score_server.plotting.draw import draw
from audio_score_server.scoring.detail import Detail
from audio_score_server.scoring.fluency import Fluency
from audio_score_server.scoring.prosody import Prosody
from audio_score_server.scoring.time_spans import TimeSpan
from audio_score_server.scoring.timing import OnsetDeviation, Pauses, SpeechRate, Timing
from audio_score_server.scoring.words import WordDetail

SCORE = Score(0.25, 0.5)
TIMING = Timing(
    *(TimeSpan(0.2, 1.4), TimeSpan(0.3, 1.6), 0.1, 0.2, 1.08),
    Pauses((), (TimeSpan(0.8, 1.1),)),
    OnsetDeviation(0.05, 0.1),
    SpeechRate("phone", 10.0, 9.0),
)
WORDS = (
    WordDetail("look", "correct", 0.9, (), TimeSpan(0.3, 0.6), TimeSpan(0.2, 0.5)),
    WordDetail(
        "big", "substitution", 0.2, ("B", "AE", "T"), TimeSpan(0.6, 0.8), TimeSpan(0.5, 0.8)
    ),
    WordDetail("Y EH Z", "insertion", 0.0, ("Y", "EH", "Z"), TimeSpan(1.1, 1.3)),
    WordDetail("jeep", "omission", 0.0, (), None, TimeSpan(0.9, 1.4)),
)
DETAIL = Detail(
    expected="Look, big jeep!",
    heard=("L", "UH", "K"),
    words=WORDS,
    timing=TIMING,
    fluency=Fluency(0.5, 0.6, 0.7, 0.6),
    prosody=Prosody(0.5, 0.75),
    warnings=("content_mismatch",),
    score_version="1",
)


def _contours(seconds: float = 1.8) -> Contours:
    times = np.arange(round(100 * seconds)) / 100
    voiced = np.sin(5 * times) > 0
    pitch = np.where(voiced, 180 + 40 * np.sin(3 * times), 0).astype(np.float32)
    highs = (0.3 * np.abs(np.sin(5 * times))).astype(np.float32)
    return Contours(0.01, pitch, np.full(len(times), -20, np.float32), -highs, highs)


def _texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def _draw(detail: Detail = DETAIL, reference: Contours | None = None) -> bytes:
    return draw(detail, SCORE, reference or _contours(), _contours(1.9))


def test_text_stays_text() -> None:
    texts = _texts(_draw())
    assert texts.count("look") == 2
    assert texts.count("jeep") == texts.count("big") == texts.count("B AE T") == 1
    assert texts.count("Y EH Z") == 1
    for text in (
        "Look, big jeep!",
        "content mismatch",
        "0.38",
        "0.25",
        "0.50",
        "clip",
        "recording",
    ):
        assert text in texts
    facts = next(text for text in texts if "late" in text)
    for fact in (
        "starts 0.10 s late",
        "1.08 times",
        "pitch 0.50",
        "energy 0.75",
        "fluency 0.60",
    ):
        assert fact in facts


def test_the_same_values_give_the_same_bytes_from_any_thread() -> None:
    alone = _draw()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: _draw(), range(8)))
    assert set(together) == {alone}
    assert b"<dc:date>" not in alone


def test_the_settings_of_the_process_are_left_as_they_were() -> None:
    before = dict(mpl.rcParams)
    _draw()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "text", ["你好 世界", "สวัสดี", "مرحبا", "$x_2$", "$5", "<b>&\"'", "é 😀", "%d"]
)
def test_any_script_and_any_sign_is_written_as_it_is(text: str) -> None:
    words = tuple(replace(word, text=text, heard=(text,)) for word in WORDS)
    for detail in (
        replace(DETAIL, expected=text, words=words),
        replace(DETAIL, words=tuple(replace(w, recording=None, reference=None) for w in words)),
    ):
        svg = _draw(detail)
        assert any(text in written for written in _texts(svg))
        assert style.LAST_RESORT.encode() not in svg


def test_words_without_times_stand_in_lines() -> None:
    words = tuple(replace(word, recording=None, reference=None) for word in WORDS)
    texts = _texts(_draw(replace(DETAIL, words=words)))
    assert [text for text in texts if text in ("look", "big → B AE T", "Y EH Z", "jeep")] == [
        "look",
        "big → B AE T",
        "Y EH Z",
        "jeep",
    ]


def test_many_words_without_times_are_broken_into_lines() -> None:
    words = tuple(WordDetail(f"word{place}", "correct", 0.5) for place in range(100))
    few, many = (_height(_draw(replace(DETAIL, words=some))) for some in (words[:1], words))
    assert many > few + 100


def _height(svg: bytes) -> float:
    found = re.search(rb'height="([0-9.]+)pt"', svg)
    assert found is not None
    return float(found[1])


def test_long_recordings_go_on_below() -> None:
    late = WordDetail("end", "correct", 0.5, (), TimeSpan(28, 28.4), TimeSpan(29, 29.3))
    svg = _draw(replace(DETAIL, words=(*WORDS, late)), _contours(30))
    assert _height(svg) > 4 * 350
    assert _texts(svg).count("end") == 2
    assert _texts(svg).count("clip") >= 5


@pytest.mark.parametrize("steps", [0, 1, 150])
def test_silence_and_nothing_are_drawn_too(steps: int) -> None:
    zeros = np.zeros(steps, np.float32)
    silent = Contours(0.01, zeros, np.full(steps, -120, np.float32), zeros, zeros)
    missed = tuple(replace(word, status="omission", recording=None) for word in WORDS[:2])
    detail = replace(
        DETAIL,
        words=missed,
        timing=None,
        fluency=None,
        prosody=Prosody(None, None),
        warnings=("silent", "too_short"),
    )
    texts = _texts(draw(detail, Score(0, 0), silent, silent))
    assert {"silent", "too short", "0.00"} <= set(texts)
    nothing = replace(detail, words=(), expected="")
    assert _texts(draw(nothing, Score(0, 0), silent, silent))


def test_a_long_title_is_cut() -> None:
    texts = _texts(_draw(replace(DETAIL, expected="word " * 100)))
    (title,) = (text for text in texts if text.startswith("word word"))
    assert len(title) == 110
    assert title.endswith("…")


def test_the_scale_is_told_apart_in_its_lightness_and_its_hue() -> None:
    low, middle, high = (np.array(style.colour(score)) for score in (0.0, 0.5, 1.0))
    assert low[0] > low[2] + 0.3  # orange has little blue
    assert high[2] > high[0] + 0.3
    assert middle.sum() > low.sum() + 0.5
    assert middle.sum() > high.sum() + 0.5


@pytest.mark.parametrize("score", [0.0, 0.25, 0.5, 0.6, 0.75, 1.0])
def test_letters_are_read_on_every_colour(score: float) -> None:
    fill = style.colour(score)
    ink = mpl.colors.to_rgb(style.ink_on(fill))

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    darker, lighter = sorted((luminance(fill), luminance(ink)))
    assert (lighter + 0.05) / (darker + 0.05) > 4.0
