from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.runners.phones.frontend import (
    HOP,
    MEL_BINS,
    SAMPLING_RATE,
    log_mel,
    mel_power,
)
from tests.support import chirp


def _noise(samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(samples, generator=generator)


@pytest.mark.parametrize("samples", [1, 100, 159, 160, 800, 16_000])
def test_silence_gives_zeros(samples: int) -> None:
    mel = log_mel(torch.zeros(samples))
    assert mel.shape == (1 + samples // HOP, MEL_BINS)
    assert torch.equal(mel, torch.zeros_like(mel))


@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 400, 512, 16_001])
def test_there_is_a_frame_every_ten_milliseconds(samples: int) -> None:
    mel = log_mel(_noise(samples))
    assert mel.shape == (1 + samples // HOP, MEL_BINS)
    assert mel.dtype == torch.float32
    assert mel.isfinite().all()


@pytest.mark.parametrize("gain", [1e-2, 0.1, 0.5, 2.0, 8.0])
def test_loudness_does_not_matter(gain: float) -> None:
    sound = torch.from_numpy(chirp()) + _noise(16_000)
    torch.testing.assert_close(log_mel(gain * sound), log_mel(sound), atol=2e-3, rtol=1e-3)


def test_polarity_does_not_matter() -> None:
    sound = torch.from_numpy(chirp())
    torch.testing.assert_close(log_mel(-sound), log_mel(sound))


@settings(max_examples=30)
@given(
    st.integers(1, 4_000),
    st.integers(0, 100),
    st.sampled_from([0.0, 1e-30, 1e-12, 1e-5, 1.0, 8.0]),
)
def test_whatever_can_be_decoded_gives_finite_features(
    samples: int, seed: int, gain: float
) -> None:
    assert log_mel(gain * _noise(samples, seed)).isfinite().all()


def test_every_band_is_centred_and_scaled_over_time() -> None:
    mel = log_mel(_noise(SAMPLING_RATE))
    torch.testing.assert_close(mel.mean(dim=0), torch.zeros(MEL_BINS), atol=1e-4, rtol=0)
    assert (mel.square().mean(dim=0).sqrt() - 1).abs().max() < 0.1


def test_a_higher_tone_is_in_a_higher_band() -> None:
    times = torch.arange(SAMPLING_RATE) / SAMPLING_RATE
    bands = [
        int(mel_power(torch.sin(2 * torch.pi * hertz * times))[50].argmax())
        for hertz in (200.0, 800.0, 2_000.0, 6_000.0)
    ]
    assert bands == sorted(bands)
    assert len(set(bands)) == 4


def test_later_sound_leaves_earlier_powers_alone() -> None:
    sound = _noise(3_200)
    longer = torch.cat([sound, _noise(3_200, 1)])
    torch.testing.assert_close(mel_power(sound)[:18], mel_power(longer)[:18])
