"""One way in which a request can fail, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

from audio_score_server.errors import AudioScoreError


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One way in which a request can fail.

    Attributes:
        status: of HTTP.
        code: stable, for programs.
        when: it happens, for people.
        example: of ``detail``.
    """

    status: int
    code: str
    when: str
    example: str


def case_of(error: type[AudioScoreError], status: int, when: str, example: str) -> ErrorCase:
    """An error's case; arguments as of ``ErrorCase``."""
    return ErrorCase(status, error.code, when, example)
