"""A recording of any length to segments with word times: a recogniser's path.

A stream of sound is cut into windows while it is decoded; windows of all requests are written down
together; words get their times from the phone model where it knows the language, else from the
recogniser's attention.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Final

import numpy as np

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.audio.stream import SoundStream, stream
from audio_score_server.audio.vad import VAD_RATE, VAD_STEP, VoiceActivityDetector
from audio_score_server.batching import Batcher
from audio_score_server.domain import Transcript, Waveform
from audio_score_server.errors import UnsupportedLanguage, shortened
from audio_score_server.language.languages import LANGUAGES
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.parts import LocalParts
from audio_score_server.pipelines.protocol import TranscriptionOptions, TranscriptPart
from audio_score_server.pipelines.threads import run_in
from audio_score_server.runners.protocol import Recognizer
from audio_score_server.transcription.recognition import (
    Recognition,
    RecognitionTask,
    RecognizedWord,
)
from audio_score_server.transcription.segmentation import Segmenter
from audio_score_server.transcription.timing import (
    Times,
    timed,
    times_by_attention,
    times_by_phones,
)
from audio_score_server.transcription.windowing import Window, Windowing
from audio_score_server.transcription.words import TimedWord

_AHEAD: Final = 2
"""Batches of windows of one request that may be under way at once."""
_KEPT_WORDS: Final = 20_000
"""Whose phones are remembered: guessing those of one unknown word takes 26 ms."""
_TRUSTED: Final = 0.5
"""Temperature above which a transcript is not gone on from, as in Whisper's own recipe."""


@dataclass(frozen=True, slots=True)
class RecognitionParts:
    """What writing down takes.

    Attributes:
        recognizer: of a loaded model.
        encoder: has it encode windows.
        batcher: has it write them down.
        limits: of recordings; the rate is the detector's.
        language: code, where the model is set to one.
    """

    recognizer: Recognizer[Any]
    encoder: Batcher[Any, Any]
    batcher: Batcher[RecognitionTask[Any], Recognition]
    limits: DecodeLimits
    language: str | None


@dataclass(frozen=True, slots=True)
class _Written:
    """A window written down."""

    window: Window
    recognition: Recognition
    words: list[TimedWord]


