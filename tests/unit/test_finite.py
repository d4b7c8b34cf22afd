"""What is not a number never becomes a score, wherever it comes in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, Encoding, FloatArray, Score, Transcript
from audio_score_server.errors import BatchError
from audio_score_server.library.clip import ClipId
from audio_score_server.references.tensors import as_kept, tensors_of
from audio_score_server.runners.finite import finite, finite_recognitions
from audio_score_server.scoring.grading import graded
from audio_score_server.scoring.text import evidence_mean
from audio_score_server.similarity.calibration import calibrated, impostor_level
from audio_score_server.similarity.features import pooled_similarity
from audio_score_server.similarity.measure import AlignedSimilarity, Impostor
from audio_score_server.transcription.recognition import Recognition, RecognizedWord
from tests.support import make_reference, named_clip

_NONE = st.sampled_from([math.nan, math.inf, -math.inf])
_PLACES = st.integers(0, 10**6)


def _encoding() -> Encoding:
    reference = make_reference()
    evidence = np.ones(3, np.float32)
    own = Encoding(reference.features, Transcript("a b c", "word"), evidence)
    return replace(own, others=(own,))


def _spoilt(values: FloatArray, place: int, by: float) -> FloatArray:
    spoilt = values.copy()
    spoilt.flat[place % spoilt.size] = by
    return spoilt


@given(st.sampled_from(["frames", "speech", "evidence", "others"]), _PLACES, _NONE)
def test_a_model_that_gives_no_numbers_has_failed(part: str, place: int, value: float) -> None:
    encoding = _encoding()
    assert finite([encoding]) == [encoding]
    if part == "evidence":
        assert encoding.evidence is not None
        spoilt = replace(encoding, evidence=_spoilt(encoding.evidence, place, value))
    elif part == "others":
        (other,) = encoding.others
        assert other.evidence is not None
        other = replace(other, evidence=_spoilt(other.evidence, place, value))
        spoilt = replace(encoding, others=(other,))
    elif part == "frames":
        frames = _spoilt(encoding.features.frames, place, value)
        spoilt = replace(encoding, features=replace(encoding.features, frames=frames))
    else:
        speech = _spoilt(encoding.features.speech, place, value)
        spoilt = replace(encoding, features=replace(encoding.features, speech=speech))
    with pytest.raises(BatchError, match="not finite"):
        finite([encoding, spoilt])


@given(st.floats(0, 1) | _NONE, st.floats(0, 1) | _NONE | st.just(1.01) | st.just(-0.01))
def test_a_score_is_a_number_from_0_to_1(audio: float, text: float) -> None:
    if all(0 <= each <= 1 for each in (audio, text)):
        assert Score(audio, text).total == (audio + text) / 2
    else:
        with pytest.raises(ValueError, match="no scores"):
            Score(audio, text)


def test_no_bound_makes_a_number_of_what_is_none() -> None:
    with np.errstate(invalid="ignore"):
        assert math.isnan(calibrated(math.nan, 0.3))
        assert math.isnan(calibrated(0.5, math.nan))
    assert math.isnan(graded(math.nan, 0.3))
    assert math.isnan(impostor_level([0.1, math.nan]))
    assert math.isnan(evidence_mean(np.array([1, math.nan], np.float32)))


@given(_PLACES, _NONE)
def test_no_comparison_makes_a_score_of_what_is_none(place: int, value: float) -> None:
    reference = make_reference()
    spoilt = replace(reference.features, frames=_spoilt(reference.features.frames, place, value))
    clip = named_clip("1")
    cohort = [
        Impostor(replace(clip, id=ClipId("film", str(seed))), make_reference(seed).features)
        for seed in range(2, 6)
    ]
    with pytest.raises(ValueError, match="not finite"):
        AlignedSimilarity(cohort).score(clip, reference, spoilt)
    with np.errstate(invalid="ignore", over="ignore"), pytest.raises(ValueError, match="no scores"):
        Score(pooled_similarity(reference.features, spoilt), 1.0)


def test_features_beyond_half_precision_are_kept_as_they_are() -> None:
    reference = make_reference()
    frames = reference.features.frames.copy()
    frames[0, 0] = 70_000.0
    large = replace(reference, features=replace(reference.features, frames=frames))
    kept = as_kept(large)
    assert np.isfinite(kept.features.frames).all()
    assert kept.features.frames[0, 0] == 70_000.0
    assert tensors_of(reference)["frames"].dtype == np.float16


@given(_PLACES, _NONE)
def test_features_that_are_not_finite_are_not_kept(place: int, value: float) -> None:
    reference = make_reference()
    spoilt: EncoderFeatures = replace(
        reference.features, frames=_spoilt(reference.features.frames, place, value)
    )
    with pytest.raises(ValueError, match="not finite"):
        tensors_of(replace(reference, features=spoilt))


@given(_NONE, st.integers(0, 2))
def test_a_transcripts_probabilities_are_numbers(by: float, place: int) -> None:
    numbers = [0.5, 0.5, 0.5]
    recognition = Recognition(
        (RecognizedWord(" a", numbers[0]),), "en", 1.0, numbers[1], numbers[2], 0.0
    )
    assert finite_recognitions([recognition]) == [recognition]
    numbers[place] = by
    spoilt = Recognition(
        (RecognizedWord(" a", numbers[0]),), "en", 1.0, numbers[1], numbers[2], 0.0
    )
    with pytest.raises(BatchError, match="not finite"):
        finite_recognitions([recognition, spoilt])
