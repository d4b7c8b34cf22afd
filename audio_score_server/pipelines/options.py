"""How a local model is used."""

from __future__ import annotations

from dataclasses import dataclass

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.settings import AudioFeatures


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model is used.

    Attributes:
        limits: of recordings and clips.
        aligned: whether sounds are compared frame by frame, or by their means alone.
        features: whose are compared: the model's ``own``, the phone model's ``phones``, or by
            ``auto`` the latter for clips in its language.
        fitted: whether the model's own features are compared in a projection fitted to them.
        watched: whether ``health_error`` will be asked for.
        ahead: whether clips are encoded before anybody asks for them; the cohort always is.
    """

    limits: DecodeLimits
    aligned: bool = True
    features: AudioFeatures = "own"
    fitted: bool = False
    watched: bool = True
    ahead: bool = True
