"""The models that runners are measured with: what of ours and of others can run each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch

from audio_score_server.runners.registry import LocalSettings
from audio_score_server.settings import HiggsAudioSettings, WhisperSettings
from audio_score_server.settings.model import Dtype
from bench.checkpoints import SIZES, higgs_checkpoint, whisper_checkpoint
from bench.floor import higgs_operations, whisper_operations
from bench.peers import Contender, careful, faster_whisper, straightforward, with_tower
from bench.tokens import BytePairs

HIGGS: Final = "higgs-audio"
_TRANSCRIBER: Final = "large-v3-turbo"
NAMES: Final = (*SIZES, HIGGS)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the benchmark.

    Attributes:
        name: in tables.
        operations: floating-point operations for one recording.
        ours: settings of our runner for a dtype.
        peers: load what else can run it; the first is plain transformers in float32.
    """

    name: str
    operations: float
    ours: Callable[[Dtype], LocalSettings]
    peers: list[Callable[[], Contender]]


def make_entry(name: str, work: Path, pairs: BytePairs, device: str, dtype: torch.dtype) -> Entry:
    """Make the checkpoints of one of ``NAMES`` where they are missing.

    Args:
        name: of the model.
        work: folder of checkpoints.
        pairs: of their tokenizer.
        device: where everything runs.
        dtype: of peers that are written with care.
    """
    if name == HIGGS:
        return _higgs(work, whisper_checkpoint(_TRANSCRIBER, work, pairs), device, dtype)
    checkpoint = whisper_checkpoint(name, work, pairs)
    return Entry(
        f"whisper-{name}",
        whisper_operations(name),
        partial(_whisper_settings, checkpoint),
        [
            partial(straightforward, checkpoint, device),
            partial(careful, checkpoint, device, dtype),
            partial(faster_whisper, checkpoint, device, "default"),
            partial(faster_whisper, checkpoint, device, "int8"),
        ],
    )


def _whisper_settings(checkpoint: Path, dtype: Dtype) -> LocalSettings:
    return WhisperSettings(
        key="whisper", type="whisper", model_id=str(checkpoint), dtype=dtype, language="en"
    )


def _higgs(work: Path, transcriber: Path, device: str, dtype: torch.dtype) -> Entry:
    tower = higgs_checkpoint(work)
    return Entry(
        HIGGS,
        higgs_operations(_TRANSCRIBER),
        partial(_higgs_settings, tower, transcriber),
        [
            partial(with_tower, tower, transcriber, device, each)
            for each in dict.fromkeys((torch.float32, dtype))
        ],
    )


def _higgs_settings(tower: Path, transcriber: Path, dtype: Dtype) -> LocalSettings:
    return HiggsAudioSettings(
        key=HIGGS,
        type="higgs_audio",
        model_id=str(tower),
        processor_id=str(transcriber),
        transcriber_id=str(transcriber),
        dtype=dtype,
        language="en",
    )
