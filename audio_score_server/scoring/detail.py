"""All that there is to say about a recording, beside its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audio_score_server.domain import Contours, Encoding, IntArray, Reference, Transcript
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.scoring.fluency import Fluency, fluency
from audio_score_server.scoring.prosody import Prosody, prosody
from audio_score_server.scoring.recording_warnings import RecordingWarning
from audio_score_server.scoring.timing import Timing, timing
from audio_score_server.scoring.words import WordDetail
from audio_score_server.scoring.words_by_phones import AlignedPhones, phrases, words_by_phones
from audio_score_server.scoring.words_by_text import as_written, with_times, words_by_text
from audio_score_server.tokenization import words as written_words


@dataclass(frozen=True, slots=True)
class Detail:
    """What an app may show of a recording, and a teacher wants to know.

    Attributes:
        expected: the clip's text; what the model heard in the clip where there is none.
        heard: words or phones that the model heard in the recording.
        words: what became of each word, and insertions, in order.
        timing: None where nobody speaks.
        fluency: None where no phones are known, or too few are said.
        prosody: how nearly pitch and energy follow the clip's.
        warnings: what speaks against the scores, if anything.
        score_version: by which the numbers were made.
    """

    expected: str
    heard: tuple[str, ...]
    words: tuple[WordDetail, ...]
    timing: Timing | None
    fluency: Fluency | None
    prosody: Prosody
    warnings: tuple[RecordingWarning, ...]
    score_version: str


def explain(
    reference: Reference,
    recording: Encoding,
    contours: Contours,
    path: IntArray,
    *,
    text: str | None = None,
    spoken: Sequence[SpokenWord] = (),
    auxiliary: AlignedPhones | None = None,
    warnings: tuple[RecordingWarning, ...] = (),
    score_version: str,
) -> Detail:
    """Explain how a recording relates to its clip.

    Args:
        reference: the clip.
        recording: what the model makes of the recording; for a model of phones, told what is
            expected.
        contours: of the recording.
        path: int64 ``[steps, 2]``, frames of clip and recording that belong together.
        text: beside the clip.
        spoken: words of the text, whose phones are those of the reference's transcript; empty
            where there is no text, or the model hears words.
        auxiliary: the text's phones in clip and recording, by another model than this one.
        warnings: on the recording.
        score_version: by which it is scored.
    """
    sounds = auxiliary or _own_sounds(reference, recording, spoken)
    durations = _seconds(reference.contours), _seconds(contours)
    words = _words(reference, recording, sounds, durations)
    rates = reference.features.frame_rate_hz, recording.features.frame_rate_hz
    return Detail(
        text or reference.transcript.text,
        _tokens(recording.transcript),
        words,
        _timing(reference, recording, contours, words, sounds)
        if recording.transcript.text
        else None,
        None if sounds is None else fluency(sounds.reference, sounds.recording),
        prosody(path, rates, reference.contours, contours),
        warnings,
        score_version,
    )


def _own_sounds(
    reference: Reference, recording: Encoding, spoken: Sequence[SpokenWord]
) -> AlignedPhones | None:
    """The phones of a model that hears them."""
    clip, dub = reference.alignment, recording.alignment
    if clip is None or dub is None or reference.transcript.unit != "phone":
        return None
    rate = recording.features.frame_rate_hz
    if not spoken:
        spoken = phrases(reference.transcript.text.split(), clip, rate)
    return AlignedPhones(spoken, clip, dub, rate)


def _words(
    reference: Reference,
    recording: Encoding,
    sounds: AlignedPhones | None,
    durations: tuple[float, float],
) -> tuple[WordDetail, ...]:
    by_phones = () if sounds is None else words_by_phones(sounds, durations)
    if reference.transcript.unit == "phone":
        return by_phones
    expected = reference.transcript
    language = expected.language or recording.transcript.language
    by_text = words_by_text(expected.text, recording.transcript.text, language, recording.evidence)
    return with_times(by_text, by_phones)


def _timing(
    reference: Reference,
    recording: Encoding,
    contours: Contours,
    words: Sequence[WordDetail],
    sounds: AlignedPhones | None,
) -> Timing | None:
    if not recording.transcript.text:
        return None
    if sounds is not None:
        counts = len(sounds.reference.heard), len(sounds.recording.heard)
        return timing(reference.contours, contours, words, "phone", counts)
    texts = reference.transcript.text, recording.transcript.text
    counts = len(written_words(texts[0])), len(written_words(texts[1]))
    return timing(reference.contours, contours, words, "word", counts)


def _tokens(transcript: Transcript) -> tuple[str, ...]:
    text = transcript.text
    return tuple(text.split() if transcript.unit == "phone" else as_written(text))


def _seconds(contours: Contours) -> float:
    return len(contours.level_db) * contours.step_s
