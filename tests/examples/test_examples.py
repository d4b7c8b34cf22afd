"""Every file of ``examples/`` runs, or can at least be parsed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
import tree_sitter
import tree_sitter_kotlin
import tree_sitter_swift
from nbclient import NotebookClient

from tests.client.host import SCORE, Host, Reply
from tests.process.server import ROOT, ServerProcess, clean_environment

EXAMPLES: Final = ROOT / "examples"
TAKE: Final = "audio_clip/RiverTales-s01e01_part01_other.m4a"
BUSY: Final = Reply({"code": "overloaded", "detail": "Busy."}, 503, {"Retry-After": "1"})
_GRAMMARS: Final = {
    "kotlin/Score.kt": tree_sitter_kotlin.language,
    "swift/Score.swift": tree_sitter_swift.language,
}
_SCORE: Final = pytest.approx(0.989, abs=2e-3)


def _run(url: str, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        cwd=ROOT,
        env=clean_environment({"AUDIO_SCORE_SERVER": url, **variables}),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_every_example_is_told_of_and_tested() -> None:
    table = (EXAMPLES / "README.md").read_text()
    files = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert set(re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)) == files - {"README.md"}


def test_curl(demo: ServerProcess) -> None:
    result = _run(demo.url, EXAMPLES / "curl.sh")
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line and line[0] != "#"]
    score, detail, clips, clip = (json.loads(line) for line in lines[:4])
    assert score["sim_score"] == detail["sim_score"] == _SCORE
    assert detail["detail"]["words"]
    assert [each["cid"] for each in clips] == ["part01"]
    assert clip["etag"] == clips[0]["etag"]
    assert int(lines[4].removesuffix(" bytes")) > 10_000


def test_curl_tells_what_is_wrong_and_sends_the_key(demo: ServerProcess) -> None:
    result = _run(demo.url, EXAMPLES / "curl.sh", TAKE, "film", "1")
    assert result.returncode != 0
    assert "unknown_clip" in result.stdout
    with Host(BUSY, Reply(SCORE)) as host:
        _run(host.url, EXAMPLES / "curl.sh", AUDIO_SCORE_API_KEY="a-key")
    assert host.requests[0].headers["authorization"] == "Bearer a-key"
    assert host.requests[1].parts()[:2] == host.requests[0].parts()[:2]


def test_python(demo: ServerProcess) -> None:
    result = _run(demo.url, sys.executable, EXAMPLES / "python_client.py", TAKE)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("RiverTales-s01e01/part01: The little boat")
    assert "0.989 by phones" in lines
    assert lines[-1].split()[0] == "sun"


@pytest.mark.parametrize(
    ("url", "recording", "told"),
    [("", "README.md", "Record again"), ("http://127.0.0.1:1", TAKE, "Connection refused")],
)
def test_python_tells_what_is_wrong(
    demo: ServerProcess, url: str, recording: str, told: str
) -> None:
    result = _run(url or demo.url, sys.executable, EXAMPLES / "python_client.py", recording)
    assert result.returncode == 1
    assert told in result.stderr


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    return node


def test_javascript(demo: ServerProcess) -> None:
    result = _run(demo.url, _node(), EXAMPLES / "javascript" / "score.mjs", TAKE)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["sim_score"] == _SCORE


def test_javascript_tries_again_and_tells_what_is_wrong() -> None:
    script = EXAMPLES / "javascript" / "score.mjs"
    no = Reply({"code": "unknown_clip", "detail": "No such clip."}, 404)
    with Host(BUSY, Reply(SCORE), no) as host:
        tried = _run(host.url, _node(), script, TAKE, AUDIO_SCORE_API_KEY="a-key")
        wrong = _run(host.url, _node(), script, TAKE)
    assert json.loads(tried.stdout) == SCORE
    assert host.requests[1].headers["authorization"] == "Bearer a-key"
    assert host.requests[1].parts()[-1][2] == (ROOT / TAKE).read_bytes()
    assert wrong.returncode == 1
    assert wrong.stderr == "No such clip. (404 unknown_clip)\n"


@pytest.mark.parametrize("name", _GRAMMARS)
def test_other_languages_can_be_parsed(name: str) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(_GRAMMARS[name]()))
    content = (EXAMPLES / name).read_bytes()
    assert not parser.parse(content).root_node.has_error
    assert parser.parse(content.replace(b"{", b"", 1)).root_node.has_error


def test_kotlin(demo: ServerProcess, tmp_path: Path) -> None:
    compiler, java = shutil.which("kotlinc"), shutil.which("java")
    if compiler is None or java is None:
        pytest.skip("Kotlin's compiler or Java is not installed")
    made = tmp_path / "score.jar"
    source = EXAMPLES / "kotlin" / "Score.kt"
    compiled = _run("", compiler, source, "-include-runtime", "-d", made)
    assert compiled.returncode == 0, compiled.stderr
    result = _run(demo.url, java, "-jar", made, TAKE)
    assert json.loads(result.stdout)["sim_score"] == _SCORE, result.stderr
    no = Reply({"code": "unknown_clip", "detail": "No such clip."}, 404)
    with Host(BUSY, Reply(SCORE), no) as host:
        assert json.loads(_run(host.url, java, "-jar", made, TAKE).stdout) == SCORE
        wrong = _run(host.url, java, "-jar", made, TAKE)
    assert "AudioScoreException" in wrong.stderr
    assert host.requests[1].parts()[-1] == ("audio", "recording", (ROOT / TAKE).read_bytes())


def test_the_notebook(demo: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_SCORE_SERVER", demo.url)
    path = EXAMPLES / "score.ipynb"
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = {cell["id"]: cell["outputs"] for cell in notebook.cells if cell.get("outputs")}
    (table,) = outputs["scores"]
    lines = table["text"].splitlines()
    assert len(lines) == len(list((ROOT / "audio_clip").glob("RiverTales-s01e01_part01_*")))
    assert lines == sorted(lines, reverse=True)
    assert lines[0].endswith("_right.mp3")
    assert lines[-1].endswith("_wrong.ogg")
    assert "boat" in outputs["detail"][0]["text"]
