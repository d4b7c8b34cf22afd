from __future__ import annotations

import asyncio
import io
import shutil
import threading
import wave
from collections.abc import Iterator, Sequence
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
    QueueFull,
    RequestTimeout,
    UnknownModel,
)
from audio_score_server.library.folder import FolderSource
from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.options import LocalOptions
from audio_score_server.pipelines.parts import LocalParts
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.fake import FakeRunner
from audio_score_server.service import ScoreService
from audio_score_server.service_parts import Parts, ServiceLimits
from audio_score_server.settings import FakeSettings, Settings
from audio_score_server.telemetry.stages import Stages
from tests.support import encoded

_MODEL = FakeSettings(key="fake", type="fake")
_SETTINGS = Settings(models=(_MODEL,))
_PATIENCE_S = 10.0


class _Broken(FakeRunner):
    """Cannot be warmed up."""

    def warm_up(self) -> None:
        raise RuntimeError("out of memory")


class _Gated(FakeRunner):
    """Holds what it is given while its gate is closed, and counts it."""

    gate = threading.Event()
    seen = 0

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        _Gated.seen += len(utterances)
        assert self.gate.wait(_PATIENCE_S)
        return super().run(utterances)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """That of ``_Gated``, open."""
    _Gated.gate.set()
    _Gated.seen = 0
    yield _Gated.gate
    _Gated.gate.set()


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


def _library(folder: Path) -> LiveLibrary:
    source = FolderSource(folder)
    return LiveLibrary(source, source.library(), lambda _: None)


def _service(
    folder: Path, runners: dict[str, type[FakeRunner]], canary_interval_s: float = 0.0
) -> ScoreService:
    (folder / "clips").mkdir(exist_ok=True)
    (folder / "clips" / "film_1.wav").write_bytes(_wav(2.0))

    async def load(pool: ThreadPoolExecutor) -> Parts:
        return Parts(
            _library(folder / "clips"),
            tuple(
                _pipeline(folder, key, cls, pool, canary_interval_s > 0)
                for key, cls in runners.items()
            ),
        )

    limits = ServiceLimits(_PATIENCE_S, canary_interval_s)
    return ScoreService(load, cpu_threads=2, concurrency=4, limits=limits)


async def _score(
    service: ScoreService,
    seconds: float = 2.0,
    model: str | None = None,
    allowed_s: float | None = None,
    cid: str = "1",
) -> tuple[str, Score]:
    stages = Stages()
    result = await service.score("film", cid, model, lambda: _wav(seconds), stages, allowed_s)
    return stages.model, result.score


def _pipeline(
    folder: Path,
    key: str,
    cls: type[FakeRunner],
    pool: ThreadPoolExecutor,
    watched: bool,
    phone_model: LocalPipeline | None = None,
) -> LocalPipeline:
    runner = cls(_MODEL, _SETTINGS)
    batcher = Batcher(key, runner.run, BatchLimits(8, 0.01, 240.0), capacity=16)
    batcher.is_fatal = lambda error: "CUDA error" in str(error)
    store = ReferenceStore(folder / "cache" / key, (runner.fingerprint, ""), 10**6)
    # Compared by means alone, nothing but the library's own clip is encoded.
    options = LocalOptions(DecodeLimits(16_000, 0.2, 10.0), aligned=False, watched=watched)
    parts = LocalParts(key, runner, batcher, store, pool, options)
    return LocalPipeline(parts, phone_model)


async def _until_more_seen(before: int) -> None:
    """Until the gated device has been given another recording than it had."""
    async with asyncio.timeout(_PATIENCE_S):
        while _Gated.seen <= before:
            await asyncio.sleep(0.001)


def test_a_model_that_cannot_be_started_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> list[str]:
        service = _service(tmp_path, {"broken": _Broken, "sound": FakeRunner})
        await service.start()
        keys = [pipeline.key for pipeline in service.models()]
        await service.close()
        return keys

    assert asyncio.run(scenario()) == ["sound"]
    assert "Model broken is left out: RuntimeError('out of memory')." in caplog.text


def test_a_model_that_cannot_be_started_holds_up_nobody_who_needs_it(tmp_path: Path) -> None:
    _service(tmp_path, {})  # writes the clip

    async def load(pool: ThreadPoolExecutor) -> Parts:
        broken = _pipeline(tmp_path, "broken", _Broken, pool, watched=False)
        needing = _pipeline(tmp_path, "needing", FakeRunner, pool, False, phone_model=broken)
        return Parts(_library(tmp_path / "clips"), (broken, needing))

    async def scenario() -> str:
        service = ScoreService(load, 2, 4, ServiceLimits(_PATIENCE_S, 0.0))
        async with asyncio.timeout(_PATIENCE_S):
            await service.start()
        model, _ = await _score(service)
        await service.close()
        return model

    assert asyncio.run(scenario()) == "needing"


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


def test_against_several_clips_a_recording_goes_through_the_model_once(
    tmp_path: Path, gate: threading.Event
) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"gated": _Gated})
        (tmp_path / "clips" / "film_2.wav").write_bytes(_wav(1.0, 880.0))
        await service.start()
        clips = service.clips()
        before = _Gated.seen
        results = await service.score_all([each.id for each in clips], None, lambda: _wav(2.0))
        assert _Gated.seen == before + 1
        alone = [(await _score(service, cid=each.id.cid))[1] for each in clips]
        await service.close()
        assert [result.score for result in results] == alone
        assert len(set(alone)) == 2

    asyncio.run(scenario())


