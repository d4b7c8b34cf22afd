"""Projections of an encoder's frames in which what is said is near, and who says it is far.

Encoders of recognisers know the sounds, but their frames are mostly something else: where in the
window they are, the voice, the room. Compared as they are, they hardly tell lines apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import EncoderFeatures, FloatArray

_Matrix = NDArray[np.float64]
_RIDGE: Final = 0.2
"""Ridge for each frame that is fitted on, in squared standard deviations of the inputs: of .03 to 1
the one that told lines of others than those fitted on apart best, for two encoders."""
_SHRINKAGE: Final = 0.001
"""By how much a covariance is drawn towards that of uncorrelated dimensions."""
FEWEST_FRAMES: Final = 1_000
"""Twenty seconds: of less speech nothing is fitted."""


class Projection(Protocol):
    """Maps the features of a recording to those by which it is compared."""

    def __call__(self, features: EncoderFeatures) -> EncoderFeatures:
        """The recording as it is compared."""
        ...


class IdentityProjection:
    """The projection that changes nothing: for encoders whose frames are phones already."""

    def __call__(self, features: EncoderFeatures) -> EncoderFeatures:
        """See ``Projection``."""
        return features


@dataclass(frozen=True, slots=True)
class LinearMap:
    """``(frame - mean) @ matrix + bias``.

    Attributes:
        mean: float32 ``[dimensions]``.
        matrix: float32 ``[dimensions, outputs]``.
        bias: float32 ``[outputs]``.
    """

    mean: FloatArray
    matrix: FloatArray
    bias: FloatArray

    def __call__(self, frames: FloatArray) -> FloatArray:
        """Map frames ``[frames, dimensions]`` to ``[frames, outputs]``."""
        return np.asarray((frames - self.mean) @ self.matrix + self.bias, np.float32)


@dataclass(frozen=True, slots=True)
class PhoneProjection:
    """Square roots of estimated phone posteriors, as the phone encoder's own features are.

    Attributes:
        linear: to posteriors, and last to the speech in a frame.
    """

    linear: LinearMap

    def __call__(self, features: EncoderFeatures) -> EncoderFeatures:
        """See ``Projection``; silence stays silence, whatever is estimated of it."""
        estimated = self.linear(features.frames)
        speech = np.clip(estimated[:, -1], 0, 1) * (features.speech > 0)
        phones = np.sqrt(np.maximum(estimated[:, :-1], 0))
        return EncoderFeatures(phones, speech.astype(np.float32), features.frame_rate_hz)


@dataclass(frozen=True, slots=True)
class WhiteningProjection:
    """Frames whose dimensions have one variance and no correlation.

    Attributes:
        linear: the whitening.
    """

    linear: LinearMap

    def __call__(self, features: EncoderFeatures) -> EncoderFeatures:
        """See ``Projection``."""
        return EncoderFeatures(
            self.linear(features.frames), features.speech, features.frame_rate_hz
        )


def fit_phone_projection(
    pairs: Sequence[tuple[EncoderFeatures, EncoderFeatures]],
) -> PhoneProjection | None:
    """Fit a projection by ridge regression (Hoerl and Kennard, 1970).

    The teacher's frames are the labels: no transcript is needed, and any speech will do.

    Args:
        pairs: of each recording the encoder's features, and those of a phone encoder, whose frames
            are square roots of phone posteriors; frame rates may differ.

    Returns:
        The projection; None where the recordings are too few.
    """
    frames = sum(len(own.frames) for own, _ in pairs)
    if frames < FEWEST_FRAMES:
        return None
    taught = [_taught(own, teacher) for own, teacher in pairs]
    inputs = np.concatenate([own for own, _ in taught]).astype(np.float64)
    targets = np.concatenate([target for _, target in taught]).astype(np.float64)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    standard = (inputs - mean) / deviation
    bias = targets.mean(axis=0)
    gram = standard.T @ standard
    gram[np.diag_indices_from(gram)] += _RIDGE * len(standard)
    weights = np.linalg.solve(gram, standard.T @ (targets - bias)) / deviation[:, None]
    return PhoneProjection(_linear(mean, weights, bias))


def fit_whitening(recordings: Sequence[EncoderFeatures]) -> WhiteningProjection | None:
    """Fit a whitening on the speech of some recordings; None where they are too few."""
    frames = [each.frames[each.speech > 0].astype(np.float64) for each in recordings]
    if sum(map(len, frames)) < FEWEST_FRAMES:
        return None
    together = np.concatenate(frames)
    mean = together.mean(axis=0)
    covariance = np.cov(together - mean, rowvar=False)
    spread = float(np.trace(covariance)) / len(covariance)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * spread * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    matrix = vectors / np.sqrt(np.maximum(values, 1e-12))
    return WhiteningProjection(_linear(mean, matrix, np.zeros(matrix.shape[1])))


def _taught(own: EncoderFeatures, teacher: EncoderFeatures) -> tuple[FloatArray, FloatArray]:
    """Frames and what is to be made of them: posteriors, and last the speech in each frame."""
    labels = np.concatenate([np.square(teacher.frames), teacher.speech[:, None]], axis=1)
    ratio = teacher.frame_rate_hz / own.frame_rate_hz
    count = min(len(own.frames), int(len(labels) / ratio))
    starts = (np.arange(count) * ratio).astype(np.int64)
    widths = np.diff(starts, append=min(len(labels), int(count * ratio)))
    sums = np.add.reduceat(labels[: int(count * ratio)], starts, axis=0) if count else labels[:0]
    means = sums / np.maximum(widths, 1)[:, None]
    return own.frames[:count], means.astype(np.float32)


def _linear(mean: _Matrix, matrix: _Matrix, bias: _Matrix) -> LinearMap:
    return LinearMap(*(each.astype(np.float32) for each in (mean, matrix, bias)))
