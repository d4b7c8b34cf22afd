"""Which checkpoints the configured models are made of."""

from __future__ import annotations

from audio_score_server.checkpoints.wanted import (
    EXTRACTOR,
    PROCESSOR,
    TOWER,
    WHISPER,
    WHISPER_MODEL,
    Checkpoint,
)
from audio_score_server.settings import HiggsAudioSettings, ModelSettings, WhisperSettings


def whisper_checkpoints(model: WhisperSettings) -> tuple[Checkpoint, Checkpoint]:
    """Where the model is, and where its processor is: often the same."""
    if model.processor_id is None:
        whole = Checkpoint(model.model_id, model.revision, WHISPER)
        return whole, whole
    return (
        Checkpoint(model.model_id, model.revision, WHISPER_MODEL),
        Checkpoint(model.processor_id, None, PROCESSOR),
    )


def higgs_audio_checkpoints(model: HiggsAudioSettings) -> tuple[Checkpoint, Checkpoint, Checkpoint]:
    """Where the audio tower, its log-mel extractor and the transcriber are."""
    return (
        Checkpoint(model.model_id, model.revision, TOWER),
        Checkpoint(model.processor_id, None, EXTRACTOR),
        Checkpoint(model.transcriber_id, None, WHISPER),
    )


def checkpoints_of(model: ModelSettings) -> tuple[Checkpoint, ...]:
    """Everything that a model needs from the hub or from folders; nothing for most types."""
    match model:
        case WhisperSettings():
            return tuple(dict.fromkeys(whisper_checkpoints(model)))
        case HiggsAudioSettings():
            return higgs_audio_checkpoints(model)
        case _:
            return ()
