"""A long recording through our server while scores are asked for: memory, deadlines, speed.

    python -m bench.hours [--model FOLDER] [--hours H] [--recordings FOLDER ...] [--beam N]
                          [--every-s S] [--deadline-s S]

A server of its own loads a trained Whisper (base of ``scripts/fetch_test_models``, if no other is
named) and the phone encoder. Recordings of folders with a ``manifest.csv``, else the demo's, are
joined in ever new orders, levels and pauses until they are ``--hours`` long, and go to ``POST
/transcribe`` as one upload whose answer is a stream of events. Meanwhile a demo recording is scored
every ``--every-s`` seconds. Printed is a row for each minute of work: how much sound had been
written down, the server's memory, and what became of the scores; then the whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psutil
from tqdm import tqdm

from audio_score_server.audio.resample import resample
from bench import options
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS
from bench.machine import describe
from bench.measure import show
from bench.server import HOST, Server, free_port, running
from bench.spoken import RATE, Spoken, demo_spoken, spoken
from training.kokoro import models_folder

_MODEL: Final = "whisper-base"
_TAKE: Final = DEMO_RECORDINGS / "RiverTales-s01e01_part01_right.mp3"
_LEVELS_DB: Final = (-12.0, 3.0)
_PAUSES_S: Final = (0.2, 2.5)
_MINUTE_S: Final = 60.0
_POLL_S: Final = 0.5
_MIB: Final = 2**20
_NAMES: Final = ("minute", "sound s", "words", "RSS MiB", "anonymous", "scores", "p50 s", "max s")
"""Of the table's columns."""


@dataclass(slots=True)
class _Watch:
    """What has been seen so far.

    Attributes:
        waits_s: how long each score took.
        failed: scores that were not given, as status and beginning of the answer.
        memory_mib: the server's resident memory at every look.
        anonymous_mib: as much of it as is no file's.
    """

    waits_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    anonymous_mib: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


