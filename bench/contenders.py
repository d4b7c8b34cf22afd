"""Our runners and what else could do their work: features and transcripts of recordings.

All are loaded from the same checkpoint and go from samples to encoder features in this process's
memory and to text, by greedy decoding in English.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    Qwen2AudioEncoder,
    Qwen2AudioEncoderConfig,
    WhisperFeatureExtractor,
)

from audio_score_server.checkpoints.required import is_converted, names_in
from audio_score_server.domain import FloatArray, Utterance
from audio_score_server.runners.registry import LocalSettings, load_runner
from audio_score_server.runners.whisper.checkpoint import tokenizer_of
from audio_score_server.runners.whisper.transcriber import Task, Transcriber, Transcription
from audio_score_server.runners.whisper.vocabulary import Vocabulary
from audio_score_server.settings import HiggsAudioSettings, Settings, WhisperSettings
from audio_score_server.settings.model import Dtype
from bench.checkpoints import made_once
from bench.measure import cores
from bench.spoken import RATE, Spoken
from bench.transformers_model import transformers_model

_MOST_TOKENS: Final = 224
_ENGLISH: Final = "en"
_ANOTHER_WORD: Final = "water"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a batch.

    Attributes:
        features: encoder features ``[positions, width]`` of each recording; of the recording or of
            all 30 s.
        texts: a transcript for each recording.
    """

    features: Sequence[FloatArray]
    texts: list[str]


Work = Callable[[Sequence[Spoken]], Outcome]


@dataclass(frozen=True)
class Model:
    """What is run.

    Attributes:
        name: in tables.
        whisper: folder of the Whisper checkpoint.
        tower: folder of Higgs-Audio's audio tower, which gives the features; Whisper's do without.
        device: where everything runs.
        most: largest batch.
    """

    name: str
    whisper: Path
    tower: Path | None
    device: str
    most: int

    @cached_property
    def tokenizer(self) -> Any:
        """Whisper's."""
        return AutoTokenizer.from_pretrained(self.whisper, local_files_only=True)

    def load_tower(self, dtype: torch.dtype) -> Any:
        """The tower's module of transformers."""
        assert self.tower is not None
        told = json.loads((self.tower / "config.json").read_text(encoding="utf-8"))
        config = told["audio_encoder_config"] | {"model_type": Qwen2AudioEncoderConfig.model_type}
        encoder: Any = Qwen2AudioEncoder(Qwen2AudioEncoderConfig(**config))
        (shard,) = self.tower.glob("*.safetensors")
        tensors = load_file(shard)
        encoder.load_state_dict(
            {name.removeprefix("audio_tower."): tensor for name, tensor in tensors.items()}
        )
        return encoder.to(self.device, dtype).eval()

    def settings(self, dtype: Dtype, window: float | str) -> LocalSettings:
        """Of our runner."""
        more: dict[str, Any] = {"dtype": dtype, "language": _ENGLISH, "encoder_window_s": window}
        whisper = str(self.whisper)
        if self.tower is None:
            return WhisperSettings(key="ours", type="whisper", model_id=whisper, **more)
        more |= {"model_id": str(self.tower), "processor_id": whisper, "transcriber_id": whisper}
        return HiggsAudioSettings(key="ours", type="higgs_audio", **more)


def ours(model: Model) -> dict[str, Work]:
    """Our runner by name; as it comes with the right text expected, the usual case, first."""
    works: dict[str, Work] = {}
    ways: tuple[tuple[Dtype, float | str], ...] = (("auto", "auto"), ("auto", 30.0))
    for dtype, window in (*ways, ("float32", "auto")):
        settings = model.settings(dtype, window)
        runner = load_runner(
            settings,
            Settings(models=(settings,), device=model.device, max_batch_size=model.most),
        )
        runner.warm_up()
        name = f"ours, {runner.info.dtype}{'' if window == 'auto' else f', {window:g} s'}"
        works.setdefault(name, _our_work(runner, lambda text: text))
        if dtype == window:
            works[f"{name}, one word wrong"] = _our_work(runner, _wrong)
            works[f"{name}, no draft"] = _our_work(runner, lambda _: None)
    return works


