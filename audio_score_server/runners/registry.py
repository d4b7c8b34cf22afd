"""From a model's settings to its runner; heavy imports happen only for the types in use."""

from __future__ import annotations

from typing import Any

from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.protocol import Runner
from audio_score_server.settings import (
    FakeSettings,
    HiggsAudioSettings,
    ModelSettings,
    PhonesSettings,
    Settings,
    WhisperSettings,
)


def load_runner(model: ModelSettings, settings: Settings) -> Runner[Any]:
    """Load one model.

    Raises:
        ModelLoadError: with the cause in one line.
    """
    try:
        return _load(model, settings)
    except ModelLoadError:
        raise
    except Exception as error:
        # Libraries raise anything while loading; the server must go on without the model.
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ModelLoadError(f"{type(error).__name__}: {cause}") from error


def _load(model: ModelSettings, settings: Settings) -> Runner[Any]:
    match model:
        case PhonesSettings():
            from audio_score_server.runners.phones.runner import PhonesRunner

            return PhonesRunner(settings)
        case FakeSettings():
            from audio_score_server.runners.fake import FakeRunner

            return FakeRunner(model, settings)
        case WhisperSettings() | HiggsAudioSettings():
            raise ModelLoadError(
                f"this version has no runner for models of type {model.type!r} yet"
            )
