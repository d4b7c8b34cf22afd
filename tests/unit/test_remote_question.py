from __future__ import annotations

import base64
import io
import subprocess
import sys
import wave
from typing import Any

import numpy as np
import pytest

from audio_score_server.audio.wav import wav
from audio_score_server.domain import FloatArray, Waveform
from audio_score_server.remote.question import RESPONSE_FORMAT, messages
from audio_score_server.settings import HiggsRemoteSettings
from tests.support import chirp

_SETTINGS = HiggsRemoteSettings(
    key="far",
    type="higgs_remote",
    api_base="http://localhost/v1",
    model_id="m",
    system_prompt="Judge.",
    user_prompt="How close?",
)


def _read(data: bytes) -> tuple[wave._wave_params, FloatArray]:
    with wave.open(io.BytesIO(data)) as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), "<i2")
        return source.getparams(), (samples / 32_767).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_travels_as_16_bit_wav_at_its_own_rate(rate: int) -> None:
    samples = chirp(0.2, rate)
    params, decoded = _read(wav(Waveform(samples, rate)))
    assert (params.nchannels, params.sampwidth, params.framerate) == (1, 2, rate)
    assert len(decoded) == len(samples)
    assert np.abs(decoded - samples).max() <= 0.5 / 32_767 + 1e-6


def test_what_overshoots_full_scale_is_cut_rather_than_wrapped() -> None:
    samples = np.array([1.0, -1.0, 1.5, -7.9], np.float32)
    _, decoded = _read(wav(Waveform(samples, 16_000)))
    assert decoded.tolist() == [1.0, -1.0, 1.0, -1.0]


def test_recordings_are_labelled_and_in_order() -> None:
    reference, recording = Waveform(chirp(0.2), 16_000), Waveform(chirp(0.3), 16_000)
    chat: Any = messages(_SETTINGS, reference, recording, "Hello there.")
    system, user = chat
    assert system == {"role": "system", "content": "Judge."}
    assert user["role"] == "user"
    asked, label, first, other_label, second = user["content"]
    assert asked == {"type": "text", "text": "How close?"}
    assert label["text"] == "Reference. It says: Hello there."
    assert other_label["text"] == "Recording:"
    for part, waveform in ((first, reference), (second, recording)):
        assert part["type"] == "input_audio"
        assert part["input_audio"]["format"] == "wav"
        assert base64.b64decode(part["input_audio"]["data"]) == wav(waveform)


@pytest.mark.parametrize("text", [None, ""])
def test_a_reference_without_text_is_labelled_all_the_same(text: str | None) -> None:
    waveform = Waveform(chirp(0.2), 16_000)
    chat: Any = messages(_SETTINGS, waveform, waveform, text)
    assert chat[1]["content"][1] == {"type": "text", "text": "Reference:"}


def test_the_form_of_the_answer_is_strict() -> None:
    form: Any = RESPONSE_FORMAT
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    names = ["audio_sim_score", "text_sim_score"]
    assert schema["required"] == names == list(schema["properties"])
    for name in names:
        number = schema["properties"][name]
        assert (number["type"], number["minimum"], number["maximum"]) == ("number", 0, 1)


def test_the_pure_parts_do_without_the_slow_package() -> None:
    program = (
        "import sys, audio_score_server.remote.question, audio_score_server.remote.retries\n"
        "sys.exit('openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
