"""Whether what a model gives are numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audio_score_server.domain import Encoding, FloatArray
from audio_score_server.errors import BatchError
from audio_score_server.transcription.recognition import Recognition


def finite(encodings: Sequence[Encoding]) -> list[Encoding]:
    """The encodings, all of whose numbers are finite.

    Half precision overflows, and a damaged checkpoint multiplies by anything: comparisons with what
    is not a number are false, so that it may pass every bound behind this one.

    Raises:
        BatchError: one is not.
    """
    for encoding in encodings:
        for name, values in _numbers(encoding):
            if not np.isfinite(values).all():
                raise BatchError(f"the model gave {name} that are not finite")
    return list(encodings)


def _numbers(encoding: Encoding) -> Iterator[tuple[str, FloatArray]]:
    yield "features", encoding.features.frames
    yield "weights of speech", encoding.features.speech
    for each in (encoding, *encoding.others):
        if each.evidence is not None:
            yield "likelihoods", each.evidence


def finite_recognitions(recognitions: Sequence[Recognition]) -> list[Recognition]:
    """The recognitions, all of whose numbers are finite.

    Raises:
        BatchError: one is not.
    """
    for recognition in recognitions:
        numbers = [recognition.mean_logprob, recognition.no_speech_prob]
        numbers += [word.probability for word in recognition.words]
        if not np.isfinite(numbers).all():
            raise BatchError("the model gave probabilities that are not finite")
    return list(recognitions)
