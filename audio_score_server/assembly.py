"""The one place where the concrete parts meet."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.errors import ModelLoadError, NoModelError
from audio_score_server.pipeline import Pipeline
from audio_score_server.references.flush import flush
from audio_score_server.references.library import scan
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import load_runner
from audio_score_server.service import Parts, ScoreService
from audio_score_server.settings import ModelSettings, Settings

_LOG = logging.getLogger(__name__)


def build_service(settings: Settings) -> ScoreService:
    """A service that will load what the settings name."""
    threads = settings.cpu_threads or len(os.sched_getaffinity(0))
    # Half of the threads for the model: the pool decodes meanwhile, and threads that wait for each
    # other inside one small operation cost more than they bring.
    torch.set_num_threads(max(1, threads // 2))
    # Two batches' worth of clips: while one is on the device the next one is decoded.
    return ScoreService(partial(_load, settings), threads, 2 * settings.max_batch_size)


async def _load(settings: Settings, pool: ThreadPoolExecutor) -> Parts:
    runners = await asyncio.to_thread(_load_runners, settings)
    library = await asyncio.to_thread(scan, settings.video_clip_dir)
    if not settings.disable_cache_flush:
        keys = [model.key for model in settings.models]
        await asyncio.to_thread(flush, settings.cache_dir, keys, library)
    return Parts(
        library, tuple(_pipeline(key, runner, settings, pool) for key, runner in runners.items())
    )


def _load_runners(settings: Settings) -> dict[str, Runner[Any]]:
    """Every chosen model that can be loaded, in order.

    Raises:
        NoModelError: not one of them.
    """
    runners: dict[str, Runner[Any]] = {}
    for model in settings.chosen_models():
        runner = _load_runner(model, settings)
        if runner is not None:
            runners[model.key] = runner
    if not runners:
        keys = ", ".join(model.key for model in settings.chosen_models())
        raise NoModelError(f"None of the models could be loaded: {keys}. The lines above say why.")
    return runners


def _load_runner(model: ModelSettings, settings: Settings) -> Runner[Any] | None:
    if model.only_on == "cuda" and not torch.cuda.is_available():
        _LOG.info("Model %s is left out: it is for machines with CUDA only.", model.key)
        return None
    started = time.monotonic()
    try:
        runner = load_runner(model, settings)
    except ModelLoadError as error:
        _LOG.warning("Model %s is left out: %s.", model.key, str(error).rstrip("."))
        _LOG.debug("How model %s failed to load:", model.key, exc_info=error)
        return None
    _LOG.info(
        "Model %s loaded on %s in %.1f s.", model.key, runner.device, time.monotonic() - started
    )
    return runner


def _pipeline(
    key: str, runner: Runner[Any], settings: Settings, pool: ThreadPoolExecutor
) -> Pipeline:
    store = ReferenceStore(
        settings.cache_dir / key,
        (runner.fingerprint, _settings_fingerprint(settings)),
        int(settings.reference_memory_mib * 2**20),
    )
    limits = DecodeLimits(
        settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
    )
    batch_limits = BatchLimits(settings.max_batch_size, settings.max_batch_wait_ms / 1000)
    batcher = Batcher(key, runner.run, batch_limits)
    return Pipeline(key, runner, batcher, store, limits, pool)


def _settings_fingerprint(settings: Settings) -> str:
    """Changes with every setting that changes a reference, whatever the model."""
    relevant = f"target_sampling_rate={settings.target_sampling_rate}"
    return hashlib.sha256(relevant.encode()).hexdigest()[:16]
