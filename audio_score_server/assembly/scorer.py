"""A service of one model, for a single recording: nothing is made ready that it does not need."""

from __future__ import annotations

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

from audio_score_server.assembly.models import PHONE_MODEL, Loaded, load_model
from audio_score_server.assembly.pipelines import Surroundings, build_pipelines
from audio_score_server.assembly.sharing import shared_entries
from audio_score_server.errors import NoModelError
from audio_score_server.library.clip import Library
from audio_score_server.library.sources import open_source
from audio_score_server.live_library import LiveLibrary
from audio_score_server.runners.registry import Loader
from audio_score_server.service import ScoreService
from audio_score_server.service_parts import Parts, ServiceLimits
from audio_score_server.settings import Settings
from audio_score_server.telemetry.metrics import Metrics


def build_scorer(settings: Settings, key: str | None) -> ScoreService:
    """A service that will load one model, and the phone encoder that helps it.

    It scores as a server with these settings does. Of the library it encodes the cohort and what it
    is asked for, where the cache lacks them; nothing of the cache goes.

    Args:
        settings: name the model, the clips and the cache.
        key: of the model; None for the first that can be loaded.
    """
    threads = settings.cpu_threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    limits = ServiceLimits(math.inf, 0.0)
    load = partial(_load, settings.model_copy(update={"canary_interval_s": 0.0}), key)
    return ScoreService(load, threads, 2 * settings.max_batch_size, limits)


async def _load(settings: Settings, key: str | None, pool: ThreadPoolExecutor) -> Parts:
    source = open_source(settings)
    library = await asyncio.to_thread(source.library)
    loaded = await asyncio.to_thread(_loaded, settings, key)
    around = Surroundings(settings, pool, Metrics(), ahead=False, shared=shared_entries(settings))
    live = LiveLibrary(source, library, _keep)
    return build_pipelines(loaded, live, around)


def _keep(library: Library) -> None:
    """The cache is the server's to look after."""


def _loaded(settings: Settings, key: str | None) -> list[Loaded]:
    """The model, and after it the phone model that helps it.

    Raises:
        NoModelError: there is no such model, or it cannot be loaded.
    """
    loader = Loader(settings)
    chosen = settings.chosen_models()
    candidates = [model for model in chosen if key in (None, model.key)]
    own = next(
        (each for model in candidates if (each := load_model(model, settings, loader))), None
    )
    if own is None:
        keys = ", ".join(model.key for model in chosen)
        raise NoModelError(
            f"None of the models could be loaded: {keys}. The lines above say why."
            if candidates
            else f"There is no model {key!r}; the settings have: {keys}."
        )
    if not own.model.gains_by_phones:
        return [own]
    # One of the settings' own, if there is any, so that the server's cache serves here.
    phones = next((model for model in chosen if model.hears_phones), PHONE_MODEL)
    helper = load_model(phones, settings, loader)
    return [own, helper] if helper else [own]
