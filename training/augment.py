"""Augmentation of mel powers, cheap enough to be new at every epoch.

Speed and vocal-tract length (Jaitly and Hinton, 2013) stretch the two axes; noise adds in the power
domain; equalisation and band limits tilt the bands; SpecAugment (Park et al., 2019) masks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.runners.phones.frontend import MEL_BINS, normalised_log_mel

_SPEED: Final = (0.85, 1.18)
_WARP: Final = (0.86, 1.16)
_NOISE_SHARE: Final = 0.5
_SNR_DB: Final = (0.0, 30.0)
_BAND_SHARE: Final = 0.1
_PAD_SHARE: Final = 0.3
_MOST_PADDING: Final = 80


def augmented(
    power: torch.Tensor, noises: list[torch.Tensor], chance: np.random.Generator
) -> torch.Tensor:
    """Normalised log-mel ``[frames, 64]`` of a recording heard under other conditions.

    Args:
        power: mel powers ``[frames, 64]``.
        noises: mel powers of noises to choose from.
        chance: source of randomness.
    """
    power = _stretched(power, chance.uniform(*_SPEED), chance.uniform(*_WARP))
    if chance.random() < _PAD_SHARE:
        power = _padded(power, chance)
    power = power * _equaliser(chance)
    if chance.random() < _NOISE_SHARE:
        power = _with_noise(power, noises[chance.integers(len(noises))], chance)
    return _masked(normalised_log_mel(power), chance)


def _stretched(power: torch.Tensor, speed: float, warp: float) -> torch.Tensor:
    """Resample time by ``speed`` and the mel axis by ``warp`` in one interpolation of logs."""
    frames = max(8, round(len(power) / speed))
    time = torch.linspace(-1, 1, frames)
    band = (torch.arange(MEL_BINS) * warp / (MEL_BINS - 1)).clamp_max(1.0) * 2 - 1
    grid = torch.stack(torch.meshgrid(time, band, indexing="ij")[::-1], dim=-1)
    logs = power.clamp_min(1e-10).log()[None, None]
    stretched = functional.grid_sample(logs, grid[None], align_corners=True, padding_mode="border")
    return stretched[0, 0].exp()


def _padded(power: torch.Tensor, chance: np.random.Generator) -> torch.Tensor:
    """Quiet before and after, down to digital silence."""
    before, after = (int(chance.integers(_MOST_PADDING)) for _ in range(2))
    level = power.quantile(0.05) * 10 ** chance.uniform(-4, 0)
    return functional.pad(power, (0, 0, before, after), value=float(level))


def _equaliser(chance: np.random.Generator) -> torch.Tensor:
    """Smooth gains of a few decibels for each band; now and then only a telephone's bands."""
    knots = torch.from_numpy(chance.normal(0, 4, 6).astype(np.float32))
    gains = functional.interpolate(knots[None, None], MEL_BINS, mode="linear", align_corners=True)
    gains = 10 ** (gains[0, 0] / 10)
    if chance.random() < _BAND_SHARE:
        gains[: int(chance.integers(10))] *= 1e-6
        gains[int(chance.integers(42, MEL_BINS)) :] *= 1e-6
    return gains


def _with_noise(
    power: torch.Tensor, noise: torch.Tensor, chance: np.random.Generator
) -> torch.Tensor:
    start = int(chance.integers(max(1, len(noise) - len(power))))
    heard = noise[start : start + len(power)]
    heard = heard.repeat(-(-len(power) // len(heard)), 1)[: len(power)]
    ratio = power.mean() / heard.mean().clamp_min(1e-12)
    return power + heard * ratio * 10 ** (-chance.uniform(*_SNR_DB) / 10)


def _masked(mel: torch.Tensor, chance: np.random.Generator) -> torch.Tensor:
    """Two masks of up to 10 bands and two of up to 120 ms."""
    for _ in range(2):
        width, start = chance.integers(10), chance.integers(MEL_BINS - 10)
        mel[:, start : start + width] = 0.0
        width, start = chance.integers(12), chance.integers(max(1, len(mel) - 12))
        mel[start : start + width] = 0.0
    return mel
