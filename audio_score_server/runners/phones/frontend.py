"""Log-mel features: what the phone network sees of a recording."""

from __future__ import annotations

from functools import cache
from typing import Final

import torch
import torchaudio

SAMPLING_RATE: Final = 16_000
MEL_BINS: Final = 64
HOP: Final = 160
"""Samples between frames: 10 ms."""
_WINDOW: Final = 400
_FFT: Final = 512
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 7600.0
_RANGE_LOG10: Final = 6.0
"""Everything more than 60 dB under the loudest bin counts as silence, so that digital silence and
a quiet room look alike after normalisation."""
_LEAST_POWER: Final = 1e-10
_SPOKEN_LOG10: Final = 4.0
"""Frames within 40 dB of the loud ones may be spoken: weak fricatives are about 30 dB below."""
_LOUD: Final = 0.95
_MARGIN: Final = 10
"""Frames around what may be spoken that are normalised by, too."""


@cache
def _filterbank() -> torch.Tensor:
    filterbank: torch.Tensor = torchaudio.functional.melscale_fbanks(
        _FFT // 2 + 1, _LOWEST_HZ, _HIGHEST_HZ, MEL_BINS, SAMPLING_RATE, mel_scale="htk"
    )
    return filterbank


@cache
def _window() -> torch.Tensor:
    return torch.hann_window(_WINDOW)


def mel_power(waveform: torch.Tensor) -> torch.Tensor:
    """Mel-band powers of a mono waveform.

    Args:
        waveform: float32 ``[samples]`` at 16 kHz, full scale 1.

    Returns:
        float32 ``[1 + samples // 160, 64]``, one frame every 10 ms.
    """
    spectrum = torch.stft(
        waveform,
        n_fft=_FFT,
        hop_length=HOP,
        win_length=_WINDOW,
        window=_window(),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return power.T @ _filterbank()


def normalised_log_mel(power: torch.Tensor) -> torch.Tensor:
    """Log of mel powers ``[frames, 64]``, each band with zero mean and unit variance over time.

    Normalising each band removes microphone and room colouration. Silence before and after what is
    spoken is left out of mean and variance: however much of it there is, it changes nothing. A
    recording of pure silence becomes all zeros.
    """
    log_power = power.clamp_min(_LEAST_POWER).log10()
    log_power = log_power.clamp_min(log_power.max().item() - _RANGE_LOG10)
    spoken = log_power[_extent(power)]
    mean = spoken.mean(dim=0)
    return (log_power - mean) / ((spoken - mean).square().mean(dim=0).sqrt() + 1e-2)


def _extent(power: torch.Tensor) -> slice:
    """From a little before the first frame that may be spoken to a little after the last."""
    loudness = power.sum(dim=1).clamp_min(_LEAST_POWER).log10()
    sounding = loudness[loudness > loudness.max() - _RANGE_LOG10]
    places = torch.nonzero(loudness > torch.quantile(sounding, _LOUD) - _SPOKEN_LOG10).flatten()
    return slice(max(0, int(places[0]) - _MARGIN), int(places[-1]) + 1 + _MARGIN)


def log_mel(waveform: torch.Tensor) -> torch.Tensor:
    """Normalised log-mel features ``[frames, 64]`` of a float32 16 kHz mono waveform."""
    return normalised_log_mel(mel_power(waveform))
