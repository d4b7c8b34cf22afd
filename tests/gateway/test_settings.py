from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from audio_score_server.errors import SettingsError
from audio_score_server.gateway.settings import (
    RENAMED,
    GatewaySettings,
    flag_of,
    load_gateway_settings,
    variable_of,
)
from audio_score_server.settings import load_settings
from tests.process.server import ROOT, write_config


def test_flags_go_before_variables_before_defaults() -> None:
    environment = {"AUDIO_SCORE_GATE_WORKERS": "4", "AUDIO_SCORE_GATE_GPUS": "none"}
    settings = load_gateway_settings({"workers": "3", "listen_port": None}, environment)
    assert (settings.workers, settings.gpus, settings.listen_port) == (3, "none", 9000)


def test_every_setting_has_a_flag_and_a_variable() -> None:
    output = subprocess.run(
        [sys.executable, str(ROOT / "run_server_with_gate.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in GatewaySettings.model_fields:
        assert f"--{name.replace('_', '-')}" in output
        assert load_gateway_settings({}, {variable_of(name): ""}) == GatewaySettings()


@pytest.mark.parametrize(("size", "count"), [("1000", 1000), ("25m", 26_214_400), ("8K", 8192)])
def test_sizes(size: str, count: int) -> None:
    assert load_gateway_settings({"client_max_body_size": size}, {}).client_max_body_size == count


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"workers": "0"}, {}, "--workers: Input should be greater than or equal to 1"),
        ({"workers": "many"}, {}, "(got 'many')"),
        (
            {},
            {"AUDIO_SCORE_GATE_SHUTDOWN_TIMEOUT": "-1"},
            "AUDIO_SCORE_GATE_SHUTDOWN_TIMEOUT: Input should be",
        ),
        ({}, {"AUDIO_SCORE_GATE_WORKER": "2"}, "did you mean 'AUDIO_SCORE_GATE_WORKERS'?"),
        (
            {"client_max_body_size": "big"},
            {},
            "--client-max-body-size: Input should be a valid integer",
        ),
        ({"gpus": "all"}, {}, "--gpus: Value error, say auto, none, or numbers"),
        ({"gpus": "0,0"}, {}, "named twice"),
        ({"tls_key": "key.pem"}, {}, "--tls-certificate, --tls-key: "),
        ({"worker_log_level": "loud"}, {}, "--worker-log-level: Input should be 'debug'"),
    ],
)
def test_errors_name_the_source_and_the_cause(
    flags: dict[str, object], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_gateway_settings(flags, environment)
    assert message in str(caught.value)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_an_error_that_names_the_new_one(old: str, new: str) -> None:
    assert old not in GatewaySettings.model_fields
    assert new in GatewaySettings.model_fields
    with pytest.raises(SettingsError, match=f"{flag_of(old)} is now called {flag_of(new)}"):
        load_gateway_settings({old: "1"}, {})
    with pytest.raises(SettingsError, match=f"{variable_of(old)} is now called {variable_of(new)}"):
        load_gateway_settings({}, {variable_of(old): "1"})


def test_an_old_flag_is_an_error_that_names_the_new_one() -> None:
    for old, new in RENAMED.items():
        result = subprocess.run(
            [sys.executable, str(ROOT / "run_server_with_gate.py"), flag_of(old), "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 2
        assert result.stderr == f"Wrong settings: {flag_of(old)} is now called {flag_of(new)}.\n"


def test_links_to_services_are_no_settings() -> None:
    links = {
        "AUDIO_SCORE_GATE_SERVICE_HOST": "10.0.0.1",
        "AUDIO_SCORE_GATE_PORT": "tcp://10.0.0.1:9000",
        "AUDIO_SCORE_GATE_PORT_9000_TCP_ADDR": "10.0.0.1",
    }
    assert load_gateway_settings({}, links) == GatewaySettings()


def test_servers_pass_over_the_gateways_variables(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert load_settings({}, {"AUDIO_SCORE_GATE_WORKERS": "2"}, Path(config))


def test_the_supervisor_loads_no_model_code() -> None:
    program = (
        "import sys, audio_score_server.cli.gate, audio_score_server.gateway.supervisor\n"
        "heavy = ('torch', 'transformers', 'numpy', 'av', 'numba', 'fastapi')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert output.stdout.strip() == "[]"


def _default(value: object) -> str:
    if value is None:
        return "-"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_the_document_has_the_settings() -> None:
    expected = [
        f"| `{flag_of(name)}` | `{variable_of(name)}` | {_default(field.default)} "
        f"| {field.description} |"
        for name, field in GatewaySettings.model_fields.items()
    ]
    lines = (ROOT / "docs" / "gateway.md").read_text().splitlines()
    assert [line for line in lines if "AUDIO_SCORE_GATE_" in line] == expected
