"""Voice activity detection: the package's own numbers, however the sound comes in."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.vad import VAD_RATE, VAD_STEP, VoiceActivityDetector
from audio_score_server.domain import FloatArray
from bench.demo import DEMO_RECORDINGS


@pytest.fixture(scope="module")
def speech() -> FloatArray:
    recording = min(DEMO_RECORDINGS.glob("*_right.*"))
    samples = decode(recording.read_bytes(), DecodeLimits(VAD_RATE, 0.1, 60.0)).samples
    pause = np.zeros(VAD_RATE, np.float32)
    return np.concatenate([pause, samples, pause])


def test_the_numbers_are_those_of_their_own_runtime(speech: FloatArray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = importlib.import_module("silero_vad").load_silero_vad()
    whole = speech[: len(speech) // VAD_STEP * VAD_STEP].reshape(-1, VAD_STEP)
    with torch.inference_mode():
        theirs = [float(model(torch.from_numpy(step), VAD_RATE)) for step in whole]
    assert VoiceActivityDetector().feed(speech) == pytest.approx(theirs, abs=1e-4)


def test_it_tells_speech_from_silence(speech: FloatArray) -> None:
    found = VoiceActivityDetector().feed(speech)
    steps = VAD_RATE // VAD_STEP
    assert found[: steps - 5].max() < 0.3
    assert found[steps:-steps].max() > 0.9


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(0, 20_000), max_size=12))
def test_how_the_sound_comes_in_changes_nothing(speech: FloatArray, sizes: list[int]) -> None:
    detector, at = VoiceActivityDetector(), 0
    pieces = []
    for size in sizes:
        pieces.append(detector.feed(speech[at : at + size]))
        at += size
    pieces.append(detector.feed(speech[at:]))
    pieces.append(detector.finish())
    at_once = VoiceActivityDetector()
    whole = np.concatenate([at_once.feed(speech), at_once.finish()])
    assert np.concatenate(pieces) == pytest.approx(whole, abs=1e-4)


def test_a_rest_is_filled_up() -> None:
    detector = VoiceActivityDetector()
    assert not len(detector.feed(np.zeros(VAD_STEP - 1, np.float32)))
    assert len(detector.finish()) == 1
    assert not len(detector.finish())
