"""Finding a recording's clip among more than are scored, while the library changes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from audio_score_server import similarity
from audio_score_server.assembly import build_service
from audio_score_server.domain import Waveform
from audio_score_server.library.clip import ClipId, Library
from audio_score_server.pipelines import batch_scoring
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.service import ScoreService
from audio_score_server.settings import PhonesSettings, Settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from tests.process.server import ROOT

_LINES = Path(similarity.__file__).parents[1] / "cohort"
_DEMO = ROOT / "video_clip"
_TAKES = ROOT / "audio_clip"
_MODEL = PhonesSettings(key="phones", type="phones")
_PATIENCE_S = 60.0
Scenario = Callable[[ScoreService, LocalPipeline], Awaitable[None]]


def _served(folder: Path, scenario: Scenario) -> None:
    """Run a scenario with a service on the demo's clips and the package's own lines."""
    clips = folder / "clips"
    shutil.copytree(_DEMO, clips)
    for path in _LINES.glob("cohort_*"):
        shutil.copy(path, clips)
    settings = Settings(
        models=(_MODEL,), video_clip_dir=clips, cache_dir=folder / "cache", canary_interval_s=0
    )

    async def run() -> None:
        service = build_service(settings, Metrics())
        try:
            await service.start()
            (model,) = service.models()
            assert isinstance(model, LocalPipeline)
            assert model.lines is not None
            await model.lines.settled()
            await scenario(service, model)
        finally:
            await service.close()

    asyncio.run(run())


async def _found(
    model: LocalPipeline, library: Library, kind: str, uid: str | None = None
) -> list[str]:
    (path,) = _TAKES.glob(f"RiverTales-s01e01_part01_{kind}.*")
    waveform: Waveform = await model.decode(path.read_bytes)
    return [str(clip.id) for clip in await model.shortlist(waveform, library, uid, Stages())]


def test_the_clip_is_among_the_first_and_follows_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scoring, "SHORT_LIST", 3)
    own = "RiverTales-s01e01_part01"

    async def scenario(service: ScoreService, model: LocalPipeline) -> None:
        library = service.library.current
        assert model.indexed == len(library) > 60
        for kind in ("other", "right", "half"):
            assert (await _found(model, library, kind))[0] == own
        # Of a video with few clips, all are looked at.
        river = await _found(model, library, "other", "RiverTales-s01e01")
        assert sorted(river) == [f"RiverTales-s01e01_part0{part}" for part in (1, 2, 3)]
        cohort = await _found(model, library, "other", "cohort")
        assert len(cohort) == 3
        assert all(name.startswith("cohort_") for name in cohort)

        clips = tmp_path / "clips"
        shutil.move(clips / f"{own}.mov", clips / "RiverTales-s01e01_part09.mov")
        shutil.move(clips / f"{own}.txt", clips / "RiverTales-s01e01_part09.txt")
        async with asyncio.timeout(_PATIENCE_S):
            while service.library.current.get(ClipId("RiverTales-s01e01", "part09")) is None:
                await asyncio.sleep(0.05)
        assert model.lines is not None
        await model.lines.settled()
        assert model.indexed == len(library)
        assert (await _found(model, service.library.current, "other"))[0].endswith("part09")
        # Of the library as it was before, a request that is under way finds no more.
        assert own not in await _found(model, library, "other")

    _served(tmp_path, scenario)


def test_a_clip_whose_entry_is_damaged_is_left_out(tmp_path: Path) -> None:
    async def scenario(service: ScoreService, model: LocalPipeline) -> None:
        entry = tmp_path / "cache" / "phones" / "RiverTales-s01e01" / "part01"
        (entry / "features.safetensors").write_bytes(b"damaged")
        assert model.lines is not None
        clips = service.library.current.clips()
        model.lines.follow([clip for clip in clips if clip.id.cid != "part01"])
        await model.lines.settled()
        model.lines.follow(clips)
        await model.lines.settled()
        missing = [clip for clip in clips if clip.id.cid == "part01"]
        # The other clip of this name is whole.
        assert model.indexed == len(clips) - len(missing) + 1

    _served(tmp_path, scenario)
