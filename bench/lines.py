"""Which line was it: how fast a recording's clip is found among thousands, and how often.

    python -m bench.lines [--shared FOLDER] [--clips N] [--recordings N] [--repeats N]

Readings by learners are looked for in a library of their sentences, each read by somebody else,
which is filled up with windows of two to five seconds that are cut out of readings by others, with
the words in them as texts. All of it is real speech (``--shared``: the folder with ``speech/`` and
``native/``). A real server encodes the clips and is asked over HTTP. Recall is told among the
answers; a few recordings are also scored against every clip, which takes a hundred requests and
more, to compare time and result.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.domain import Waveform
from audio_score_server.library.folder import FolderSource
from bench import options
from bench.measure import median, ms, percentile, progress, show
from bench.recordings import encode
from bench.server import HOST, Server, phones_server

_RATE: Final = 16_000
_LIMITS: Final = DecodeLimits(_RATE, 0.1, 120.0)
_SHORTEST_S, _LONGEST_S = 2.0, 5.0
_HOP: Final = 0.25
"""Of a window, by which the next one begins later."""
_AT_ONCE: Final = 50
_ANSWER_S: Final = 120.0
_ANSWERS: Final = 50


@dataclass(frozen=True, slots=True)
class Question:
    """A recording, and the clip that it says."""

    audio: bytes
    clip: str


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--shared", type=Path, default=Path("../shared"), help="Folder of the recordings.")
    add("--clips", type=options.count, default=10_000, help="Clips of the library.")
    add("--recordings", type=options.count, default=48, help="Most recordings to look for.")
    add("--repeats", type=options.count, default=3, help="Times that each is looked for.")
    add("--exhaustive", type=options.count, default=3, help="Scored against every clip, too.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-lines-") as name:
        clips = Path(name) / "clips"
        clips.mkdir()
        questions = make_speech_library(clips, arguments.shared, arguments.clips)
        started = time.perf_counter()
        with phones_server(clips, Path(name) / "cache", ready_s=3_600.0) as server:
            ready_s = time.perf_counter() - started
            indexed_s = _until_indexed(server, questions[0], arguments.clips)
            _report(server, clips, questions[: arguments.recordings], arguments, ready_s, indexed_s)


def make_speech_library(folder: Path, shared: Path, count: int) -> list[Question]:
    """So many clips with texts; and what is to be found in them."""
    rows = _rows(shared / "speech" / "manifest.csv")
    questions = []
    for row in rows:
        # Each reader's clip is to be found by the other's reading.
        name, other = f"{row['reader']}_{row['sentence']}", "b" if row["reader"] == "a" else "a"
        sound = (shared / "speech" / row["file"]).read_bytes()
        (folder / f"{name}.flac").write_bytes(sound)
        (folder / f"{name}.txt").write_text(row["text"].capitalize() + ".\n", encoding="utf-8")
        questions.append(Question(sound, f"{other}/{row['sentence']}"))
    windows = _windows(shared / "native", count - len(rows))
    for number, (waveform, text) in enumerate(windows):
        name = f"book{number // 50:04d}_{number % 50:02d}"
        (folder / f"{name}.flac").write_bytes(encode(waveform, "flac"))
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    return questions


def _windows(folder: Path, count: int) -> Iterator[tuple[Waveform, str]]:
    """Windows that overlap, of readings in turn; the text is cut as if words took their letters."""
    chance = np.random.default_rng(0)
    made = 0
    for row in progress(_rows(folder / "manifest.csv"), "cutting"):
        if made == count:
            return
        samples = decode((folder / row["file"]).read_bytes(), _LIMITS).samples
        words = row["text"].lower().split()
        ends = np.cumsum([len(word) + 1 for word in words]) / max(1, len(row["text"]) + 1)
        start = 0.0
        while start + _SHORTEST_S < len(samples) / _RATE and made < count:
            length = float(chance.uniform(_SHORTEST_S, _LONGEST_S))
            first, last = (at * _RATE / len(samples) for at in (start, start + length))
            inside = [word for word, end in zip(words, ends, strict=True) if first < end <= last]
            cut = samples[round(start * _RATE) : round((start + length) * _RATE)]
            yield Waveform(cut, _RATE), " ".join(inside)
            made += 1
            start += _HOP * length
    if made < count:
        raise SystemExit(f"The recordings give {made} windows; ask for fewer clips.")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _until_indexed(server: Server, question: Question, count: int) -> float:
    """Seconds from ready until all clips can be found."""
    started = time.perf_counter()
    while _ask(server, question)["searched"] < count:
        time.sleep(0.2)
    return time.perf_counter() - started


def _ask(server: Server, question: Question, clips: Sequence[str] = ()) -> dict[str, Any]:
    answer = httpx.post(
        f"http://{HOST}:{server.port}/scores",
        data={"clip": list(clips), "limit": str(_ANSWERS)},
        files={"audio": question.audio},
        timeout=_ANSWER_S,
    )
    answer.raise_for_status()
    timing = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    return {**answer.json(), "timing": {stage: float(spent) for stage, spent in timing.items()}}


def _rank(found: dict[str, Any], question: Question) -> int:
    """Where the right sentence is; either reading of it, for the recording is one of them."""
    sentence = question.clip.partition("/")[2]
    ids = [f"{each['uid']}/{each['cid']}" for each in found["scores"]]
    # The recording itself is a clip, too: it is taken out before ranks are counted.
    others = [each for each in ids if not (each.endswith(f"/{sentence}") and each != question.clip)]
    return others.index(question.clip) if question.clip in others else len(ids)


def _report(
    server: Server,
    clips: Path,
    questions: Sequence[Question],
    arguments: Any,
    ready_s: float,
    indexed_s: float,
) -> None:
    seconds, stages, ranks = [], [], []
    for repeat in range(arguments.repeats):
        for question in progress(questions, f"asking, {repeat + 1} of {arguments.repeats}"):
            started = time.perf_counter()
            found = _ask(server, question)
            seconds.append(time.perf_counter() - started)
            stages.append(found["timing"])
            if not repeat:
                ranks.append(_rank(found, question))
    names = [each.id for each in FolderSource(clips).library().clips()]
    exhaustive, same = [], 0
    for question in progress(questions[: arguments.exhaustive], "against every clip"):
        started = time.perf_counter()
        best = []
        for first in range(0, len(names), _AT_ONCE):
            part = [f"{each.uid}/{each.cid}" for each in names[first : first + _AT_ONCE]]
            best.append(_ask(server, question, part)["scores"][0])
        exhaustive.append(time.perf_counter() - started)
        top = max(best, key=lambda each: float(each["sim_score"]))
        found = _ask(server, question)["scores"][0]
        same += (top["uid"], top["cid"]) == (found["uid"], found["cid"])
    show(
        f"{len(names):,} clips: {ready_s:.0f} s to encode them and be ready, "
        f"{indexed_s:.1f} s more until all can be found",
        ("", "median ms", "95 % ms"),
        [
            ["a request", ms(median(seconds), 0), ms(percentile(seconds, 95), 0)],
            *(
                [stage, f"{median(spent):.0f}", f"{percentile(spent, 95):.0f}"]
                for stage in ("decode", "search", "device", "score")
                for spent in [[each[stage] for each in stages if stage in each]]
            ),
            ["against every clip", ms(median(exhaustive), 0), ""],
        ],
    )
    print(
        f"\n/ exhaustive: {median(exhaustive) / median(seconds):.0f}; the same clip is best in "
        f"{same} of {len(exhaustive)} cases."
    )
    show(
        f"Where the right clip is, of {len(ranks)} recordings by learners",
        ("among the first", "share"),
        [
            [str(k), f"{sum(rank < k for rank in ranks) / len(ranks):.3f}"]
            for k in (1, 3, 5, 10, 50)
        ],
    )


if __name__ == "__main__":
    main()
