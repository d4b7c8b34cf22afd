"""Counters and histograms for Prometheus, by its conventions for names and units."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from audio_score_server.telemetry.stages import STAGES, Stages

_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model at the moment of being asked.

    Attributes:
        model: its key.
        queue_length: requests that wait for its device.
        queue_age_s: how long the first of them has waited.
        reference_hits: references found in memory since the start.
        reference_misses: references that were read from disk or built.
        searchable_clips: clips that recordings are looked for in.
    """

    model: str
    queue_length: int
    queue_age_s: float
    reference_hits: int
    reference_misses: int
    searchable_clips: int = 0


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        # Twice the series for what no one asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "audio_score_requests",
            "Requests for a score, by how they ended.",
            ("model", "outcome"),
            registry=self.registry,
        )
        self._request_seconds = self._histogram(
            "audio_score_request_seconds", "From a request's arrival to its answer.", ("model",)
        )
        self._stage_seconds = self._histogram(
            "audio_score_stage_seconds", "Time of requests at each stage.", ("model", "stage")
        )
        self._batch_size = Histogram(
            "audio_score_batch_size",
            "Recordings in a batch.",
            ("model",),
            buckets=_SIZES,
            registry=self.registry,
        )
        self._audio_seconds = self._counter(
            "audio_score_audio_seconds", "Sound that went through the device."
        )
        self._device_seconds = self._counter(
            "audio_score_device_seconds", "Time that the device was at work."
        )
        self._transcription = _TranscriptionCounters(self.registry)
        self._retried = self._counter(
            "audio_score_transcripts_retried",
            "Parts of recordings that were heard again, since their transcripts looked made up.",
        )
        self._real_time_factor = Gauge(
            "audio_score_real_time_factor",
            "Time that the device took for each second of sound, in the last batch.",
            ("model",),
            registry=self.registry,
        )

    def _histogram(self, name: str, about: str, labels: Iterable[str]) -> Histogram:
        return Histogram(name, about, labels, buckets=_SECONDS, registry=self.registry)

    def _counter(self, name: str, about: str) -> Counter:
        return Counter(name, about, ("model",), registry=self.registry)

    def watch(self, states: Callable[[], Iterable[ModelState]]) -> None:
        """Ask for the models' states whenever the metrics are read."""
        self.registry.register(_States(states))

    def observe_request(self, outcome: str, stages: Stages, seconds: float) -> None:
        """A request for a score has ended.

        Args:
            outcome: how.
            stages: where it spent its time; ``stages.model`` is the model that it got to.
            seconds: since its arrival.
        """
        self._requests.labels(stages.model, outcome).inc()
        self._request_seconds.labels(stages.model).observe(seconds)
        for span in stages.spans:
            self._stage_seconds.labels(stages.model, span.stage).observe(span.seconds)

    def observe_batch(self, model: str, size: int, audio_s: float, device_s: float) -> None:
        """A batch of ``size`` recordings went through a model's device."""
        self._batch_size.labels(model).observe(size)
        self._audio_seconds.labels(model).inc(audio_s)
        self._device_seconds.labels(model).inc(device_s)
        self._real_time_factor.labels(model).set(device_s / max(audio_s, 1e-6))

    def observe_transcription(self, outcome: str, model: str) -> None:
        """A request for a transcript has ended."""
        self._transcription.requests.labels(model, outcome).inc()

    def observe_transcribed(
        self, model: str, windows: int, audio_s: float, device_s: float
    ) -> None:
        """A batch of windows of recordings was transcribed on a model's device."""
        self._transcription.windows.labels(model).inc(windows)
        self._transcription.audio_seconds.labels(model).inc(audio_s)
        self._transcription.device_seconds.labels(model).inc(device_s)

    def observe_retried(self, model: str, count: int) -> None:
        """So many parts of a batch's recordings were heard again."""
        self._retried.labels(model).inc(count)

    def announce(self, model: str) -> None:
        """Show a model's metrics before anything has happened to it."""
        self._requests.labels(model, "ok")
        self._batch_size.labels(model)
        self._retried.labels(model)
        for stage in STAGES:
            self._stage_seconds.labels(model, stage)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _TranscriptionCounters:
    """What is counted of transcriptions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"audio_score_{name}", about, ("model", *labels), registry=registry)

        self.requests = counter(
            "transcriptions", "Requests for a transcript, by how they ended.", "outcome"
        )
        self.windows = counter(
            "transcribed_windows", "Windows of recordings that were transcribed."
        )
        self.audio_seconds = counter("transcribed_audio_seconds", "Sound that was transcribed.")
        self.device_seconds = counter(
            "transcription_device_seconds",
            "Time that transcriptions took, turns of scores in between included.",
        )


class _States(Collector):
    """What is asked for rather than counted."""

    def __init__(self, states: Callable[[], Iterable[ModelState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        states = list(self._states())
        yield GaugeMetricFamily(
            "audio_score_models_loaded", "Models that requests can name.", len(states)
        )
        length = GaugeMetricFamily(
            "audio_score_queue_length", "Requests that wait for the device.", labels=["model"]
        )
        age = GaugeMetricFamily(
            "audio_score_queue_age_seconds",
            "How long the first of them has waited.",
            labels=["model"],
        )
        lookups = CounterMetricFamily(
            "audio_score_reference_lookups",
            "References looked up, by whether they were in memory.",
            labels=["model", "result"],
        )
        searchable = GaugeMetricFamily(
            "audio_score_searchable_clips",
            "Clips among which a recording is found that names none.",
            labels=["model"],
        )
        for state in states:
            searchable.add_metric([state.model], state.searchable_clips)
            length.add_metric([state.model], state.queue_length)
            age.add_metric([state.model], state.queue_age_s)
            lookups.add_metric([state.model, "hit"], state.reference_hits)
            lookups.add_metric([state.model, "miss"], state.reference_misses)
        yield from (length, age, lookups, searchable, *_device_memory())


def _device_memory() -> Iterable[Metric]:
    # Imported here: whoever asks has loaded it long since, and the gateway never does.
    import torch

    memory = GaugeMetricFamily(
        "audio_score_device_memory_bytes",
        "Memory of CUDA devices that tensors take, and that PyTorch holds.",
        labels=["device", "kind"],
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            memory.add_metric([f"cuda:{index}", "allocated"], torch.cuda.memory_allocated(index))
            memory.add_metric([f"cuda:{index}", "reserved"], torch.cuda.memory_reserved(index))
    yield memory
