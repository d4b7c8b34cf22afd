"""The report of an evaluation, for programs and for keeping."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from audio_score_server import __version__
from audio_score_server.errors import EvaluationError
from audio_score_server.evaluation.assessment import Assessment, Scores
from audio_score_server.evaluation.manifest import Manifest
from audio_score_server.evaluation.plan import Plan
from audio_score_server.evaluation.scores import Run
from audio_score_server.scoring.version import SCORE_VERSION
from audio_score_server.settings import Settings

_FORMAT: Final = 1
_PACKAGES: Final = ("torch", "transformers", "numpy", "scipy")
_SETTINGS: Final = {
    *("models", "device", "target_sampling_rate", "min_audio_seconds", "max_audio_seconds"),
    *("max_batch_size", "cpu_threads"),
}


@dataclass(frozen=True, slots=True)
class Data:
    """What was evaluated.

    Attributes:
        manifest: its path.
        sha256: of its bytes.
        clips: number of clips.
        trials: number of trials planned.
        voice: who spoke the clips; None for recordings.
        texts: whether models were told what is said in the clips.
        limit: most impostors for each recording.
    """

    manifest: str
    sha256: str
    clips: int
    trials: int
    voice: str | None
    texts: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation.

    Attributes:
        made: when, in UTC.
        versions: of what it was made with.
        settings: that bear on scores.
        data: what was evaluated.
        models: one judgement for each.
    """

    made: str
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    data: Data
    models: Mapping[str, Assessment]

    def to_json(self) -> str:
        """As ``report.json``."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"


def make_report(settings: Settings, data: Data, assessments: list[Assessment]) -> Report:
    """Put a report together."""
    chosen = settings.model_copy(update={"models": settings.chosen_models()})
    return Report(
        datetime.now(UTC).isoformat(timespec="seconds"),
        {
            "audio-score-server": __version__,
            "score": SCORE_VERSION,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        chosen.model_dump(mode="json", include=_SETTINGS),
        data,
        {assessment.model: assessment for assessment in assessments},
    )


def describe(manifest: Manifest, plan: Plan, voice: str | None, texts: bool, limit: int) -> Data:
    """What is evaluated."""
    path = str(manifest.path)
    counts = len(plan.clips), len(plan.trials)
    return Data(path, manifest.digest, *counts, voice, texts, limit)


def read_report(path: Path) -> dict[str, Any]:
    """An earlier report.

    Raises:
        EvaluationError: it cannot be read, or is none.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}.") from error
    if not isinstance(report, dict) or report.get("format") != _FORMAT:
        raise EvaluationError(
            f"{path} is no report of this version's. Name a report.json that --output wrote."
        )
    return report


def scores_csv(runs: list[tuple[Run, Scores]], plan: Plan) -> str:
    """Every trial in a line."""
    components = dict.fromkeys(name for _, scores in runs for name in scores.components)
    measures = dict.fromkeys(name for _, scores in runs for name in scores.measures)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "file", "clip", "label", "own", *components, *measures])
    for run, _ in runs:
        for scored in run.scored:
            trial = scored.trial
            writer.writerow(
                [
                    *(run.model, trial.recording, plan.clips[trial.clip].name),
                    *(trial.label, int(trial.own)),
                    *(_cell(scored.components.get(name)) for name in components),
                    *(_cell(trial.measures.get(name)) for name in measures),
                ]
            )
    return buffer.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"
