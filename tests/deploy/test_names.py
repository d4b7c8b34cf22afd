"""What ``deploy/`` names is what the program has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.cli import FLAGS
from audio_score_server.gateway.settings import GatewaySettings, flag_of, variable_of
from audio_score_server.gateway.supervisor import NGINX_STARTUP_TIMEOUT_S
from audio_score_server.serving.server import _CLOSE_S
from audio_score_server.settings import Settings
from audio_score_server.settings.load import CONFIG_VARIABLE, VARIABLES
from audio_score_server.telemetry.metrics import Metrics, ModelState
from tests.deploy.files import COMPOSE, DEPLOY, FILES, UNITS, commands, container, documents, unit
from tests.process.server import ROOT

_GRACE_S: Final = Settings.model_fields["shutdown_timeout_s"].default
_OTHER_NAMES: Final = {"AUDIO_SCORE_"}
"""Beginnings of names, as comments have them."""


def _texts() -> list[Path]:
    return [*FILES, ROOT / "docs" / "deployment.md"]


@pytest.mark.parametrize("path", _texts(), ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {*VARIABLES, CONFIG_VARIABLE, *map(variable_of, GatewaySettings.model_fields)}
    named = set(re.findall(r"\bAUDIO_SCORE_[A-Z_]*(?<!_)\b", path.read_text()))
    assert named <= known


def test_every_flag_is_one_of_its_programs() -> None:
    known = {
        "run_server.py": {"--config", *FLAGS},
        "run_server_with_gate.py": set(map(flag_of, GatewaySettings.model_fields)),
    }
    seen = set()
    for program, arguments in commands():
        flags = {word for word in arguments if word.startswith("--")}
        assert flags <= known[program]
        assert (ROOT / program).is_file()
        seen |= flags
    assert {"--socket", "--run-dir", "--log-dir"} <= seen


@pytest.mark.parametrize("path", _texts(), ids=lambda path: path.name)
def test_every_metric_is_told(path: Path) -> None:
    metrics = Metrics()
    metrics.announce("fake")
    metrics.watch(lambda: [ModelState("fake", 0, 0.0, 0, 0)])
    told = metrics.exposition().decode()
    for name in set(
        re.findall(r"\baudio_score_(?!server)\w+_(?:seconds|total|length)\b", path.read_text())
    ):
        assert f"# TYPE {name} " in told


def test_the_queues_age_is_what_the_adapter_offers_and_the_autoscaler_asks_for() -> None:
    (metric,) = documents("audio-score.yaml")["HorizontalPodAutoscaler"]["spec"]["metrics"]
    asked = metric["pods"]["metric"]["name"]
    assert asked == "audio_score_queue_age_seconds"
    assert asked in (DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text()


def test_the_settings_in_the_manifest_are_settings() -> None:
    told = json.loads(documents("audio-score.yaml")["ConfigMap"]["data"]["config.json"])
    keys = told.pop("api_keys_file")
    Settings.model_validate(told)
    places = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    assert places[told["video_clip_dir"]] == "clips"
    assert places[str(Path(keys).parent)] == "keys"


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|min|h)?", text)
    assert match is not None
    return int(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2] or "s"]


def test_nobody_is_killed_while_it_stops_in_order() -> None:
    longest = _GRACE_S + _CLOSE_S
    servers = {path.name: _seconds(unit(path)["TimeoutStopSec"][0]) for path in UNITS}
    assert servers["audio-score@.service"] > longest
    both = GatewaySettings.model_fields["shutdown_timeout"].default + longest
    assert servers["audio-score-gateway.service"] > both
    compose = re.search(r"stop_grace_period: (\w+)", COMPOSE.read_text())
    assert compose is not None
    assert _seconds(compose[1]) > both
    pod = documents("audio-score.yaml")["Deployment"]["spec"]["template"]["spec"]
    pause = float(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + longest


def test_a_start_may_take_longer_than_the_gateway_allows_a_worker() -> None:
    allowed_s = GatewaySettings.model_fields["startup_timeout"].default
    # The supervisor has Nginx to start, too, once the workers are ready.
    for path in UNITS:
        assert _seconds(unit(path)["TimeoutStartSec"][0]) > allowed_s + NGINX_STARTUP_TIMEOUT_S
    probe = container()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > allowed_s


def test_the_watchdog_is_slower_than_a_request_may_be() -> None:
    path = DEPLOY / "systemd" / "audio-score@.service"
    assert (
        _seconds(unit(path)["WatchdogSec"][0]) > Settings.model_fields["request_timeout_s"].default
    )
    assert unit(path)["Type"] == ["notify"]


def test_a_supervisor_that_is_stuck_is_ended_later_than_it_would_end_a_worker() -> None:
    gateway = unit(DEPLOY / "systemd" / "audio-score-gateway.service")
    silence_s = GatewaySettings.model_fields["health_timeout"].default
    assert gateway["Type"] == ["notify"]
    assert _seconds(gateway["WatchdogSec"][0]) > silence_s
    # Python dumps the stacks on the watchdog's SIGABRT.
    assert "PYTHONFAULTHANDLER=1" in gateway["Environment"]


@pytest.mark.parametrize("name", ["readinessProbe", "livenessProbe", "startupProbe"])
def test_probes_ask_open_addresses_at_the_port_that_is_listened_on(name: str) -> None:
    only = container()
    assert only["args"][-2:] == ["--port", str(only["ports"][0]["containerPort"])]
    probe = only[name]["httpGet"]
    assert probe == {
        "path": "/health/live" if name == "livenessProbe" else "/health/ready",
        "port": only["ports"][0]["name"],
    }


def test_a_pod_has_one_gpu_and_no_more_rights_than_it_needs() -> None:
    only = container()
    assert only["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = documents("audio-score.yaml")["Deployment"]["spec"]["template"]["spec"]
    keys = next(volume["secret"] for volume in pod["volumes"] if volume["name"] == "keys")
    assert keys["defaultMode"] & 0o007 == 0