def _our_work(runner: Any, draft: Callable[[str], str | None]) -> Work:
    def work(batch: Sequence[Spoken]) -> Outcome:
        drafts = [draft(each.text) for each in batch]
        encodings = runner.run(
            [
                Utterance(
                    runner.prepare(each.waveform), None if text is None else runner.expected(text)
                )
                for each, text in zip(batch, drafts, strict=True)
            ]
        )
        return Outcome(
            [encoding.features.frames for encoding in encodings],
            [encoding.transcript.text for encoding in encodings],
        )

    return work


def _wrong(text: str) -> str:
    words = text.split()
    words[len(words) // 2] = _ANOTHER_WORD
    return " ".join(words)


def passes_of(work: Callable[[], object]) -> int:
    """Decoder passes that one of our batches takes, whose rows advance together."""
    counted: list[int] = []
    transcribe = Transcriber.transcribe

    def counting(self: Transcriber, tasks: Sequence[Task], most: int) -> list[Transcription]:
        written = transcribe(self, tasks, most)
        counted.append(max(transcription.passes for transcription in written))
        return written

    with mock.patch.object(Transcriber, "transcribe", counting):
        work()
    return sum(counted)


def faster_whisper(model: Model, compute_type: str) -> Work:
    """CTranslate2 through faster-whisper, one encoder pass of 30 s for features and text.

    Raises:
        ImportError: it is not installed.
        RuntimeError, ValueError: it lacks what the device or the numbers need.
    """
    import ctranslate2
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim

    ctranslate2.set_log_level(logging.ERROR)
    folder = model.whisper
    if not is_converted(names_in(folder)):
        converted = folder.with_name(f"{folder.name}-ctranslate2")
        folder = made_once(converted, lambda to: _convert(model.whisper, to))
    whisper = WhisperModel(
        str(folder), device=model.device, compute_type=compute_type, cpu_threads=cores()
    )
    known = [f"<|{_ENGLISH}|>", "<|transcribe|>"] if whisper.model.is_multilingual else []
    prompt = ["<|startoftranscript|>", *known, "<|notimestamps|>"]

    def work(batch: Sequence[Spoken]) -> Outcome:
        features = np.stack(
            [pad_or_trim(whisper.feature_extractor(each.waveform.samples)) for each in batch]
        )
        heard = whisper.encode(features)
        results = whisper.model.generate(heard, [prompt] * len(batch), beam_size=1)
        if heard.device != "cpu":
            heard = heard.to_device(ctranslate2.Device.cpu)
        texts = [whisper.hf_tokenizer.decode(result.sequences_ids[0]) for result in results]
        return Outcome(list(np.asarray(heard).astype(np.float32)), texts)

    return work


def _convert(checkpoint: Path, folder: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    files = ["tokenizer.json", "preprocessor_config.json"]
    converter = TransformersConverter(str(checkpoint), copy_files=files)
    converter.convert(str(folder), quantization="float16", force=True)


def transformers(model: Model, dtype: torch.dtype, careful: bool) -> tuple[Any, Work]:
    """Plain transformers; its configuration too.

    Args:
        model: what is run.
        dtype: of its weights.
        careful: give ``generate`` what the encoder has already made, rather than the features
            again, as one would write it down first. Not with a tower.
    """
    loaded = transformers_model(model.whisper, dtype).to(model.device).eval()
    extractor: Any = WhisperFeatureExtractor(feature_size=loaded.config.num_mel_bins)  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"max_new_tokens": _MOST_TOKENS}
    if Vocabulary(tokenizer_of(model.whisper), loaded.generation_config).languages:
        given |= {"language": _ENGLISH, "task": "transcribe"}
    encoder = model.load_tower(dtype) if model.tower else loaded.get_encoder()

    @torch.inference_mode()
    def work(batch: Sequence[Spoken]) -> Outcome:
        sounds = [each.waveform.samples for each in batch]
        extracted = extractor(sounds, sampling_rate=RATE, return_tensors="pt")
        features = extracted.input_features.to(model.device, dtype)
        heard = encoder(features)
        source = {"encoder_outputs": heard} if careful else {"input_features": features}
        tokens = loaded.generate(**source, **given)
        texts = model.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return Outcome(list(heard.last_hidden_state.float().cpu().numpy()), texts)

    return loaded.config, work
