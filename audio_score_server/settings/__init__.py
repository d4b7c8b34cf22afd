"""One frozen settings tree, from ``config.json``, the environment and command-line flags."""

from audio_score_server.settings.load import load_settings
from audio_score_server.settings.model import (
    AUXILIARY_KEY,
    AudioFeatures,
    FakeSettings,
    HiggsAudioSettings,
    HiggsRemoteSettings,
    ModelSettings,
    PhonesSettings,
    WhisperSettings,
)
from audio_score_server.settings.server import Settings

__all__ = [
    "AUXILIARY_KEY",
    "AudioFeatures",
    "FakeSettings",
    "HiggsAudioSettings",
    "HiggsRemoteSettings",
    "ModelSettings",
    "PhonesSettings",
    "Settings",
    "WhisperSettings",
    "load_settings",
]
