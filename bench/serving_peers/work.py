"""What every server of the benchmark does for a score, besides HTTP and batching."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Encoding, Reference, Score, Utterance, Waveform
from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.library.folder import FolderSource
from audio_score_server.library.sources import clip_folder
from audio_score_server.references.tensors import as_kept
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import load_runner
from audio_score_server.scoring.text import text_similarity
from audio_score_server.settings import HiggsRemoteSettings, Settings, load_settings
from audio_score_server.settings.load import CONFIG_VARIABLE
from audio_score_server.similarity.cohort import choose_cohort
from audio_score_server.similarity.measure import (
    AlignedSimilarity,
    AudioSimilarity,
    Impostor,
    PooledSimilarity,
)
from bench.measure import cores

HOST: Final = "127.0.0.1"
Task = tuple[Clip, Reference]
"""A clip as a recording is compared with it."""
Job = tuple[Task, Utterance[Any]]
"""A clip, and the recording as it goes to the device."""


def given_settings() -> Settings:
    """Those that the benchmark names in the environment."""
    return load_settings({}, os.environ, Path(os.environ[CONFIG_VARIABLE]))


class Work:
    """A loaded and warm runner, and the references of every clip."""

    def __init__(self, settings: Settings) -> None:
        (model,) = settings.chosen_models()
        assert not isinstance(model, HiggsRemoteSettings)
        # What our server gives PyTorch for these models.
        torch.set_num_threads(max(1, cores() // 2) if model.is_small else cores())
        self._limits = DecodeLimits(
            settings.target_sampling_rate, settings.min_audio_seconds, settings.max_audio_seconds
        )
        self._runner: Runner[Any] = load_runner(model, settings)
        self._runner.warm_up()
        clips = FolderSource(clip_folder(settings)).library().clips()
        self._tasks = {clip.id: (clip, self._reference(clip)) for clip in clips}
        aligned = model.audio_similarity == "aligned"
        self._measure: AudioSimilarity = (
            AlignedSimilarity(
                [Impostor(clip, self._reference(clip).features) for clip in choose_cohort(clips)]
            )
            if aligned
            else PooledSimilarity()
        )

    def _reference(self, clip: Clip) -> Reference:
        expected = self._runner.expected(clip.text or "")
        waveform = self.decode(clip.read())
        (encoding,) = self.run([Utterance(self._runner.prepare(waveform), expected)])
        transcript = expected or encoding.transcript
        return as_kept(
            Reference(encoding.features, transcript, contours(waveform), encoding.alignment)
        )

    def decode(self, data: bytes) -> Waveform:
        """The sound of a file."""
        return decode(data, self._limits)

    def prepare(self, uid: str, cid: str, data: bytes) -> Job:
        """Decode an uploaded recording of a clip and make its input features."""
        task = self._tasks[ClipId(uid, cid)]
        features = self._runner.prepare(self.decode(data))
        return task, Utterance(features, task[1].transcript)

    def run(self, utterances: Sequence[Utterance[Any]]) -> list[Encoding]:
        """A batch through the device; by one thread at a time."""
        return self._runner.run(utterances)

    def answer(self, task: Task, encoding: Encoding) -> dict[str, float]:
        """Compare, and say so as our server does."""
        clip, reference = task
        found = Score(
            self._measure.score(clip, reference, encoding.features),
            text_similarity(reference.transcript, encoding),
        )
        return {
            "sim_score": round(found.total, 6),
            "audio_sim_score": round(found.audio, 6),
            "text_sim_score": round(found.text, 6),
        }
