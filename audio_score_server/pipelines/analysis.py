"""Why a score is what it is: pure, from what the models gave."""

from __future__ import annotations

from dataclasses import dataclass

from audio_score_server.domain import Contours, Encoding, IntArray, Reference, Score
from audio_score_server.language.languages import Language
from audio_score_server.pipelines.protocol import Analysis
from audio_score_server.scoring.detail import explain
from audio_score_server.scoring.recording_warnings import WarningInputs, recording_warnings
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.scoring.words_by_phones import AlignedPhones


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A clip and a recording of it, both encoded by one model.

    Attributes:
        reference: the clip.
        encoding: the recording.
    """

    reference: Reference
    encoding: Encoding


def analyse(
    text: str | None,
    own: EncodedPair,
    phones: EncodedPair | None,
    language: Language | None,
    recording: Contours,
    path: IntArray,
    score: Score,
) -> Analysis:
    """Analyse a recording of a clip.

    Args:
        text: beside the clip.
        own: by the model itself.
        phones: by the auxiliary phone model, where it has a say.
        language: of the phones.
        recording: contours of the recording.
        path: int64 ``[steps, 2]``, frames of clip and recording that belong together.
        score: what the recording was given.
    """
    reference, encoding = own.reference, own.encoding
    inputs = WarningInputs(
        score, reference.contours, recording, encoding.features, reference.features
    )
    detail = explain(
        reference,
        encoding,
        recording,
        path,
        text=text,
        spoken=language.pronounce(text) if text and language else (),
        auxiliary=_aligned_phones(text, phones, language),
        warnings=recording_warnings(inputs),
        score_version=SCORE_VERSION,
    )
    return Analysis(detail, reference.contours, recording)


def _aligned_phones(
    text: str | None, phones: EncodedPair | None, language: Language | None
) -> AlignedPhones | None:
    """The phones of the clip's text as the auxiliary model aligned them."""
    if phones is None or text is None or language is None:
        return None
    if phones.reference.transcript.unit != "phone":
        return None
    clip, recording = phones.reference.alignment, phones.encoding.alignment
    if clip is None or recording is None:
        return None
    rate = phones.encoding.features.frame_rate_hz
    return AlignedPhones(language.pronounce(text), clip, recording, rate)
