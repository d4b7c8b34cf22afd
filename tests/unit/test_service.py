from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Encoding, FloatArray, Utterance
from audio_score_server.errors import BatchError, NoModelError, NotReady, UnknownModel
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.references.library import scan
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.fake import FakeRunner
from audio_score_server.service import Parts, ScoreService
from audio_score_server.settings import FakeSettings, Settings

_MODEL = FakeSettings(key="fake", type="fake")
_SETTINGS = Settings(models=(_MODEL,))


class _Broken(FakeRunner):
    """Cannot be warmed up."""

    def warm_up(self) -> None:
        raise RuntimeError("out of memory")


class _Choosy(FakeRunner):
    """Fails on recordings of three seconds."""

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        if any(len(utterance.features) == 150 for utterance in utterances):
            raise RuntimeError("poisoned")
        return super().run(utterances)


def _wav(seconds: float, pitch: float = 440.0) -> bytes:
    time = np.arange(int(16_000 * seconds)) / 16_000
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(16_000)
        output.writeframes((8_000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16).tobytes())
    return buffer.getvalue()


def _service(folder: Path, runners: dict[str, type[FakeRunner]]) -> ScoreService:
    (folder / "clips").mkdir()
    (folder / "clips" / "film_1.wav").write_bytes(_wav(2.0))

    async def load(pool: ThreadPoolExecutor) -> Parts:
        return Parts(
            scan(folder / "clips"),
            tuple(_pipeline(folder, key, cls, pool) for key, cls in runners.items()),
        )

    return ScoreService(load, cpu_threads=2, concurrency=4)


def _pipeline(folder: Path, key: str, cls: type[FakeRunner], pool: ThreadPoolExecutor) -> LocalPipeline:
    runner = cls(_MODEL, _SETTINGS)
    batcher = Batcher(key, runner.run, BatchLimits(8, 0.01))
    store = ReferenceStore(folder / "cache" / key, (runner.fingerprint, ""), 10**6)
    return LocalPipeline(key, runner, batcher, store, DecodeLimits(16_000, 0.2, 10.0), pool)


def test_a_model_that_cannot_be_started_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> list[str]:
        service = _service(tmp_path, {"broken": _Broken, "sound": FakeRunner})
        await service.start()
        keys = [pipeline.key for pipeline in service.pipelines()]
        await service.close()
        return keys

    assert asyncio.run(scenario()) == ["sound"]
    assert "Model broken is left out: RuntimeError('out of memory')." in caplog.text


def test_without_any_model_the_start_fails_and_closing_is_still_fine(tmp_path: Path) -> None:
    async def scenario() -> str:
        service = _service(tmp_path, {"broken": _Broken})
        with pytest.raises(NoModelError):
            await service.start()
        state = service.state
        await service.close()
        return state

    assert asyncio.run(scenario()) == "failed"


def test_the_first_model_scores_what_names_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": FakeRunner, "two": FakeRunner})
        await service.start()
        assert (await service.score("film", "1", None, _wav(2.0)))[0] == "one"
        key, score = await service.score("film", "1", "two", _wav(2.0))
        assert key == "two"
        assert score.total == pytest.approx((score.audio + score.text) / 2)
        with pytest.raises(UnknownModel, match="loaded are: one, two"):
            await service.score("film", "1", "three", _wav(2.0))
        await service.close()

    asyncio.run(scenario())


def test_before_the_start_and_after_the_end_nothing_is_scored(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": FakeRunner})
        with pytest.raises(NotReady, match="starting"):
            await service.score("film", "1", None, _wav(2.0))
        await service.start()
        await service.close()
        with pytest.raises(NotReady, match="stopping"):
            await service.score("film", "1", None, _wav(2.0))

    asyncio.run(scenario())


def test_a_recording_that_breaks_the_model_fails_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"choosy": _Choosy})
        await service.start()
        seconds = [2.0, 3.0, 1.0, 3.0, 2.5]
        answers = await asyncio.gather(
            *(service.score("film", "1", None, _wav(s)) for s in seconds), return_exceptions=True
        )
        await service.close()
        assert [isinstance(answer, BatchError) for answer in answers] == [
            False,
            True,
            False,
            True,
            False,
        ]

    asyncio.run(scenario())
