"""The voices of Kokoro-82M: natural speech from phones, the same on every run.

Kokoro-82M (Apache-2.0) speaks in five Japanese styles, English too. Styles mix by weights, so that
there are as many voices as one wants.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from audio_score_server.audio.resample import resample
from audio_score_server.domain import FloatArray, Waveform

RATE: Final = 24_000
"""Samples a second."""
_THREADS: Final = 2


def models_folder() -> Path:
    """Where trained models for tests and demo are kept: Kokoro in its ``kokoro``."""
    told = os.environ.get("TEST_MODELS_DIR")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(told) if told else Path(caches) / "audio-score-server" / "test-models"


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who speaks.

    Attributes:
        styles: weights of the styles that are mixed; they need not add up to one.
        speed: over the usual one.
        raised: pitch and formants over the styles' own: 1.25 makes a child of a woman.
    """

    styles: Mapping[str, float]
    speed: float = 1.0
    raised: float = 1.0


class Kokoro:
    """The synthesiser, loaded from a folder with its model, styles and vocabulary."""

    def __init__(self, folder: Path) -> None:
        """Load ``model.onnx``, ``voices.npz`` and ``vocab.json``.

        Raises:
            OSError: a file is not there.
        """
        self._ids: dict[str, int] = json.loads((folder / "vocab.json").read_bytes())["vocab"]
        with np.load(folder / "voices.npz") as styles:
            self._styles: dict[str, FloatArray] = dict(styles)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        # Threads that wait in a loop take the time of whatever else runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        content = (folder / "model.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )

    @property
    def styles(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._styles)

    def say(self, phones: str, voice: Voice) -> FloatArray:
        """Speak in somebody's voice; phones, samples and errors as with ``speak``."""
        spoken = self.speak(phones, voice.styles, voice.speed / voice.raised)
        return resample(Waveform(spoken, round(RATE * voice.raised)), RATE).samples

    def speak(
        self, phones: str, style: str | Mapping[str, float], speed: float = 1.0
    ) -> FloatArray:
        """Speak.

        Args:
            phones: as ``training.spelling`` writes them, about 500 at most.
            style: the name of one, or weights of several that are mixed.
            speed: over the usual one.

        Returns:
            float32 ``[samples]`` of 24 kHz, with short silences around.

        Raises:
            KeyError: a phone or a style that Kokoro lacks.
        """
        tokens = [self._ids[phone] for phone in phones]
        weights = {style: 1.0} if isinstance(style, str) else style
        given = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._mixture(weights, len(tokens)),
            "speed": np.array([speed], np.float32),
        }
        (samples,) = self._session.run(None, given)
        return np.asarray(samples, np.float32).reshape(-1)

    def _mixture(self, weights: Mapping[str, float], length: int) -> FloatArray:
        """The styles of one length of text, ``[1, 256]``."""
        total = sum(weights.values())
        parts = [
            weight / total * self._styles[name][length - 1] for name, weight in weights.items()
        ]
        mixed: FloatArray = np.sum(parts, axis=0, dtype=np.float32)
        return mixed
