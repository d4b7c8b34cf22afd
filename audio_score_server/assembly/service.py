"""A service of the models that the settings name."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import torch

from audio_score_server.assembly.models import PHONE_MODEL, load_models, phone_model_wanted
from audio_score_server.assembly.pipelines import Surroundings, build_pipelines
from audio_score_server.assembly.sharing import shared_entries
from audio_score_server.library.clip import ClipSource, Library
from audio_score_server.library.errors import LibraryUnavailable
from audio_score_server.library.sources import open_source
from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines.batch_protocol import BatchScorer
from audio_score_server.pipelines.protocol import Model
from audio_score_server.references.prune import prune
from audio_score_server.service import ScoreService
from audio_score_server.service_parts import Parts, ServiceLimits
from audio_score_server.settings import Settings
from audio_score_server.telemetry.metrics import Metrics, ModelState

_LOG = logging.getLogger(__name__)
_YOUNG_S: Final = 60.0


def build_service(settings: Settings, metrics: Metrics) -> ScoreService:
    """A service that will load what the settings name, and tell ``metrics`` of it."""
    threads = settings.cpu_threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(_model_threads(settings, threads))
    # Two batches' worth of clips: while one is on the device the next one is decoded.
    concurrency = 2 * settings.max_batch_size
    limits = ServiceLimits(settings.request_timeout_s, settings.canary_interval_s)
    service = ScoreService(partial(_load, settings, metrics), threads, concurrency, limits)
    metrics.watch(lambda: map(_state, service.models()))
    return service


def _library(source: ClipSource) -> Library:
    """The clips there are; none, for now, where they cannot be read."""
    try:
        return source.library()
    except LibraryUnavailable as error:
        _LOG.warning("%s", error)
        return Library([])


def _flush(settings: Settings, library: Library, min_age_s: float = 0.0) -> None:
    """Remove what is cached of clips and models that are gone."""
    if settings.disable_cache_flush:
        return
    keys = [model.key for model in settings.models]
    if phone_model_wanted(settings):
        keys.append(PHONE_MODEL.key)
    prune(settings.cache_dir, keys, library, min_age_s)


def _state(model: Model) -> ModelState:
    traffic = model.traffic()
    return ModelState(
        model=model.key,
        queue_length=traffic.waiting,
        queue_age_s=traffic.oldest_s,
        reference_hits=traffic.reference_hits,
        reference_misses=traffic.reference_misses,
        searchable_clips=model.indexed if isinstance(model, BatchScorer) else 0,
    )


def _model_threads(settings: Settings, threads: int) -> int:
    """How many threads PyTorch's operations get.

    The phone encoder's are so small that threads waiting for each other cost more than they bring:
    half, and the pool decodes meanwhile. A Whisper pass takes a thousand times as long as decoding.
    """
    small = all(model.is_small for model in settings.chosen_models())
    return max(1, threads // 2) if small else threads


async def _load(settings: Settings, metrics: Metrics, pool: ThreadPoolExecutor) -> Parts:
    source = open_source(settings)
    shared = shared_entries(settings)
    library = await asyncio.to_thread(_library, source)
    loaded = await asyncio.to_thread(load_models, settings)
    flush = partial(_flush, settings)
    await asyncio.to_thread(flush, library)
    live = LiveLibrary(source, library, partial(flush, min_age_s=_YOUNG_S))
    return build_pipelines(loaded, live, Surroundings(settings, pool, metrics, shared=shared))
