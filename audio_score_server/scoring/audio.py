"""How alike two performances sound."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_score_server.domain import EncoderFeatures, FloatArray
from audio_score_server.scoring.warp import path_mean

_LEAST_NORM: Final = 1e-6
_LEAST_SPEECH: Final = 0.05
"""Frames with less speech in them weigh next to nothing and only cost time."""


def audio_similarity(reference: EncoderFeatures, recording: EncoderFeatures) -> float:
    """Similarity of two recordings' encoder features, from 0 to 1.

    Frames are centred on their recording's mean, which takes out what is constant (the voice, the
    room, the encoder's own bias), then aligned by dynamic time warping; the result is the mean of
    the cosines along the path, each frame counting by the speech in it, and 0 where that is
    negative or either side is silent.
    """
    rows, row_weights = _directions(reference)
    columns, column_weights = _directions(recording)
    if not len(rows) or not len(columns):
        return 0.0
    return min(1.0, max(0.0, path_mean(rows, columns, row_weights, column_weights)))


def _directions(features: EncoderFeatures) -> tuple[FloatArray, FloatArray]:
    """Unit vectors ``[frames, dimensions]`` of the centred frames with speech; their weights."""
    spoken = features.speech > _LEAST_SPEECH
    frames = features.frames[spoken].astype(np.float32, copy=False)
    weights = features.speech[spoken].astype(np.float32, copy=False)
    if not len(frames):
        return frames, weights
    centred = frames - np.average(frames, axis=0, weights=weights).astype(np.float32)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(norms, _LEAST_NORM), np.float32), weights
