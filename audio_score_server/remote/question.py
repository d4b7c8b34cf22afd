"""What the model is asked: both recordings, labelled, and the form of the answer."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from audio_score_server.audio.wav import wav
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


def _text(text: str) -> ChatCompletionContentPartTextParam:
    return {"type": "text", "text": text}


def _audio(waveform: Waveform) -> ChatCompletionContentPartInputAudioParam:
    data = base64.b64encode(wav(waveform)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