class TranscribingPipeline(LocalPipeline):
    """A local model that writes recordings down besides."""

    def __init__(
        self, parts: LocalParts, phone_model: LocalPipeline | None, recognition: RecognitionParts
    ) -> None:
        """``recognition``: how it writes; the rest is as for any local model."""
        super().__init__(parts, phone_model)
        self._recognition = recognition
        for each in (recognition.encoder, recognition.batcher):
            each.on_death = lambda error: self.on_death(error)

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that the model knows."""
        return self._recognition.recognizer.languages

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        await self._recognition.encoder.close()
        await self._recognition.batcher.close()
        await super().close()

    async def transcribe(
        self, file: BinaryIO, options: TranscriptionOptions
    ) -> AsyncGenerator[TranscriptPart, None]:
        """See ``TranscriptionModel.transcribe``."""
        self._check_language(options.language)
        source = await run_in(self._pool, _Source, file, self._recognition, options.vad_filter)
        segmenter = Segmenter()
        language = options.language or self._recognition.language or self._only_language()
        under_way: deque[asyncio.Task[_Written]] = deque()
        last: _Written | None = None
        try:
            while True:
                ahead = self._ahead(options, language)
                while len(under_way) < ahead and (window := await source.next(self._pool)):
                    written = self._write(window, options, language, _prompt(options, last))
                    under_way.append(asyncio.create_task(written))
                if not under_way:
                    break
                last = await under_way.popleft()
                language = language or last.recognition.language
                segments = tuple(segmenter.feed(last.words))
                yield TranscriptPart(segments, language, last.window.end, source.stated_s)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            source.close()
        yield TranscriptPart(tuple(segmenter.finish()), language, source.heard_s, source.heard_s)

    def _check_language(self, language: str | None) -> None:
        if language is not None and language not in self.languages:
            raise UnsupportedLanguage(
                f"Model {self.key!r} does not know the language {shortened(language)!r}; it knows: "
                f"{', '.join(self.languages)}."
            )

    def _only_language(self) -> str | None:
        """Of a model that knows but one."""
        return self.languages[0] if len(self.languages) == 1 else None

    def _ahead(self, options: TranscriptionOptions, language: str | None) -> int:
        """How many windows may be under way: one where the next depends on it."""
        if options.condition_on_previous_text or language is None:
            return 1
        return _AHEAD * self._recognition.recognizer.batch_size

    async def _write(
        self, window: Window, options: TranscriptionOptions, language: str | None, prompt: str
    ) -> _Written:
        waveform = Waveform(window.samples, window.sampling_rate)
        by_phones = self._phone_model is not None and language in LANGUAGES
        with (
            self._recognition.encoder.admit(bounded=False) as first,
            self._recognition.batcher.admit(bounded=False) as ticket,
        ):
            prepared = await run_in(self._pool, self._recognition.recognizer.prepare, waveform)
            task = RecognitionTask(
                (await first.submit(prepared, window.seconds)).result,
                window.seconds,
                language,
                prompt,
                options.beam_size,
                options.temperature,
                word_times=not by_phones,
            )
            recognition = (await ticket.submit(task, window.seconds)).result
        words = recognition.words
        times = times_by_attention(words)
        if self._phone_model is not None and recognition.language in LANGUAGES and words:
            times = await self._times(self._phone_model, recognition.language, words, waveform)
        return _Written(window, recognition, timed(words, times, window))

    async def _times(
        self,
        phone_model: LocalPipeline,
        language: str,
        words: Sequence[RecognizedWord],
        waveform: Waveform,
    ) -> list[Times]:
        """By the phones of each word."""
        spoken = await run_in(self._pool, _phones_of, language, words)
        phones = " ".join(phone for word in spoken for phone in word)
        if not phones:
            return [None] * len(words)
        encoding = await phone_model.encode_against(Transcript(phones, "phone"), waveform)
        if encoding.alignment is None:
            return [None] * len(words)
        return times_by_phones(spoken, encoding.alignment, encoding.features.frame_rate_hz)


class _Source:
    """Windows of a recording, one by one, while it is decoded."""

    def __init__(self, file: BinaryIO, recognition: RecognitionParts, vad_filter: bool) -> None:
        sound = stream(file, recognition.limits)
        self.stated_s = sound.seconds
        self.heard_s = 0.0
        longest_s = recognition.recognizer.longest_s
        self._windows = self._cut(
            sound, Windowing(VAD_RATE, VAD_STEP, longest_s, whole=not vad_filter)
        )

    async def next(self, pool: ThreadPoolExecutor) -> Window | None:
        """The next one; None when the recording has ended."""
        return await run_in(pool, next, self._windows, None)

    def close(self) -> None:
        """Let go of the file."""
        self._windows.close()

    def _cut(self, sound: SoundStream, windowing: Windowing) -> Generator[Window, None, None]:
        detector = VoiceActivityDetector()
        for samples in sound.blocks:
            self.heard_s += len(samples) / sound.sampling_rate
            yield from windowing.feed(samples, detector.feed(samples))
        yield from windowing.feed(np.zeros(0, np.float32), detector.finish())
        yield from windowing.finish()


def _prompt(options: TranscriptionOptions, last: _Written | None) -> str:
    """What a window goes on from."""
    recognition = None if last is None else last.recognition
    if not options.condition_on_previous_text or recognition is None:
        return options.prompt
    return recognition.text if recognition.temperature <= _TRUSTED else ""


def _phones_of(language: str, words: Sequence[RecognizedWord]) -> list[tuple[str, ...]]:
    """Of every word."""
    return [_pronounced(language, word.text.strip()) for word in words]


@lru_cache(_KEPT_WORDS)
def _pronounced(language: str, word: str) -> tuple[str, ...]:
    return tuple(phone for spoken in LANGUAGES[language].pronounce(word) for phone in spoken.phones)
