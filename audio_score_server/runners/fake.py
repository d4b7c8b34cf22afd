"""A stand-in without weights: deterministic, instant or as slow as asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from audio_score_server.domain import (
    EncoderFeatures,
    Encoding,
    FloatArray,
    ModelInfo,
    Transcript,
    Utterance,
    Waveform,
)
from audio_score_server.language.languages import Language
from audio_score_server.settings import FakeSettings, Settings
from audio_score_server.transcription.recognition import (
    Recognition,
    RecognitionTask,
    RecognizedWord,
)

_BANDS: Final = 16
_FRAME_S: Final = 0.02
_QUIET: Final = 1e-3


class FakeRecognizer:
    """Writes down the same "words" as the runner, and when they are said."""

    longest_s = 30.0
    batch_size = encoded_at_once = 8
    languages = ("en",)

    def __init__(self, model: FakeSettings) -> None:
        self._batch_s = model.batch_ms / 1000
        self._recording_s = model.recording_ms / 1000

    def prepare(self, waveform: Waveform) -> FloatArray:
        """As the runner."""
        return _bands(waveform)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """As they are."""
        return list(windows)

    def recognize(self, tasks: Sequence[RecognitionTask[FloatArray]]) -> list[Recognition]:
        """Occupy the device for the time asked, then answer."""
        time.sleep(self._batch_s + self._recording_s * len(tasks))
        return [
            Recognition(_words(task.features), task.language or "en", 1.0, 0.0, 0.0, 0.0)
            for task in tasks
        ]


class FakeRunner:
    """Hears the loudness of sixteen frequency bands, and "words" named after the loudest ones."""

    phone_language: Language | None = None

    def __init__(self, model: FakeSettings, settings: Settings) -> None:
        self._batch_s = model.batch_ms / 1000
        self._recording_s = model.recording_ms / 1000
        self.fingerprint = f"fake-1:{settings.target_sampling_rate}"
        self.info = ModelInfo("cpu")
        self.recognizer = FakeRecognizer(model)

    def prepare(self, waveform: Waveform) -> FloatArray:
        """Band amplitudes ``[frames, 16]``, 20 ms apart."""
        return _bands(waveform)

    def expected(self, text: str) -> Transcript:
        """The text as it stands."""
        return Transcript(text, "word")

    def compatibility_warning(self, texts: Sequence[str]) -> str | None:
        """None: it hears nothing of the language."""
        return None

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        """Occupy the device for the time asked, then answer."""
        time.sleep(self._batch_s + self._recording_s * len(utterances))
        encodings = [_encoding(utterance.features) for utterance in utterances]
        return [
            replace(encoding, others=(encoding,) * len(utterance.others))
            for encoding, utterance in zip(encodings, utterances, strict=True)
        ]

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to give up."""


def _bands(waveform: Waveform) -> FloatArray:
    window = int(waveform.sampling_rate * _FRAME_S)
    count = max(1, len(waveform.samples) // window)
    padded = np.resize(waveform.samples, count * window).reshape(count, window)
    spectrum = np.abs(np.fft.rfft(padded, axis=1))[:, 1:]
    bands = np.array_split(spectrum, _BANDS, axis=1)
    return np.stack([band.mean(axis=1) for band in bands], axis=1).astype(np.float32)


def _words(bands: FloatArray) -> tuple[RecognizedWord, ...]:
    """A word wherever the loudest band changes, until the next one."""
    spoken = bands.mean(axis=1) > _QUIET
    loudest = np.where(spoken, bands.argmax(axis=1), -1)
    changes = [*np.flatnonzero(np.diff(loudest, prepend=-1)).tolist(), len(loudest)]
    return tuple(
        RecognizedWord(f" band{loudest[start]}", 1.0, start * _FRAME_S, stop * _FRAME_S)
        for start, stop in pairwise(changes)
        if loudest[start] >= 0
    )


def _encoding(bands: FloatArray) -> Encoding:
    speech = bands.mean(axis=1) > _QUIET
    loudest = bands[speech].argmax(axis=1)
    changes = np.flatnonzero(np.diff(loudest, prepend=-1))
    text = " ".join(f"band{loudest[index]}" for index in changes)
    return Encoding(
        EncoderFeatures(bands, speech.astype(np.float32), 1 / _FRAME_S),
        Transcript(text, "word"),
        evidence=None,
    )
