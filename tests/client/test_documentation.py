"""What the documents say of the client runs as it is printed, but for the server's address."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

import audio_score_client
from audio_score_client import errors
from audio_score_client.operations import Operations
from tests.process.server import ROOT, ServerProcess

GUIDE: Final = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
_DOCUMENTS: Final = ("README.md", "client/README.md", "docs/clients.md")
_ADDRESS: Final = "http://localhost:9000"
_BLOCKS: Final = [
    (name, block)
    for name in _DOCUMENTS
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
]


@pytest.fixture
def _take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``take.m4a`` lies where programs are run."""
    shutil.copy(ROOT / "audio_clip" / "RiverTales-s01e01_part01_other.m4a", tmp_path / "take.m4a")
    monkeypatch.chdir(tmp_path)


def test_every_document_has_a_program() -> None:
    assert {name for name, _ in _BLOCKS} == set(_DOCUMENTS)


@pytest.mark.usefixtures("_take")
@pytest.mark.parametrize(("name", "block"), _BLOCKS, ids=lambda each: each[:20])
def test_programs_run(
    demo: ServerProcess, capsys: pytest.CaptureFixture[str], name: str, block: str
) -> None:
    assert _ADDRESS in block
    exec(compile(block.replace(_ADDRESS, demo.url), name, "exec"), {"__name__": "documented"})
    out = capsys.readouterr().out
    assert "0.98" in out or out.startswith("Record again: The recording cannot be decoded")


def test_every_method_and_error_is_told_of() -> None:
    methods = {name for name in vars(audio_score_client.AudioScoreClient) if name[0] != "_"}
    methods = {name for name in methods if hasattr(Operations, name)}
    told = set(re.findall(r"`(\w+)`", GUIDE))
    assert methods <= told
    classes = {name for name, each in vars(errors).items() if isinstance(each, type)}
    assert classes <= told
