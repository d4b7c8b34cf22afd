from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.gateway.checks import check_configuration, find_nginx, open_files
from audio_score_server.gateway.nginx import OPTIONAL, Site, configuration, quoted
from audio_score_server.gateway.rundir import RunDir
from tests.gateway.gate import needs_nginx

SITE: Final = Site(
    listen="127.0.0.1:9000",
    pid="/run/audio-score/nginx.pid",
    workers=3,
    max_body=21_000_000,
    max_upload=20_000_000,
    request_s=60,
    silence_s=10,
    grace_s=20,
)


def test_a_request_is_repeated_elsewhere_once() -> None:
    text = configuration(SITE)
    assert "proxy_next_upstream error timeout http_503 non_idempotent;" in text
    assert "proxy_next_upstream_tries 2;" in text
    assert "proxy_next_upstream_timeout 70000ms;" in text
    assert re.findall(r"server unix:worker-(\d)\.sock max_fails=0;", text)[:3] == ["0", "1", "2"]
    # On connections that are kept, failures are not counted.
    assert "keepalive " not in text


def test_the_servers_own_limits_are_met_first() -> None:
    text = configuration(SITE)
    assert "client_max_body_size 21000000;" in text
    assert "proxy_read_timeout 75000ms;" in text


def test_every_path_is_its_own() -> None:
    text = configuration(SITE)
    for folder in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        assert f"{folder}_temp_path {folder}_temp;" in text
    assert "user" not in re.findall(r"^(\w+)", text, re.MULTILINE)
    lacking = configuration(replace(SITE, lacks=OPTIONAL))
    assert "scgi" not in lacking
    assert "proxy_temp_path" in lacking


def test_rates_are_limited_where_asked_for() -> None:
    assert "limit_req" not in configuration(SITE)
    by_address = configuration(replace(SITE, per_minute=60))
    assert "limit_req_zone $limited zone=clients:10m rate=60r/m;" in by_address
    assert "POST $network;" in by_address
    assert by_address.count("limit_req zone=clients burst=59 nodelay;") == 2
    by_key = configuration(replace(SITE, per_minute=7, keyed=True))
    assert "POST $client;" in by_key
    assert "add_header Retry-After 9 always;" in by_key


@given(st.text())
@settings(deadline=None)
def test_quoted_words_end_where_they_end(word: str) -> None:
    inside = quoted(word)[1:-1]
    # Every quote is escaped, and no backslash is left to escape the last one.
    assert re.fullmatch(r'(?:[^"\\]|\\["\\])*', inside, re.DOTALL)


@needs_nginx
@pytest.mark.parametrize("name", ["plain", 'a "$b" {c};\\d'])
@pytest.mark.parametrize(
    "site",
    [
        SITE,
        replace(SITE, workers=1, grace_s=0),
        replace(SITE, listen="[::1]:9000", per_minute=600, keyed=True, files=open_files()),
    ],
)
def test_nginx_takes_it_in_any_folder(tmp_path: Path, name: str, site: Site) -> None:
    program = find_nginx("nginx", os.environ)
    rundir = RunDir(tmp_path / name / "r", tmp_path / name / "logs")
    try:
        text = configuration(replace(site, pid=str(rundir.path / "nginx.pid"), lacks=program.lacks))
        check_configuration(program, rundir, text)
        assert (rundir.path / "nginx.conf").read_text() == text
    finally:
        rundir.clear()
        rundir.release()