def test_what_is_past_its_deadline_in_the_queue_is_told_and_not_computed(
    tmp_path: Path, gate: threading.Event
) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"gated": _Gated})
        await service.start()
        gate.clear()
        before = _Gated.seen
        running = asyncio.create_task(_score(service))
        await _until_more_seen(before)
        with pytest.raises(RequestTimeout, match=r"0\.05 s"):
            await _score(service, allowed_s=0.05)
        gate.set()
        await running
        await _score(service)
        assert _Gated.seen == before + 2
        await service.close()

    asyncio.run(scenario())


def test_the_time_counts_from_the_arrival_and_the_shorter_limit_holds(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": FakeRunner})
        await service.start()
        for allowed_s in (None, 3_600.0):
            stages = Stages()
            stages.arrived -= _PATIENCE_S
            with pytest.raises(RequestTimeout, match=r"within 10 s"):
                await service.score("film", "1", None, lambda: _wav(2.0), stages, allowed_s)
        await service.close()

    asyncio.run(scenario())


def test_told_to_stop_it_finishes_what_had_arrived_and_takes_nothing_new(
    tmp_path: Path, gate: threading.Event
) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"gated": _Gated})
        await service.start()
        gate.clear()
        before = _Gated.seen
        running = asyncio.create_task(_score(service))
        await _until_more_seen(before)
        uploading = Stages()
        service.drain()
        with pytest.raises(NotReady, match="stopping"):
            await _score(service)
        arrived = asyncio.create_task(
            service.score("film", "1", None, lambda: _wav(2.0), uploading)
        )
        gate.set()
        assert (await running)[1] == (await arrived).score
        await service.close()

    asyncio.run(scenario())


def test_told_to_stop_while_it_starts_it_is_never_ready(
    tmp_path: Path, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        gate.clear()
        service = _service(tmp_path, {"gated": _Gated})
        arrived = Stages()
        start = asyncio.create_task(service.start())
        await _until_more_seen(0)
        service.drain()
        gate.set()
        await start
        assert service.state == "stopping"
        with pytest.raises(NotReady, match="stopping"):
            await service.score("film", "1", None, lambda: _wav(2.0), arrived)
        await service.close()

    asyncio.run(scenario())
    assert "Ready" not in caplog.text


def test_a_device_that_fails_for_good_refuses_everyone_and_is_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": _Stricken, "other": _Stricken})
        told: list[BaseException] = []
        service.on_failure = told.append
        await service.start()
        answers = await asyncio.gather(
            *(_score(service, 3.0, model) for model in ("one", "other")), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [BatchError, BatchError]
        async with asyncio.timeout(_PATIENCE_S):
            while not told:
                await asyncio.sleep(0.001)
        assert service.state == "failed"
        with pytest.raises(NotReady):
            await _score(service)
        await service.close()
        assert [str(error)[:10] for error in told] == ["CUDA error"]

    asyncio.run(scenario())


async def _ailments(service: ScoreService) -> list[str | None]:
    return [await pipeline.health_error() for pipeline in service.models()]


def test_an_odd_clip_costs_no_model_its_canary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "clips").mkdir()
    # The smallest file, and three seconds long.
    (tmp_path / "clips" / "film_2.flac").write_bytes(
        encoded(np.zeros(48_000, np.float32), "flac", "flac")
    )

    async def scenario() -> None:
        service = _service(tmp_path, {"choosy": _Choosy}, canary_interval_s=60.0)
        await service.start()
        assert await _ailments(service) == [None]
        await service.close()

    asyncio.run(scenario())
    assert "choosy: skipped clip film_2.flac: RuntimeError: poisoned" in caplog.text
    assert "Model choosy: film_2.flac is no canary" in caplog.text
    assert "left out" not in caplog.text


def test_files_that_go_say_nothing_about_the_model(tmp_path: Path, gate: threading.Event) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"gated": _Gated}, canary_interval_s=60.0)
        await service.start()
        shutil.rmtree(tmp_path / "clips")
        shutil.rmtree(tmp_path / "cache")
        assert await _ailments(service) == [None]
        assert _Gated.seen == 3  # the reference, the learning, the asking
        await service.close()

    asyncio.run(scenario())


def test_models_that_nobody_watches_learn_nothing(tmp_path: Path, gate: threading.Event) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"gated": _Gated})
        await service.start()
        assert await _ailments(service) == [None]
        assert _Gated.seen == 1
        await service.close()

    asyncio.run(scenario())


def test_without_clips_there_is_no_canary(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, {"one": FakeRunner}, canary_interval_s=60.0)
        shutil.rmtree(tmp_path / "clips")
        (tmp_path / "clips").mkdir()
        await service.start()
        assert service.state == "ready"
        assert await _ailments(service) == [None]
        await service.close()

    asyncio.run(scenario())


def test_plots_hold_up_no_scores_and_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, finish = threading.Semaphore(0), threading.Event()

    def draw(*_: object) -> bytes:
        begun.release()
        assert finish.wait(_PATIENCE_S)
        return b"<svg/>"

    monkeypatch.setattr("audio_score_server.plot_queue._draw", draw)

    async def plot(service: ScoreService, allowed_s: float | None = None) -> bytes:
        return await service.plot("film", "1", None, lambda: _wav(2.0), Stages(), allowed_s)

    async def scenario() -> None:
        service = _service(tmp_path, {"fake": FakeRunner})
        await service.start()
        plots = [asyncio.create_task(plot(service)) for _ in range(3)]
        assert await asyncio.to_thread(begun.acquire, timeout=_PATIENCE_S)
        # Far more than the threads that decode.
        for _ in range(5):
            await _score(service)
        with pytest.raises(RequestTimeout):
            await plot(service, allowed_s=0.5)
        plots.append(asyncio.create_task(plot(service)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="4 requests"):
            await plot(service)
        finish.set()
        assert await asyncio.gather(*plots) == [b"<svg/>"] * 4
        assert await plot(service) == b"<svg/>"
        await service.close()

    asyncio.run(scenario())
