"""From settings to loaded models; what cannot be loaded is told and left out."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Any, Final

import torch

from audio_score_server.domain import ModelInfo
from audio_score_server.errors import ModelLoadError, NoModelError
from audio_score_server.runners.registry import Loader
from audio_score_server.settings import (
    AUXILIARY_KEY,
    HiggsRemoteSettings,
    ModelSettings,
    PhonesSettings,
    Settings,
)

_LOG = logging.getLogger(__name__)
PHONE_MODEL: Final = PhonesSettings(key=AUXILIARY_KEY, type="phones")
"""What helps models that hear words, where no model that hears phones is chosen."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model's settings, and its runner or remote scorer."""

    model: ModelSettings
    part: Any


def load_models(settings: Settings) -> list[Loaded]:
    """Every chosen model that can be loaded, in order; last a phone model that only others need.

    Raises:
        NoModelError: not one of them.
    """
    loader = Loader(settings)
    chosen = settings.chosen_models()
    loaded = [each for model in chosen if (each := load_model(model, settings, loader))]
    if not loaded:
        keys = ", ".join(model.key for model in chosen)
        raise NoModelError(f"None of the models could be loaded: {keys}. The lines above say why.")
    if phone_model_wanted(settings):
        phone_model = load_model(PHONE_MODEL, settings, loader)
        loaded += [phone_model] if phone_model else []
    return loaded


def phone_model_wanted(settings: Settings) -> bool:
    """Whether a model has use for phones and none that hears them is chosen."""
    chosen = settings.chosen_models()
    useful = any(model.gains_by_phones for model in chosen)
    return useful and not any(model.hears_phones for model in chosen)


def load_model(model: ModelSettings, settings: Settings, loader: Loader) -> Loaded | None:
    """Load one model; None where it cannot be, which the log then tells."""
    if model.only_on == "cuda" and not torch.cuda.is_available():
        _LOG.info("Model %s is left out: it is for machines with CUDA only.", model.key)
        return None
    started = time.monotonic()
    try:
        if isinstance(model, HiggsRemoteSettings):
            part = _load_remote(model)
            info = ModelInfo(part.host)
        else:
            part = loader.load(model)
            info = part.info
    except ModelLoadError as error:
        _LOG.warning("Model %s is left out: %s.", model.key, str(error).rstrip("."))
        _LOG.debug("How model %s failed to load:", model.key, exc_info=error)
        return None
    seconds = time.monotonic() - started
    _LOG.info("Model %s loaded %s in %.1f s.", model.key, _described(info), seconds)
    return Loaded(model, part)


def _described(info: ModelInfo) -> str:
    """``on cpu as bfloat16 (241.7 million parameters, 461 MiB)``."""
    if not info.parameters:
        return f"on {info.device}"
    return (
        f"on {info.device} as {info.dtype} "
        f"({info.parameters / 1e6:.1f} million parameters, {info.size / 2**20:.0f} MiB)"
    )


def _load_remote(model: HiggsRemoteSettings) -> Any:
    # Imported here: the client library takes a while, and few servers need it.
    from audio_score_server.remote.scorer import RemoteScorer

    return RemoteScorer(model, os.environ)
