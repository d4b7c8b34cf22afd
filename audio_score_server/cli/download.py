"""Fetching every configured checkpoint, so that a server starts without a network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from audio_score_server.cli.flags import EXIT_SETTINGS, settings_from
from audio_score_server.errors import ModelLoadError
from audio_score_server.settings import ModelSettings, Settings
from audio_score_server.telemetry.logs import configure_logs

DESCRIPTION: Final = (
    "Fetch the configured models' checkpoints; check and repair those that are there."
)
FLAGS: Final = {"--models-dir": "models_dir", "--model-keys": "model_keys"}
"""Flag to setting."""
_EXIT_OK: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_STOPPED: Final = 130


def download(flags: Mapping[str, object], default_config: Path) -> int:
    """Make every chosen model's checkpoints complete, of models for other machines too.

    Args:
        flags: settings given on the command line by name, and ``config``.
        default_config: settings file where neither flag nor variable names one.

    Returns:
        Exit code: 0 when all are complete, 1 when some are not, 2 for wrong settings, 130 when
        stopped by Ctrl+C.
    """
    settings = settings_from(flags, default_config)
    if settings is None:
        return EXIT_SETTINGS
    configure_logs(settings.log_level, settings.log_format)
    try:
        return _download(settings)
    except KeyboardInterrupt:
        print("Stopped. Run it again to go on; whole files are kept.", file=sys.stderr)
        return _EXIT_STOPPED


def _download(settings: Settings) -> int:
    models = settings.chosen_models()
    failed = 0
    for model in models:
        try:
            outcome = _completed(model, settings.models_dir)
        except ModelLoadError as error:
            failed += 1
            outcome = f"failed: {error}."
        print(f"{model.key}: {outcome}", flush=True)
    if failed:
        print(f"{failed} of {len(models)} models failed; the lines above say why.")
        return _EXIT_FAILED
    print(f"All is there for {len(models)} models." if len(models) > 1 else "All is there.")
    return _EXIT_OK


def _completed(model: ModelSettings, models_dir: Path | None) -> str:
    """Make one model's checkpoints complete and say what that took."""
    # Imported once the settings are known to be right.
    from audio_score_server.checkpoints.locate import download as download_checkpoint
    from audio_score_server.checkpoints.progress import readable_size
    from audio_score_server.checkpoints.required import checkpoints_of

    checkpoints = checkpoints_of(model)
    if not checkpoints:
        return "needs nothing."
    local = [download_checkpoint(checkpoint, models_dir) for checkpoint in checkpoints]
    size = sum(each.downloaded_bytes for each in local)
    repaired = [name for each in local for name in each.repaired]
    outcome = f"complete; {readable_size(size)} fetched" if size else "complete already"
    return f"{outcome}, {', '.join(repaired)} repaired." if repaired else f"{outcome}."
