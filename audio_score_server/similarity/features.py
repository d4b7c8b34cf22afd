"""How alike two performances sound, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_score_server.domain import EncoderFeatures, FloatArray, IntArray
from audio_score_server.similarity.warp import path_mean, warp_path

_LEAST_NORM: Final = 1e-6
_LEAST_SPEECH: Final = 0.05
"""Frames with less speech in them weigh next to nothing and only cost time."""
_PRIOR_S: Final = 2.0
"""How much speech of a recording's own outweighs what is known of speech as such."""


@dataclass(frozen=True, slots=True)
class NormalizedFeatures:
    """One of two recordings to be compared.

    Attributes:
        directions: float32 ``[frames, dimensions]``, unit vectors of centred frames with speech.
        weights: float32 ``[frames]``, the speech in each, above zero.
        places: int64 ``[frames]``, their indices among all frames.
    """

    directions: FloatArray
    weights: FloatArray
    places: IntArray

    @classmethod
    def of(cls, features: EncoderFeatures, centre: FloatArray) -> NormalizedFeatures:
        """Prepare a recording.

        Each frame is centred on the recording's mean, which takes out what is constant (the voice,
        the room, the encoder's own bias); a short recording's mean is also what it says, and so is
        drawn towards the library's: the mean's maximum a posteriori estimate.

        Args:
            features: of the recording.
            centre: float32 ``[dimensions]``, mean frame of speech.

        Raises:
            ValueError: the features are not finite; the best path would go round them.
        """
        if not np.isfinite(features.frames).all():
            raise ValueError("features that are not finite cannot be compared")
        places = np.flatnonzero(features.speech > _LEAST_SPEECH)
        frames = features.frames[places].astype(np.float32, copy=False)
        weights = features.speech[places].astype(np.float32, copy=False)
        prior = _PRIOR_S * features.frame_rate_hz
        mean = (weights @ frames + prior * centre) / (weights.sum() + prior)
        centred = frames - mean.astype(np.float32)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        directions = np.asarray(centred / np.maximum(norms, _LEAST_NORM), np.float32)
        return cls(directions, weights, places)


def similarity(one: NormalizedFeatures, other: NormalizedFeatures) -> float:
    """Mean cosine along the best alignment of two recordings, from -1 to 1; 0 if one is silent.

    Dynamic time warping on frames that hold speech, each counting by how much. Frame-wise cosines
    after centring tell lines apart where the cosine of means hardly does.
    """
    if not len(one.places) or not len(other.places):
        return 0.0
    return path_mean(one.directions, other.directions, one.weights, other.weights)


def best_path(one: NormalizedFeatures, other: NormalizedFeatures) -> IntArray:
    """The alignment that ``similarity`` averages over.

    Returns:
        int64 ``[steps, 2]``, pairs of frame indices, rising; none if one is silent.
    """
    if not len(one.places) or not len(other.places):
        return np.zeros((0, 2), np.int64)
    path = warp_path(one.directions, other.directions, one.weights, other.weights)
    return np.stack([one.places[path[:, 0]], other.places[path[:, 1]]], axis=1)


def pooled_similarity(one: EncoderFeatures, other: EncoderFeatures) -> float:
    """Cosine of two recordings' mean frames, from 0 to 1; 0 if one is silent.

    Hardly tells lines apart; kept for comparison with systems that use it.
    """
    if not one.speech.any() or not other.speech.any():
        return 0.0
    first, second = (np.average(each.frames, axis=0, weights=each.speech) for each in (one, other))
    norm = max(float(np.linalg.norm(first) * np.linalg.norm(second)), _LEAST_NORM)
    # In this order what is not a number stays none.
    return min(max(float(first @ second) / norm, 0.0), 1.0)


def mean_frame(recordings: Sequence[EncoderFeatures]) -> FloatArray:
    """Mean frame of some recordings' speech, ``[dimensions]``; a zero where nobody speaks.

    Every recording counts the same, whatever its length.
    """
    means = [
        np.average(each.frames, axis=0, weights=each.speech)
        for each in recordings
        if each.speech.any()
    ]
    if not means:
        return np.zeros(1, np.float32)
    return np.asarray(np.mean(means, axis=0), np.float32)
