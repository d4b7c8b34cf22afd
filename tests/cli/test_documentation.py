"""What docs/clients.md shows of the command line is what it prints."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.process.server import ROOT, ServerProcess

GUIDE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


def test_commands_print_what_is_shown(
    demo: ServerProcess, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "audio_clip" / "RiverTales-s01e01_part01_other.m4a", tmp_path / "take.m4a")
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"^\$ audio-score (score .*|clips list .*)\n(.*)$", GUIDE, re.MULTILINE)
    assert len(shown) == 3
    for command, expected in shown:
        words = shlex.split(command.replace("http://localhost:9000", demo.url))
        if "--server" not in words:
            words += ["--config", str(ROOT / "config.json")]
            words += ["--cache-dir", str(tmp_path / "cache")] if words[0] == "score" else []
        code, out, _ = run(*words)
        assert (code, out) == (0, f"{expected}\n")


def test_commands_that_are_shown_have_these_flags(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = re.findall(r"^\$ audio-score (clips \w+) (.*)$", GUIDE, re.MULTILINE)
    assert len(shown) == 3
    for command, rest in shown:
        with pytest.raises(SystemExit, match="0"):
            run(*command.split(), "--help")
        told = capsys.readouterr().out
        for flag in re.findall(r"--[a-z-]+", rest):
            assert flag in told
