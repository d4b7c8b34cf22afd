"""``audio-score score``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest

from audio_score_server.similarity.cohort import choose_cohort
from tests.cli.conftest import Run
from tests.client.host import SCORE, Host, Reply
from tests.process.server import ROOT, ServerProcess, post, write_config
from tests.support import chirp, encoded, make_clip

TAKE: Final = ROOT / "audio_clip" / "RiverTales-s01e01_part01_other.m4a"
NAME: Final = "RiverTales-s01e01/part01"
_FAR_MORE_THAN_A_COHORT: Final = 30


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings for the packaged model and the demo clips, with a cache of their own."""
    path = tmp_path / "config.json"
    models = [{"key": "phones", "type": "phones"}]
    clips = str(ROOT / "video_clip")
    told = {"models": models, "video_clip_dir": clips, "cache_dir": str(tmp_path / "cache")}
    path.write_text(json.dumps(told))
    return path


def test_it_is_the_servers_score_in_process_and_through_it(
    run: Run, config: Path, demo: ServerProcess
) -> None:
    answer = post(demo.url, TAKE, *NAME.split("/")).json()
    here = run("score", TAKE, "--clip", NAME, "--config", config, "--json")
    there = run("score", TAKE, "--clip", NAME, "--server", demo.url, "--json")
    assert json.loads(here[1]) == json.loads(there[1]) == answer
    assert list(json.loads(here[1])) == list(json.loads(there[1])) == list(answer)
    assert here[0] == there[0] == 0


def test_people_are_told_in_a_line(run: Run, demo: ServerProcess) -> None:
    asked = ("score", TAKE, "--clip", NAME, "--server", demo.url, "--model", "phones")
    assert run(*asked) == (
        0,
        "RiverTales-s01e01/part01: 0.989 (audio 0.991, text 0.987), by phones\n",
        "",
    )


def test_only_the_clip_and_the_cohort_are_encoded(run: Run, tmp_path: Path) -> None:
    config = Path(write_config(tmp_path, cache_dir="cache"))
    told = json.loads(config.read_text())
    told["models"][0]["audio_similarity"] = "aligned"
    config.write_text(json.dumps(told))
    clips = [
        make_clip(tmp_path / "clips", f"film_{n}.wav", f"line {n}")
        for n in range(_FAR_MORE_THAN_A_COHORT)
    ]
    cohort = {clip.id for clip in choose_cohort(clips)}
    own = next(clip.id for clip in clips if clip.id not in cohort)
    take = tmp_path / "take.wav"
    take.write_bytes(encoded(chirp()))
    kept = tmp_path / "cache" / "gone" / "video" / "clip"
    kept.mkdir(parents=True)
    code, out, _ = run("score", take, "--clip", f"{own.uid}/{own.cid}", "--config", config)
    assert code == 0
    assert out.endswith(", by fake\n")
    found = {path.name for path in (tmp_path / "cache" / "fake" / "film").iterdir()}
    assert found == {clip_id.cid for clip_id in cohort | {own} if clip_id.uid == "film"}
    assert kept.exists(), "nothing of the cache goes"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("none.wav", "--clip", NAME), 1, "none.wav"),
        ((TAKE, "--clip", "film/1"), 1, "There is no video 'film'"),
        ((ROOT / "README.md", "--clip", NAME), 1, "cannot be decoded"),
        (
            (TAKE, "--clip", NAME, "--model", "none"),
            3,
            "the settings have: phones",
        ),
        ((TAKE, "--clip", NAME, "--clips-dir", "/none"), 1, "The clips cannot be read: /none"),
        ((TAKE, "--clip", NAME, "--device", "none"), 2, "Wrong settings"),
    ],
)
def test_what_cannot_be_is_told(
    run: Run, config: Path, arguments: tuple[object, ...], code: int, told: str
) -> None:
    found, out, err = run("score", *arguments, "--config", config)
    assert (found, out) == (code, "")
    assert told in err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((TAKE, "--server", "nowhere"), 2, "no http or https address"),
        ((TAKE, "--server", "http://localhost:1", "--device", "cpu"), 2, "leave out --device"),
        ((TAKE, "--server", "http://127.0.0.1:1"), 1, "refused"),
        (("none.wav", "--server", "http://127.0.0.1:1"), 1, "none.wav"),
    ],
)
def test_what_cannot_be_with_a_server_is_told(
    run: Run, arguments: tuple[object, ...], code: int, told: str
) -> None:
    found, out, err = run("score", "--clip", NAME, *arguments)
    assert (found, out) == (code, "")
    assert told in err


def test_the_servers_own_words_are_told(run: Run, demo: ServerProcess) -> None:
    code, _, err = run("score", TAKE, "--clip", "film/1", "--server", demo.url)
    assert code == 1
    detail = post(demo.url, TAKE, "film", "1").json()["detail"]
    assert err.startswith(f"{detail} (404 unknown_clip, request ")


def test_the_key_is_taken_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_SCORE_API_KEY", "a-key")
    with Host(Reply(SCORE)) as host:
        assert run("score", TAKE, "--clip", NAME, "--server", host.url)[0] == 0
    assert host.requests[0].headers["authorization"] == "Bearer a-key"


@pytest.mark.parametrize("name", ["", "film", "/1", "film/"])
def test_a_clip_that_is_no_name_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("score", TAKE, "--clip", name)
    assert "names no clip" in capsys.readouterr().err


def test_without_the_client_it_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audio_score_client", None)
    asked = ("score", TAKE, "--clip", NAME, "--server", "http://localhost:1")
    code, _, err = run(*asked)
    assert code == 3
    assert "needs audio_score_client" in err
    assert "install audio-score-client" in err
