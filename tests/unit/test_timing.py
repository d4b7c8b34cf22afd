from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import Contours, FloatArray
from audio_score_server.scoring.time_spans import TimeSpan
from audio_score_server.scoring.timing import sounding, timing
from audio_score_server.scoring.words import WordDetail


def _contours(*levels: tuple[float, float], noise: float = -90.0) -> Contours:
    """Stretches of a level in decibels and a length in seconds, above some noise."""
    steps = [np.full(round(100 * seconds), max(level, noise)) for level, seconds in levels]
    level = np.concatenate(steps).astype(np.float32)
    nothing = np.zeros_like(level)
    return Contours(0.01, nothing, level, nothing, nothing)


def _word(reference: TimeSpan | None, recording: TimeSpan | None) -> WordDetail:
    return WordDetail("word", "correct", 1.0, (), recording, reference)


CLIP = _contours((-90, 0.5), (-20, 1.0), (-90, 0.5))


def test_a_clip_against_itself_fits() -> None:
    result = timing(CLIP, CLIP, (), "word", (4, 4))
    assert result is not None
    assert (result.start_offset_s, result.end_offset_s, result.duration_ratio) == (0, 0, 1)
    assert astuple(result.reference) == pytest.approx((0.5, 1.5))
    assert result.speech_rate.reference == result.speech_rate.recording == pytest.approx(4.0)
    assert result.pauses.reference == result.pauses.recording == ()
    assert result.onset_deviation is None


def test_offsets_pauses_and_rates_without_words() -> None:
    dub = _contours((-90, 0.8), (-30, 0.5), (-90, 0.4), (-30, 0.6), (-90, 0.2))
    result = timing(CLIP, dub, (), "word", (4, 3))
    assert result is not None
    assert result.start_offset_s == pytest.approx(0.3)
    assert result.end_offset_s == pytest.approx(0.8)
    assert result.duration_ratio == pytest.approx(1.5)
    (pause,) = result.pauses.recording
    assert astuple(pause) == pytest.approx((1.3, 1.7))
    assert result.speech_rate.recording == pytest.approx(2.0)


@pytest.mark.parametrize(("seconds", "count"), [(0.15, 0), (0.19, 0), (0.2, 1), (0.5, 1)])
def test_a_pause_takes_two_tenths_of_a_second(seconds: float, count: int) -> None:
    dub = _contours((-20, 0.5), (-90, seconds), (-20, 0.5))
    result = timing(CLIP, dub, (), "word", (4, 4))
    assert result is not None
    assert len(result.pauses.recording) == count


@pytest.mark.parametrize("gain", [-40.0, -20.0, 0.0, 10.0])
@pytest.mark.parametrize("noise", [-90.0, -60.0, -35.0])
def test_neither_gain_nor_noise_changes_what_is_spoken(gain: float, noise: float) -> None:
    dub = _contours(
        *((noise + gain, 0.5), (-20 + gain, 0.5), (noise + gain, 0.4), (-20 + gain, 0.5)),
        noise=-200.0,
    )
    result = timing(CLIP, dub, (), "word", (4, 4))
    assert result is not None
    assert astuple(result.recording) == pytest.approx((0.5, 1.9))
    assert len(result.pauses.recording) == 1


def test_a_click_in_a_pause_is_not_speech() -> None:
    dub = _contours((-90, 0.3), (-25, 0.03), (-90, 0.2), (-20, 1.0))
    assert not sounding(dub)[:50].any()
    assert sounding(dub)[55:].all()


@pytest.mark.parametrize("silent", [_contours((-90, 1.0)), _contours((-75, 1.0))])
def test_where_nobody_speaks_there_are_no_times(silent: Contours) -> None:
    assert timing(CLIP, silent, (), "word", (4, 0)) is None
    assert timing(silent, CLIP, (), "word", (0, 4)) is None


def test_nothing_at_all_has_no_times() -> None:
    nothing: FloatArray = np.zeros(0, np.float32)
    empty = Contours(0.01, nothing, nothing, nothing, nothing)
    assert timing(CLIP, empty, (), "word", (4, 0)) is None


def test_known_words_tell_where_speech_begins_and_ends() -> None:
    words = [
        _word(TimeSpan(0.6, 0.9), TimeSpan(1.0, 1.2)),
        _word(TimeSpan(1.0, 1.4), TimeSpan(1.5, 1.9)),
        _word(TimeSpan(1.4, 1.5), None),
    ]
    result = timing(CLIP, CLIP, words, "phone", (9, 9))
    assert result is not None
    assert result.reference == TimeSpan(0.6, 1.5)
    assert result.recording == TimeSpan(1.0, 1.9)
    assert result.start_offset_s == pytest.approx(0.4)
    assert result.speech_rate.unit == "phone"


@given(st.floats(-1, 1))
def test_drift_does_not_count_the_start(late: float) -> None:
    starts = np.array([2.0, 2.5, 3.0, 3.5])
    onset_deviation = np.array([0.0, 0.1, -0.2, 0.3])
    words = [
        _word(TimeSpan(start, start + 0.2), TimeSpan(start + off + late, start + off + late + 0.2))
        for start, off in zip(starts.tolist(), onset_deviation.tolist(), strict=True)
    ]
    result = timing(CLIP, CLIP, words, "phone", (9, 9))
    assert result is not None
    assert result.onset_deviation is not None
    assert result.onset_deviation.median_s == pytest.approx(0.2)
    assert result.onset_deviation.max_s == pytest.approx(0.3)
