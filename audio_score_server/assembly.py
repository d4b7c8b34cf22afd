"""The one place where the concrete parts meet."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Encoding, ModelInfo, Utterance
from audio_score_server.errors import ModelLoadError, NoModelError
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.options import LocalOptions
from audio_score_server.pipelines.protocol import Model, Scorer
from audio_score_server.references.clips import Library
from audio_score_server.references.folder import FolderSource
from audio_score_server.references.prune import prune
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.device import is_fatal, within_memory
from audio_score_server.runners.finite import finite
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.service import Parts, ScoreService, ServiceLimits
from audio_score_server.settings import (
    AUXILIARY_KEY,
    HiggsRemoteSettings,
    ModelSettings,
    PhonesSettings,
    Settings,
)
from audio_score_server.telemetry.metrics import Metrics, ModelState

_LOG = logging.getLogger(__name__)
_PHONE_MODEL: Final = PhonesSettings(key=AUXILIARY_KEY, type="phones")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model's settings, and its runner or remote scorer."""

    model: ModelSettings
    part: Any


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What every pipeline is given."""

    settings: Settings
    pool: ThreadPoolExecutor
    metrics: Metrics


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


def _state(model: Model) -> ModelState:
    traffic = model.traffic()
    return ModelState(
        model=model.key,
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
    small = all(model.is_small for model in settings.chosen_models())
    return max(1, threads // 2) if small else threads


async def _load(settings: Settings, metrics: Metrics, pool: ThreadPoolExecutor) -> Parts:
    source = FolderSource(settings.video_clip_dir)
    library = await asyncio.to_thread(source.library)
    loaded = await asyncio.to_thread(_load_models, settings)
    if not settings.disable_cache_flush:
        keys = [model.key for model in settings.models]
        if _phone_model_wanted(settings):
            keys.append(_PHONE_MODEL.key)
        await asyncio.to_thread(prune, settings.cache_dir, keys, library)
    return _pipelines(loaded, library, _Surroundings(settings, pool, metrics))


def _load_models(settings: Settings) -> list[_Loaded]:
    """Every chosen model that can be loaded, in order; last a phone model that only others need.

    Raises:
        NoModelError: not one of them.
    """
    loader = Loader(settings)
    chosen = settings.chosen_models()
    loaded = [each for model in chosen if (each := _load_model(model, settings, loader))]
    if not loaded:
        keys = ", ".join(model.key for model in chosen)
        raise NoModelError(f"None of the models could be loaded: {keys}. The lines above say why.")
    if _phone_model_wanted(settings):
        phone_model = _load_model(_PHONE_MODEL, settings, loader)
        loaded += [phone_model] if phone_model else []
    return loaded


def _phone_model_wanted(settings: Settings) -> bool:
    """Whether a model has use for phones and none that hears them is chosen."""
    chosen = settings.chosen_models()
    useful = any(model.gains_by_phones for model in chosen)
    return useful and not any(model.hears_phones for model in chosen)


def _load_model(model: ModelSettings, settings: Settings, loader: Loader) -> _Loaded | None:
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
    return _Loaded(model, part)


def _pipelines(loaded: list[_Loaded], library: Library, around: _Surroundings) -> Parts:
    """A pipeline for each model; the first that hears phones helps the others."""
    phone_entry = next((each for each in loaded if each.model.hears_phones), None)
    phone_model = _local(phone_entry.model, phone_entry.part, around, None) if phone_entry else None
    chosen = around.settings.chosen_models()
    pipelines: list[Scorer] = []
    for each in (each for each in loaded if each.model in chosen):
        if isinstance(each.model, HiggsRemoteSettings):
            pipelines.append(_remote(each.model, each.part, around))
        elif phone_model is not None and each is phone_entry:
            pipelines.append(phone_model)
        else:
            pipelines.append(_local(each.model, each.part, around, phone_model))
    auxiliary = () if phone_model is None or phone_model in pipelines else (phone_model,)
    return Parts(library, tuple(pipelines), auxiliary)


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


def _remote(model: HiggsRemoteSettings, scorer: Any, around: _Surroundings) -> Scorer:
    from audio_score_server.pipelines.remote import RemotePipeline

    around.metrics.announce(model.key)
    limits = _decode_limits(around.settings)
    return RemotePipeline(model.key, scorer, limits, around.settings.max_inflight, around.pool)


def _local(
    model: ModelSettings,
    runner: Runner[Any],
    around: _Surroundings,
    phone_model: LocalPipeline | None,
) -> LocalPipeline:
    assert not isinstance(model, HiggsRemoteSettings)
    settings = around.settings
    store = ReferenceStore(
        settings.cache_dir / model.key,
        (runner.fingerprint, _settings_fingerprint(settings)),
        int(settings.reference_memory_mib * 2**20),
    )
    options = LocalOptions(
        _decode_limits(settings),
        model.audio_similarity == "aligned",
        model.compared_features(),
        model.gains_by_phones,
        settings.canary_interval_s > 0,
    )
    batcher = _batcher(model.key, runner, around)
    return LocalPipeline(model.key, runner, batcher, store, around.pool, options, phone_model)


def _batcher(
    key: str, runner: Runner[Any], around: _Surroundings
) -> Batcher[Utterance[Any], Encoding]:
    settings, metrics = around.settings, around.metrics
    limits = BatchLimits(
        settings.max_batch_size, settings.max_batch_wait_ms / 1000, settings.max_batch_seconds
    )

    def run(utterances: Sequence[Utterance[Any]]) -> list[Encoding]:
        encodings = finite(runner.run(utterances))
        metrics.observe_retried(key, sum(encoding.retried for encoding in encodings))
        return encodings

    batcher = Batcher(key, within_memory(run), limits, settings.max_inflight)
    batcher.is_fatal = is_fatal
    batcher.on_batch = lambda batch: metrics.observe_batch(
        key, batch.size, batch.audio_s, batch.device_s
    )
    metrics.announce(key)
    return batcher


def _decode_limits(settings: Settings) -> DecodeLimits:
    return DecodeLimits(
        settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
    )


def _settings_fingerprint(settings: Settings) -> str:
    """Changes with every setting that changes a reference, whatever the model."""
    relevant = f"target_sampling_rate={settings.target_sampling_rate}"
    return hashlib.sha256(relevant.encode()).hexdigest()[:16]
