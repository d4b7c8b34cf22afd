"""What tests of the commands share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from audio_score_server.cli import command

Run = Callable[..., tuple[int, str, str]]
"""Runs a command: its exit code, standard output and standard error."""


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """The command's log goes where standard error is while the test runs."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands in this process, without the settings of whoever runs the tests."""
    monkeypatch.delenv("AUDIO_SCORE_API_KEY", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = command([str(each) for each in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return run
