"""docs/glossary.md: in order, true to the code, and whole where a newcomer looks first."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import audio_score_server
from tests.process.server import ROOT

TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=\n- |\Z)", TEXT, re.MULTILINE | re.DOTALL)
NAMES = sorted(set(re.findall(r"`((?:\w+\.)+\w+)`", TEXT)))
_READ_FIRST = (
    *("domain", "model_registry", "pipelines.protocol", "library.clip"),
    *("runners.protocol", "web.families"),
)
_PARTS = {"ClipId", "RouteFamilies", "ScoreResult"}
"""Told by the entry of what they are part of."""


def _resolves(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    whole = name if name.startswith("audio_score_client.") else f"audio_score_server.{name}"
    try:
        importlib.import_module(whole)
    except ModuleNotFoundError:
        module, _, attribute = whole.rpartition(".")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            return False
        return hasattr(found, attribute)
    return True


def test_entries_are_in_alphabetical_order() -> None:
    terms = [term.casefold() for term, _ in ENTRIES]
    assert len(terms) > 50
    assert terms == sorted(terms)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_of_the_code(name: str) -> None:
    assert _resolves(name)


@pytest.mark.parametrize("module", _READ_FIRST)
def test_the_public_classes_that_a_newcomer_meets_are_explained(module: str) -> None:
    path = Path(audio_score_server.__file__).parent / f"{module.replace('.', '/')}.py"
    classes = {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    explained = {name.rpartition(".")[2] for name in NAMES}
    assert classes - explained - _PARTS == set()
