from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_score_server.assembly import build_service
from audio_score_server.domain import EncoderFeatures, Reference, Score
from audio_score_server.library.clip import BUILT_IN
from audio_score_server.references.tensors import as_kept
from audio_score_server.scoring.detail import Detail
from audio_score_server.service import ScoreService
from audio_score_server.settings import ModelSettings, PhonesSettings, Settings, WhisperSettings
from audio_score_server.similarity.cohort import built_in_speech
from audio_score_server.similarity.measure import AlignedSimilarity, Impostor
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.telemetry.stages import Stages
from tests.checkpoints import make_whisper
from tests.process.server import ROOT
from tests.support import make_reference, named_clip

_UID, _CIDS = "RiverTales-s01e01", ("part01", "part02")
_AUXILIARY = "phones-auxiliary"


def _impostors(count: int, text: str | None = None) -> list[Impostor]:
    return [
        Impostor(named_clip(f"other{seed}", text), make_reference(seed).features)
        for seed in range(1, count + 1)
    ]


def _varied(reference: Reference, share: float, seed: int = 99) -> EncoderFeatures:
    """Alike, but for a share of something else."""
    noise = np.random.default_rng(seed).standard_normal(reference.features.frames.shape)
    frames = reference.features.frames + share * noise.astype(np.float32)
    return replace(reference.features, frames=frames)


def test_a_copy_is_one_and_the_more_differs_the_less_it_is_worth() -> None:
    measure, reference = AlignedSimilarity(_impostors(8)), make_reference()
    worth = [
        measure.score(named_clip("1"), reference, _varied(reference, by)) for by in (0, 0.5, 1, 2)
    ]
    assert worth[0] == pytest.approx(1.0, abs=1e-5)
    assert worth == sorted(worth, reverse=True)


@pytest.mark.parametrize("cohort", [0, 1, 2, 8])
def test_silence_is_worth_nothing_whatever_the_cohort(cohort: int) -> None:
    measure, reference = AlignedSimilarity(_impostors(cohort)), make_reference()
    nothing = np.zeros(len(reference.features.speech), np.float32)
    silent = replace(reference.features, speech=nothing)
    assert measure.score(named_clip("1"), reference, silent) == 0.0
    assert measure.score(named_clip("2"), replace(reference, features=silent), silent) == 0.0


def test_clips_that_say_the_same_are_no_impostors() -> None:
    reference = make_reference()
    # Too unlike to be taken for copies.
    twins = [
        Impostor(named_clip(f"twin{seed}", "Hello, World!"), _varied(reference, 1.6, seed))
        for seed in range(4)
    ]
    clip, other = named_clip("1", "hello world"), named_clip("1", "good night")
    recording = _varied(reference, 1.0)
    usual = AlignedSimilarity([*_impostors(8, "x"), *twins]).score(clip, reference, recording)
    by_twins = AlignedSimilarity([*_impostors(8, "x"), *twins]).score(other, reference, recording)
    assert by_twins < usual - 0.03


def test_a_clip_is_no_impostor_of_itself() -> None:
    reference, recording = make_reference(), _varied(make_reference(), 1.0)
    clip = named_clip("1")
    itself = Impostor(clip, reference.features)
    double = Impostor(named_clip("double"), reference.features)
    usual = AlignedSimilarity([*_impostors(8), itself]).score(clip, reference, recording)
    assert AlignedSimilarity([*_impostors(8), double]).score(clip, reference, recording) == usual


def test_a_cohort_of_copies_tells_of_other_clips_no_less() -> None:
    reference, recording, clip = make_reference(), _varied(make_reference(), 1.0), named_clip("1")
    (one,) = _impostors(1)
    copies = [replace(one, clip=named_clip(f"copy{number}")) for number in range(16)]
    usual = AlignedSimilarity(_impostors(16)).score(clip, reference, recording)
    found = AlignedSimilarity(copies, reserve=_impostors(16)).score(clip, reference, recording)
    assert found == pytest.approx(usual, abs=0.01)


def _copies(count: int) -> list[Impostor]:
    """The clip's own sound under other names and texts."""
    features = make_reference().features
    return [
        Impostor(named_clip(f"copy{number}", f"recap {number}"), features)
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 4, 16])
def test_what_sounds_like_the_clip_is_no_impostor_whatever_its_text_says(count: int) -> None:
    reference, recording, clip = (
        make_reference(),
        _varied(make_reference(), 0.5),
        named_clip("1", "x"),
    )
    usual = AlignedSimilarity(_impostors(16)).score(clip, reference, recording)
    cohort = [*_copies(count), *_impostors(16 - count)]
    found = AlignedSimilarity(cohort, reserve=_impostors(16)).score(clip, reference, recording)
    assert usual > 0.5
    assert found > usual - 0.2
    wrong = AlignedSimilarity(cohort, reserve=_impostors(16)).score(
        clip, reference, make_reference(50).features
    )
    assert wrong < 0.2


