from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import pytest

from audio_score_server.domain import ModelInfo
from audio_score_server.errors import CapabilityUnsupported, NotReady, QueueFull, UnknownModel
from audio_score_server.library.clip import Clip, Library
from audio_score_server.model_registry import SCORE, Capability, ModelRegistry
from audio_score_server.pipelines.protocol import (
    Model,
    ReferenceStatus,
    Scorer,
    ScoreResult,
    Traffic,
    Upload,
)
from audio_score_server.scoring.words import ClipWord
from audio_score_server.telemetry.stages import Stages


class _Model:
    """Can do nothing yet."""

    def __init__(self, key: str, needs: Sequence[Model] = ()) -> None:
        self.key = key
        self.info = ModelInfo("cpu")
        self.needs = needs
        self.on_death: Callable[[BaseException], object] = lambda _: None
        self.closed = False

    async def start(self, library: Library, concurrency: int) -> None: ...

    async def use(self, library: Library, concurrency: int) -> None: ...

    async def close(self) -> None:
        self.closed = True

    def full(self, left_s: float) -> QueueFull | None:
        return None

    def traffic(self) -> Traffic:
        return Traffic()

    async def health_error(self) -> str | None:
        return None


@runtime_checkable
class Speaker(Model, Protocol):
    """A second capability beside that of scoring."""

    async def speak(self, text: str) -> bytes: ...


SPEAK = Capability("speak", Speaker, ("voice",))  # type: ignore[type-abstract]


class _Voice(_Model):
    async def speak(self, text: str) -> bytes:
        return text.encode()


class _Ear(_Model):
    def failed(self, clip: Clip) -> bool:
        return False

    async def reference_status(self, clip: Clip) -> ReferenceStatus:
        return ReferenceStatus("ready")

    async def prepare(self, clip: Clip) -> None:
        raise AssertionError("nobody asks for a clip")

    async def clip_words(self, clip: Clip) -> Sequence[ClipWord]:
        raise AssertionError("nobody asks for words")

    async def score(
        self, clip: Clip, upload: Upload, stages: Stages, detailed: bool = False
    ) -> ScoreResult:
        raise AssertionError("nobody asks for a score")

    async def score_all(self, clips: Sequence[Clip], upload: Upload) -> list[ScoreResult]:
        raise AssertionError("nobody asks for scores")


def test_the_first_model_that_can_do_it_is_the_default() -> None:
    voice, ear, other = _Voice("voice"), _Ear("ear"), _Voice("other")
    registry = ModelRegistry([ear, voice, other])
    with registry.lease(None, SPEAK) as speaker, registry.lease(None, SCORE) as scorer:
        assert speaker is voice
        assert asyncio.run(speaker.speak("hello")) == b"hello"
        assert scorer is ear
    assert registry.able(SPEAK) == (voice, other)
    assert isinstance(ear, Scorer)


def test_a_model_that_cannot_do_it_is_told_with_those_that_can() -> None:
    registry = ModelRegistry([_Voice("voice"), _Ear("ear"), _Ear("other")])
    text = "Model 'voice' cannot score; these can: ear, other."
    with pytest.raises(CapabilityUnsupported, match=text), registry.lease("voice", SCORE):
        pass


@pytest.mark.parametrize("key", [None, "ear"])
def test_where_no_model_can_do_it_the_remedy_is_told(key: str | None) -> None:
    text = "No loaded model can speak. The server needs one of type voice: add it to 'models'"
    with (
        pytest.raises(CapabilityUnsupported, match=text),
        ModelRegistry([_Ear("ear")]).lease(key, SPEAK),
    ):
        pass


def test_unknown_models_and_those_that_only_serve_others_are_not_found() -> None:
    registry = ModelRegistry([_Ear("ear")], [_Ear("helper")])
    for key in ("helper", "nobody"):
        with pytest.raises(UnknownModel, match="loaded are: ear"), registry.lease(key, SCORE):
            pass
    assert [model.key for model in registry.all_models()] == ["ear", "helper"]


def test_a_model_is_closed_when_its_last_user_is_done() -> None:
    async def scenario() -> None:
        going, staying = _Ear("going"), _Ear("staying")
        registry = ModelRegistry([going, staying])
        with registry.lease("going", SCORE):
            with registry.lease("going", SCORE):
                removing = asyncio.create_task(registry.remove("going"))
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            # Nobody else finds it, the other one serves, and whoever has it keeps it.
            with pytest.raises(UnknownModel), registry.lease("going", SCORE):
                pass
            with registry.lease(None, SCORE) as scorer:
                assert scorer is staying
            assert not going.closed
        await removing
        assert going.closed
        assert not staying.closed

    asyncio.run(scenario())


def test_a_model_that_another_one_needs_outlives_it() -> None:
    async def scenario() -> None:
        phones = _Ear("phones")
        words = _Ear("words", needs=[phones])
        registry = ModelRegistry([words, phones])
        removing = asyncio.create_task(registry.remove("phones"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not phones.closed
        await registry.remove("words")
        await removing
        assert words.closed
        assert phones.closed

    asyncio.run(scenario())


def test_a_model_that_could_not_be_started_is_closed_at_once_whoever_needs_it() -> None:
    async def scenario() -> None:
        helper = _Ear("helper")
        phones = _Ear("phones", needs=[helper])
        registry = ModelRegistry([helper, phones, _Ear("words", needs=[phones])])
        await registry.discard("phones")
        assert phones.closed
        # What it needed is let go of, too.
        await registry.remove("helper")
        assert helper.closed

    asyncio.run(asyncio.wait_for(scenario(), 5.0))


def test_models_can_be_added_while_others_serve() -> None:
    registry = ModelRegistry([])
    with pytest.raises(NotReady), registry.lease(None, SCORE):
        pass
    registry.add(_Ear("late"))
    with registry.lease(None, SCORE) as scorer:
        assert scorer.key == "late"
    with pytest.raises(ValueError, match="'late' already"):
        registry.add(_Ear("late"))
