"""Why a score is what it is: pure, from what the models gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audio_score_server.domain import Contours, Encoding, IntArray, Reference, Score, Waveform
from audio_score_server.language.languages import Language
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.pipelines.protocol import Analysis
from audio_score_server.scoring.detail import explain
from audio_score_server.scoring.recording_warnings import WarningInputs, recording_warnings
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.scoring.words import ClipWord
from audio_score_server.scoring.words_by_phones import AlignedPhones, clip_words


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A clip and a recording of it, both encoded by one model.

    Attributes:
        reference: the clip.
        encoding: the recording.
    """

    reference: Reference
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class EncodedRecording:
    """A recording as the models encoded it.

    Attributes:
        waveform: its sound.
        encoding: by the model itself.
        phones: by the auxiliary phone model, with the clip, where it has a say.
    """

    waveform: Waveform
    encoding: Encoding
    phones: EncodedPair | None


@dataclass(frozen=True, slots=True)
class ClipReferences:
    """A clip as the models encoded it, all in one version.

    Attributes:
        own: by the model itself.
        phones: by the auxiliary phone model, where it has a say.
    """

    own: Reference
    phones: Reference | None


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
    spoken = language.pronounce(text) if text and language else None
    detail = explain(
        reference,
        encoding,
        recording,
        path,
        text=text,
        spoken=spoken or (),
        auxiliary=_aligned_phones(spoken, phones),
        warnings=recording_warnings(inputs),
        score_version=SCORE_VERSION,
    )
    return Analysis(detail, reference.contours, recording)


def words_of_clip(
    text: str | None, references: ClipReferences, language: Language | None
) -> tuple[ClipWord, ...]:
    """Where the words of a clip's text are in it; none where no phones are known.

    Args:
        text: beside the clip.
        references: the clip, encoded.
        language: of the phones.
    """
    encoded = references.phones or references.own
    if not text or language is None or encoded.alignment is None:
        return ()
    contours = encoded.contours
    seconds = len(contours.level_db) * contours.step_s
    rate = encoded.features.frame_rate_hz
    return clip_words(language.pronounce(text), encoded.alignment, rate, seconds)


def _aligned_phones(
    spoken: Sequence[SpokenWord] | None, phones: EncodedPair | None
) -> AlignedPhones | None:
    """The phones of the clip's text as the auxiliary model aligned them."""
    if phones is None or spoken is None:
        return None
    clip, recording = phones.reference.alignment, phones.encoding.alignment
    if clip is None or recording is None:
        return None
    rate = phones.encoding.features.frame_rate_hz
    return AlignedPhones(spoken, clip, recording, rate)
