"""The whole path without English: Japanese clips and recordings, and a trained Whisper."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audio_score_server.assembly import build_service
from audio_score_server.domain import Reference, Score
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.sources import clip_folder
from audio_score_server.pipelines.protocol import ScoreResult
from audio_score_server.references.entry import MANIFEST, EntryManifest
from audio_score_server.references.store import ReferenceStore
from audio_score_server.service import ScoreService
from audio_score_server.settings import Settings, WhisperSettings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from audio_score_server.tokenization import unspaced
from tests.voices import JAPANESE, JAPANESE_VOICES, Line, another, spoken

_UID, _KEY = "film", "w"
_MEMORY = 2**20

# Encoding the built-in speech with true weights takes its time where the processor is busy.
pytestmark = [pytest.mark.trained, pytest.mark.process, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Heard:
    """What the clips were found to be, and what recordings of them were given."""

    references: list[Reference]
    right: list[ScoreResult]
    wrong: list[ScoreResult]


@pytest.fixture(scope="module")
def heard(whisper_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """Each line's clip by one voice, and that line and another by the other voice."""
    folder = tmp_path_factory.mktemp("japanese")
    settings = Settings(
        models=(WhisperSettings(key=_KEY, type="whisper", model_id=str(whisper_base)),),
        video_clip_dir=_library(folder / "clips"),
        cache_dir=folder / "cache",
        device="cpu",
        canary_interval_s=0,
    )
    right, wrong = asyncio.run(_judge_all(settings))
    return Heard(_references(settings), right, wrong)


def _library(folder: Path) -> Path:
    """Every line by the first voice, its usual spelling beside it."""
    folder.mkdir()
    for number, line in enumerate(JAPANESE):
        path = folder / f"{_UID}_{number}.flac"
        shutil.copy(spoken(line, JAPANESE_VOICES[0]), path)
        path.with_suffix(".txt").write_text(line.written, encoding="utf-8")
    return folder


async def _judge_all(settings: Settings) -> tuple[list[ScoreResult], list[ScoreResult]]:
    service = build_service(settings, Metrics())
    await service.start()
    right = [await _judge(service, number, line) for number, line in enumerate(JAPANESE)]
    wrong = [await _judge(service, number, another(line)) for number, line in enumerate(JAPANESE)]
    await service.close()
    return right, wrong


async def _judge(service: ScoreService, number: int, line: Line) -> ScoreResult:
    """A line by the second voice, as a recording of a clip."""
    sound = spoken(line, JAPANESE_VOICES[1]).read_bytes()
    return await service.score(_UID, str(number), None, lambda: sound, Stages(), detailed=True)


def _references(settings: Settings) -> list[Reference]:
    """As the service cached them."""
    cache = settings.cache_dir / _KEY
    manifest = EntryManifest.model_validate_json(next(cache.glob(f"*/*/{MANIFEST}")).read_bytes())
    store = ReferenceStore(cache, (manifest.runner, manifest.settings), _MEMORY)
    return [store.read(clip) for clip in FolderSource(clip_folder(settings)).library().clips()]


def test_the_language_is_found_out(heard: Heard) -> None:
    assert [each.transcript.language for each in heard.references] == ["ja"] * len(JAPANESE)


def test_words_are_characters(heard: Heard) -> None:
    for line, result in zip(JAPANESE, heard.right, strict=True):
        assert result.analysis is not None
        words = [word for word in result.analysis.detail.words if word.status != "insertion"]
        assert "".join(word.text for word in words) == "".join(filter(unspaced, line.written))


@pytest.mark.parametrize(
    "component",
    [lambda score: score.audio, lambda score: score.text, lambda score: score.total],
    ids=["audio", "text", "sim"],
)
def test_every_right_line_is_above_every_other(
    heard: Heard, component: Callable[[Score], float]
) -> None:
    right = [component(result.score) for result in heard.right]
    wrong = [component(result.score) for result in heard.wrong]
    assert min(right) > max(wrong), (right, wrong)
