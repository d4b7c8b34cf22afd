"""From a model's settings to its runner; heavy imports happen only for the types in use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_score_server.checkpoints.locate import locate
from audio_score_server.checkpoints.required import (
    Checkpoint,
    higgs_audio_checkpoints,
    whisper_checkpoints,
)
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.protocol import Runner
from audio_score_server.settings import (
    FakeSettings,
    HiggsAudioSettings,
    PhonesSettings,
    Settings,
    WhisperSettings,
)

if TYPE_CHECKING:
    from audio_score_server.runners.whisper.checkpoint import WhisperCheckpoint

_LOG = logging.getLogger(__name__)
LocalSettings = PhonesSettings | WhisperSettings | HiggsAudioSettings | FakeSettings


class Loader:
    """Loads models one by one; what two of them need is loaded once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._whispers: dict[tuple[object, ...], WhisperCheckpoint] = {}

    def load(self, model: LocalSettings) -> Runner[Any]:
        """Load one model.

        Raises:
            ModelLoadError: with the cause in one line.
        """
        try:
            runner = self._load(model)
            _give_back_memory()
            return runner
        except ModelLoadError:
            raise
        except Exception as error:
            # Libraries raise anything while loading; the server must go on without the model.
            cause = " ".join(str(error).split()) or type(error).__name__
            raise ModelLoadError(f"{type(error).__name__}: {cause}") from error

    def _load(self, model: LocalSettings) -> Runner[Any]:
        match model:
            case PhonesSettings():
                from audio_score_server.runners.phones.runner import PhonesRunner

                return PhonesRunner(self._settings)
            case FakeSettings():
                from audio_score_server.runners.fake import FakeRunner

                return FakeRunner(model, self._settings)
            case WhisperSettings():
                return self._load_whisper(model)
            case HiggsAudioSettings():
                return self._load_higgs_audio(model)

    def _load_whisper(self, model: WhisperSettings) -> Runner[Any]:
        checkpoint = self._whisper(*whisper_checkpoints(model), model)
        from audio_score_server.runners.whisper.runner import WhisperRunner

        return WhisperRunner(model, self._settings, checkpoint)

    def _load_higgs_audio(self, model: HiggsAudioSettings) -> Runner[Any]:
        tower, extractor, transcriber = higgs_audio_checkpoints(model)
        folders = self._folder(tower), self._folder(extractor)
        whisper = self._whisper(transcriber, transcriber, model)
        from audio_score_server.runners.higgs_audio.runner import HiggsAudioRunner
        from audio_score_server.runners.higgs_audio.tower import load_tower
        from audio_score_server.runners.whisper.checkpoint import mel_filters

        return HiggsAudioRunner(
            model,
            self._settings,
            load_tower(folders[0], whisper.log_mel.device, whisper.precision),
            mel_filters(folders[1]),
            whisper,
        )

    def _whisper(
        self,
        weights: Checkpoint,
        processor: Checkpoint,
        model: WhisperSettings | HiggsAudioSettings,
    ) -> WhisperCheckpoint:
        """The checkpoint on its device, loaded when it is first asked for."""
        # Files before imports: where they cannot be had, the seconds of the latter are saved.
        folders = self._folder(weights), self._folder(processor)
        from audio_score_server.runners.device import choose_device, limit_memory_pools
        from audio_score_server.runners.precision import choose_precision
        from audio_score_server.runners.whisper.checkpoint import load_whisper

        limit_memory_pools()
        device = choose_device(model.device or self._settings.device)
        precision = choose_precision(model.dtype, device)
        known = (*folders, device, precision)
        if known not in self._whispers:
            rows = self._settings.max_batch_size
            if precision.reason:
                _LOG.info("Model %s computes in %s: %s.", model.key, precision, precision.reason)
            self._whispers[known] = load_whisper(*folders, device, precision, rows)
        return self._whispers[known]

    def _folder(self, checkpoint: Checkpoint) -> Path:
        return locate(checkpoint, self._settings.models_dir)


def _give_back_memory() -> None:
    # Imported here: it imports torch.
    from audio_score_server.runners.device import give_back_memory
    from audio_score_server.runners.library_pages import release_library_pages

    give_back_memory()
    release_library_pages()


def load_runner(model: LocalSettings, settings: Settings) -> Runner[Any]:
    """Load a single model.

    Raises:
        ModelLoadError: with the cause in one line.
    """
    return Loader(settings).load(model)
