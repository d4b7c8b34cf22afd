"""Scores of natural voices through trained models: in one range, whichever model is asked."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from statistics import mean

import pytest

from audio_score_server.assembly import build_service
from audio_score_server.domain import Score
from audio_score_server.service import ScoreService
from audio_score_server.settings import PhonesSettings, Settings, WhisperSettings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from tests.nonspeech import RATE, nonspeech
from tests.support import encoded
from tests.voices import ENGLISH, ENGLISH_VOICES, Line, another, half, spoken

_UID = "film"
_MODELS = ("phones", "tiny", "base")
_KINDS = ("right", "half", "wrong")
_NOBODY = "nobody"
_SOUNDS = {"phones": 200, "tiny": 200, "base": 64}
"""Fewer where each takes long."""

# Encoding the built-in speech with true weights takes its time where the processor is busy.
pytestmark = [pytest.mark.trained, pytest.mark.process, pytest.mark.timeout(600)]
Scores = dict[tuple[str, str], list[Score]]


@pytest.fixture(scope="module")
def scores(
    whisper_base: Path, whisper_tiny_en: Path, tmp_path_factory: pytest.TempPathFactory
) -> Scores:
    """By model and kind of recording, of every line."""
    folder = tmp_path_factory.mktemp("english")
    settings = Settings(
        models=(
            PhonesSettings(key="phones", type="phones"),
            WhisperSettings(key="tiny", type="whisper", model_id=str(whisper_tiny_en)),
            WhisperSettings(key="base", type="whisper", model_id=str(whisper_base)),
        ),
        video_clip_dir=_library(folder / "clips"),
        cache_dir=folder / "cache",
        device="cpu",
        canary_interval_s=0,
    )
    return asyncio.run(_score_all(settings))


def _library(folder: Path) -> Path:
    folder.mkdir()
    for number, line in enumerate(ENGLISH):
        shutil.copyfile(spoken(line, ENGLISH_VOICES[0]), folder / f"{_UID}_{number}.flac")
        (folder / f"{_UID}_{number}.txt").write_text(line.text, encoding="utf-8")
    return folder


async def _score_all(settings: Settings) -> Scores:
    service = build_service(settings, Metrics())
    await service.start()
    try:
        scores = {
            (model, kind): await _of(service, model, kind) for model in _MODELS for kind in _KINDS
        }
        return scores | {(model, _NOBODY): await _of_nobody(service, model) for model in _MODELS}
    finally:
        await service.close()


async def _of(service: ScoreService, model: str, kind: str) -> list[Score]:
    found = []
    for number, line in enumerate(ENGLISH):
        path = spoken(_said(line, kind), ENGLISH_VOICES[1])
        result = await service.score(_UID, str(number), model, path.read_bytes, Stages())
        found.append(result.score)
    return found


async def _of_nobody(service: ScoreService, model: str) -> list[Score]:
    """Of sounds in which nobody speaks; several at once, as a server has them."""

    async def score(number: int) -> Score:
        sound = encoded(nonspeech(number), "wav", "pcm_s16le", RATE)
        cid = str(number % len(ENGLISH))
        return (await service.score(_UID, cid, model, lambda: sound, Stages())).score

    found: list[Score] = []
    for first in range(0, _SOUNDS[model], 8):
        found += await asyncio.gather(*(score(first + number) for number in range(8)))
    return found


def _said(line: Line, kind: str) -> Line:
    return {"right": line, "half": half(line), "wrong": another(line)}[kind]


@pytest.mark.parametrize("model", _MODELS)
def test_a_clear_reading_by_another_voice_is_good_and_another_line_is_nothing(
    scores: Scores, model: str
) -> None:
    right, half_of_it, wrong = ([score.total for score in scores[model, kind]] for kind in _KINDS)
    assert min(right) >= 0.8
    assert max(wrong) <= 0.05
    assert mean(wrong) + 0.1 < mean(half_of_it) < mean(right) - 0.1


def test_the_range_does_not_depend_on_the_model(scores: Scores) -> None:
    for number in range(len(ENGLISH)):
        totals = [scores[model, "right"][number].total for model in _MODELS]
        assert max(totals) - min(totals) < 0.1


@pytest.mark.parametrize("model", _MODELS)
def test_where_nobody_speaks_nothing_is_earned(scores: Scores, model: str) -> None:
    totals = [score.total for score in scores[model, _NOBODY]]
    assert len(totals) == _SOUNDS[model]
    assert max(totals) <= 0.05
