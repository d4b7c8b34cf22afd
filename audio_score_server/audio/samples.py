"""What may pass for sound, and the refusals of what may not."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_score_server.domain import FloatArray
from audio_score_server.errors import TooLongAudio, UndecodableAudio

SAMPLING_RATES: Final = range(4_000, 192_001)
"""Rates in Hz that sound is recorded at; anything else is a lie or a mistake."""
_LARGEST: Final = 8.0
"""Decoders of lossy formats overshoot full scale a little; nothing sane overshoots it so far."""


def finite(samples: NDArray[np.floating[Any]]) -> FloatArray:
    """Float32 samples without the infinities and NaN that float formats can carry."""
    cleaned = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(np.clip(cleaned, -_LARGEST, _LARGEST), np.float32)


def undecodable(reason: str) -> UndecodableAudio:
    """The refusal of bytes that cannot be taken for a recording."""
    return UndecodableAudio(
        f"The recording cannot be decoded: {reason}. Send a whole audio file, such as WAV, MP3, "
        "M4A, WebM, Ogg or FLAC."
    )


def too_long(max_seconds: float) -> TooLongAudio:
    """The refusal of a recording that goes past the limit."""
    return TooLongAudio(
        f"The recording is too long: more than {max_seconds:g} s. Send the one line that the clip "
        "holds, or raise AUDIO_SCORE_MAX_AUDIO_SECONDS."
    )
