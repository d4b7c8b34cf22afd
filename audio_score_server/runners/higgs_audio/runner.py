"""A Higgs-Audio checkpoint as a runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from audio_score_server.domain import Encoding, FloatArray, Transcript, Utterance, Waveform
from audio_score_server.errors import ModelLoadError
from audio_score_server.language.languages import Language
from audio_score_server.runners.higgs_audio.tower import Tower
from audio_score_server.runners.whisper.checkpoint import WhisperCheckpoint
from audio_score_server.runners.whisper.encoding import (
    compatibility_warning,
    encoding,
    noise,
    tasks,
)
from audio_score_server.runners.whisper.frontend import LogMel
from audio_score_server.runners.whisper.windowed_encoder import (
    POSITIONS_A_SECOND,
    Recording,
    WindowedEncoder,
)
from audio_score_server.runners.whisper.windows import window_lengths
from audio_score_server.settings import HiggsAudioSettings, Settings

_RECIPE: Final = "higgs-audio-2"
"""Changes with the front end, the cutting, the features or the decoding."""
_FEATURES_A_SECOND: Final = 25


@dataclass(frozen=True, slots=True)
class TwofoldRecording:
    """One recording as the tower takes it, and as the transcriber does."""

    tower: Recording
    transcriber: Recording


class HiggsAudioRunner:
    """Features of the audio tower, transcripts of a Whisper checkpoint."""

    phone_language: Language | None = None

    def __init__(
        self,
        model: HiggsAudioSettings,
        settings: Settings,
        tower: Tower,
        filters: FloatArray,
        transcriber: WhisperCheckpoint,
    ) -> None:
        """Make a runner of loaded parts; ``filters``: mel filters ``[201, bands]`` of the tower.

        Raises:
            ModelLoadError: the parts do not fit together.
        """
        transcriber.transcriber.vocabulary.check_language(model.language)
        if filters.shape[1] != tower.bands:
            raise ModelLoadError(
                f"the audio tower takes {tower.bands} mel bands, {model.processor_id} makes "
                f"{filters.shape[1]}; name another processor_id"
            )
        self._model = model
        self._most = settings.max_batch_size
        self._transcriber = transcriber
        self.recognizer = transcriber.recognizer()
        self._tower_ear, self._ear = self._windowed_encoders(tower, filters)
        self.info = replace(
            tower.info,
            parameters=tower.info.parameters + transcriber.info.parameters,
            size=tower.info.size + transcriber.info.size,
        )
        parts = (tower.fingerprint, transcriber.fingerprint, model.encoder_window_s)
        self.fingerprint = ":".join(
            map(str, (_RECIPE, *parts, model.max_new_tokens, model.language))
        )

    def prepare(self, waveform: Waveform) -> TwofoldRecording:
        """Parts of at most a window, as log-mel spectrograms (on CUDA as samples)."""
        return TwofoldRecording(self._tower_ear.prepare(waveform), self._ear.prepare(waveform))

    def expected(self, text: str) -> Transcript:
        """The text as it stands, in the language that is set."""
        return Transcript(text, "word", self._model.language)

    def compatibility_warning(self, texts: Sequence[str]) -> str | None:
        """That of the transcriber."""
        return compatibility_warning(self._transcriber.transcriber, texts)

    @torch.inference_mode()
    def run(self, utterances: Sequence[Utterance[TwofoldRecording]]) -> list[Encoding]:
        """One pass of the tower and one of the transcriber's encoder; then all transcripts."""
        heard = self._tower_ear.encode([each.features.tower for each in utterances], self._most)
        with self._transcriber.lock:
            spoken = self._ear.encode(
                [each.features.transcriber for each in utterances], self._most
            )
            written = self._transcriber.transcriber.transcribe(
                tasks(utterances, spoken, self._model.language), self._model.max_new_tokens
            )
        return [encoding(*each) for each in zip(utterances, heard, written, strict=True)]

    def warm_up(self) -> None:
        """Capture what will be replayed, and run a second of noise through."""
        with self._transcriber.lock, torch.inference_mode():
            self._transcriber.transcriber.capture(self._ear.positions)
        self.run([Utterance(self.prepare(noise()), self.expected("one two"))])

    def close(self) -> None:
        """Let go of the weights, of which other models may still use the transcriber's."""
        del self._tower_ear, self._ear, self._transcriber, self.recognizer

    def _windowed_encoders(
        self, tower: Tower, filters: FloatArray
    ) -> tuple[WindowedEncoder, WindowedEncoder]:
        def encode(mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = tower.encode(mel)
            return features, features

        window = self._model.encoder_window_s
        transcriber = self._transcriber
        windows_s = window_lengths(window, tower.encoder.longest / POSITIONS_A_SECOND)
        log_mel = LogMel(filters, transcriber.log_mel.device)
        dtype, workers = tower.precision.dtype, transcriber.workers
        return (
            WindowedEncoder(log_mel, encode, dtype, windows_s, _FEATURES_A_SECOND, workers),
            transcriber.windowed_encoder(window),
        )
