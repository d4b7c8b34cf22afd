"""Log-mel spectrograms as Whisper was trained on, computed for the sound alone.

The extractor of transformers transforms all 30 s of every window; beyond the sound they are zeros,
whose spectrogram is one known value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn import functional

from audio_score_server.domain import FloatArray

SAMPLING_RATE: Final = 16_000
_WINDOW: Final = 400
HOP: Final = 160
_LEAST_POWER: Final = 1e-10
_RANGE: Final = 8.0
"""Decades below the loudest point at which the spectrogram is cut off."""


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """One window's sound.

    Attributes:
        mel: float32 ``[bands, frames]``, frames 10 ms apart; no padding.
        quiet: the value of a frame without sound.
    """

    mel: torch.Tensor
    quiet: float


class LogMel:
    """Samples to spectrograms, on whatever device the filters are."""

    def __init__(self, filters: FloatArray, device: torch.device) -> None:
        """``filters``: mel filters ``[201, bands]`` of the checkpoint's extractor."""
        self._filters = torch.from_numpy(np.ascontiguousarray(filters.T, np.float32)).to(device)
        self._hann = torch.hann_window(_WINDOW, device=device)
        self.device = device

    def __call__(self, samples: torch.Tensor, most: int) -> Spectrogram:
        """The spectrogram of samples ``[samples]``, float32 on the filters' device.

        At most ``most`` frames: what one encoder pass hears, to which the extractor pads sounds.
        """
        # Behind the sound, half a window reaches into it; one more shows what silence looks like.
        frames = min(-(-len(samples) // HOP) + 2, most)
        # A sound up to the end of what is heard is mirrored there, as the extractor does it.
        length = min(frames * HOP + _WINDOW, most * HOP)
        padded = functional.pad(samples, (0, length - len(samples)))
        spectrum = torch.stft(padded, _WINDOW, HOP, window=self._hann, return_complex=True)
        power = self._filters @ spectrum[:, :frames].abs().square().contiguous()
        decades = power.clamp(min=_LEAST_POWER).log10()
        floor = float(decades.max()) - _RANGE
        mel = (decades.clamp(min=floor) + 4.0) / 4.0
        return Spectrogram(mel, (max(float(np.log10(_LEAST_POWER)), floor) + 4.0) / 4.0)


def padded(spectrogram: Spectrogram, frames: int) -> torch.Tensor:
    """The spectrogram ``[bands, frames]`` of the sound with silence behind it."""
    mel = spectrogram.mel
    return functional.pad(mel, (0, frames - mel.shape[1]), value=spectrogram.quiet)