def test_a_library_of_copies_scores_right_readings_as_before(tmp_path: Path) -> None:
    (clip,) = (ROOT / "video_clip").glob(f"{_UID}_{_CIDS[0]}.mov")
    one, many = tmp_path / "one" / "clips", tmp_path / "many" / "clips"
    for folder, count in ((one, 1), (many, 25)):
        folder.mkdir(parents=True)
        for number in range(count):
            shutil.copy(clip, folder / f"{_UID}_part{number + 1:02d}.mov")
    phones = PhonesSettings(key="phones", type="phones")
    alone, among = (_scores(folder, phones)["phones"] for folder in (one, many))
    right = [score.audio for score in among][:2]
    assert right == pytest.approx([score.audio for score in alone][:2], abs=0.1)
    assert min(right) > 0.7


def test_a_reference_just_built_scores_as_one_that_was_read() -> None:
    unrounded = make_reference()
    frames = unrounded.features.frames + np.float32(1e-4)
    built = replace(unrounded, features=replace(unrounded.features, frames=frames))
    once, again = as_kept(built), as_kept(as_kept(built))
    recording = _varied(built, 0.7)
    scores = [
        AlignedSimilarity(_impostors(8)).score(named_clip("1"), each, recording)
        for each in (once, again)
    ]
    assert scores[0] == scores[1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Whisper."""
    return make_whisper(tmp_path_factory.mktemp("whisper") / "checkpoint")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of the demo with their texts."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for cid in _CIDS:
        for ending in ("mov", "txt"):
            shutil.copy(ROOT / "video_clip" / f"{_UID}_{cid}.{ending}", folder)
    return folder


def _whisper(checkpoint: Path, **more: object) -> WhisperSettings:
    return WhisperSettings.model_validate(
        {"key": "w", "type": "whisper", "model_id": str(checkpoint), **more}
    )


def _recordings() -> Iterator[bytes]:
    for cid in _CIDS:
        for kind in ("right", "other"):
            (path,) = (ROOT / "audio_clip").glob(f"{_UID}_{cid}_{kind}.*")
            yield path.read_bytes()


def _settings(clips: Path, *models: ModelSettings) -> Settings:
    return Settings(
        models=models,
        video_clip_dir=clips,
        cache_dir=clips.parent / "cache",
        device="cpu",
        canary_interval_s=0,
    )


def _scores(clips: Path, *models: ModelSettings) -> dict[str, list[Score]]:
    """What each model gives every recording for the first clip, after a start of its own."""
    settings = _settings(clips, *models)

    async def scenario() -> dict[str, list[Score]]:
        service = build_service(settings, Metrics())
        await service.start()
        found = {
            model.key: [await _score(service, model.key, sound) for sound in _recordings()]
            for model in models
        }
        await service.close()
        return found

    return asyncio.run(scenario())


async def _score(service: ScoreService, model: str, sound: bytes) -> Score:
    """For the first clip."""
    result = await service.score(_UID, _CIDS[0], model, lambda: sound, Stages())
    return result.score


def _audio(scores: list[Score]) -> list[float]:
    return [score.audio for score in scores]


def test_by_phones_a_clip_in_english_has_the_phone_encoders_audio_score(
    checkpoint: Path, clips: Path
) -> None:
    phones = PhonesSettings(key="phones", type="phones")
    by_phones = _whisper(checkpoint, language="en", audio_features="phones")
    alone = _scores(clips, phones)["phones"]
    together = _scores(clips, by_phones, phones)
    assert _audio(together["w"]) == pytest.approx(_audio(alone), abs=1e-6)
    assert together["phones"] == alone
    own = _scores(clips, _whisper(checkpoint, language="en", audio_features="own"))["w"]
    assert _audio(own) != pytest.approx(_audio(alone), abs=1e-3)
    # The words are still its own.
    assert [score.text for score in own] == [score.text for score in together["w"]]


def test_a_clip_in_another_language_keeps_the_models_own_features_unless_told(
    checkpoint: Path, clips: Path
) -> None:
    auto, own, phones = (
        _scores(clips, _whisper(checkpoint, language="de", audio_features=features))["w"]
        for features in ("auto", "own", "phones")
    )
    assert auto == own
    assert _audio(phones) != pytest.approx(_audio(own), abs=1e-3)
    # English phones say nothing of German words.
    assert [score.text for score in phones] == [score.text for score in own]


def test_a_pooled_similarity_is_of_the_models_own_features(checkpoint: Path, clips: Path) -> None:
    pooled, own = (
        _scores(
            clips,
            _whisper(checkpoint, language="en", audio_similarity="pooled", audio_features=features),
        )["w"]
        for features in ("auto", "own")
    )
    assert pooled == own
    aligned = _scores(clips, _whisper(checkpoint, language="en"))["w"]
    assert _audio(aligned) != pytest.approx(_audio(pooled), abs=1e-3)


def test_phones_bear_out_what_a_recogniser_gets_wrong(checkpoint: Path, clips: Path) -> None:
    """The checkpoint is not trained: what it writes is nonsense."""
    english, german = (
        _scores(clips, _whisper(checkpoint, language=language))["w"] for language in ("en", "de")
    )
    right, wrong = english[:2], english[2:]
    assert min(score.text for score in right) > 0.5 > 0.2 > max(score.text for score in wrong)
    assert max(score.text for score in german) < min(score.text for score in right)


def test_ears_of_its_own_keep_their_cache_over_a_restart(
    checkpoint: Path, clips: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model = _whisper(checkpoint, language="en", audio_features="phones")
    first = _scores(clips, model)
    cache = clips.parent / "cache"
    made = {path: path.stat().st_ino for path in cache.glob("*/*/*/features.safetensors")}
    assert {path.parents[2].name for path in made} == {"w", _AUXILIARY}
    assert len(made) == 2 * (len(_CIDS) + len(built_in_speech()))
    assert any(path.parents[1].name == BUILT_IN for path in made)
    caplog.clear()
    again = _scores(clips, model)
    assert again == first
    assert {path: path.stat().st_ino for path in made} == made
    assert "Removed" not in caplog.text
    assert "to build" not in caplog.text


def test_ears_that_nobody_wants_any_more_are_flushed(checkpoint: Path, clips: Path) -> None:
    _scores(clips, _whisper(checkpoint, language="en", audio_features="phones"))
    assert (clips.parent / "cache" / _AUXILIARY).is_dir()
    _scores(clips, PhonesSettings(key="phones", type="phones"))
    assert not (clips.parent / "cache" / _AUXILIARY).exists()


def test_a_reference_rebuilt_at_run_time_scores_as_the_one_that_was_read(clips: Path) -> None:
    settings = Settings(
        models=(PhonesSettings(key="phones", type="phones"),),
        video_clip_dir=clips,
        cache_dir=clips.parent / "cache",
        device="cpu",
        canary_interval_s=0,
        reference_memory_mib=0,
    )

    async def scenario() -> tuple[list[Score], list[Score]]:
        service = build_service(settings, Metrics())
        await service.start()

        async def scores() -> list[Score]:
            return [await _score(service, "phones", sound) for sound in _recordings()]

        read = await scores()
        entry = clips.parent / "cache" / "phones" / _UID / _CIDS[0]
        shutil.rmtree(entry)
        # Without room for it, the other clip puts the first one out of memory.
        await service.score(_UID, _CIDS[1], None, lambda: next(_recordings()), Stages())
        rebuilt = await scores()
        assert entry.is_dir()
        await service.close()
        return read, rebuilt

    read, rebuilt = asyncio.run(scenario())
    for one, other in zip(read, rebuilt, strict=True):
        assert (one.audio, one.text) == pytest.approx((other.audio, other.text), abs=1e-6)


def _detail(clips: Path, *models: ModelSettings) -> Detail:
    """Of a right reading, by the first model."""

    async def scenario() -> Detail:
        service = build_service(_settings(clips, *models), Metrics())
        await service.start()
        sound = next(_recordings())
        result = await service.score(
            _UID, _CIDS[0], models[0].key, lambda: sound, Stages(), detailed=True
        )
        await service.close()
        assert result.analysis is not None
        return result.analysis.detail

    return asyncio.run(scenario())


def test_a_model_of_words_tells_phones_and_times_in_english(checkpoint: Path, clips: Path) -> None:
    together = _detail(clips, _whisper(checkpoint, language="en"))
    alone = _detail(clips, _whisper(checkpoint, language="de"))
    expected = [word for word in alone.words if word.status != "insertion"]
    assert len(expected) == 9
    assert not any(word.phones or word.recording for word in alone.words)
    assert alone.fluency is None
    timed = [word for word in together.words if word.status != "insertion"]
    assert [word.text for word in timed] == [word.text for word in expected]
    assert all(word.phones and word.reference for word in timed)
    assert together.fluency is not None
    assert together.fluency.overall > 0.6
