from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, FloatArray
from audio_score_server.similarity.projection import (
    FEWEST_FRAMES,
    IdentityProjection,
    fit_phone_projection,
    fit_whitening,
)

_PHONES = 6
_WIDTH = 24


def _posteriors(frames: int, seed: int) -> FloatArray:
    drawn = np.random.default_rng(seed).dirichlet(np.full(_PHONES, 0.3), frames)
    return np.asarray(drawn, np.float32)


def _pair(seed: int, rate: float = 50.0) -> tuple[EncoderFeatures, EncoderFeatures]:
    """Frames that hold phones and speech somewhere, under a voice that is much louder."""
    generator = np.random.default_rng(1)
    mixing = generator.standard_normal((_PHONES + 1, _WIDTH))
    voices = generator.standard_normal((4, _WIDTH))
    posteriors = _posteriors(400, seed)
    speech = np.random.default_rng(seed + 100).uniform(0.2, 1.0, 400).astype(np.float32)
    teacher = EncoderFeatures(np.sqrt(posteriors), speech, 50.0)
    said = np.concatenate([posteriors, speech[:, None]], axis=1)
    step = int(50 / rate)
    said = said[: len(said) // step * step].reshape(-1, step, _PHONES + 1).mean(axis=1)
    voice = np.random.default_rng(seed + 200).standard_normal((1, 4)) @ voices
    frames = (said @ mixing + 5 * voice).astype(np.float32)
    return EncoderFeatures(frames, np.ones(len(frames), np.float32), rate), teacher


@pytest.mark.parametrize("rate", [50.0, 25.0])
def test_a_phone_view_finds_the_phones_under_an_unknown_voice(rate: float) -> None:
    projection = fit_phone_projection([_pair(seed, rate) for seed in range(20)])
    assert projection is not None
    own, teacher = _pair(99, rate)
    projected = projection(own)
    step = int(50 / rate)
    expected = np.square(teacher.frames).reshape(-1, step, _PHONES).mean(axis=1)
    assert np.corrcoef(np.square(projected.frames).ravel(), expected.ravel())[0, 1] > 0.5
    assert np.isfinite(projected.frames).all()
    assert projected.frame_rate_hz == rate


def test_silence_stays_silence_in_a_phone_view() -> None:
    projection = fit_phone_projection([_pair(seed) for seed in range(20)])
    assert projection is not None
    own, _ = _pair(3)
    half = np.where(np.arange(len(own.frames)) < 200, 0, own.speech).astype(np.float32)
    projected = projection(EncoderFeatures(own.frames, half, own.frame_rate_hz))
    assert not projected.speech[:200].any()
    assert projected.speech[200:].any()
    assert 0 <= projected.speech.min() <= projected.speech.max() <= 1


@given(st.integers(0, 2))
def test_of_too_little_speech_nothing_is_fitted(recordings: int) -> None:
    pairs = [_pair(seed) for seed in range(recordings)]
    assert FEWEST_FRAMES > 800
    assert fit_phone_projection(pairs) is None
    assert fit_whitening([own for own, _ in pairs]) is None


def test_a_white_view_leaves_no_correlation() -> None:
    recordings = [_pair(seed)[0] for seed in range(20)]
    projection = fit_whitening(recordings)
    assert projection is not None
    projected = np.concatenate([projection(each).frames for each in recordings])
    covariance = np.cov(projected, rowvar=False)
    variances = np.diag(covariance).copy()
    np.testing.assert_allclose(covariance - np.diag(variances), 0, atol=1e-3)
    # Weak directions are shrunk, none is blown up.
    assert variances.max() < 1.01
    assert (variances > 0.5).sum() >= _PHONES


def test_frames_of_one_value_are_no_trouble() -> None:
    flat = EncoderFeatures(np.ones((2_000, 8), np.float32), np.ones(2_000, np.float32), 50.0)
    teacher = EncoderFeatures(np.sqrt(_posteriors(2_000, 0)), flat.speech, 50.0)
    phones, white = fit_phone_projection([(flat, teacher)]), fit_whitening([flat])
    assert phones is not None
    assert white is not None
    assert np.isfinite(phones(flat).frames).all()
    assert np.isfinite(white(flat).frames).all()


def test_the_view_that_changes_nothing_changes_nothing() -> None:
    own, _ = _pair(0)
    assert IdentityProjection()(own) is own
