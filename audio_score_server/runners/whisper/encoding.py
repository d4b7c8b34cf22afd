"""What runners that write words with a Whisper decoder have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audio_score_server.domain import EncoderFeatures, Encoding, Transcript, Utterance, Waveform
from audio_score_server.language.languages import ENGLISH
from audio_score_server.runners.whisper.frontend import SAMPLING_RATE
from audio_score_server.runners.whisper.transcriber import Task, Transcriber, Transcription
from audio_score_server.runners.whisper.windowed_encoder import EncodedChunk


def compatibility_warning(transcriber: Transcriber, texts: Sequence[str]) -> str | None:
    """None but for checkpoints that were trained on English alone."""
    if transcriber.vocabulary.languages or ENGLISH.may_be(texts):
        return None
    return "it knows English only, and the clips' texts do not look English"


def tasks(
    utterances: Sequence[Utterance[Any]],
    heard: Sequence[Sequence[EncodedChunk]],
    language: str | None,
) -> list[Task]:
    """What is to be transcribed: the parts with speech in them.

    What a recogniser trained on subtitles writes of silence is made up.
    """
    return [
        Task(
            [chunk for chunk in chunks if chunk.speech.any()],
            language or (utterance.expected.language if utterance.expected else None),
            utterance.expected.text if utterance.expected else "",
            tuple(other.text for other in utterance.others),
        )
        for utterance, chunks in zip(utterances, heard, strict=True)
    ]


def encoding(
    utterance: Utterance[Any], heard: Sequence[EncodedChunk], written: Transcription
) -> Encoding:
    """Features and transcript of one utterance, of what was heard of its parts."""
    features = EncoderFeatures(
        np.concatenate([chunk.features for chunk in heard]),
        np.concatenate([chunk.speech for chunk in heard]),
        heard[0].frame_rate_hz,
    )
    own = Encoding(
        features,
        Transcript(written.text, "word", written.language),
        None if utterance.expected is None else written.evidence,
        retried=written.retried,
    )
    return replace(
        own, others=tuple(replace(own, evidence=evidence) for evidence in written.others)
    )


def noise() -> Waveform:
    """A second of it, to warm up with."""
    samples = np.random.default_rng(0).standard_normal(SAMPLING_RATE).astype(np.float32)
    return Waveform(0.1 * samples, SAMPLING_RATE)
