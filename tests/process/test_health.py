"""Addresses that tell about the server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from audio_score_server import __version__
from tests.process.server import ROOT, ServerProcess, running

CLIPS = sorted(path.stem for path in (ROOT / "video_clip").glob("*.mov"))


def test_live_and_ready(demo: ServerProcess) -> None:
    assert httpx.get(f"{demo.url}/health/live").json() == {"status": "alive"}
    answer = httpx.get(f"{demo.url}/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_alive_but_not_ready_while_loading(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"models": [{"key": "slow", "type": "fake", "batch_ms": 1500}]}')
    shutil.copytree(ROOT / "video_clip", tmp_path / "video_clip")
    with running("--config", str(config)) as server:
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        early = httpx.get(f"{server.url}/health/ready")
        refused = httpx.post(
            f"{server.url}/score", data={"uid": "u", "cid": "c"}, files={"audio": b"x"}
        )
        server.wait_until_ready()
        late = httpx.get(f"{server.url}/health/ready")

    assert (early.status_code, late.status_code) == (503, 200)
    assert refused.status_code == 503
    assert "starting" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) >= 1


def test_health_tells_models_clips_versions_uptime(demo: ServerProcess) -> None:
    health = httpx.get(f"{demo.url}/health").json()
    assert health["status"] == "ready"
    models = {model["key"]: model for model in health["models"]}
    assert {key: model["state"] for key, model in models.items()} == {
        "whisper-small": "failed",
        "higgs-audio-v2": "unloaded",
        "phones": "ready",
    }
    assert models["phones"]["default"]
    assert models["phones"]["files"] is None
    assert models["higgs-audio-v2"]["files"] == "missing"
    assert health["clips"] == len(CLIPS)
    assert health["versions"]["audio-score-server"] == __version__
    assert health["uptime_s"] > 0


def test_health_tells_which_model_has_failed_and_whose_files_are_there(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    config = tmp_path / "config.json"
    models = [
        {"key": "gone", "type": "whisper", "model_id": str(empty)},
        {"key": "fake", "type": "fake"},
    ]
    config.write_text(json.dumps({"models": models, "canary_interval_s": 0}))
    with running("--config", str(config)) as server:
        server.wait_until_ready()
        gone, fake = httpx.get(f"{server.url}/health").json()["models"]
    assert (gone["state"], gone["files"], gone["device"]) == ("failed", "missing", None)
    assert (fake["state"], fake["default"]) == ("ready", True)


def test_models_and_clips_are_listed(demo: ServerProcess) -> None:
    (model,) = httpx.get(f"{demo.url}/models").json()
    assert (model["key"], model["default"]) == ("phones", True)
    clips = httpx.get(f"{demo.url}/clips").json()
    assert [f"{clip['uid']}_{clip['cid']}" for clip in clips] == CLIPS
    assert all(clip["text"] for clip in clips)
    some = httpx.get(f"{demo.url}/clips", params={"uid": "RiverTales-s01e01"}).json()
    assert {clip["uid"] for clip in some} == {"RiverTales-s01e01"}


def test_the_api_description_has_examples_and_every_error(demo: ServerProcess) -> None:
    document = httpx.get(f"{demo.url}/openapi.json").json()
    operation = document["paths"]["/score"]["post"]
    assert set(operation["responses"]) == {
        *(
            "200",
            "400",
            "401",
            "404",
            "405",
            "408",
            "413",
            "422",
            "429",
            "500",
            "502",
            "503",
            "504",
        ),
        "507",
    }
    properties = document["components"]["schemas"]["ScoreResponse"]["properties"]
    assert all("examples" in field for name, field in properties.items() if name != "detail")
    errors = [answer for status, answer in operation["responses"].items() if status != "200"]
    for error in errors:
        for code, example in error["content"]["application/json"]["examples"].items():
            assert example["value"]["code"] == code
            assert example["value"]["detail"]


@pytest.mark.browser
def test_the_documentation_page_works_without_a_network(
    demo: ServerProcess, tmp_path: Path
) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"]
    profile = f"--user-data-dir={tmp_path}"
    command = [browser, *flags, profile, "--virtual-time-budget=10000", "--dump-dom"]
    page = subprocess.run(
        [*command, f"{demo.url}/docs"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "/health/ready" in page
    assert "Score a recording" in page
    assert "cdn" not in httpx.get(f"{demo.url}/docs").text
