"""Which recording is scored against which clip."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audio_score_server.errors import EvaluationError
from audio_score_server.evaluation.manifest import RIGHT, WRONG, Manifest, Row, is_file


@dataclass(frozen=True, slots=True)
class Source:
    """Where a clip comes from.

    Attributes:
        name: for people.
        path: of its sound; None for one that a synthetic voice is to speak.
        text: what is said in it; None where nothing tells.
        line: the same for all clips of one line, which are no impostors of each other.
    """

    name: str
    path: Path | None
    text: str | None
    line: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording to be scored against one clip.

    Attributes:
        recording: name of the recording.
        path: of the recording.
        clip: number of the clip among the plan's.
        label: what is known of it.
        own: whether it is the clip that the recording performs, not an impostor.
        measures: what others have said of the recording; of its own clip alone.
    """

    recording: str
    path: Path
    clip: int
    label: str
    own: bool
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be scored; the trials of one recording follow each other."""

    clips: tuple[Source, ...]
    trials: tuple[Trial, ...]


_Pairs = list[tuple[Row, Source]]


def make_plan(manifest: Manifest, clips: Path | None, spoken: bool, limit: int) -> Plan:
    """Pair each recording with the clip that it performs and with impostors.

    Args:
        manifest: of the recordings.
        clips: folder of the clips where it is not the manifest's.
        spoken: whether clips are to be spoken from the recordings' texts.
        limit: most impostors for each recording.

    Raises:
        EvaluationError: it cannot be told which clip a recording performs, or there is nothing
            that could be measured.
    """
    if spoken:
        pairs = _spoken(manifest)
    elif "clip" in manifest.columns:
        pairs = _named(manifest, clips or manifest.path.parent)
    elif clips is not None:
        pairs = _matching(manifest, clips)
    else:
        pairs = _grouped(manifest)
    sources = tuple(dict.fromkeys(source for _, source in pairs))
    trials = _trials(pairs, sources, limit)
    _check(manifest, trials)
    return Plan(sources, trials)


def _spoken(manifest: Manifest) -> _Pairs:
    """Every recording against a synthetic reading of its text."""
    for row in manifest.rows:
        if not row.text:
            raise EvaluationError(
                f"{manifest.path}, line {row.line}: without a text, a voice has nothing to speak."
            )
    return [
        (row, Source(f"reading of {row.text!r}", None, row.text, _folded(row.text)))
        for row in manifest.rows
    ]


def _named(manifest: Manifest, folder: Path) -> _Pairs:
    """Lines that name a clip are recordings; the others tell what is said in clips."""
    texts = {row.path.resolve(): row.text for row in manifest.rows if not row.clip}
    pairs = []
    for row in manifest.rows:
        if not row.clip:
            continue
        path = folder / row.clip
        if not is_file(path):
            raise EvaluationError(
                f"{manifest.path}, line {row.line}: the clip {path} does not exist."
            )
        pairs.append((row, _source(row.clip, path, texts.get(path.resolve()) or row.text)))
    return pairs


def _matching(manifest: Manifest, folder: Path) -> _Pairs:
    """The clip has the recording's name, up to the ending."""
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder. --clips names the folder of the clips.")
    sounds = {path.stem: path for path in sorted(folder.iterdir()) if _is_sound(path)}
    pairs = []
    for row in manifest.rows:
        path = sounds.get(row.path.stem)
        if path is None:
            raise EvaluationError(
                f"{manifest.path}, line {row.line}: {folder} has no clip called {row.path.stem}. "
                "Call it like the recording, or name it in a column 'clip'."
            )
        pairs.append((row, _source(path.name, path, row.text)))
    return pairs


def _is_sound(path: Path) -> bool:
    return path.suffix not in (".txt", ".csv") and is_file(path)


def _grouped(manifest: Manifest) -> _Pairs:
    """Of the readings of one sentence the first is the clip."""
    readings: dict[str, list[Row]] = defaultdict(list)
    for row in manifest.rows:
        if row.sentence:
            readings[_folded(row.sentence)].append(row)
    pairs: _Pairs = []
    for first, *others in readings.values():
        clip = _source(first.name, first.path, first.text, _folded(first.sentence))
        pairs.extend((row, clip) for row in others)
    if not pairs:
        raise EvaluationError(
            f"{manifest.path} does not tell which clips its recordings perform: it has no column "
            "'clip', and no two lines share a 'sentence' or 'text'. Add one of these, or name a "
            "folder of clips with --clips, or have them spoken with --voice."
        )
    return pairs


def _source(name: str, path: Path, text: str, line: str = "") -> Source:
    known = text or _text_beside(path)
    return Source(name, path, known or None, _folded(known) or line or str(path.resolve()))


def _text_beside(path: Path) -> str:
    file = path.with_suffix(".txt")
    try:
        return " ".join(file.read_text(encoding="utf-8-sig").split())
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{file} cannot be read: {error}. Save it as UTF-8.") from error


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _trials(pairs: _Pairs, sources: tuple[Source, ...], limit: int) -> tuple[Trial, ...]:
    places = {source: place for place, source in enumerate(sources)}
    rows: dict[Path, _Pairs] = defaultdict(list)
    for row, source in pairs:
        rows[row.path].append((row, source))
    trials: list[Trial] = []
    for own in rows.values():
        trials.extend(
            Trial(row.name, row.path, places[source], row.label, True, row.measures)
            for row, source in own
        )
        row = own[0][0]
        # Of what is not known to be said rightly, nobody knows whose line it is.
        if all(row.label == RIGHT for row, _ in own):
            lines = {source.line for _, source in own}
            trials.extend(
                Trial(row.name, row.path, place, WRONG, False, {})
                for place in _impostors(row.name, sources, lines, limit)
            )
    return tuple(trials)


def _impostors(
    recording: str, sources: tuple[Source, ...], lines: set[str], limit: int
) -> list[int]:
    """Numbers of clips of other lines: all, or by lot but always the same for a recording."""
    others = [place for place, source in enumerate(sources) if source.line not in lines]
    if len(others) <= limit:
        return others
    return sorted(random.Random(recording).sample(others, limit))


def _check(manifest: Manifest, trials: tuple[Trial, ...]) -> None:
    if not trials:
        raise EvaluationError(f"{manifest.path} names no clip. Fill in the column 'clip'.")
    labels = {trial.label for trial in trials}
    if manifest.measures or {RIGHT, WRONG} <= labels:
        return
    lacking = RIGHT if WRONG in labels else WRONG
    raise EvaluationError(
        f"{manifest.path}: there is nothing to measure. No trial is {lacking}: "
        "that takes recordings labelled so, or two lines at least and --limit above 0. "
        "Columns human_... would do too."
    )
