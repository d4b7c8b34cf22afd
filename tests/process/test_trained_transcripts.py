"""Transcripts by trained models: what is said, when, and nothing where nobody speaks."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from audio_score_server.assembly import transcriber
from audio_score_server.domain import FloatArray
from audio_score_server.pipelines.protocol import TranscriptionModel, TranscriptionOptions
from audio_score_server.settings import Settings, WhisperSettings
from audio_score_server.tokenization import words as plain_words
from audio_score_server.transcription.words import TimedWord, words_of
from tests.dictated import RATE, Dictation, dictation
from tests.nonspeech import nonspeech
from tests.support import wav_bytes

pytestmark = [pytest.mark.trained, pytest.mark.process, pytest.mark.timeout(600)]
_NOISES: Final = 200


def _wav(samples: FloatArray) -> bytes:
    return wav_bytes((32_767 * samples.clip(-1, 1)).astype("<i2").tobytes(), RATE)


def _run(
    folder: Path,
    recordings: Sequence[bytes],
    by_phones: bool = True,
    greedy: bool = True,
    temperature: float = 0.0,
) -> list[list[TimedWord]]:
    """The words of each recording, transcribed together."""
    model = WhisperSettings(key="model", type="whisper", model_id=str(folder))
    options = TranscriptionOptions("en", beam_size=1 if greedy else 5, temperature=temperature)

    async def transcribed(model: TranscriptionModel, recording: bytes) -> list[TimedWord]:
        parts = [part async for part in model.transcribe(io.BytesIO(recording), options)]
        return list(words_of(segment for part in parts for segment in part.segments))

    async def scenario() -> list[list[TimedWord]]:
        async with transcriber(Settings(models=(model,), device="cpu"), None) as own:
            if not by_phones:
                own._phone_model = None  # type: ignore[attr-defined]
            return await asyncio.gather(*(transcribed(own, each) for each in recordings))

    return asyncio.run(scenario())


@pytest.fixture(scope="module")
def dictated(tmp_path_factory: pytest.TempPathFactory) -> Dictation:
    """A minute of four voices."""
    if shutil.which("flite") is None:
        pytest.skip("needs flite")
    return dictation(tmp_path_factory.mktemp("dictated"))


def _errors_s(found: Sequence[TimedWord], right: Sequence[tuple[str, float]]) -> FloatArray:
    """How late each word begins that was written as it is, in seconds."""
    written = [" ".join(plain_words(word.text)) for word in found]
    matches = Levenshtein.opcodes([word for word, _ in right], written)
    errors = [
        found[there].start - right[here][1]
        for match in matches
        if match.tag == "equal"
        for here, there in zip(
            range(match.src_start, match.src_end),
            range(match.dest_start, match.dest_end),
            strict=True,
        )
    ]
    assert len(errors) > 0.8 * len(right)
    return np.abs(np.array(errors, np.float32))


def test_words_begin_where_they_are_said(whisper_tiny_en: Path, dictated: Dictation) -> None:
    (found,) = _run(whisper_tiny_en, [_wav(dictated.samples)])
    errors = _errors_s(found, dictated.words)
    assert np.median(errors) <= 0.04
    assert np.quantile(errors, 0.95) <= 0.12


def test_attention_tells_nearly_as_well(whisper_base: Path, dictated: Dictation) -> None:
    (found,) = _run(whisper_base, [_wav(dictated.samples)], by_phones=False)
    errors = _errors_s(found, dictated.words)
    assert np.median(errors) <= 0.08
    assert np.quantile(errors, 0.95) <= 0.25


def test_nothing_is_made_up_where_nobody_speaks(whisper_tiny_en: Path) -> None:
    recordings = [_wav(nonspeech(seed)) for seed in range(_NOISES)]
    found = _run(whisper_tiny_en, recordings, greedy=False)
    texts = ["".join(word.text for word in words) for words in found]
    assert [text for text in texts if text] == []


def test_recordings_are_written_alike_alone_and_together(
    whisper_tiny_en: Path, dictated: Dictation
) -> None:
    half = len(dictated.samples) // 2
    recordings = [_wav(dictated.samples[:half]), _wav(dictated.samples[half:])]
    together = _run(whisper_tiny_en, recordings, greedy=False)
    alone = [_run(whisper_tiny_en, [each], greedy=False)[0] for each in recordings]
    assert [[word.text for word in words] for words in together] == [
        [word.text for word in words] for words in alone
    ]


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_a_first_attempt_may_be_a_sample(
    whisper_tiny_en: Path, dictated: Dictation, temperature: float
) -> None:
    samples = dictated.samples[: 15 * RATE]
    (found,) = _run(whisper_tiny_en, [_wav(samples)], temperature=temperature)
    assert found
