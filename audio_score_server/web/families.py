"""Families of routes: what shares limits, and is counted and traced by one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from audio_score_server.errors import QueueFull
from audio_score_server.paths import CLIPS_PREFIX, SCORE_PATHS, TRANSCRIPTION_PATHS
from audio_score_server.settings import Settings
from audio_score_server.web.rate_limit import RateLimit

_CLIP_UPLOADS: Final = 4
"""Each is decoded in memory."""
TRANSCRIPTION: Final = "transcription"
"""Name of the family whose requests are counted apart from those for a score."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What the bodies of a family's requests may take.

    Attributes:
        max_bytes: of one body.
        max_uploads: bodies that are received at once.
        request_s: longest time for a body.
        idle_s: longest time without any of it.
        bytes_setting: which setting ``max_bytes`` is, for people.
        time_setting: which one ``request_s`` is.
    """

    max_bytes: int
    max_uploads: int
    request_s: float
    idle_s: float
    bytes_setting: str = "AUDIO_SCORE_MAX_UPLOAD_BYTES"
    time_setting: str = "AUDIO_SCORE_REQUEST_TIMEOUT_S"


def _never() -> QueueFull | None:
    return None


@dataclass(frozen=True, slots=True)
class RouteFamily:
    """Routes of one kind.

    Attributes:
        name: in traces.
        paths: their addresses, without parameters.
        limits: of their bodies.
        rate_limit: of requests by ``POST`` from one client; None where there is none.
        overloaded: how any request would be rejected now, before its body is read.
        observed: whether requests are counted and traced.
        prefixes: what their addresses begin with that have parameters.
    """

    name: str
    paths: Sequence[str]
    limits: UploadLimits
    rate_limit: RateLimit | None = None
    overloaded: Callable[[], QueueFull | None] = _never
    observed: bool = True
    prefixes: Sequence[str] = ()


class RouteFamilies:
    """Every family, and one for all other addresses."""

    def __init__(self, families: Sequence[RouteFamily], others: UploadLimits) -> None:
        """``others``: limits of bodies that are sent to addresses of no family."""
        self._by_path = {path: family for family in families for path in family.paths}
        self._by_prefix = {prefix: family for family in families for prefix in family.prefixes}
        self._others = RouteFamily("other", (), others, observed=False)

    def of(self, path: str) -> RouteFamily:
        """The family of an address."""
        family = self._by_path.get(path)
        if family is not None:
            return family
        found = (each for prefix, each in self._by_prefix.items() if path.startswith(prefix))
        return next(found, self._others)


def build_families(
    settings: Settings,
    score_overloaded: Callable[[], QueueFull | None],
    transcription_overloaded: Callable[[], QueueFull | None],
) -> RouteFamilies:
    """The families of the application.

    Args:
        settings: their limits.
        score_overloaded: how any request for a score would be rejected now.
        transcription_overloaded: how any request for a transcript would be.
    """
    limits = UploadLimits(
        settings.max_upload_bytes,
        settings.max_uploads,
        settings.request_timeout_s,
        settings.upload_idle_timeout_s,
    )
    long_limits = UploadLimits(
        settings.max_transcription_bytes,
        settings.max_transcriptions,
        settings.transcription_timeout_s,
        settings.upload_idle_timeout_s,
        "AUDIO_SCORE_MAX_TRANSCRIPTION_BYTES",
        "AUDIO_SCORE_TRANSCRIPTION_TIMEOUT_S",
    )
    per_minute = settings.rate_limit_per_minute
    rate_limit = RateLimit(per_minute) if per_minute else None
    clip_limits = UploadLimits(
        settings.max_clip_bytes,
        _CLIP_UPLOADS,
        settings.request_timeout_s,
        settings.upload_idle_timeout_s,
        "AUDIO_SCORE_MAX_CLIP_BYTES",
    )
    score = RouteFamily("score", SCORE_PATHS, limits, rate_limit, score_overloaded)
    transcription = RouteFamily(
        TRANSCRIPTION, TRANSCRIPTION_PATHS, long_limits, rate_limit, transcription_overloaded
    )
    clips = RouteFamily("clips", (), clip_limits, observed=False, prefixes=(CLIPS_PREFIX,))
    return RouteFamilies([score, transcription, clips], limits)
