"""Where the concrete parts meet: settings to a service, or to a single model."""

from audio_score_server.assembly.scorer import build_scorer
from audio_score_server.assembly.service import build_service
from audio_score_server.assembly.transcriber import transcriber

__all__ = ["build_scorer", "build_service", "transcriber"]
