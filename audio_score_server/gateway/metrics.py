"""The metrics of all workers as those of one server, told apart by a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from audio_score_server.gateway.status import ProcessStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LABEL: Final = "worker"


def merge_metrics(texts: Mapping[int, str]) -> list[Metric]:
    """The workers' metrics, each sample labelled with its worker's number.

    Args:
        texts: each worker's metrics in Prometheus' text format, by its number.

    Raises:
        ValueError: one of them is not in that format.
    """
    families: dict[str, Metric] = {}
    for index, text in texts.items():
        for family in text_string_to_metric_families(text):
            known = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                known.add_sample(sample.name, {_LABEL: str(index), **sample.labels}, sample.value)
    return list(families.values())


def process_metrics(processes: Iterable[ProcessStatus]) -> list[Metric]:
    """The supervisor's own metrics."""
    state = GaugeMetricFamily(
        "audio_score_gateway_process_state",
        "1 for the state that each process of the gateway is in.",
        labels=["process", "state"],
    )
    restarts = CounterMetricFamily(
        "audio_score_gateway_process_restarts",
        "How often a process was restarted because it had exited or did not answer.",
        labels=["process"],
    )
    for each in processes:
        state.add_metric([each.name, each.state], 1)
        restarts.add_metric([each.name], each.restarts)
    return [state, restarts]


def exposition(families: Sequence[Metric]) -> bytes:
    """All of them in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
