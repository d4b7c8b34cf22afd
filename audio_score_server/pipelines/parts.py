"""What a local model's pipeline is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from audio_score_server.batching import Batcher
from audio_score_server.domain import Encoding, Utterance
from audio_score_server.pipelines.options import LocalOptions
from audio_score_server.references.store import ReferenceStore
from audio_score_server.runners.protocol import Runner


@dataclass(frozen=True, slots=True)
class LocalParts:
    """What a local model's pipeline is made of.

    Attributes:
        key: of the model.
        runner: the loaded model.
        batcher: has it run.
        store: keeps its references.
        pool: for work on the processor.
        options: how it is used.
    """

    key: str
    runner: Runner[Any]
    batcher: Batcher[Utterance[Any], Encoding]
    store: ReferenceStore
    pool: ThreadPoolExecutor
    options: LocalOptions
