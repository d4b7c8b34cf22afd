"""Findings as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from audio_score_server.library_check.findings import Finding

_HEADER: Final = ("file", "finding", "what", "remedy")


def as_table(findings: Sequence[Finding], clips: int) -> str:
    """One line for each finding, in columns, and how many there are."""
    if not findings:
        return f"{clips} clips checked: nothing is wrong."
    rows = [_HEADER, *((each.file, each.code, each.detail, each.remedy) for each in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    files = len({each.file for each in findings})
    return "\n".join(
        [*lines, "", f"{clips} clips checked: {len(findings)} findings, {files} files."]
    )


def as_json(findings: Sequence[Finding], clips: int) -> str:
    """The same as an object: ``clips``, and ``findings`` in the same order."""
    told = [
        {
            "file": each.file,
            "code": each.code,
            "detail": each.detail,
            "remedy": each.remedy,
        }
        for each in findings
    ]
    return json.dumps({"clips": clips, "findings": told}, ensure_ascii=False, indent=1)
