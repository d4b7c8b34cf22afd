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
from audio_score_server.domain import Encoding, Placement, Utterance
from audio_score_server.errors import ModelLoadError, NoModelError
from audio_score_server.pipelines.local import LocalOptions, LocalPipeline
from audio_score_server.pipelines.protocol import Pipeline
from audio_score_server.references.flush import flush
from audio_score_server.references.library import Library, scan
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.device import is_fatal, within_memory
from audio_score_server.runners.finite import finite
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.service import Parts, ScoreService, ServiceLimits
from audio_score_server.settings import (
    AUXILIARY_KEY,
    AudioFeatures,
    FakeSettings,
    HiggsAudioSettings,
    HiggsRemoteSettings,
    ModelSettings,
    PhonesSettings,
    Settings,
    WhisperSettings,
)
from audio_score_server.telemetry.metrics import Metrics, ModelState

_LOG = logging.getLogger(__name__)
_CHECKPOINTS: Final = (WhisperSettings, HiggsAudioSettings)
"""Models that tell words and no phones, of frames that hold more than what is said."""
_EARS: Final = PhonesSettings(key=AUXILIARY_KEY, type="phones")


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
    loaded = await asyncio.to_thread(_load_models, settings)
    if not settings.disable_cache_flush:
        keys = [model.key for model in settings.models]
        if _ears_wanted(settings):
            keys.append(_EARS.key)
        await asyncio.to_thread(flush, settings.cache_dir, keys, library)
    return _pipelines(loaded, library, _Surroundings(settings, pool, metrics))


def _load_models(settings: Settings) -> list[_Loaded]:
    """Every chosen model that can be loaded, in order; the ears, where only others want them, last.

    Raises:
        NoModelError: not one of them.
    """
    loader = Loader(settings)
    chosen = settings.chosen_models()
    loaded = [each for model in chosen if (each := _load_model(model, settings, loader))]
    if not loaded:
        keys = ", ".join(model.key for model in chosen)
        raise NoModelError(f"None of the models could be loaded: {keys}. The lines above say why.")
    if _ears_wanted(settings):
        ears = _load_model(_EARS, settings, loader)
        loaded += [ears] if ears else []
    return loaded


def _ears_wanted(settings: Settings) -> bool:
    """Whether a model has use for phones and none that hears them is chosen."""
    chosen = settings.chosen_models()
    useful = any(isinstance(model, _CHECKPOINTS) for model in chosen)
    return useful and not any(isinstance(model, PhonesSettings) for model in chosen)


def _load_model(model: ModelSettings, settings: Settings, loader: Loader) -> _Loaded | None:
    if model.only_on == "cuda" and not torch.cuda.is_available():
        _LOG.info("Model %s is left out: it is for machines with CUDA only.", model.key)
        return None
    started = time.monotonic()
    try:
        if isinstance(model, HiggsRemoteSettings):
            part = _load_remote(model)
            placement = Placement(part.host)
        else:
            part = loader.load(model)
            placement = part.placement
    except ModelLoadError as error:
        _LOG.warning("Model %s is left out: %s.", model.key, str(error).rstrip("."))
        _LOG.debug("How model %s failed to load:", model.key, exc_info=error)
        return None
    seconds = time.monotonic() - started
    _LOG.info("Model %s loaded %s in %.1f s.", model.key, _told(placement), seconds)
    return _Loaded(model, part)


def _pipelines(loaded: list[_Loaded], library: Library, around: _Surroundings) -> Parts:
    """A pipeline for each model; the first one that hears phones serves the others as ears."""
    hearing = next((each for each in loaded if isinstance(each.model, PhonesSettings)), None)
    ears = _local(hearing.model, hearing.part, around, None) if hearing else None
    chosen = around.settings.chosen_models()
    pipelines: list[Pipeline] = []
    for each in (each for each in loaded if each.model in chosen):
        if isinstance(each.model, HiggsRemoteSettings):
            pipelines.append(_remote(each.model, each.part, around))
        elif ears is not None and each is hearing:
            pipelines.append(ears)
        else:
            pipelines.append(_local(each.model, each.part, around, ears))
    companions = () if ears is None or ears in pipelines else (ears,)
    return Parts(library, tuple(pipelines), companions)


def _told(placement: Placement) -> str:
    """``on cpu as bfloat16 (241.7 million parameters, 461 MiB)``."""
    if not placement.parameters:
        return f"on {placement.device}"
    return (
        f"on {placement.device} as {placement.dtype} "
        f"({placement.parameters / 1e6:.1f} million parameters, {placement.size / 2**20:.0f} MiB)"
    )


def _load_remote(model: HiggsRemoteSettings) -> Any:
    # Imported here: the client library takes a while, and few servers need it.
    from audio_score_server.remote.scorer import RemoteScorer

    return RemoteScorer(model, os.environ)


def _remote(model: HiggsRemoteSettings, scorer: Any, around: _Surroundings) -> Pipeline:
    from audio_score_server.pipelines.remote import RemotePipeline

    around.metrics.announce(model.key)
    limits = _decode_limits(around.settings)
    return RemotePipeline(model.key, scorer, limits, around.settings.max_queue, around.pool)


def _local(
    model: ModelSettings, runner: Runner[Any], around: _Surroundings, ears: LocalPipeline | None
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
        _features_of(model),
        isinstance(model, _CHECKPOINTS),
        settings.canary_interval_s > 0,
    )
    batcher = _batcher(model.key, runner, around)
    return LocalPipeline(model.key, runner, batcher, store, around.pool, options, ears)


def _features_of(model: ModelSettings) -> AudioFeatures:
    """What is compared; where means are, the model's own, unless phones are asked for."""
    if not isinstance(model, _CHECKPOINTS):
        return "own"
    pooled = model.audio_similarity == "pooled"
    return "own" if pooled and model.audio_features == "auto" else model.audio_features


def _batcher(
    key: str, runner: Runner[Any], around: _Surroundings
) -> Batcher[Utterance[Any], Encoding]:
    settings, metrics = around.settings, around.metrics
    limits = BatchLimits(
        settings.max_batch_size, settings.max_batch_wait_ms / 1000, settings.max_batch_seconds
    )

    def run(utterances: Sequence[Utterance[Any]]) -> list[Encoding]:
        encodings = finite(runner.run(utterances))
        metrics.observe_repeated(key, sum(encoding.repeated for encoding in encodings))
        return encodings

    batcher = Batcher(key, within_memory(run), limits, settings.max_queue)
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
