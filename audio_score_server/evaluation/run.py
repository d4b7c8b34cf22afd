"""An evaluation from its manifest to its report."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from audio_score_server.errors import EvaluationError
from audio_score_server.evaluation.assessment import Assessment, Scores, assess, tabulate
from audio_score_server.evaluation.clips import check_voice, fill
from audio_score_server.evaluation.manifest import Manifest, read_manifest
from audio_score_server.evaluation.plan import Plan, make_plan
from audio_score_server.evaluation.plots import draw_all
from audio_score_server.evaluation.report import (
    Report,
    describe,
    make_report,
    read_report,
    scores_csv,
)
from audio_score_server.evaluation.scores import Run, score_plan
from audio_score_server.evaluation.tables import comparison_text, report_text
from audio_score_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        manifest: its folder, or its file.
        clips: folder of the clips; None for those that the manifest names.
        voice: speaks the clips; None for recorded ones.
        texts: whether models are told what is said in the clips.
        limit: most impostors for each recording.
        cache: folder for what models make of the clips; None for none that stays.
        output: folder for the report; None for none.
        compare: an earlier report; None for none.
    """

    manifest: Path
    clips: Path | None = None
    voice: str | None = None
    texts: bool = True
    limit: int = 100
    cache: Path | None = None
    output: Path | None = None
    compare: Path | None = None


def evaluate(settings: Settings, options: Options) -> str:
    """Evaluate the operator's models on labelled recordings.

    Args:
        settings: the operator's.
        options: what is asked for.

    Returns:
        The report for people; with ``output`` it and the rest are there, too.

    Raises:
        EvaluationError: what was asked for cannot be done.
        NoModelError: no configured model could be loaded.
        NotReady: a model's device has failed.
    """
    # Whatever can be found wrong early is, not after an hour of scoring.
    earlier = read_report(options.compare) if options.compare else None
    voice = check_voice(options.voice) if options.voice else None
    manifest = read_manifest(options.manifest)
    plan = make_plan(manifest, options.clips, voice is not None, options.limit)
    if options.output:
        _make_folder(options.output)
    runs = _run(settings, plan, voice, options)
    tables = [(run, tabulate(run.scored, manifest.measures)) for run in runs]
    assessments = [assess(run, scores) for run, scores in tables]
    report = _report(settings, options, manifest, plan, assessments)
    text = report_text(report)
    if earlier is not None:
        text += "\n\n" + comparison_text(earlier, report)
    if options.output:
        _write(options.output, text, report, tables, plan)
    return text


def _run(settings: Settings, plan: Plan, voice: str | None, options: Options) -> list[Run]:
    with tempfile.TemporaryDirectory(prefix="audio-score-") as scratch:
        clips, cache = Path(scratch, "clips"), options.cache or Path(scratch, "cache")
        clips.mkdir()
        fill(clips, plan.clips, voice, options.texts)
        runs = asyncio.run(score_plan(settings, plan, clips, cache))
    for run in runs:
        if not run.scored:
            name, reason = next(iter(run.left_out.items()))
            raise EvaluationError(
                f"Model {run.model} could score nothing: {len(run.left_out)} files could not be "
                f"used. The first, {name}: {reason}"
            )
    return runs


def _report(
    settings: Settings,
    options: Options,
    manifest: Manifest,
    plan: Plan,
    assessments: list[Assessment],
) -> Report:
    data = describe(manifest, plan, options.voice, options.texts, options.limit)
    return make_report(settings, data, assessments)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"--output {folder} cannot be made: {error.strerror}.") from error


def _write(
    folder: Path, text: str, report: Report, tables: list[tuple[Run, Scores]], plan: Plan
) -> None:
    files = {
        "report.txt": text + "\n",
        "report.json": report.to_json(),
        "scores.csv": scores_csv(tables, plan),
    }
    try:
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
        for run, scores in tables:
            draw_all(report.models[run.model], scores, folder)
    except OSError as error:
        raise EvaluationError(f"--output {folder} cannot be written: {error}.") from error
