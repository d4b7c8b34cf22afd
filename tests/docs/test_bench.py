"""Documents cite programs of ``bench/`` that there are, with options that they have."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.test_readme import DOCUMENTS
from tests.process.server import ROOT

_COMMAND = re.compile(r"python -m (bench(?:\.\w+)+)([^`\n]*)")
_OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]*")


def _cited() -> dict[str, set[str]]:
    """Options that documents give to each program."""
    cited: dict[str, set[str]] = {}
    for path in DOCUMENTS:
        for module, rest in _COMMAND.findall(path.read_text()):
            cited.setdefault(module, set()).update(_OPTION.findall(rest))
    return cited


CITED = _cited()


def test_documents_cite_programs() -> None:
    assert "bench.serving" in CITED


@pytest.mark.parametrize("module", CITED)
def test_the_program_is_there(module: str) -> None:
    assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize("module", [module for module, cited in CITED.items() if cited])
def test_the_program_has_the_options(module: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    ).stdout
    assert CITED[module] <= set(_OPTION.findall(told.replace("[", " ")))
