"""A library that changes while requests run, from a source that is no folder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audio_score_server.audio.decode import DecodeLimits
from audio_score_server.batching import Batcher, BatchLimits
from audio_score_server.domain import Encoding, FloatArray, Score, Utterance
from audio_score_server.errors import ReferenceMissing, UnknownClip
from audio_score_server.live_library import LiveLibrary
from audio_score_server.pipelines import calibration
from audio_score_server.pipelines.local import LocalPipeline
from audio_score_server.pipelines.options import LocalOptions
from audio_score_server.pipelines.parts import LocalParts
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.fake import FakeRunner
from audio_score_server.service import ScoreService
from audio_score_server.service_parts import Parts, ServiceLimits
from audio_score_server.settings import FakeSettings, Settings
from audio_score_server.similarity import cohort
from audio_score_server.telemetry.stages import Stages
from tests.support import MemorySource, chirp, encoded

_MODEL = FakeSettings(key="fake", type="fake")
_ONE, _OTHER = encoded(chirp()), encoded(chirp(lowest=1_500.0))


class _Gated(FakeRunner):
    """Holds what it is given while its gate is closed."""

    gate = threading.Event()
    waiting = threading.Event()

    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        _Gated.waiting.set()
        assert _Gated.gate.wait(10.0)
        return super().run(utterances)


@pytest.fixture
def source() -> Iterator[MemorySource]:
    _Gated.gate.set()
    _Gated.waiting.clear()
    source = MemorySource()
    source.files["film_1.wav"] = (_ONE, "first", "one")
    yield source
    _Gated.gate.set()


def _service(folder: Path, source: MemorySource, aligned: bool = False) -> ScoreService:
    async def load(pool: ThreadPoolExecutor) -> Parts:
        runner = _Gated(_MODEL, Settings(models=(_MODEL,)))
        batcher = Batcher("fake", runner.run, BatchLimits(8, 0.01, 240.0), capacity=16)
        store = ReferenceStore(folder / "cache" / "fake", (runner.fingerprint, ""), 10**6)
        options = LocalOptions(DecodeLimits(16_000, 0.2, 10.0), aligned=aligned, watched=False)
        parts = LocalParts("fake", runner, batcher, store, pool, options)
        pipeline = LocalPipeline(parts)
        return Parts(LiveLibrary(source, source.library(), lambda _: None), (pipeline,))

    return ScoreService(load, cpu_threads=2, concurrency=4, limits=ServiceLimits(10.0, 0.0))


async def _taken_over(service: ScoreService, source: MemorySource) -> None:
    """Until models are ready for the clips as they are now."""
    source.tell()
    while service.library.current != source.library():
        await asyncio.sleep(0.01)


async def _score(service: ScoreService, cid: str, sound: bytes = _ONE) -> Score:
    return (await service.score("film", cid, None, lambda: sound, Stages())).score


def test_clips_come_and_go_without_hurting_requests_under_way(
    tmp_path: Path, source: MemorySource
) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, source)
        await service.start()
        _Gated.waiting.clear()
        _Gated.gate.clear()
        under_way = asyncio.create_task(_score(service, "1"))
        assert await asyncio.to_thread(_Gated.waiting.wait, 10.0)
        del source.files["film_1.wav"]
        source.files["film_2.wav"] = (_OTHER, "first", "two")
        # It is served at once, whether or not anybody has looked through the library meanwhile.
        asked = asyncio.create_task(_score(service, "2", _OTHER))
        using = asyncio.create_task(_taken_over(service, source))
        await asyncio.sleep(0.05)
        _Gated.gate.set()
        assert (await under_way).audio > 0.9
        assert (await asked).audio > 0.9
        await using
        assert (await _score(service, "2", _OTHER)).audio > 0.9
        with pytest.raises(UnknownClip):
            await _score(service, "1")
        assert [clip.id.cid for clip in service.clips()] == ["2"]
        await service.close()

    asyncio.run(scenario())


def test_a_clip_that_changes_is_compared_as_it_is_now(tmp_path: Path, source: MemorySource) -> None:
    async def scenario() -> None:
        service = _service(tmp_path, source)
        await service.start()
        before = (await _score(service, "1", _OTHER)).audio
        source.files["film_1.wav"] = (_OTHER, "second", "one")
        await _taken_over(service, source)
        after = (await _score(service, "1", _OTHER)).audio
        assert after > 0.99 > before
        await service.close()

    asyncio.run(scenario())


def test_a_clip_that_was_broken_and_is_mended_is_served(
    tmp_path: Path, source: MemorySource
) -> None:
    async def scenario() -> None:
        source.files["film_2.wav"] = (b"no sound", "first", "two")
        service = _service(tmp_path, source)
        await service.start()
        with pytest.raises(ReferenceMissing):
            await _score(service, "2")
        source.files["film_2.wav"] = (_OTHER, "second", "two")
        await _taken_over(service, source)
        assert (await _score(service, "2", _OTHER)).audio > 0.9
        await service.close()

    asyncio.run(scenario())


def test_cohort_and_levels_follow(
    tmp_path: Path,
    source: MemorySource,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module in (cohort, calibration):
        monkeypatch.setattr(module, "built_in_speech", list)
    caplog.set_level("INFO")

    async def scenario() -> None:
        service = _service(tmp_path, source, aligned=True)
        await service.start()
        (pipeline,) = service.models()
        assert isinstance(pipeline, LocalPipeline)
        first = pipeline.comparator.similarity
        source.files["film_2.wav"] = (_OTHER, "first", "two")
        await _taken_over(service, source)
        assert pipeline.comparator.similarity is not first
        await service.close()

    asyncio.run(scenario())
    told = [record.message for record in caplog.records if "told apart by" in record.message]
    assert [message.split("by ")[1] for message in told] == [
        "1 clips, 0 of them built in.",
        "2 clips, 0 of them built in.",
    ]
