from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.gateway.nginx import find_nginx, install_config
from audio_score_server.gateway.nginx_config import (
    BODY_OVERHEAD_BYTES,
    OPTIONAL_MODULES,
    NginxConfig,
    quote,
    render,
)
from audio_score_server.gateway.preflight import max_open_files
from audio_score_server.gateway.run_dir import RunDir
from audio_score_server.paths import SCORE_PATHS, TRANSCRIPTION_PATHS
from tests.gateway.gate import needs_nginx

CONFIG: Final = NginxConfig(
    listen="127.0.0.1:9000",
    pid_path="/run/audio-score/nginx.pid",
    workers=3,
    max_body_bytes=21_000_000,
    max_upload_bytes=20_000_000,
    max_transcription_bytes=2_000_000_000,
    max_clip_bytes=200_000_000,
    transcription_timeout_s=600.0,
    request_timeout_s=60,
    health_timeout_s=10,
    shutdown_timeout_s=20,
)


def test_a_request_is_retried_once_on_another_worker() -> None:
    text = render(CONFIG)
    assert "proxy_next_upstream error timeout http_503 non_idempotent;" in text
    assert "proxy_next_upstream_tries 2;" in text
    assert "proxy_next_upstream_timeout 70000ms;" in text
    assert re.findall(r"server unix:worker-(\d)\.sock max_fails=0;", text)[:3] == ["0", "1", "2"]
    # On connections that are kept, failures are not counted.
    assert "keepalive " not in text


def test_the_servers_own_limits_are_met_first() -> None:
    text = render(CONFIG)
    assert "client_max_body_size 21000000;" in text
    assert "proxy_read_timeout 75000ms;" in text


def test_recordings_to_transcribe_may_be_larger_and_take_longer() -> None:
    _, _, location = render(CONFIG).partition("location = /transcribe {")
    location = location.partition("}")[0]
    assert f"client_max_body_size {2_000_000_000 + BODY_OVERHEAD_BYTES};" in location
    assert "proxy_read_timeout 615000ms;" in location


def test_every_path_is_its_own() -> None:
    text = render(CONFIG)
    for folder in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        assert f"{folder}_temp_path {folder}_temp;" in text
    assert "user" not in re.findall(r"^(\w+)", text, re.MULTILINE)
    text = render(replace(CONFIG, missing_modules=OPTIONAL_MODULES))
    assert "scgi" not in text
    assert "proxy_temp_path" in text


def test_rates_are_limited_where_asked_for() -> None:
    assert "limit_req" not in render(CONFIG)
    by_address = render(replace(CONFIG, rate_limit_per_minute=60))
    assert "limit_req_zone $limited zone=clients:10m rate=60r/m;" in by_address
    assert "POST $network;" in by_address
    limited = by_address.count("limit_req zone=clients burst=59 nodelay;")
    assert limited == len(SCORE_PATHS) + len(TRANSCRIPTION_PATHS)
    by_key = render(replace(CONFIG, rate_limit_per_minute=7, has_api_keys=True))
    assert "POST $client;" in by_key
    assert "add_header Retry-After 9 always;" in by_key


@given(st.text())
@settings(deadline=None)
def test_quoted_words_end_where_they_end(word: str) -> None:
    inside = quote(word)[1:-1]
    # Every quote is escaped, and no backslash is left to escape the last one.
    assert re.fullmatch(r'(?:[^"\\]|\\["\\])*', inside, re.DOTALL)


@needs_nginx
@pytest.mark.parametrize("name", ["plain", 'a "$b" {c};\\d'])
@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, workers=1, shutdown_timeout_s=0),
        replace(
            CONFIG,
            listen="[::1]:9000",
            rate_limit_per_minute=600,
            has_api_keys=True,
            max_open_files=max_open_files(),
        ),
    ],
)
def test_any_folder_will_do(
    tmp_path_factory: pytest.TempPathFactory, name: str, config: NginxConfig
) -> None:
    # Of a short name: sockets' paths may not be long.
    folder = tmp_path_factory.mktemp("n") / name
    nginx = find_nginx("nginx", os.environ)
    run_dir = RunDir(folder / "r", folder / "logs")
    try:
        text = render(
            replace(
                config,
                pid_path=str(run_dir.path / "nginx.pid"),
                missing_modules=nginx.missing_modules,
            )
        )
        install_config(nginx, run_dir, text)
        assert (run_dir.path / "nginx.conf").read_text() == text
    finally:
        run_dir.clear()
        run_dir.release()
