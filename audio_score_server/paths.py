"""Addresses that the server and the gateway before it must agree on."""

from __future__ import annotations

from typing import Final

SCORE_PATHS: Final = ("/score", "/score/", "/scores")
"""Asked for scores, by ``POST``."""
CLIPS_PREFIX: Final = "/clips/"
"""Begins the addresses of single clips."""
JOBS_FOLDER: Final = ".jobs"
"""In the cache's; no model can be called so."""
TRANSCRIPTION_PATHS: Final = (
    "/transcribe",
    "/transcribe/",
    "/transcribe-url",
    "/v1/audio/transcriptions",
)
"""Asked for a transcript, by ``POST``."""
