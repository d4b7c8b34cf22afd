"""Where in a recording somebody speaks, by loudness alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.domain import FloatArray

_SILENT_DB: Final = -70.0
"""Below full scale: no voice, however quiet the rest. The noise of 16-bit dither is at -98."""
_FAINT_DB: Final = -40.0
"""Below the loudest frames: a pause. Weak fricatives are about 30 dB below vowels."""
_CLEAR_DB: Final = -25.0
"""Below the loudest frames: surely sound."""
_LOUDEST: Final = 0.95
"""Share of frames that are no louder than the "loudest": a click is not the voice."""


def speech_weights(samples: FloatArray, step: int) -> FloatArray:
    """How much each frame tells of what is said, judged by its loudness.

    Args:
        samples: float32 ``[samples]``, full scale 1.
        step: samples for each frame; the last frame may have fewer.

    Returns:
        float32 ``[frames]``: 1 for the loud frames, 0 for pauses, and in between a line over the
        decibels.
    """
    if not len(samples):
        return np.zeros(0, np.float32)
    power = np.add.reduceat(np.square(samples, dtype=np.float64), np.arange(0, len(samples), step))
    decibels = 10 * np.log10(power / step + 1e-12)
    loudest = float(np.quantile(decibels, _LOUDEST))
    weights = (decibels - loudest - _FAINT_DB) / (_CLEAR_DB - _FAINT_DB)
    return np.where(decibels > _SILENT_DB, weights.clip(0, 1), 0).astype(np.float32)
