"""From loaded models to their pipelines."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from audio_score_server.assembly.models import Loaded
from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.audio.vad import VAD_RATE
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Encoding, Utterance
from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.options import LocalOptions
from audio_score_server.pipelines.parts import LocalParts
from audio_score_server.pipelines.protocol import Scorer
from audio_score_server.pipelines.transcription import RecognitionParts, TranscribingPipeline
from audio_score_server.references.shared import SharedEntries
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.device import give_back_memory, is_fatal, within_memory
from audio_score_server.runners.finite import finite, finite_recognitions
from audio_score_server.runners.protocol import Recognizer, Runner
from audio_score_server.service_parts import Parts, decode_limits
from audio_score_server.settings import HiggsRemoteSettings, ModelSettings, Settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.transcription.recognition import Recognition, RecognitionTask


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every pipeline is given.

    Attributes:
        settings: the operator's.
        pool: for work on the processor.
        metrics: told of what goes on.
        ahead: whether clips are encoded before anybody asks for them.
        shared: through which hosts share references; None where each makes its own.
    """

    settings: Settings
    pool: ThreadPoolExecutor
    metrics: Metrics
    ahead: bool = True
    shared: SharedEntries | None = None


def build_pipelines(loaded: list[Loaded], library: LiveLibrary, around: Surroundings) -> Parts:
    """A pipeline for each model; the first that hears phones helps the others."""
    phone_entry = next((each for each in loaded if each.model.hears_phones), None)
    phone_model = None
    if phone_entry is not None:
        phone_model = build_local(phone_entry.model, phone_entry.part, around, None)
    chosen = around.settings.chosen_models()
    pipelines: list[Scorer] = []
    for each in (each for each in loaded if each.model in chosen):
        if isinstance(each.model, HiggsRemoteSettings):
            pipelines.append(_remote(each.model, each.part, around))
        elif phone_model is not None and each is phone_entry:
            pipelines.append(phone_model)
        else:
            pipelines.append(build_local(each.model, each.part, around, phone_model))
    auxiliary = () if phone_model is None or phone_model in pipelines else (phone_model,)
    return Parts(library, tuple(pipelines), auxiliary)


def _remote(model: HiggsRemoteSettings, scorer: Any, around: Surroundings) -> Scorer:
    from audio_score_server.pipelines.remote import RemotePipeline

    around.metrics.announce(model.key)
    limits = decode_limits(around.settings)
    return RemotePipeline(model.key, scorer, limits, around.settings.max_inflight, around.pool)


def build_local(
    model: ModelSettings,
    runner: Runner[Any],
    around: Surroundings,
    phone_model: LocalPipeline | None,
) -> LocalPipeline:
    """The pipeline of a loaded model; ``phone_model`` helps it, if it hears words."""
    assert not isinstance(model, HiggsRemoteSettings)
    settings = around.settings
    store = ReferenceStore(
        settings.cache_dir / model.key,
        (runner.fingerprint, _settings_fingerprint(settings)),
        int(settings.reference_memory_mib * 2**20),
        around.shared,
    )
    options = LocalOptions(
        decode_limits(settings),
        model.audio_similarity == "aligned",
        model.compared_features(),
        model.gains_by_phones,
        settings.canary_interval_s > 0,
        around.ahead,
    )
    batcher = _batcher(model.key, runner, around)
    parts = LocalParts(model.key, runner, batcher, store, around.pool, options)
    recognizer = runner.recognizer
    if recognizer is None:
        return LocalPipeline(parts, phone_model)
    return TranscribingPipeline(parts, phone_model, _recognition(model, recognizer, around))


def _recognition(
    model: ModelSettings, recognizer: Recognizer[Any], around: Surroundings
) -> RecognitionParts:
    settings, metrics = around.settings, around.metrics
    wait_s = settings.max_batch_wait_ms / 1000

    def run(tasks: Sequence[RecognitionTask[Any]]) -> list[Recognition]:
        try:
            return finite_recognitions(recognizer.recognize(tasks))
        finally:
            # Windows take a hundred times what a recording to score does.
            give_back_memory()

    encoder: Batcher[Any, Any] = Batcher(
        f"{model.key}-encoder",
        within_memory(recognizer.encode),
        BatchLimits(recognizer.encoded_at_once, 0.0, math.inf),
        settings.max_inflight,
    )
    encoder.is_fatal = is_fatal
    batcher = Batcher(
        f"{model.key}-transcription",
        within_memory(run),
        BatchLimits(recognizer.batch_size, wait_s, math.inf),
        settings.max_inflight,
    )
    batcher.is_fatal = is_fatal
    batcher.on_batch = lambda batch: metrics.observe_transcribed(
        model.key, batch.size, batch.audio_s, batch.device_s
    )
    limits = DecodeLimits(VAD_RATE, settings.min_audio_seconds, settings.max_transcription_seconds)
    language = getattr(model, "language", None)
    return RecognitionParts(recognizer, encoder, batcher, limits, language)


def _batcher(
    key: str, runner: Runner[Any], around: Surroundings
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


def _settings_fingerprint(settings: Settings) -> str:
    """Changes with every setting that changes a reference, whatever the model."""
    relevant = f"target_sampling_rate={settings.target_sampling_rate}"
    return hashlib.sha256(relevant.encode()).hexdigest()[:16]
