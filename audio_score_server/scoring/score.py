"""The three numbers of an answer."""

from __future__ import annotations

from audio_score_server.domain import Encoding, Reference, Score
from audio_score_server.scoring.audio import audio_similarity
from audio_score_server.scoring.text import text_similarity


def score(reference: Reference, recording: Encoding) -> Score:
    """Compare a recording with the clip it performs."""
    return Score(
        audio=audio_similarity(reference.features, recording.features),
        text=text_similarity(reference.transcript, recording),
    )
