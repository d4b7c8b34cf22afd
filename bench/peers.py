"""What else could do the work of a runner: features and transcripts of a batch of recordings.

Every contender is loaded from the same checkpoint, gets its log-mel features beforehand, and is
timed from there to features in this process's memory and to text. Decoding is greedy, English, and
fourteen tokens long.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import (
    Qwen2AudioEncoder,
    Qwen2AudioEncoderConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from audio_score_server.domain import FloatArray
from bench.checkpoints import made_once
from bench.measure import cores
from bench.tokens import SENTENCE_TOKENS

RATE: Final = 16_000
_PROMPT: Final = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
_GENERATION: Final[Mapping[str, Any]] = {
    "language": "en",
    "task": "transcribe",
    "max_new_tokens": SENTENCE_TOKENS,
    "min_new_tokens": SENTENCE_TOKENS,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a batch.

    Attributes:
        features: encoder features ``[positions, width]`` of each recording, in this process's
            memory; of the recording or of all 30 s.
        texts: a transcript for each recording.
    """

    features: Sequence[FloatArray]
    texts: list[str]


Work = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that does a runner's work.

    Attributes:
        name: in tables.
        ready: makes the input features of a batch of recordings, float32 ``[samples]`` each at
            16 kHz; what it returns is timed.
        passes: counts the decoder passes of such work.
    """

    name: str
    ready: Callable[[Sequence[FloatArray]], Work]
    passes: Callable[[Work], int] | None = None


class LeftOut(Exception):
    """A contender cannot be had here; says why and what would help."""


def straightforward(checkpoint: Path, device: str) -> Contender:
    """Plain transformers in float32: the encoder for the features, ``generate`` for the text."""
    return _with_transformers("encoder, generate", checkpoint, device, torch.float32, _heard_twice)


def careful(checkpoint: Path, device: str, dtype: torch.dtype) -> Contender:
    """Plain transformers whose ``generate`` is given what the encoder has already made."""
    return _with_transformers("encoder once", checkpoint, device, dtype, _heard_once)


def with_tower(tower: Path, checkpoint: Path, device: str, dtype: torch.dtype) -> Contender:
    """Plain transformers with features from Higgs-Audio's tower and text from ``generate``."""
    encoder = _load_tower(tower).to(device, dtype)

    def hear(model: Any, features: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        return encoder(features).last_hidden_state, {"input_features": features}

    return _with_transformers("tower, generate", checkpoint, device, dtype, hear)


_Hearing = Callable[[Any, torch.Tensor], tuple[torch.Tensor, dict[str, Any]]]
"""A model and input features to encoder features and what ``generate`` is given."""


def _heard_twice(model: Any, features: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    return model.get_encoder()(features).last_hidden_state, {"input_features": features}


def _heard_once(model: Any, features: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    outputs = model.get_encoder()(features)
    return outputs.last_hidden_state, {"encoder_outputs": outputs}


def _with_transformers(
    way: str, checkpoint: Path, device: str, dtype: torch.dtype, hear: _Hearing
) -> Contender:
    processor: Any = WhisperProcessor.from_pretrained(checkpoint)
    model: Any = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=dtype)
    model.to(device).eval()

    def ready(recordings: Sequence[FloatArray]) -> Work:
        extracted = processor(list(recordings), sampling_rate=RATE, return_tensors="pt")
        features = extracted.input_features.to(device, dtype)

        @torch.inference_mode()
        def work() -> Outcome:
            heard, given = hear(model, features)
            tokens = model.generate(**given, **_GENERATION)
            texts = processor.batch_decode(tokens, skip_special_tokens=True)
            return Outcome(list(heard.float().cpu().numpy()), texts)

        return work

    return Contender(f"transformers, {_name(dtype)}: {way}", ready)


def _load_tower(folder: Path) -> Any:
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = settings["audio_encoder_config"] | {"model_type": Qwen2AudioEncoderConfig.model_type}
    tower: Any = Qwen2AudioEncoder(Qwen2AudioEncoderConfig(**config))
    for shard in folder.glob("*.safetensors"):
        tensors = load_file(shard)
        tower.load_state_dict(
            {name.removeprefix("audio_tower."): tensor for name, tensor in tensors.items()}
        )
    return tower.eval()


def faster_whisper(checkpoint: Path, device: str, compute_type: str) -> Contender:
    """CTranslate2 through faster-whisper, one encoder pass for features and text.

    Converted to float16 like the published checkpoints; CTranslate2 makes float32 of it where the
    device has no float16.

    Raises:
        LeftOut: it is not installed, or lacks what the device needs.
    """
    try:
        from faster_whisper.audio import pad_or_trim

        whisper = _load_faster_whisper(checkpoint, device, compute_type)
    except ImportError as error:
        raise LeftOut(f"{error}: pip install -r requirements-bench.txt.") from error
    except (RuntimeError, ValueError) as error:
        # CTranslate2's words for a library of CUDA that is not there, and for numbers that the
        # device does not know.
        raise LeftOut(f"faster-whisper does not run on this {device}: {error}.") from error

    def ready(recordings: Sequence[FloatArray]) -> Work:
        features = np.stack(
            [pad_or_trim(whisper.feature_extractor(samples)) for samples in recordings]
        )

        def work() -> Outcome:
            heard = whisper.encode(features)
            # CTranslate2 lets a transcript take half of the length, whatever the prompt takes.
            results = whisper.model.generate(
                heard,
                [_PROMPT] * len(features),
                beam_size=1,
                max_length=2 * SENTENCE_TOKENS,
            )
            texts = [whisper.hf_tokenizer.decode(result.sequences_ids[0]) for result in results]
            return Outcome(list(_from_ctranslate2(heard)), texts)

        return work

    return Contender(f"faster-whisper, {whisper.model.compute_type}", ready)


def _load_faster_whisper(checkpoint: Path, device: str, compute_type: str) -> Any:
    import ctranslate2
    from faster_whisper import WhisperModel

    # It would tell that it makes float32 of float16, which the name of the contender tells.
    ctranslate2.set_log_level(logging.ERROR)
    converted = made_once(
        checkpoint.with_name(f"{checkpoint.name}-ctranslate2"), lambda to: _convert(checkpoint, to)
    )
    return WhisperModel(
        str(converted), device=device, compute_type=compute_type, cpu_threads=cores()
    )


def _convert(checkpoint: Path, folder: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    files = ["tokenizer.json", "preprocessor_config.json"]
    converter = TransformersConverter(str(checkpoint), copy_files=files)
    converter.convert(str(folder), quantization="float16", force=True)


def _from_ctranslate2(view: Any) -> FloatArray:
    import ctranslate2

    if view.device != "cpu":
        view = view.to_device(ctranslate2.Device.cpu)
    return np.asarray(view).astype(np.float32)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
