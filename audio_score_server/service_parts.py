"""What a service is made of, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines.protocol import Model
from audio_score_server.settings import Settings


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Limits of time, in seconds.

    Attributes:
        request_s: longest time for a request, from its arrival.
        canary_interval_s: how often models are asked whether they are well; 0 for never.
    """

    request_s: float
    canary_interval_s: float


def decode_limits(settings: Settings) -> DecodeLimits:
    """Of recordings to score, and of clips."""
    return DecodeLimits(
        settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of once loaded.

    Attributes:
        library: the clips, and where they are.
        models: in order of preference.
        auxiliary: models that only serve those.
    """

    library: LiveLibrary
    models: tuple[Model, ...]
    auxiliary: tuple[Model, ...] = ()
