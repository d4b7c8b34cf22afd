"""What every runner promises, whatever it is inside."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import LocalSettings, load_runner
from audio_score_server.settings import (
    FakeSettings,
    HiggsAudioSettings,
    PhonesSettings,
    Settings,
    WhisperSettings,
)
from audio_score_server.tokenization import words
from tests.checkpoints import make_higgs_audio, make_whisper
from tests.converted import convert
from tests.process.server import ROOT

MODELS: dict[str, Callable[[Path], LocalSettings]] = {
    "fake": lambda _: FakeSettings(key="fake", type="fake"),
    "phones": lambda _: PhonesSettings(key="phones", type="phones"),
    "whisper": lambda folder: _whisper(folder / "whisper"),
    "whisper-english": lambda folder: _whisper(folder / "english"),
    "whisper-converted": lambda folder: _whisper(folder / "converted"),
    "higgs_audio": lambda folder: HiggsAudioSettings(
        key="higgs_audio",
        type="higgs_audio",
        model_id=str(folder / "higgs"),
        processor_id=str(folder / "many-bands"),
        transcriber_id=str(folder / "many-bands"),
        dtype="float32",
    ),
}
"""Settings of each, given the folder of the checkpoints."""
RATE = 16_000
LINE = "The little boat drifts slowly toward the morning sun."
Load = Callable[[], Runner[Any]]


def _whisper(folder: Path) -> WhisperSettings:
    return WhisperSettings(key=folder.name, type="whisper", model_id=str(folder), dtype="float32")


def _load(model: LocalSettings) -> Runner[Any]:
    return load_runner(model, Settings(models=(model,), device="cpu"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the checkpoints that runners are made of."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make_whisper(folder / "whisper")
    make_whisper(folder / "english", languages=())
    make_whisper(folder / "many-bands", bands=128)
    convert(make_whisper(folder / "other", seed=1), folder / "converted", "int8")
    make_higgs_audio(folder / "higgs")
    return folder


@pytest.fixture(scope="module", params=list(MODELS))
def load(request: pytest.FixtureRequest, checkpoints: Path) -> Load:
    """Loads the runner under test."""
    model = MODELS[request.param](checkpoints)
    return lambda: _load(model)


@pytest.fixture(scope="module")
def runner(load: Load) -> Runner[Any]:
    """The runner under test."""
    return load()


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Speech of several lengths, silence, noise, and one blip."""
    limits = DecodeLimits(RATE, 0.1, 60)
    paths = sorted((ROOT / "audio_clip").glob("RiverTales*part0[12]*"))[:4]
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    return [
        *(decode(path.read_bytes(), limits) for path in paths),
        Waveform(np.zeros(2 * RATE, np.float32), RATE),
        Waveform(noise, RATE),
        Waveform(noise[: RATE // 5], RATE),
    ]


def _utterances(
    runner: Runner[Any], waveforms: list[Waveform], expected: Transcript | None = None
) -> list[Utterance[Any]]:
    return [Utterance(runner.prepare(w), expected) for w in waveforms]


def _same(left: Any, right: Any) -> bool:
    """Equal in every part, whatever input features are made of."""
    if is_dataclass(left):
        return all(_same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return np.array_equal(left, right)


def _alike(left: Encoding, right: Encoding) -> bool:
    evidence = (left.evidence is None) == (right.evidence is None)
    if left.evidence is not None and right.evidence is not None:
        evidence = np.allclose(left.evidence, right.evidence, atol=1e-4)
    return (
        evidence
        and left.transcript == right.transcript
        and np.allclose(left.features.frames, right.features.frames, atol=1e-4)
        and np.allclose(left.features.speech, right.features.speech, atol=1e-4)
    )


def test_one_encoding_for_each_utterance_in_order(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    utterances = _utterances(runner, waveforms)
    together = runner.run(utterances)
    backwards = runner.run(utterances[::-1])
    assert len(together) == len(waveforms)
    assert all(_alike(*pair) for pair in zip(together, backwards[::-1], strict=True))


def test_a_recordings_encoding_does_not_depend_on_its_batch(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    utterances = _utterances(runner, waveforms, runner.expected(LINE))
    together = runner.run(utterances)
    alone = [runner.run([utterance])[0] for utterance in utterances]
    assert all(_alike(*pair) for pair in zip(together, alone, strict=True))


def test_features_are_frames_of_the_recording_alone(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    for waveform, encoding in zip(
        waveforms, runner.run(_utterances(runner, waveforms)), strict=True
    ):
        features = encoding.features
        assert features.frames.dtype == np.float32
        assert features.speech.dtype == np.float32
        assert features.frames.shape[0] == features.speech.shape[0]
        assert ((features.speech >= 0) & (features.speech <= 1)).all()
        assert np.isfinite(features.frames).all()
        assert len(features.frames) == pytest.approx(
            waveform.seconds * features.frame_rate_hz, abs=1.5
        )


def test_silence_has_no_speech_and_no_transcript(runner: Runner[Any]) -> None:
    silence = Waveform(np.zeros(3 * RATE, np.float32), RATE)
    (encoding,) = runner.run(_utterances(runner, [silence]))
    assert (encoding.features.speech < 0.05).all()
    assert encoding.transcript.text == ""


def test_evidence_is_a_share_for_each_expected_unit(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    expected = runner.expected(LINE)
    assert expected is not None
    for encoding in runner.run(_utterances(runner, waveforms, expected)):
        assert encoding.transcript.unit == expected.unit
        if encoding.evidence is not None:
            assert len(encoding.evidence) == _units(expected)
            assert ((encoding.evidence >= 0) & (encoding.evidence <= 1)).all()


def test_nothing_expected_leaves_no_evidence(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    assert all(e.evidence is None for e in runner.run(_utterances(runner, waveforms)))


def test_others_are_judged_as_if_each_had_been_expected(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    lines = (LINE, "Nobody", "The robot counts nine nines, then ten.", LINE * 20)
    texts = [each for line in lines if (each := runner.expected(line))]
    own, *others = texts
    prepared = [runner.prepare(waveform) for waveform in waveforms]
    together = runner.run([Utterance(each, own, tuple(others)) for each in prepared])
    for place, text in enumerate(texts):
        for encoding, alone in zip(
            together, runner.run([Utterance(each, text) for each in prepared]), strict=True
        ):
            asked = (encoding, *encoding.others)[place]
            assert _alike(asked, alone)
            if asked.evidence is not None and alone.evidence is not None:
                # Unlikely words are nearly nought: their factors are compared.
                np.testing.assert_allclose(asked.evidence, alone.evidence, rtol=1e-3, atol=1e-30)
            assert (asked.alignment is None) == (alone.alignment is None)
            if asked.alignment is not None and alone.alignment is not None:
                np.testing.assert_array_equal(asked.alignment.starts, alone.alignment.starts)
        assert all(len(encoding.others) == len(others) for encoding in together)


def test_prepare_may_be_called_from_several_threads(
    runner: Runner[Any], waveforms: list[Waveform]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(runner.prepare, waveforms * 4))
    retry = [runner.prepare(waveform) for waveform in waveforms] * 4
    assert all(_same(*pair) for pair in zip(prepared, retry, strict=True))
    assert not _same(prepared[0], prepared[1])


def test_the_fingerprint_belongs_to_the_model_not_to_the_instance(
    runner: Runner[Any], load: Load
) -> None:
    other = load()
    assert other.fingerprint == runner.fingerprint
    other.close()


def test_fingerprints_differ_between_models(checkpoints: Path) -> None:
    fingerprints = {_load(model(checkpoints)).fingerprint for model in MODELS.values()}
    assert len(fingerprints) == len(MODELS)


def test_warm_up_and_device(runner: Runner[Any]) -> None:
    runner.warm_up()
    assert runner.info.device == "cpu"


def _units(transcript: Transcript) -> int:
    """How many words, or phones, a transcript has."""
    text = transcript.text
    return len(text.split() if transcript.unit == "phone" else words(text))
