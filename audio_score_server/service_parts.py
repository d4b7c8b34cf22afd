"""What a service is made of, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines.protocol import Model


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Limits of time, in seconds.

    Attributes:
        request_s: longest time for a request, from its arrival.
        canary_interval_s: how often models are asked whether they are well; 0 for never.
    """

    request_s: float
    canary_interval_s: float


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
