from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, FloatArray
from audio_score_server.similarity.features import (
    NormalizedFeatures,
    best_path,
    mean_frame,
    pooled_similarity,
    similarity,
)


def _random(seed: int, frames: int = 30, dimensions: int = 8) -> FloatArray:
    values = np.random.default_rng(seed).standard_normal((frames, dimensions))
    return values.astype(np.float32)


def _features(frames: FloatArray, speech: list[bool] | None = None) -> EncoderFeatures:
    weights = np.ones(len(frames), np.float32) if speech is None else np.array(speech, np.float32)
    return EncoderFeatures(frames, weights, 50.0)


def _similarity(one: EncoderFeatures, other: EncoderFeatures) -> float:
    """As of speech that has its mean at the origin."""
    return similarity(NormalizedFeatures.of(one, _CENTRE), NormalizedFeatures.of(other, _CENTRE))


_CENTRE = np.zeros(1, np.float32)
_SEEDS = st.integers(0, 2**32 - 1)
_LENGTHS = st.integers(2, 25)


@given(_SEEDS, _LENGTHS, st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_recording_is_wholly_like_itself(seed: int, frames: int, scale: float) -> None:
    features = _features(scale * _random(seed, frames))
    assert _similarity(features, features) == pytest.approx(1.0, abs=1e-5)


@given(_SEEDS, _SEEDS, _LENGTHS, _LENGTHS)
def test_any_two_are_alike_by_a_symmetric_share(
    left_seed: int, right_seed: int, left_frames: int, right_frames: int
) -> None:
    left = _features(_random(left_seed, left_frames))
    right = _features(_random(right_seed, right_frames))
    alike = _similarity(left, right)
    assert -1.0 - 1e-5 <= alike <= 1.0 + 1e-5
    assert _similarity(right, left) == pytest.approx(alike, abs=1e-5)
    assert alike <= _similarity(left, left) + 1e-5


def test_a_slower_performance_is_as_good() -> None:
    frames = _random(1)
    slower = np.repeat(frames, 2, axis=0)
    assert _similarity(_features(frames), _features(slower)) == pytest.approx(1.0, abs=1e-3)


def test_more_noise_is_less_alike() -> None:
    frames, noise = _random(1, 60), _random(2, 60)
    similarities = [
        _similarity(_features(frames), _features(frames + level * noise))
        for level in (0.0, 0.3, 1.0, 3.0)
    ]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[0] - similarities[-1] > 0.3


def test_what_is_constant_counts_the_less_the_longer_it_is_heard() -> None:
    moved = 2 * _random(4, 1)
    short, longer = (
        _similarity(_features(frames), _features(frames + moved))
        for frames in (_random(3, 20), _random(3, 2_000))
    )
    assert short < longer
    assert longer > 0.97


def test_what_all_speech_has_does_not_count() -> None:
    frames, common = _random(3), 5 * _random(4, 1)[0]
    moved = _features(frames + common)
    one = similarity(
        NormalizedFeatures.of(moved, common),
        NormalizedFeatures.of(_features(_random(5) + common), common),
    )
    assert one == pytest.approx(_similarity(_features(frames), _features(_random(5))), abs=1e-4)
    assert mean_frame([moved]) == pytest.approx(moved.frames.mean(axis=0), abs=1e-4)


def test_the_path_pairs_frames_that_hold_speech() -> None:
    frames = _random(12, 20)
    slower = np.repeat(frames, 2, axis=0)
    quiet = np.zeros((5, 8), np.float32)
    reference = NormalizedFeatures.of(_features(frames), _CENTRE)
    features = _features(np.concatenate([quiet, slower]), [False] * 5 + [True] * 40)
    path = best_path(reference, NormalizedFeatures.of(features, _CENTRE))
    assert path[0].tolist() == [0, 5]
    assert path[-1].tolist() == [19, 44]
    assert ((path[:, 1] - 5) // 2 == path[:, 0]).all()


def test_there_is_no_path_to_silence() -> None:
    spoken, silent = _features(_random(1)), _features(_random(2), [False] * 30)
    path = best_path(NormalizedFeatures.of(spoken, _CENTRE), NormalizedFeatures.of(silent, _CENTRE))
    assert path.shape == (0, 2)


@given(_SEEDS, _SEEDS)
def test_pooled_is_the_cosine_of_means(left: int, right: int) -> None:
    one, other = _random(left), _random(right)
    first, second = one.mean(axis=0), other.mean(axis=0)
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    found = pooled_similarity(_features(one), _features(other))
    assert found == pytest.approx(max(0.0, cosine), abs=1e-4)


def test_pooled_silence_is_like_nothing() -> None:
    silent = _features(_random(9), [False] * 30)
    assert pooled_similarity(silent, _features(_random(9))) == 0.0


def test_loudness_does_not_count() -> None:
    frames = _random(5)
    assert _similarity(_features(frames), _features(100 * frames)) == pytest.approx(1.0, abs=1e-5)


def test_only_speech_counts() -> None:
    spoken = _random(6)
    around = np.concatenate([_random(7, 9), spoken, _random(8, 5)])
    flags = [False] * 9 + [True] * 30 + [False] * 5
    alike = _similarity(_features(spoken), _features(around, flags))
    assert alike == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("frames", [0, 1, 20])
def test_silence_is_like_nothing(frames: int) -> None:
    silent = _features(_random(9, frames), [False] * frames)
    spoken = _features(_random(10))
    assert _similarity(silent, spoken) == 0.0
    assert _similarity(spoken, silent) == 0.0
    assert _similarity(silent, silent) == 0.0


def test_frames_that_do_not_change_stay_within_bounds() -> None:
    steady = _features(np.ones((10, 4), np.float32))
    assert -1.0 <= _similarity(steady, steady) <= 1.0
    assert -1.0 <= _similarity(steady, _features(_random(1, 10, 4))) <= 1.0


def test_half_precision_features_are_accepted() -> None:
    frames = _random(11)
    halves = EncoderFeatures(frames.astype(np.float16), np.ones(30, np.bool_), 50.0)
    assert _similarity(halves, _features(frames)) == pytest.approx(1.0, abs=1e-4)
