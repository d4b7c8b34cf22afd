"""Sampling-rate conversion by torchaudio, with its filters kept."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final

import torch
from torchaudio.transforms import Resample

from audio_score_server.domain import Waveform

_LARGEST_TERM: Final = 1280
"""The filter bank grows with both terms of the ratio of rates. Odd rates, 48,001 Hz say, would ask
for gigabytes; the nearest ratio of small terms shifts their pitch by less than 0.1 %."""


@lru_cache(maxsize=32)
def _resampler(source_rate: int, target_rate: int) -> Resample:
    lower, higher = sorted((source_rate, target_rate))
    ratio = Fraction(lower, higher).limit_denominator(_LARGEST_TERM)
    if source_rate < target_rate:
        return Resample(ratio.numerator, ratio.denominator)
    return Resample(ratio.denominator, ratio.numerator)


def resample(waveform: Waveform, sampling_rate: int) -> Waveform:
    """The same sound at another rate; the waveform itself where the rates agree."""
    if waveform.sampling_rate == sampling_rate:
        return waveform
    with torch.inference_mode():
        samples = _resampler(waveform.sampling_rate, sampling_rate)(
            torch.from_numpy(waveform.samples)
        )
    return Waveform(samples.numpy(), sampling_rate)