def main() -> None:
    """Command line."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-hours-") as scratch:
        recording = Path(scratch) / "recording.wav"
        seconds = _join(_spoken(arguments), 3600 * arguments.hours, recording)
        with _started(arguments, Path(scratch)) as server:
            watch, rows, spent_s = _transcribed(server, recording, seconds, arguments)
    print(f"\n{describe('cpu', ('torch', 'av'))}")
    show(f"{arguments.model.name}, beam {arguments.beam}, {seconds / 3600:.2f} hours", _NAMES, rows)
    waits = np.array(watch.waits_s)
    print(
        f"\nreal-time factor {spent_s / seconds:.4f}; at most {max(watch.memory_mib):.0f} MiB, "
        f"{max(watch.anonymous_mib):.0f} of it anonymous; {len(waits)} scores: p50 "
        f"{np.median(waits):.2f} s, p99 {np.quantile(waits, 0.99):.2f} s, longest {waits.max():.2f}"
        f" s, later than {arguments.deadline_s:g} s: {int((waits > arguments.deadline_s).sum())}, "
        f"not given: {len(watch.failed)} {watch.failed[:3] or ''}"
    )


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=models_folder() / _MODEL, help="Folder of the checkpoint.")
    add("--hours", type=float, default=3.0, help="Length of the recording.")
    add("--recordings", type=Path, nargs="+", default=[], help="Folders of recordings.")
    add("--beam", type=options.count, default=5, help="Width of the beam search.")
    add("--every-s", type=float, default=2.0, help="How often a score is asked for.")
    add("--deadline-s", type=float, default=60.0, help="When a score is late.")
    return parser.parse_args()


def _spoken(arguments: argparse.Namespace) -> list[Spoken]:
    every = sys.maxsize
    found = [each for folder in arguments.recordings for each in spoken(folder, every)]
    return found or demo_spoken()


def _join(recordings: list[Spoken], seconds: float, file: Path) -> float:
    """Write a recording of at least so many seconds; how many they are."""
    random = np.random.default_rng(0)
    written = 0
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        while written < seconds * RATE:
            for place in random.permutation(len(recordings)):
                level = 10 ** (random.uniform(*_LEVELS_DB) / 20)
                pause = np.zeros(int(random.uniform(*_PAUSES_S) * RATE), np.float32)
                own = level * resample(recordings[place].waveform, RATE).samples
                samples = np.concatenate([own, pause])
                sound.writeframes((32767 * samples.clip(-1, 1)).astype("<i2").tobytes())
                written += len(samples)
                if written >= seconds * RATE:
                    break
    return written / RATE


def _started(arguments: argparse.Namespace, scratch: Path) -> AbstractContextManager[Server]:
    config, port = scratch / "config.json", free_port()
    known = {"key": "whisper", "type": "whisper", "model_id": str(arguments.model)}
    settings = {
        "models": [{"key": "phones", "type": "phones"}, known],
        "video_clip_dir": str(DEMO_CLIPS),
        "cache_dir": str(scratch / "cache"),
        "device": "cpu",
        "transcription_timeout_s": 24 * 3600.0,
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "run_server.py", "--port", str(port), "--config", str(config)]
    return running(command, {"AUDIO_SCORE_LOG_LEVEL": "warning"}, port)


def _transcribed(
    server: Server, recording: Path, seconds: float, arguments: argparse.Namespace
) -> tuple[_Watch, list[list[str]], float]:
    """What was seen, a row for each minute, and how many seconds it took."""
    watch = _Watch()
    rows: list[list[str]] = []
    started = time.monotonic()
    others = [
        threading.Thread(target=_score, args=(server, watch, arguments.every_s)),
        threading.Thread(target=_look, args=(server, watch)),
    ]
    for each in others:
        each.start()
    done_s, words, seen = 0.0, 0, 0
    bar = tqdm(total=round(seconds), unit="s", file=sys.stderr)
    try:
        for name, data in _events(server, recording, arguments.beam):
            words += len(data.get("words", ()))
            if name == "error":
                raise server.failure(f"It broke off: {data}")
            if name == "progress":
                bar.update(round(data["done_seconds"]) - bar.n)
                done_s = data["done_seconds"]
            if time.monotonic() - started >= _MINUTE_S * (len(rows) + 1):
                rows.append(_row(len(rows) + 1, done_s, words, watch, seen))
                seen = len(watch.waits_s)
                # A run takes long enough to be watched, and to be given up.
                bar.write(", ".join(f"{n} {v}" for n, v in zip(_NAMES, rows[-1], strict=True)))
    finally:
        bar.close()
        watch.ended.set()
        for each in others:
            each.join()
    rows.append(_row(len(rows) + 1, done_s, words, watch, seen))
    return watch, rows, time.monotonic() - started


def _events(server: Server, recording: Path, beam: int) -> Iterator[tuple[str, Any]]:
    """Names and contents of the events that a transcription sends."""
    asked = {"stream": "true", "language": "en", "beam_size": str(beam)}
    url = f"http://{HOST}:{server.port}/transcribe"
    with (
        recording.open("rb") as file,
        httpx.stream("POST", url, data=asked, files={"audio": file}, timeout=None) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise server.failure(f"It answered {answer.status_code} {answer.read()!r}")
        name = ""
        for line in answer.iter_lines():
            kind, _, rest = line.partition(": ")
            if kind == "event":
                name = rest
            elif kind == "data":
                yield name, json.loads(rest)


def _row(minute: int, done_s: float, words: int, watch: _Watch, seen: int) -> list[str]:
    waits = watch.waits_s[seen:] or [0.0]
    memory = (f"{watch.memory_mib[-1]:.0f}", f"{watch.anonymous_mib[-1]:.0f}")
    scores = (str(len(watch.waits_s) - seen), f"{np.median(waits):.2f}", f"{max(waits):.2f}")
    return [str(minute), f"{done_s:.0f}", str(words), *memory, *scores]


def _score(server: Server, watch: _Watch, every_s: float) -> None:
    """Ask for a score again and again until all has ended."""
    url = f"http://{HOST}:{server.port}/score"
    uid, cid, _ = _TAKE.stem.rsplit("_", 2)
    take = _TAKE.read_bytes()
    while not watch.ended.wait(every_s):
        began = time.monotonic()
        asked = {"uid": uid, "cid": cid, "model": "whisper"}
        answer = httpx.post(url, data=asked, files={"audio": (_TAKE.name, take)}, timeout=None)
        watch.waits_s.append(time.monotonic() - began)
        if answer.status_code != httpx.codes.OK:
            watch.failed.append(f"{answer.status_code} {answer.text[:80]}")


def _look(server: Server, watch: _Watch) -> None:
    """Look at the server's memory again and again until all has ended."""
    process = psutil.Process(server.pid)
    while True:
        told = process.memory_info()
        watch.memory_mib.append(told.rss / _MIB)
        watch.anonymous_mib.append((told.rss - told.shared) / _MIB)
        if watch.ended.wait(_POLL_S):
            return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        tqdm.write("Stopped.", file=sys.stderr)
        sys.exit(130)
