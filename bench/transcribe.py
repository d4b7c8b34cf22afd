"""Recordings of minutes and hours to words, ours against faster-whisper.

    python -m bench.transcribe [MODEL ...] [--recordings FOLDER ...] [--minutes N] [--beams N,...]
                               [--repeats N]

MODEL is a folder with a trained checkpoint in CTranslate2's format; without any, the two that
``scripts/fetch_test_models`` fetches. A folder of recordings has a ``manifest.csv`` with columns
``file`` and ``text``; its first recordings are joined, half a second of silence between them, until
they are ``--minutes`` long.

Timed is the way from a file to text, word times included where the contender has been asked for
them, with voice activity detection in all of them: ours as the server does it; faster-whisper as it
comes, window after window, and its pipeline that takes windows together; each in eight bits and in
float32. Each contender is a process of its own, so that memory is its own. Printed is a Markdown
table: seconds of work for a second of sound, times ours, word error rate, peak memory.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from audio_score_server.audio.resample import resample
from bench import options
from bench.machine import describe
from bench.measure import cores, median, progress, show
from bench.spoken import Spoken, demo_spoken, spoken, word_errors, words_of
from training.kokoro import models_folder

_FETCHED: Final = ("whisper-tiny.en", "whisper-base")
_RATE: Final = 16_000
_PAUSE_S: Final = 0.5
_LANGUAGE: Final = "en"
_BATCH: Final = 8
_CONTENDERS: Final = (
    "ours, int8",
    "ours, float32",
    "faster-whisper, int8",
    "faster-whisper, float32",
    "faster-whisper batched, int8",
    "faster-whisper batched, float32",
)


@dataclass(frozen=True, slots=True)
class _Result:
    """What a contender made of the recording.

    Attributes:
        seconds: that it took, without loading the model.
        text: what it wrote.
        memory_mib: most that its process ever had in memory.
    """

    seconds: float
    text: str
    memory_mib: float


def main() -> None:
    """Command line."""
    arguments = _arguments()
    if arguments.contender:
        _compete(arguments)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        recording = Path(folder) / "recording.wav"
        said = _join(_spoken(arguments), 60 * arguments.minutes, recording)
        rows = []
        for model in arguments.models or [models_folder() / name for name in _FETCHED]:
            for beam in arguments.beams:
                rows += _rows(model, beam, recording, said, arguments.repeats)
    print(f"\n{describe('cpu', ('torch', 'ctranslate2', 'faster-whisper'))}")
    seconds = sum(each.waveform.seconds + _PAUSE_S for each in said)
    show(
        f"Seconds of work for each second of sound, {seconds / 60:.1f} minutes, median of "
        f"{arguments.repeats}",
        ("model", "beam", "contender", "real-time factor", "/ ours", "word error rate", "MiB"),
        rows,
        left=3,
    )


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("models", type=Path, nargs="*", help="Folders of trained checkpoints.")
    add("--recordings", type=Path, nargs="+", default=[], help="Folders of recordings.")
    add("--minutes", type=float, default=10.0, help="Length of the joined recording.")
    add("--beams", type=options.counts, default=[5, 1], help="Widths of the beam search.")
    add("--repeats", type=options.count, default=3, help="Runs that count, each.")
    add("--contender", choices=_CONTENDERS, help=argparse.SUPPRESS)
    add("--recording", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _spoken(arguments: argparse.Namespace) -> list[Spoken]:
    every = sys.maxsize
    return [each for folder in arguments.recordings for each in spoken(folder, every)] or (
        demo_spoken()
    )


def _join(recordings: list[Spoken], seconds: float, file: Path) -> list[Spoken]:
    """Write as many as make so many seconds; which those are."""
    chosen: list[Spoken] = []
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, _RATE, 0, "NONE", ""))
        for each in recordings:
            if sum(one.waveform.seconds + _PAUSE_S for one in chosen) >= seconds:
                break
            pause = np.zeros(int(_PAUSE_S * _RATE), np.float32)
            samples = np.concatenate([resample(each.waveform, _RATE).samples, pause])
            sound.writeframes((32767 * samples.clip(-1, 1)).astype("<i2").tobytes())
            chosen.append(each)
    return chosen


def _rows(
    model: Path, beam: int, recording: Path, said: list[Spoken], repeats: int
) -> list[list[str]]:
    names = _CONTENDERS if importlib.util.find_spec("faster_whisper") else _CONTENDERS[:2]
    results: dict[str, list[_Result]] = {name: [] for name in names}
    for _ in progress(range(repeats), f"{model.name}, beam {beam}"):
        for name in names:
            results[name].append(_run(name, model, beam, recording))
    audio_s = sum(each.waveform.seconds + _PAUSE_S for each in said)
    right = words_of(" ".join(each.text for each in said))
    ours_s = median([result.seconds for result in results[names[0]]])
    rows = []
    for name, own in results.items():
        seconds = median([result.seconds for result in own])
        errors = word_errors(words_of(own[0].text), right)
        memory = max(result.memory_mib for result in own)
        figures = (
            f"{seconds / audio_s:.4f}",
            f"{seconds / ours_s:.2f}",
            f"{errors / len(right):.4f}",
        )
        rows.append([model.name, str(beam), name, *figures, f"{memory:.0f}"])
    return rows


def _run(name: str, model: Path, beam: int, recording: Path) -> _Result:
    command = [sys.executable, "-m", "bench.transcribe", str(model), "--contender", name]
    command += ["--recording", str(recording), "--beams", str(beam)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return _Result(**json.loads(done.stdout.splitlines()[-1]))


def _compete(arguments: argparse.Namespace) -> None:
    """In a process of its own: transcribe once, and tell on standard output."""
    name, _, dtype = arguments.contender.partition(", ")
    (model,), (beam,) = arguments.models, arguments.beams
    run = {
        "ours": _ours,
        "faster-whisper": _faster_whisper,
        "faster-whisper batched": _batched,
    }[name]
    seconds, text = run(model, beam, arguments.recording, dtype)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "text": text, "memory_mib": memory}))


def _ours(model: Path, beam: int, recording: Path, dtype: str) -> tuple[float, str]:
    from audio_score_server.assembly import transcriber
    from audio_score_server.pipelines.protocol import TranscriptionOptions
    from audio_score_server.settings import Settings

    known = {"key": "model", "type": "whisper", "model_id": str(model), "dtype": dtype}
    settings = Settings.model_validate({"models": [known], "cpu_threads": cores()})

    async def transcribe() -> tuple[float, str]:
        async with transcriber(settings, None) as own:
            # The first words cost the phone model's dictionary, once a process.
            await _text(own, recording, TranscriptionOptions(_LANGUAGE, beam_size=1), most=1)
            started = time.monotonic()
            text = await _text(own, recording, TranscriptionOptions(_LANGUAGE, beam_size=beam))
            return time.monotonic() - started, text

    return asyncio.run(transcribe())


async def _text(own: Any, recording: Path, asked: Any, most: int | None = None) -> str:
    texts = []
    with recording.open("rb") as file:
        parts = own.transcribe(file, asked)
        async for part in parts:
            texts += [segment.text for segment in part.segments]
            if most is not None and len(texts) >= most:
                break
        await parts.aclose()
    return " ".join(texts)


def _faster_whisper(model: Path, beam: int, recording: Path, dtype: str) -> tuple[float, str]:
    return _peer(_loaded(model, dtype).transcribe, recording, beam_size=beam, vad_filter=True)


def _batched(model: Path, beam: int, recording: Path, dtype: str) -> tuple[float, str]:
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(_loaded(model, dtype))
    return _peer(pipeline.transcribe, recording, beam_size=beam, batch_size=_BATCH)


def _loaded(model: Path, dtype: str) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(model), "cpu", compute_type=dtype, cpu_threads=cores())


def _peer(transcribe: Callable[..., Any], recording: Path, **asked: Any) -> tuple[float, str]:
    started = time.monotonic()
    segments, _ = transcribe(str(recording), language=_LANGUAGE, word_timestamps=True, **asked)
    text = " ".join(segment.text.strip() for segment in segments)
    return time.monotonic() - started, text


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        tqdm.write("Stopped.", file=sys.stderr)
        sys.exit(130)
