"""CONTRIBUTING.md: the files that it sends people to are there."""

from __future__ import annotations

import re

import pytest

from tests.process.server import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = sorted(
    set(
        re.findall(r"`((?:audio_score_server|client|tests|docs|scripts)/[\w./]+|README\.md)`", TEXT)
    )
)
QUESTIONS = ("a new warning", "a new model type", "a new route family", "a new language")


def test_the_questions_of_a_newcomer_are_answered() -> None:
    assert len(NAMED) > 20
    for question in QUESTIONS:
        assert f"**{question}**" in TEXT


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_is_there(name: str) -> None:
    assert (ROOT / name).exists()
