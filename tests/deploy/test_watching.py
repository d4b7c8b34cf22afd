"""Alerts and dashboard ask for what the server tells."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from audio_score_server.telemetry.metrics import Metrics, ModelState
from tests.deploy.files import DEPLOY

_ALERTS: Final = DEPLOY / "prometheus" / "alerts.yaml"
_DASHBOARD: Final = DEPLOY / "grafana" / "audio-score.json"
_PARTS: Final = ("", "_bucket", "_sum", "_count")
"""Of a histogram, in whose place any other metric has its own name."""


def _told() -> set[str]:
    metrics = Metrics()
    metrics.announce("fake")
    metrics.watch(lambda: [ModelState("fake", 0, 0.0, 0, 0)])
    names = re.findall(r"# TYPE (audio_score_\w+) ", metrics.exposition().decode())
    return {name + part for name in names for part in _PARTS}


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(_ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_alerts_ask_for_metrics_that_there_are_and_say_what_to_do() -> None:
    rules = _rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 5
    for rule in rules:
        assert set(re.findall(r"\baudio_score_\w+", rule["expr"])) <= _told()
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith((".", "?"))


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    panels = json.loads(_DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    names = {name for each in asked for name in re.findall(r"\baudio_score_\w+", each)}
    assert names <= _told()
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_outcomes_in_alerts_are_those_of_requests() -> None:
    outcomes = {name for rule in _rules() for name in re.findall(r'outcome="(\w+)"', rule["expr"])}
    assert outcomes <= {"ok", "rejected", "overloaded", "timeout", "failed", "client_disconnected"}
