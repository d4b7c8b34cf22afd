"""How nearly a recording says what is expected."""

from __future__ import annotations

from typing import Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from audio_score_server.domain import WORTHLESS_NATS, Encoding, FloatArray, Transcript
from audio_score_server.language.normalization import normalize
from audio_score_server.scoring.grading import graded
from audio_score_server.scoring.word_similarity import word_similarity

_LEAST_NATS: Final = 8.0
"""A unit that a burst of other sounds weighs on counts no less than this."""
_NEIGHBOURS: Final = 4
"""Units on each side that a unit is judged with: some sounds of any line are in any other, but not
nine in a row."""
_NOTHING: Final = 0.45
"""Worth of such a run, between 0 and 1, that other lines reach."""
_SOUNDS: Final = 0.75
"""What phones count beside words."""
_EVERYTHING: Final = 0.75
"""And that a clear reading reaches: no model is surer of a human voice."""
_MIDDLE: Final = 0.45
"""Mean worth of a line's units that a score of one half takes: wrong lines have a quarter at most,
right ones hardly less than six tenths."""


def text_similarity(expected: Transcript, recording: Encoding) -> float:
    """How nearly a recording says what is expected, from 0 to 1.

    Phones by the evidence for each expected one where the model gives it, since that hears the
    shades between right and wrong; words by how many are the same, or sound the same.
    """
    heard = recording.transcript
    if not heard.text or not expected.text:
        return 0.0
    if expected.unit == "phone":
        if recording.evidence is not None:
            return graded(evidence_mean(recording.evidence), _MIDDLE)
        return Levenshtein.normalized_similarity(expected.text.split(), heard.text.split())
    language = expected.language or heard.language
    wanted = normalize(expected.text, language)
    if not wanted:
        return 0.0
    return word_similarity(wanted, normalize(heard.text, language), recording.evidence)


def borne_out(words: float, sounds: float) -> float:
    """The score of a text by a recogniser's words, as far as a phone encoder bears them out.

    Where the two differ, it is nearly always the recogniser: of learners it takes half of the words
    for others, and a wrong word it repairs by those around it.

    Args:
        words: ``text_similarity`` of the transcript, from 0 to 1.
        sounds: ``text_similarity`` of the phones, from 0 to 1.
    """
    return _SOUNDS * sounds + (1 - _SOUNDS) * words


def evidence_mean(evidence: FloatArray) -> float:
    """Mean of the ``unit_scores`` of expected units, from 0 to 1; 0 where none are expected."""
    return float(unit_scores(evidence).mean()) if len(evidence) else 0.0


def unit_scores(evidence: FloatArray) -> FloatArray:
    """What each expected unit is worth, from 0 to 1.

    The mean log evidence of a unit and its neighbours, on the way from what any other line has (0)
    to what a clear reading has (1). With the phone encoder the evidence is the likelihood of the
    clip's phones against the best free path, a phone.

    Args:
        evidence: float32 ``[units]``, from 0 to 1, at least one.

    Returns:
        float32 ``[units]``.
    """
    nats = np.log(np.maximum(evidence.astype(np.float64), np.exp(-_LEAST_NATS)))
    sums = np.concatenate([[0.0], np.cumsum(nats)])
    places = np.arange(len(nats))
    starts = np.maximum(places - _NEIGHBOURS, 0)
    stops = np.minimum(places + _NEIGHBOURS + 1, len(nats))
    worth = 1 + (sums[stops] - sums[starts]) / (stops - starts) / WORTHLESS_NATS
    share = (worth - _NOTHING) / (_EVERYTHING - _NOTHING)
    return np.asarray(np.clip(share, 0, 1), np.float32)
