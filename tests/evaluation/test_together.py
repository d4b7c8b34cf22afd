"""One recording against several clips at once: the same as against one after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audio_score_server.assembly import build_service
from audio_score_server.cli import command
from audio_score_server.evaluation.components import components
from audio_score_server.pipelines.protocol import ScoreResult
from audio_score_server.settings import PhonesSettings, Settings, WhisperSettings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from tests.chat import chat, failure, similarities
from tests.checkpoints import make_whisper
from tests.process.server import ROOT

Model = PhonesSettings | WhisperSettings
RECORDINGS = ("RiverTales-s01e01_part01_right", "RiverTales-s01e01_part02_half", "silence")


def _whisper(folder: Path, **changes: Any) -> Model:
    known = {"key": "whisper", "type": "whisper", "dtype": "float32"}
    # Its clips are not all taken for one language, and are several windows long.
    checkpoint = make_whisper(folder / "whisper", letters=True, seed=5)
    return WhisperSettings.model_validate({**known, "model_id": str(checkpoint), **changes})


MODELS: dict[str, tuple[Callable[[Path], Model], float]] = {
    "phones": (lambda _: PhonesSettings(key="phones", type="phones"), 1e-6),
    "whisper": (_whisper, 1e-4),
    "whisper-ears": (lambda folder: _whisper(folder, audio_features="phones", language="en"), 1e-4),
}
"""Settings, given a folder for a checkpoint, and how far numbers may be apart."""


@pytest.mark.parametrize("name", MODELS)
def test_together_recordings_score_as_one_by_one(tmp_path: Path, name: str) -> None:
    make, tolerance = MODELS[name]
    pairs = asyncio.run(_both(make(tmp_path), tmp_path / "cache"))
    assert len(pairs) >= 5 * len(RECORDINGS)
    for alone, together in pairs:
        assert alone.analysis is not None
        assert together.analysis is not None
        assert components(together) == pytest.approx(components(alone), abs=tolerance)
        assert together.analysis.detail.heard == alone.analysis.detail.heard
        assert together.analysis.detail.warnings == alone.analysis.detail.warnings


async def _both(model: Model, cache: Path) -> list[tuple[ScoreResult, ScoreResult]]:
    """Judgements of every recording and clip, alone and together."""
    clips = ROOT / "video_clip"
    settings = Settings(models=(model,), video_clip_dir=clips, cache_dir=cache, device="cpu")
    service = build_service(settings, Metrics())
    pairs: list[tuple[ScoreResult, ScoreResult]] = []
    try:
        await service.start()
        ids = [clip.id for clip in service.clips()]
        for recording in RECORDINGS:
            (path,) = (ROOT / "audio_clip").glob(f"{recording}.*")
            together = await service.score_all(ids, model.key, path.read_bytes)
            for each, result in zip(ids, together, strict=True):
                alone = await service.score(
                    each.uid, each.cid, model.key, path.read_bytes, Stages(), detailed=True
                )
                pairs.append((alone, result))
    finally:
        await service.close()
    return pairs


def test_remote_models_are_asked_about_one_clip_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("BOSON_API_KEY", "sk-secret")
    recordings = sorted((ROOT / "audio_clip").glob("RiverTales-*_right.*"))
    lines = [f"{path},{path.stem.removesuffix('_right')}.mov" for path in recordings]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,clip", *lines]))
    # The first recording's own trial fails: its impostors are not paid for any more.
    with chat(failure(400), similarities(0.25, 0.75)) as endpoint:
        model = {"key": "far", "type": "higgs_remote", "api_base": endpoint.url, "model_id": "it"}
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"models": [model], "max_batch_size": 1, "max_inflight": 1}))
        arguments = ["--clips", str(ROOT / "video_clip"), "--output", str(tmp_path / "output")]
        assert command(["evaluate", str(tmp_path), "--config", str(config), *arguments]) == 0
        asked = len(endpoint.requests)
    result = json.loads((tmp_path / "output" / "report.json").read_text())["models"]["far"]
    count = len(recordings)
    assert (result["recordings"], result["trials"]) == (count - 1, (count - 1) * count)
    assert list(result["left_out"]) == [str(recordings[0])]
    assert asked == 1 + (count - 1) * count
