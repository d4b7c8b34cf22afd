"""Models other than the packaged one, through real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chat import Chat, chat, failure, similarities
from tests.checkpoints import make_whisper
from tests.process.server import ROOT, ServerProcess, post, running

UID, CID = "RiverTales-s01e01", "part01"
TAKE = ROOT / "audio_clip" / f"{UID}_{CID}_right.mp3"
KEY = "key-that-nobody-may-see"


def _config(folder: Path, *models: dict[str, Any]) -> str:
    config = folder / "config.json"
    clips = str(ROOT / "video_clip")
    config.write_text(json.dumps({"models": models, "video_clip_dir": clips, "cache_dir": "cache"}))
    return str(config)


def _remote(endpoint: Chat, timeout_s: float = 10.0) -> dict[str, Any]:
    return {
        "key": "remote",
        "type": "higgs_remote",
        "api_base": endpoint.url,
        "model_id": "listener",
        "timeout_s": timeout_s,
    }


@pytest.mark.process
def test_a_remote_models_scores_errors_and_recovery(tmp_path: Path) -> None:
    with chat(similarities(0.5, 0.75), failure(401, f"wrong {KEY}"), similarities(1, 1)) as far:
        flags = ("--config", _config(tmp_path, _remote(far)), "--log-level", "debug")
        with running(*flags, BOSON_API_KEY=KEY, no_proxy="127.0.0.1") as server:
            server.wait_until_ready()
            good, refused, again = (post(server.url, TAKE, UID, CID) for _ in range(3))
            assert good.json() == {
                "model": "remote",
                "sim_score": 0.625,
                "audio_sim_score": 0.5,
                "text_sim_score": 0.75,
            }
            assert refused.status_code == 502
            assert "401" in refused.json()["detail"]
            assert again.json()["sim_score"] == 1.0
            assert KEY not in server.log + refused.text


@pytest.mark.process
def test_a_remote_model_that_is_late(tmp_path: Path) -> None:
    with chat(failure(503)) as far:
        flags = ("--config", _config(tmp_path, _remote(far, timeout_s=0.3)))
        with running(*flags, BOSON_API_KEY=KEY, no_proxy="127.0.0.1") as server:
            server.wait_until_ready()
            answer = post(server.url, TAKE, UID, CID)
            assert answer.status_code in (502, 504)
            assert "127.0.0.1" in answer.json()["detail"]


@pytest.mark.process
def test_a_remote_model_says_that_it_has_no_reasons(tmp_path: Path) -> None:
    with chat(similarities(1, 1)) as far:
        flags = ("--config", _config(tmp_path, _remote(far)))
        with running(*flags, BOSON_API_KEY=KEY, no_proxy="127.0.0.1") as server:
            server.wait_until_ready()
            fields = {"uid": UID, "cid": CID, "detail": "full"}
            audio = {"audio": TAKE.read_bytes()}
            answer = httpx.post(f"{server.url}/score", data=fields, files=audio)
            assert answer.status_code == 400
            assert "gives numbers and no reasons" in answer.json()["detail"]


@pytest.mark.process
def test_a_remote_model_is_asked_of_every_clip_that_is_named(tmp_path: Path) -> None:
    with chat(similarities(0.5, 0.5)) as far:
        flags = ("--config", _config(tmp_path, _remote(far)))
        with running(*flags, BOSON_API_KEY=KEY, no_proxy="127.0.0.1") as server:
            server.wait_until_ready()
            audio = {"audio": TAKE.read_bytes()}
            fields = {"clip": [f"{UID}/part01", f"{UID}/part02"]}
            named = httpx.post(f"{server.url}/scores", data=fields, files=audio)
            assert named.status_code == 200, named.text
            assert [each["cid"] for each in named.json()["scores"]] == ["part01", "part02"]
            assert {each["sim_score"] for each in named.json()["scores"]} == {0.5}
            anywhere = httpx.post(f"{server.url}/scores", files=audio)
            assert anywhere.status_code == 400
            assert anywhere.json()["code"] == "capability_unsupported"
            assert "cannot search" in anywhere.json()["detail"]


@pytest.mark.process
def test_a_missing_key_fails_the_model_at_load(tmp_path: Path) -> None:
    with chat(similarities(1, 1)) as far:
        config = _config(tmp_path, _remote(far), {"key": "fake", "type": "fake"})
        with running("--config", config) as server:
            server.wait_until_ready()
            assert "BOSON_API_KEY" in server.log
            assert post(server.url, TAKE, UID, CID).json()["model"] == "fake"


@pytest.fixture(scope="module")
def whisper_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Scores with an untrained Whisper."""
    folder = tmp_path_factory.mktemp("whisper")
    model = {"key": "w", "type": "whisper", "model_id": str(make_whisper(folder / "checkpoint"))}
    with running("--config", _config(folder, model)) as server:
        server.wait_until_ready()
        yield server


@pytest.mark.process
def test_a_whisper_checkpoint_scores_and_says_what_it_is(whisper_server: ServerProcess) -> None:
    same = post(whisper_server.url, ROOT / "video_clip" / f"{UID}_{CID}.mov", UID, CID).json()
    other = post(whisper_server.url, TAKE, UID, CID).json()
    assert same["audio_sim_score"] > 0.99
    assert other["audio_sim_score"] < same["audio_sim_score"]
    assert "Model w loaded on cpu as" in whisper_server.log
    assert "million parameters" in whisper_server.log


def test_the_client_library_is_imported_only_for_remote_models() -> None:
    code = "import sys, audio_score_server.assembly; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_hub_out_of_reach_costs_no_import_of_transformers() -> None:
    code = """
import sys
from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.registry import load_runner
from audio_score_server.settings import Settings, WhisperSettings
model = WhisperSettings(key="w", type="whisper", model_id="no/such")
try:
    load_runner(model, Settings(models=(model,)))
except ModelLoadError as error:
    print(error)
sys.exit("transformers" in sys.modules)
"""
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "no/such" in result.stdout
