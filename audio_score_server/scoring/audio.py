"""How alike two performances sound."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.domain import EncoderFeatures, FloatArray
from audio_score_server.scoring.warp import path_mean

_LEAST_NORM: Final = 1e-6


def audio_similarity(reference: EncoderFeatures, recording: EncoderFeatures) -> float:
    """Similarity of two recordings' encoder features, from 0 to 1.

    Frames that carry speech are centred on their recording's mean, which takes out what is
    constant (the voice, the room, the encoder's own bias), then aligned by dynamic time warping;
    the result is the mean of the cosines along the path, and 0 where that is negative or either
    side is silent.
    """
    rows, columns = _directions(reference), _directions(recording)
    if not len(rows) or not len(columns):
        return 0.0
    return min(1.0, max(0.0, path_mean(rows, columns)))


def _directions(features: EncoderFeatures) -> FloatArray:
    """Unit vectors ``[speech frames, dimensions]`` of the centred speech frames."""
    spoken = features.frames[features.speech].astype(np.float32)
    if not len(spoken):
        return spoken
    centred = spoken - spoken.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(norms, _LEAST_NORM), np.float32)
