from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Encoding, FloatArray, Score, Utterance
from audio_score_server.errors import (
    BatchError,
    NoModelError,
    NotReady,
    RequestTimeout,
    UnknownModel,
)
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.references.library import scan
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.device import is_fatal
from audio_score_server.runners.fake import FakeRunner
from audio_score_server.service import Parts, ScoreService, ServiceLimits
from audio_score_server.settings import FakeSettings, Settings
from audio_score_server.stages import Stages

_MODEL = FakeSettings(key="fake", type="fake")
_SETTINGS = Settings(models=(_MODEL,))


class _Broken(FakeRunner):
    """Cannot be warmed up."""

    def warm_up(self) -> None:
        raise RuntimeError("out of memory")


class _Slow(FakeRunner):
    """Takes its time, and counts what it is given."""

    seen = 0

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        _Slow.seen += len(utterances)
        time.sleep(0.3)
        return super().run(utterances)


class _Stricken(FakeRunner):
    """Its device fails for good on recordings of three seconds."""

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        if any(len(utterance.features) == 150 for utterance in utterances):
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().run(utterances)


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

    limits = ServiceLimits(request_s=10.0, canary_interval_s=0.0)
    return ScoreService(load, cpu_threads=2, concurrency=4, limits=limits)


async def _score(
    service: ScoreService, seconds: float = 2.0, model: str | None = None, **more: float
) -> tuple[str, Score]:
    stages = Stages()
    score = await service.score("film", "1", model, lambda: _wav(seconds), stages, **more)
    return stages.model, score


def _pipeline(
    folder: Path, key: str, cls: type[FakeRunner], pool: ThreadPoolExecutor
) -> LocalPipeline:
    runner = cls(_MODEL, _SETTINGS)
    batcher = Batcher(key, runner.run, BatchLimits(8, 0.01, 240.0), capacity=16)
    batcher.is_fatal = is_fatal
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
        assert (await _score(service))[0] == "one"
        key, score = await _score(service, model="two")
        assert key == "two"
        assert score.total == pytest.approx((score.audio + score.text) / 2)
        with pytest.raises(UnknownModel, match="loaded are: one, two"):
            await _score(service, model="three")
        await service.close()

    asyncio.run(scenario())


def test_before_the_start_and_after_the_end_nothing_is_scored(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": FakeRunner})
        with pytest.raises(NotReady, match="starting"):
            await _score(service)
        await service.start()
        await service.close()
        with pytest.raises(NotReady, match="stopping"):
            await _score(service)

    asyncio.run(scenario())


def test_a_recording_that_breaks_the_model_fails_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"choosy": _Choosy})
        await service.start()
        seconds = [2.0, 3.0, 1.0, 3.0, 2.5]
        answers = await asyncio.gather(
            *(_score(service, each) for each in seconds), return_exceptions=True
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


def test_what_is_past_its_deadline_in_the_queue_is_told_and_not_computed(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"slow": _Slow})
        await service.start()
        before = _Slow.seen
        running = asyncio.create_task(_score(service))
        while _Slow.seen == before:
            await asyncio.sleep(0.005)
        with pytest.raises(RequestTimeout, match=r"0\.1 s"):
            await _score(service, allowed_s=0.1)
        await running
        await _score(service)
        assert _Slow.seen == before + 2
        await service.close()

    asyncio.run(scenario())


def test_a_device_that_fails_for_good_refuses_everyone_and_is_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"stricken": _Stricken})
        told: list[BaseException] = []
        service.on_failure = told.append
        await service.start()
        answers = await asyncio.gather(
            *(_score(service, seconds) for seconds in (2.0, 3.0)), return_exceptions=True
        )
        assert any(isinstance(answer, BatchError) for answer in answers)
        while not told:
            await asyncio.sleep(0.005)
        assert service.state == "failed"
        with pytest.raises(NotReady):
            await _score(service)
        await service.close()
        assert len(told) == 1

    asyncio.run(scenario())
