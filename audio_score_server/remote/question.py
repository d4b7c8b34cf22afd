"""What the model is asked: both recordings, labelled, and the form of the answer."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING, Final

import numpy as np

from audio_score_server.domain import Waveform
from audio_score_server.remote.answer import Similarities
from audio_score_server.settings import HiggsRemoteSettings

if TYPE_CHECKING:  # for their types alone: the package is slow to import
    from openai.types.chat import (
        ChatCompletionContentPartInputAudioParam,
        ChatCompletionContentPartTextParam,
        ChatCompletionMessageParam,
    )
    from openai.types.shared_params import ResponseFormatJSONSchema

_FULL_SCALE: Final = 32_767
RESPONSE_FORMAT: Final[ResponseFormatJSONSchema] = {
    "type": "json_schema",
    "json_schema": {
        "name": "similarities",
        "strict": True,
        "schema": Similarities.model_json_schema(),
    },
}


def messages(
    settings: HiggsRemoteSettings, reference: Waveform, recording: Waveform, text: str | None
) -> list[ChatCompletionMessageParam]:
    """The chat that asks for a score.

    Args:
        settings: the prompts.
        reference: the clip's sound.
        recording: the performance of it.
        text: what the clip says, where it is known.
    """
    label = f"Reference. It says: {text}" if text else "Reference:"
    return [
        {"role": "system", "content": settings.system_prompt},
        {
            "role": "user",
            "content": [
                _text(settings.user_prompt),
                _text(label),
                _audio(reference),
                _text("Recording:"),
                _audio(recording),
            ],
        },
    ]


def wav(waveform: Waveform) -> bytes:
    """A WAV file, 16-bit PCM, at the waveform's rate; what overshoots full scale is cut."""
    samples = np.rint(np.clip(waveform.samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(waveform.sampling_rate)
        output.writeframes(samples.tobytes())
    return buffer.getvalue()


def _text(text: str) -> ChatCompletionContentPartTextParam:
    return {"type": "text", "text": text}


def _audio(waveform: Waveform) -> ChatCompletionContentPartInputAudioParam:
    data = base64.b64encode(wav(waveform)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
