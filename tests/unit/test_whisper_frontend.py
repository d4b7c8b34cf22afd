from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from audio_score_server.domain import FloatArray
from audio_score_server.runners.whisper.frontend import HOP, LogMel, padded
from tests.checkpoints import RATE, babble


def _extractor(bands: int, window_s: int = 3) -> Any:
    extractor: Any = WhisperFeatureExtractor
    return extractor(feature_size=bands, chunk_length=window_s)


def _theirs(samples: FloatArray, bands: int, window_s: int = 3) -> torch.Tensor:
    features = _extractor(bands, window_s)(samples, sampling_rate=RATE, return_tensors="pt")
    mel: torch.Tensor = features.input_features[0]
    return mel


def _ours(samples: FloatArray, bands: int, window_s: int = 3) -> torch.Tensor:
    filters = np.asarray(_extractor(bands, window_s).mel_filters, np.float32)
    log_mel = LogMel(filters, torch.device("cpu"))
    frames = window_s * RATE // HOP
    return padded(log_mel(torch.from_numpy(samples), frames), frames)


def _same(samples: FloatArray, bands: int, window_s: int = 3) -> None:
    ours, theirs = _ours(samples, bands, window_s), _theirs(samples, bands, window_s)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize(
    "length", [1, 2, 159, 160, 161, 199, 200, 201, 400, 3_200, 16_001, 40_000, 47_760]
)
def test_spectrograms_are_those_of_the_extractor(bands: int, length: int) -> None:
    _same(babble(length, 3.0)[:length], bands)


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("length", [47_800, 47_801, 47_840, 47_999, 48_000])
def test_also_where_the_sound_fills_the_window(bands: int, length: int) -> None:
    _same(babble(length, 3.0)[:length], bands)


@pytest.mark.parametrize("length", [0, 1, 16_000, 48_000])
def test_silence_is_as_quiet(length: int) -> None:
    _same(np.zeros(length, np.float32), 80)


@pytest.mark.parametrize("gain", [1e-6, 1e-3, 0.1, 3.0])
def test_quiet_and_loud_sounds_are_cut_off_alike(gain: float) -> None:
    _same((gain * babble(0, 1.0)).astype(np.float32), 80)


def test_a_whole_window_of_thirty_seconds() -> None:
    _same(babble(0, 4.0), 128, window_s=30)


@settings(max_examples=30)
@given(st.integers(0, 2_000), st.integers(0, 100), st.sampled_from([0.0, 1e-30, 1e-12, 1.0, 8.0]))
def test_whatever_can_be_decoded_gives_finite_spectrograms(
    length: int, seed: int, gain: float
) -> None:
    assert _ours((gain * babble(seed, 0.2)[:length]).astype(np.float32), 80).isfinite().all()
