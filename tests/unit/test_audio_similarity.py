from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, FloatArray
from audio_score_server.scoring.audio import audio_similarity


def _random(seed: int, frames: int = 30, dimensions: int = 8) -> FloatArray:
    values = np.random.default_rng(seed).standard_normal((frames, dimensions))
    return values.astype(np.float32)


def _features(frames: FloatArray, speech: list[bool] | None = None) -> EncoderFeatures:
    weights = np.ones(len(frames), np.float32) if speech is None else np.array(speech, np.float32)
    return EncoderFeatures(frames, weights, 50.0)


_SEEDS = st.integers(0, 2**32 - 1)
_LENGTHS = st.integers(2, 25)


@given(_SEEDS, _LENGTHS, st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_recording_is_wholly_like_itself(seed: int, frames: int, scale: float) -> None:
    features = _features(scale * _random(seed, frames))
    assert audio_similarity(features, features) == pytest.approx(1.0, abs=1e-5)


@given(_SEEDS, _SEEDS, _LENGTHS, _LENGTHS)
def test_any_two_are_alike_by_a_symmetric_share(
    left_seed: int, right_seed: int, left_frames: int, right_frames: int
) -> None:
    left = _features(_random(left_seed, left_frames))
    right = _features(_random(right_seed, right_frames))
    similarity = audio_similarity(left, right)
    assert 0.0 <= similarity <= 1.0
    assert audio_similarity(right, left) == pytest.approx(similarity, abs=1e-5)
    assert similarity <= audio_similarity(left, left) + 1e-5


def test_a_slower_performance_is_as_good() -> None:
    frames = _random(1)
    slower = np.repeat(frames, 2, axis=0)
    assert audio_similarity(_features(frames), _features(slower)) == pytest.approx(1.0, abs=1e-5)


def test_more_noise_is_less_alike() -> None:
    frames, noise = _random(1, 60), _random(2, 60)
    similarities = [
        audio_similarity(_features(frames), _features(frames + level * noise))
        for level in (0.0, 0.3, 1.0, 3.0)
    ]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[0] - similarities[-1] > 0.3


def test_what_is_constant_does_not_count() -> None:
    frames = _random(3)
    moved = frames + np.float32(5.0) * _random(4, 1)
    assert audio_similarity(_features(frames), _features(moved)) == pytest.approx(1.0, abs=1e-4)


def test_loudness_does_not_count() -> None:
    frames = _random(5)
    assert audio_similarity(_features(frames), _features(100 * frames)) == pytest.approx(
        1.0, abs=1e-5
    )


def test_only_speech_counts() -> None:
    spoken = _random(6)
    around = np.concatenate([_random(7, 9), spoken, _random(8, 5)])
    flags = [False] * 9 + [True] * 30 + [False] * 5
    similarity = audio_similarity(_features(spoken), _features(around, flags))
    assert similarity == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("frames", [0, 1, 20])
def test_silence_is_like_nothing(frames: int) -> None:
    silent = _features(_random(9, frames), [False] * frames)
    spoken = _features(_random(10))
    assert audio_similarity(silent, spoken) == 0.0
    assert audio_similarity(spoken, silent) == 0.0
    assert audio_similarity(silent, silent) == 0.0


def test_opposites_are_not_less_than_nothing_alike() -> None:
    frames = np.array([[1, 0], [-1, 0]], np.float32)
    assert audio_similarity(_features(frames), _features(-frames)) == 0.0


def test_frames_that_do_not_change_stay_within_bounds() -> None:
    steady = _features(np.ones((10, 4), np.float32))
    assert 0.0 <= audio_similarity(steady, steady) <= 1.0
    assert 0.0 <= audio_similarity(steady, _features(_random(1, 10, 4))) <= 1.0


def test_half_precision_features_are_accepted() -> None:
    frames = _random(11)
    halves = EncoderFeatures(frames.astype(np.float16), np.ones(30, np.bool_), 50.0)
    assert audio_similarity(halves, _features(frames)) == pytest.approx(1.0, abs=1e-4)
