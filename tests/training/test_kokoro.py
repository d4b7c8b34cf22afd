"""The voices of demo and tests, with the trained synthesiser."""

from __future__ import annotations

import numpy as np
import pytest

from audio_score_server.domain import FloatArray
from tests.voices import ENGLISH, JAPANESE, Line, another, half
from training.kokoro import RATE, Kokoro, Voice, models_folder
from training.spelling import english_phones

_HELLO = english_phones("Hello there.")
_WOMAN = {"jf_gongitsune": 0.65, "jf_alpha": 0.35}


@pytest.fixture(scope="module")
def speaker() -> Kokoro:
    try:
        return Kokoro(models_folder() / "kokoro")
    except OSError as error:
        pytest.skip(f"the voices are not here: {error}")


@pytest.mark.trained
def test_the_same_is_said_again_and_by_another_voice_otherwise(speaker: Kokoro) -> None:
    once, again = (speaker.speak(_HELLO, _WOMAN) for _ in range(2))
    assert np.array_equal(once, again)
    assert once.dtype == np.float32
    doubled = {name: 2 * weight for name, weight in _WOMAN.items()}
    assert np.array_equal(once, speaker.speak(_HELLO, doubled))
    man = speaker.speak(_HELLO, "jm_kumo")
    assert len(man) != len(once) or not np.allclose(man, once, atol=0.01)


@pytest.mark.trained
def test_a_child_is_higher_and_a_slow_voice_slower(speaker: Kokoro) -> None:
    usual, child, slow = (
        speaker.say(_HELLO, voice)
        for voice in (Voice(_WOMAN), Voice(_WOMAN, raised=1.25), Voice(_WOMAN, speed=0.7))
    )
    assert len(child) == pytest.approx(len(usual), rel=0.15)
    assert len(slow) > 1.2 * len(usual)
    assert _centre_hz(child) > 1.05 * _centre_hz(usual)


def _centre_hz(samples: FloatArray) -> float:
    """Where the middle of the spectrum below 4 kHz is."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    pitches = np.fft.rfftfreq(len(samples), 1 / RATE)
    below = pitches < 4_000
    return float(np.sum(pitches[below] * power[below]) / np.sum(power[below]))


@pytest.mark.parametrize("line", [*ENGLISH, *JAPANESE], ids=lambda line: line.phones[:8])
def test_half_a_line_begins_it_and_another_line_does_not(line: Line) -> None:
    assert line.phones.startswith(half(line).phones)
    assert not line.phones.startswith(half(another(line)).phones)
    assert 0.25 < len(half(line).phones) / len(line.phones) < 0.75
