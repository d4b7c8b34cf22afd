"""A reference as the named tensors of a file, and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import (
    Alignment,
    Contours,
    EncoderFeatures,
    FloatArray,
    HeardPhone,
    Reference,
    Transcript,
)

Tensors = dict[str, NDArray[Any]]
_CONTOURS: Final = ("pitch_hz", "level_db", "lows", "highs")
_ALIGNED: Final = ("present", "starts", "stops", "evidence")
_LARGEST_HALF: Final = float(np.finfo(np.float16).max)
_HEARD: Final = "heard_phones"
_SPELT: Final = "S2"
"""ARPAbet without stress has one or two letters."""


def tensors_of(reference: Reference) -> Tensors:
    """What is kept of a reference besides its transcript: features in half precision.

    Raises:
        ValueError: they are not finite.
    """
    features, contours = reference.features, reference.contours
    tensors: Tensors = {
        "frames": _kept(features.frames),
        "speech": features.speech.astype(np.float16),
    }
    tensors |= {name: getattr(contours, name).astype(np.float16) for name in _CONTOURS}
    if reference.alignment is not None:
        tensors |= _alignment_tensors(reference.alignment)
    return tensors


def reference_of(
    tensors: Tensors, transcript: Transcript, frame_rate_hz: float, step_s: float
) -> Reference:
    """The reference that was made into ``tensors``, at the precision that they have.

    Raises:
        KeyError: a tensor is missing.
    """
    features = EncoderFeatures(
        _single(tensors["frames"]), _single(tensors["speech"]), frame_rate_hz
    )
    contours = Contours(step_s, *(_single(tensors[name]) for name in _CONTOURS))
    aligned = _alignment(tensors) if "present" in tensors else None
    return Reference(features, transcript, contours, aligned)


def as_kept(reference: Reference) -> Reference:
    """A reference as it will be once it was kept and read: scores must not tell the two apart."""
    features, contours = reference.features, reference.contours
    return reference_of(
        tensors_of(reference), reference.transcript, features.frame_rate_hz, contours.step_s
    )


def _kept(frames: FloatArray) -> NDArray[Any]:
    """In half precision, unless they are too large for it: middle layers have such frames."""
    if not np.isfinite(frames).all():
        raise ValueError("features that are not finite cannot be kept")
    fits = not frames.size or float(np.abs(frames).max()) <= _LARGEST_HALF
    return frames.astype(np.float16) if fits else frames


def _single(values: NDArray[Any]) -> FloatArray:
    return values.astype(np.float32)


def _alignment_tensors(alignment: Alignment) -> Tensors:
    spelt = np.array([each.phone for each in alignment.heard], _SPELT)
    return {
        "present": alignment.present.astype(np.uint8),
        "starts": alignment.starts.astype(np.int32),
        "stops": alignment.stops.astype(np.int32),
        "evidence": alignment.evidence,
        _HEARD: np.frombuffer(spelt.tobytes(), np.uint8),
        "heard_spans": np.array(
            [(each.start, each.stop) for each in alignment.heard], np.int32
        ).reshape(-1, 2),
    }


def heard_phones_of(tensors: Any) -> tuple[str, ...]:
    """The phones that were heard, without the rest.

    Args:
        tensors: an open file of them, ``safetensors.safe_open``.
    """
    if _HEARD not in tensors.keys():  # noqa: SIM118
        return ()
    return tuple(map(bytes.decode, _spelt(tensors.get_tensor(_HEARD)).tolist()))


def _spelt(kept: NDArray[Any]) -> NDArray[Any]:
    return np.frombuffer(kept.tobytes(), _SPELT)


def _alignment(tensors: Tensors) -> Alignment:
    spelt = _spelt(tensors[_HEARD])
    spans = tensors["heard_spans"].tolist()
    heard = (
        HeardPhone(bytes(phone).decode(), *span) for phone, span in zip(spelt, spans, strict=True)
    )
    present, starts, stops, evidence = (tensors[name] for name in _ALIGNED)
    return Alignment(present.astype(np.bool_), starts, stops, evidence, tuple(heard))
