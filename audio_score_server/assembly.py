"""The one place where the concrete parts meet."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Placement
from audio_score_server.errors import ModelLoadError, NoModelError
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.protocol import Pipeline
from audio_score_server.references.flush import flush
from audio_score_server.references.library import scan
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.device import is_fatal, within_memory
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.service import Parts, ScoreService, ServiceLimits
from audio_score_server.settings import (
    FakeSettings,
    HiggsRemoteSettings,
    ModelSettings,
    PhonesSettings,
    Settings,
)
from audio_score_server.telemetry.metrics import Metrics, ModelState

_LOG = logging.getLogger(__name__)
_MakePipeline = Callable[[ThreadPoolExecutor, Metrics], Pipeline]


def build_service(settings: Settings, metrics: Metrics) -> ScoreService:
    """A service that will load what the settings name, and tell ``metrics`` of it."""
    threads = settings.cpu_threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(_model_threads(settings, threads))
    # Two batches' worth of clips: while one is on the device the next one is decoded.
    concurrency = 2 * settings.max_batch_size
    limits = ServiceLimits(settings.request_timeout_s, settings.canary_interval_s)
    service = ScoreService(partial(_load, settings, metrics), threads, concurrency, limits)
    metrics.watch(lambda: map(_state, service.pipelines()))
    return service


def _state(pipeline: Pipeline) -> ModelState:
    traffic = pipeline.traffic()
    return ModelState(
        model=pipeline.key,
        queue_length=traffic.waiting,
        queue_age_s=traffic.oldest_s,
        reference_hits=traffic.reference_hits,
        reference_misses=traffic.reference_misses,
    )


def _model_threads(settings: Settings, threads: int) -> int:
    """How many threads PyTorch's operations get.

    The phone encoder's are so small that threads waiting for each other cost more than they bring:
    half, and the pool decodes meanwhile. A Whisper pass takes a thousand times as long as decoding.
    """
    small = all(
        isinstance(each, PhonesSettings | FakeSettings) for each in settings.chosen_models()
    )
    return max(1, threads // 2) if small else threads


async def _load(settings: Settings, metrics: Metrics, pool: ThreadPoolExecutor) -> Parts:
    library = await asyncio.to_thread(scan, settings.video_clip_dir)
    made = await asyncio.to_thread(_load_models, settings)
    if not settings.disable_cache_flush:
        keys = [model.key for model in settings.models]
        await asyncio.to_thread(flush, settings.cache_dir, keys, library)
    return Parts(library, tuple(make(pool, metrics) for make in made))


def _load_models(settings: Settings) -> list[_MakePipeline]:
    """Every chosen model that can be loaded, in order.

    Raises:
        NoModelError: not one of them.
    """
    loader = Loader(settings)
    loaded = [_load_model(model, settings, loader) for model in settings.chosen_models()]
    made = [make for make in loaded if make is not None]
    if not made:
        keys = ", ".join(model.key for model in settings.chosen_models())
        raise NoModelError(f"None of the models could be loaded: {keys}. The lines above say why.")
    return made


def _load_model(model: ModelSettings, settings: Settings, loader: Loader) -> _MakePipeline | None:
    if model.only_on == "cuda" and not torch.cuda.is_available():
        _LOG.info("Model %s is left out: it is for machines with CUDA only.", model.key)
        return None
    started = time.monotonic()
    try:
        if isinstance(model, HiggsRemoteSettings):
            placement, make = _prepare_remote(model, settings)
        else:
            runner = loader.load(model)
            placement, make = runner.placement, partial(_local, model.key, runner, settings)
    except ModelLoadError as error:
        _LOG.warning("Model %s is left out: %s.", model.key, str(error).rstrip("."))
        _LOG.debug("How model %s failed to load:", model.key, exc_info=error)
        return None
    seconds = time.monotonic() - started
    _LOG.info("Model %s loaded %s in %.1f s.", model.key, _told(placement), seconds)
    return make


def _told(placement: Placement) -> str:
    """``on cpu as bfloat16 (241.7 million parameters, 461 MiB)``."""
    if not placement.parameters:
        return f"on {placement.device}"
    return (
        f"on {placement.device} as {placement.dtype} "
        f"({placement.parameters / 1e6:.1f} million parameters, {placement.size / 2**20:.0f} MiB)"
    )


def _prepare_remote(
    model: HiggsRemoteSettings, settings: Settings
) -> tuple[Placement, _MakePipeline]:
    # Imported here: the client library takes a while, and few servers need it.
    from audio_score_server.pipelines.remote import RemotePipeline
    from audio_score_server.remote.scorer import RemoteScorer

    scorer = RemoteScorer(model, os.environ)

    def make(pool: ThreadPoolExecutor, metrics: Metrics) -> Pipeline:
        metrics.announce(model.key)
        limits = _decode_limits(settings)
        return RemotePipeline(model.key, scorer, limits, settings.max_queue, pool)

    return Placement(scorer.host), make


def _local(
    key: str,
    runner: Runner[Any],
    settings: Settings,
    pool: ThreadPoolExecutor,
    metrics: Metrics,
) -> Pipeline:
    store = ReferenceStore(
        settings.cache_dir / key,
        (runner.fingerprint, _settings_fingerprint(settings)),
        int(settings.reference_memory_mib * 2**20),
    )
    batch_limits = BatchLimits(
        settings.max_batch_size, settings.max_batch_wait_ms / 1000, settings.max_batch_seconds
    )
    batcher = Batcher(key, within_memory(runner.run), batch_limits, settings.max_queue)
    batcher.is_fatal = is_fatal
    batcher.on_batch = lambda batch: metrics.observe_batch(
        key, batch.size, batch.audio_s, batch.device_s
    )
    metrics.announce(key)
    watched = settings.canary_interval_s > 0
    return LocalPipeline(key, runner, batcher, store, _decode_limits(settings), pool, watched)


def _decode_limits(settings: Settings) -> DecodeLimits:
    return DecodeLimits(
        settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
    )


def _settings_fingerprint(settings: Settings) -> str:
    """Changes with every setting that changes a reference, whatever the model."""
    relevant = f"target_sampling_rate={settings.target_sampling_rate}"
    return hashlib.sha256(relevant.encode()).hexdigest()[:16]
