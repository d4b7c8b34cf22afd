"""What the recordings of a folder are: reading its ``manifest.csv``."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.errors import EvaluationError

NAME: Final = "manifest.csv"
RIGHT: Final = "right"
WRONG: Final = "wrong"
_SHOWN: Final = 5
_LONGEST_FIELD: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the manifest.

    Attributes:
        line: its number in the file.
        name: of the recording, as the manifest writes it.
        path: of the recording.
        text: what is said; empty where nothing tells.
        sentence: what the readings of one line have in common; the text where there is no such
            column.
        clip: name of the clip that the recording performs; empty where nothing tells.
        label: ``right`` unless the manifest says otherwise, in small letters.
        measures: what others have said of the recording; NaN where they said nothing.
    """

    line: int
    name: str
    path: Path
    text: str
    sentence: str
    clip: str
    label: str
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was read.

    Attributes:
        path: of the file.
        digest: SHA-256 of its bytes, by which two evaluations know that they are of the same data.
        columns: names in its first line.
        measures: those columns that hold measures.
        rows: the other lines.
    """

    path: Path
    digest: str
    columns: tuple[str, ...]
    measures: tuple[str, ...]
    rows: tuple[Row, ...]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Args:
        path: a folder with a ``manifest.csv``, or such a file by another name.

    Raises:
        EvaluationError: there is none, or it is not as it should be.
    """
    file = path / NAME if path.is_dir() else path
    content = _content(file)
    columns, lines = _lines(file, content)
    measures = tuple(name for name in columns if is_measure(name))
    rows = tuple(_row(file, line, cells, measures) for line, cells in lines)
    if not rows:
        raise EvaluationError(f"{file} lists no recordings. Give each a line.")
    _refuse_duplicates(file, rows)
    _refuse_missing(
        file, [f"{row.name} (line {row.line})" for row in rows if not is_file(row.path)]
    )
    return Manifest(file, hashlib.sha256(content).hexdigest(), columns, measures, rows)


def is_measure(column: str) -> bool:
    """Whether a column holds numbers that scores are compared with."""
    return is_human(column) or column.endswith("_score")


def is_human(column: str) -> bool:
    """Whether a column holds people's judgements."""
    return column.startswith("human_")


def is_file(path: Path) -> bool:
    """Whether there is a file; False for what cannot be a path at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise EvaluationError(
            f"{file} does not exist. Name a folder with a {NAME}, or a manifest by its own name."
        ) from None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{file} cannot be read: {error}.") from error


def _lines(file: Path, content: bytes) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """The names of the columns, and each further line's number and cells."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EvaluationError(f"{file}, line {line}: not UTF-8. Save the file as UTF-8.") from None
    # Longer than any text that is read aloud: a forgotten quotation mark is told, not swallowed.
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = tuple(name.strip() for name in next(reader, []))
        _check_columns(file, columns)
        lines = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num, _cells(file, reader.line_num, columns, cells)))
    except csv.Error as error:
        raise EvaluationError(
            f"{file}, line {reader.line_num}: {error}. Check its quotation marks."
        ) from None
    return columns, lines


def _check_columns(file: Path, columns: tuple[str, ...]) -> None:
    if "file" not in columns:
        found = ", ".join(columns) or "none"
        raise EvaluationError(
            f"{file}: no column is called 'file'; found: {found}. The first line names the "
            "columns, with commas between them."
        )
    for name in columns:
        if name and columns.count(name) > 1:
            raise EvaluationError(f"{file}: two columns are called {name!r}. Rename one.")


def _cells(file: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise EvaluationError(
            f"{file}, line {line}: {len(cells)} cells for {len(columns)} columns. Put what has "
            "commas in it between quotation marks."
        )
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _row(file: Path, line: int, cells: dict[str, str], measures: tuple[str, ...]) -> Row:
    name = cells["file"]
    if not name or "\0" in name:
        raise EvaluationError(f"{file}, line {line}: names no file.")
    text = " ".join(cells.get("text", "").split())
    return Row(
        line,
        name,
        file.parent / name,
        text,
        cells.get("sentence") or text,
        cells.get("clip", ""),
        cells.get("label", "").casefold() or RIGHT,
        {column: _number(file, line, column, cells[column]) for column in measures},
    )


def _number(file: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise EvaluationError(
            f"{file}, line {line}: {column} is {cell!r}. Give a number or nothing."
        )
    return value


def _refuse_duplicates(file: Path, rows: tuple[Row, ...]) -> None:
    first: dict[tuple[Path, str], int] = {}
    for row in rows:
        earlier = first.setdefault((row.path, row.clip), row.line)
        if earlier != row.line:
            raise EvaluationError(
                f"{file}, line {row.line}: {row.name} is in line {earlier} already. Remove one."
            )


def _refuse_missing(file: Path, missing: list[str]) -> None:
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise EvaluationError(
            f"{file}: {len(missing)} of its files do not exist: "
            f"{', '.join(missing[:_SHOWN])}{more}. Names count from {file.parent}."
        )
