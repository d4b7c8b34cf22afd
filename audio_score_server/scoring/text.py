"""How nearly a recording says what is expected."""

from __future__ import annotations

from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from audio_score_server.domain import Encoding, FloatArray, Transcript
from audio_score_server.writing import words

_LEAST_EVIDENCE: Final = 1e-30
WORTHLESS_NATS: Final = 4.0
"""By how much a unit's log evidence falls short when it is not there at all."""


def text_similarity(expected: Transcript, recording: Encoding) -> float:
    """How nearly a recording says what is expected, from 0 to 1.

    Phones by the evidence for each expected one where the model gives it, since that hears the
    shades between right and wrong; words by the edit distance of the transcripts.
    """
    if not units(recording.transcript):
        return 0.0
    if recording.evidence is not None and expected.unit == "phone":
        return evidence_similarity(recording.evidence)
    return edit_similarity(expected, recording.transcript)


def evidence_similarity(evidence: FloatArray) -> float:
    """Mean log evidence, placed between certainty (1) and nothing of the line (0).

    With the phone encoder this is the likelihood of the reference's phones against the best free
    path, a phone: it tells right readings from wrong ones better than the edit distance does.
    """
    if not len(evidence):
        return 0.0
    mean = float(np.log(np.maximum(evidence, _LEAST_EVIDENCE)).mean())
    return max(0.0, 1.0 + mean / WORTHLESS_NATS)


def edit_similarity(expected: Transcript, heard: Transcript) -> float:
    """One minus the edit distance over the longer length, of words or of phones."""
    return Levenshtein.normalized_similarity(units(expected), units(heard))


def units(transcript: Transcript) -> list[str]:
    """The words as they are compared, or the phones."""
    if transcript.unit == "phone":
        return transcript.text.split()
    return words(transcript.text)
