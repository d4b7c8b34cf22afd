"""Our runners as contenders: with drafts right, wrong and absent; passes counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from unittest import mock

from audio_score_server.domain import FloatArray, Utterance, Waveform
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import LocalSettings, load_runner
from audio_score_server.runners.whisper.transcriber import Task, Transcriber, Transcription
from audio_score_server.settings import Settings
from bench.peers import RATE, Contender, Outcome, Work
from bench.tokens import SENTENCE, WRONG_SENTENCE

_DRAFTS: Final = {
    "right draft": SENTENCE,
    "one word wrong": WRONG_SENTENCE,
    "no draft": None,
}
"""What is expected of the recordings."""


def load_contenders(model: LocalSettings, device: str, most: int) -> list[Contender]:
    """Our runner of a model with each kind of draft; the right one, the usual case, first.

    Args:
        model: its settings.
        device: where it runs.
        most: largest batch.
    """
    runner = load_runner(model, Settings(models=(model,), device=device, max_batch_size=most))
    runner.warm_up()
    return [
        Contender(f"ours, {runner.info.dtype}: {kind}", partial(_ready, runner, draft), passes_of)
        for kind, draft in _DRAFTS.items()
    ]


def _ready(runner: Runner[Any], draft: str | None, recordings: Sequence[FloatArray]) -> Work:
    expected = None if draft is None else runner.expected(draft)
    utterances = [
        Utterance(runner.prepare(Waveform(samples, RATE)), expected) for samples in recordings
    ]

    def work() -> Outcome:
        encodings = runner.run(utterances)
        return Outcome(
            [encoding.features.frames for encoding in encodings],
            [encoding.transcript.text for encoding in encodings],
        )

    return work


def passes_of(work: Work) -> int:
    """Decoder passes that one of our batches takes, whose rows advance together."""
    counted: list[int] = []
    transcribe = Transcriber.transcribe

    def counting(
        transcriber: Transcriber, tasks: Sequence[Task], most_tokens: int
    ) -> list[Transcription]:
        written = transcribe(transcriber, tasks, most_tokens)
        counted.append(max(transcription.passes for transcription in written))
        return written

    with mock.patch.object(Transcriber, "transcribe", counting):
        work()
    return sum(counted)
