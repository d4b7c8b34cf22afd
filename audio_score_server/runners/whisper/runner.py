"""A Whisper checkpoint as a runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.language.languages import Language
from audio_score_server.runners.whisper.checkpoint import WhisperCheckpoint
from audio_score_server.runners.whisper.encoding import (
    compatibility_warning,
    encoding,
    noise,
    tasks,
)
from audio_score_server.runners.whisper.windowed_encoder import Recording
from audio_score_server.settings import Settings, WhisperSettings

_RECIPE: Final = "whisper-2"
"""Changes with the front end, the cutting, the features or the decoding."""


class WhisperRunner:
    """Hidden states of the encoder, and the decoder's transcript."""

    phone_language: Language | None = None

    def __init__(
        self, model: WhisperSettings, settings: Settings, checkpoint: WhisperCheckpoint
    ) -> None:
        """Make a runner of a loaded checkpoint.

        Raises:
            ModelLoadError: a setting does not suit the checkpoint.
        """
        checkpoint.transcriber.vocabulary.check_language(model.language)
        self._model = model
        self._most = settings.max_batch_size
        self._checkpoint = checkpoint
        self._ear = checkpoint.windowed_encoder(model.encoder_window_s, model.layer)
        self.info = checkpoint.info
        self.recognizer = checkpoint.recognizer()
        parts = (checkpoint.fingerprint, model.layer, model.encoder_window_s, model.max_new_tokens)
        self.fingerprint = ":".join(map(str, (_RECIPE, *parts, model.language)))

    def prepare(self, waveform: Waveform) -> Recording:
        """Parts of at most a window, as log-mel spectrograms (on CUDA as samples)."""
        return self._ear.prepare(waveform)

    def expected(self, text: str) -> Transcript:
        """The text as it stands, in the language that is set."""
        return Transcript(text, "word", self._model.language)

    def compatibility_warning(self, texts: Sequence[str]) -> str | None:
        """None but for checkpoints that were trained on English alone."""
        return compatibility_warning(self._checkpoint.transcriber, texts)

    @torch.inference_mode()
    def run(self, utterances: Sequence[Utterance[Recording]]) -> list[Encoding]:
        """One encoder pass for each part, then all transcripts together."""
        with self._checkpoint.lock:
            heard = self._ear.encode([each.features for each in utterances], self._most)
            written = self._checkpoint.transcriber.transcribe(
                tasks(utterances, heard, self._model.language), self._model.max_new_tokens
            )
        return [encoding(*each) for each in zip(utterances, heard, written, strict=True)]

    def warm_up(self) -> None:
        """Capture what will be replayed, and run a second of noise through."""
        with self._checkpoint.lock, torch.inference_mode():
            self._checkpoint.transcriber.capture(self._ear.positions)
        self.run([Utterance(self.prepare(noise()), self.expected("one two"))])

    def close(self) -> None:
        """Let go of the checkpoint, which other models may still use."""
        del self._checkpoint, self._ear, self.recognizer
