from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from audio_score_server.telemetry.metrics import Metrics, ModelState
from audio_score_server.telemetry.stages import STAGES, Stages


def _families(metrics: Metrics) -> dict[str, Metric]:
    text = metrics.exposition().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample's value; None where there is none."""
    for family in _families(metrics).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def _stages(model: str = "phones") -> Stages:
    stages = Stages()
    stages.model = model
    for seconds, stage in enumerate(STAGES, start=1):
        stages.add(stage, stages.arrived, seconds / 100)
    return stages


def test_a_request_is_counted_with_its_model_outcome_and_stages() -> None:
    metrics = Metrics()
    metrics.observe_request("ok", _stages(), 0.15)
    metrics.observe_request("timeout", _stages(), 0.5)
    assert _value(metrics, "audio_score_requests_total", model="phones", outcome="ok") == 1
    assert _value(metrics, "audio_score_requests_total", model="phones", outcome="timeout") == 1
    assert _value(metrics, "audio_score_request_seconds_count", model="phones") == 2
    assert _value(metrics, "audio_score_request_seconds_sum", model="phones") == 0.65
    for seconds, stage in enumerate(STAGES, start=1):
        labels = {"model": "phones", "stage": stage}
        assert _value(metrics, "audio_score_stage_seconds_sum", **labels) == 2 * seconds / 100


def test_a_request_that_got_to_no_model_is_counted_too() -> None:
    metrics = Metrics()
    metrics.observe_request("rejected", Stages(), 0.01)
    assert _value(metrics, "audio_score_requests_total", model="", outcome="rejected") == 1


def test_a_batch_is_counted() -> None:
    metrics = Metrics()
    metrics.observe_batch("phones", 3, 12.0, 0.6)
    metrics.observe_batch("phones", 1, 4.0, 0.1)
    assert _value(metrics, "audio_score_batch_size_count", model="phones") == 2
    assert _value(metrics, "audio_score_batch_size_bucket", model="phones", le="2.0") == 1
    assert _value(metrics, "audio_score_batch_size_sum", model="phones") == 4
    assert _value(metrics, "audio_score_audio_seconds_total", model="phones") == 16
    assert _value(metrics, "audio_score_device_seconds_total", model="phones") == 0.7
    assert _value(metrics, "audio_score_real_time_factor", model="phones") == 0.025


def test_what_is_heard_again_is_counted() -> None:
    metrics = Metrics()
    metrics.announce("whisper")
    assert _value(metrics, "audio_score_transcripts_retried_total", model="whisper") == 0
    metrics.observe_retried("whisper", 2)
    metrics.observe_retried("whisper", 0)
    assert _value(metrics, "audio_score_transcripts_retried_total", model="whisper") == 2


def test_a_batch_without_sound_is_no_division_by_nothing() -> None:
    metrics = Metrics()
    metrics.observe_batch("remote", 1, 0.0, 0.1)
    assert _value(metrics, "audio_score_real_time_factor", model="remote") == 0.1 / 1e-6


def test_a_model_is_shown_before_anything_has_happened_to_it() -> None:
    metrics = Metrics()
    metrics.announce("phones")
    assert _value(metrics, "audio_score_requests_total", model="phones", outcome="ok") == 0
    assert _value(metrics, "audio_score_batch_size_count", model="phones") == 0
    for stage in STAGES:
        labels = {"model": "phones", "stage": stage}
        assert _value(metrics, "audio_score_stage_seconds_count", **labels) == 0


def test_states_are_asked_for_whenever_the_metrics_are_read() -> None:
    metrics = Metrics()
    states: list[ModelState] = []
    metrics.watch(lambda: states)
    assert _value(metrics, "audio_score_models_loaded") == 0
    states.append(ModelState("phones", 3, 1.5, 10, 2))
    assert _value(metrics, "audio_score_models_loaded") == 1
    assert _value(metrics, "audio_score_queue_length", model="phones") == 3
    assert _value(metrics, "audio_score_queue_age_seconds", model="phones") == 1.5
    lookups = "audio_score_reference_lookups_total"
    assert _value(metrics, lookups, model="phones", result="hit") == 10
    assert _value(metrics, lookups, model="phones", result="miss") == 2


def test_servers_of_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.observe_batch("phones", 1, 1.0, 0.1)
    assert _value(other, "audio_score_batch_size_count", model="phones") is None


def test_odd_names_of_models_stay_readable() -> None:
    metrics = Metrics()
    odd = 'a"b\\c\nd'
    metrics.observe_batch(odd, 1, 1.0, 0.1)
    assert _value(metrics, "audio_score_batch_size_count", model=odd) == 1


def test_every_metric_says_what_it_is() -> None:
    metrics = Metrics()
    metrics.watch(lambda: ())
    metrics.announce("phones")
    for family in _families(metrics).values():
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
