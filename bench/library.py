"""Libraries of many clips: start, memory, scans, and a new clip's way to its first score.

    python -m bench.library [--clips N,N] [--repeats N]

Each library has a complete cache, made without encoding any clip, and has just been written, so
that it is read from memory rather than from a disk. Medians; ratios are over the demo's five clips.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from audio_score_server.library.folder import FolderSource
from audio_score_server.references.entry import MANIFEST, EntryManifest
from audio_score_server.references.store import ReferenceStore
from bench import options
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS
from bench.measure import median, progress, show, timed
from bench.server import HOST, Server, phones_server

_KEY: Final = "phones"
_CLIPS_OF_A_VIDEO: Final = 40
_MANY_BYTES: Final = 2**30
_READY_S: Final = 1_800.0
_ANSWER_S: Final = 60.0
_WAIT_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class _Figures:
    """Of one library: seconds, and MiB of resident memory."""

    first_scan_s: float
    scan_s: float
    ready_s: float
    indexed_s: float
    rss_mib: float
    first_score_s: float
    listed_s: float


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--clips", type=options.counts, default=[10_000, 100_000], help="Sizes of libraries.")
    add("--repeats", type=options.count, default=3, help="Starts, scans and new clips.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-library-") as name:
        folder = Path(name)
        demo = folder / "demo"
        shutil.copytree(DEMO_CLIPS, demo)
        with phones_server(demo, folder / "demo-cache"):
            pass
        found = {"5": _measure(demo, folder / "demo-cache", 5, arguments.repeats)}
        for count in arguments.clips:
            clips, cache = make_library(folder / str(count), count, folder / "demo-cache")
            found[f"{count:,}"] = _measure(clips, cache, count, arguments.repeats)
            shutil.rmtree(folder / str(count))
    few = found["5"]
    show(
        f"Libraries, median of {arguments.repeats}; ratios of ready and first score over 5 clips",
        (
            *("clips", "first scan s", "scan s", "ready s", "/ 5", "all found s", "RSS MiB"),
            *("new clip to score s", "/ 5", "in the list s"),
        ),
        [
            [
                *(size, f"{each.first_scan_s:.3f}", f"{each.scan_s:.4f}", f"{each.ready_s:.2f}"),
                *(f"{each.ready_s / few.ready_s:.2f}", f"{each.indexed_s:.2f}"),
                *(f"{each.rss_mib:.0f}", f"{each.first_score_s:.3f}"),
                *(f"{each.first_score_s / few.first_score_s:.2f}", f"{each.listed_s:.2f}"),
            ]
            for size, each in found.items()
        ],
    )


def _measure(clips: Path, cache: Path, count: int, repeats: int) -> _Figures:
    first = median(timed(lambda: FolderSource(clips).library(), repeats, 0))
    source = FolderSource(clips)
    again = median(timed(source.library, repeats))
    ready, indexed, rss, scored, listed = [], [], [], [], []
    for repeat in progress(range(repeats), f"{count} clips"):
        with phones_server(clips, cache, ready_s=_READY_S) as server:
            ready.append(server.ready_s)
            indexed.append(_until(server, count))
            rss.append(server.held()[0])
            first_s, listed_s = _new_clip(server, clips, f"new{repeat}", count + 1)
            scored.append(first_s)
            listed.append(listed_s)
        for path in clips.glob(f"new{repeat}_*"):
            path.unlink()
    return _Figures(first, again, *map(median, (ready, indexed, rss, scored, listed)))


def _new_clip(server: Server, clips: Path, uid: str, count: int) -> tuple[float, float]:
    """Seconds from a clip's file to its first score, and until it can be found, too."""
    media = (DEMO_CLIPS / "RiverTales-s01e01_part01.mov").read_bytes()
    take = (DEMO_RECORDINGS / "RiverTales-s01e01_part01_right.mp3").read_bytes()
    (clips / f"{uid}_part01.txt").write_text("We crossed the river at night.", encoding="utf-8")
    started = time.perf_counter()
    (clips / f"{uid}_part01.mov").write_bytes(media)
    answer = httpx.post(
        f"http://{HOST}:{server.port}/score",
        data={"uid": uid, "cid": "part01"},
        files={"audio": take},
        timeout=_ANSWER_S,
    )
    answer.raise_for_status()
    scored_s = time.perf_counter() - started
    _until(server, count)
    return scored_s, time.perf_counter() - started


def _until(server: Server, count: int) -> float:
    """Seconds until so many clips can be found, as the server's metrics tell."""
    started = time.perf_counter()
    wanted = f'audio_score_searchable_clips{{model="{_KEY}"}} {float(count)}'
    while wanted not in httpx.get(f"http://{HOST}:{server.port}/metrics", timeout=_ANSWER_S).text:
        if time.perf_counter() - started > _READY_S:
            raise server.failure(f"{count} clips could not be found in time")
        time.sleep(_WAIT_S)
    return time.perf_counter() - started


def make_library(folder: Path, count: int, demo_cache: Path) -> tuple[Path, Path]:
    """Folders of so many clips and of their cache entries.

    A clip is a few bytes, never decoded, with its text beside it; its entry is written by the
    package's own store and holds the features of a demo clip.

    Args:
        folder: to be made.
        count: number of clips.
        demo_cache: that of a server of the phones model on the demo clips.
    """
    clips, cache = folder / "clips", folder / "cache"
    clips.mkdir(parents=True)
    for index in range(count):
        video, part = divmod(index, _CLIPS_OF_A_VIDEO)
        clip = clips / f"Series-s{video // 20:02d}e{video % 20:02d}_part{part:02d}.mov"
        clip.write_bytes(f"clip {index}".encode())
        clip.with_suffix(".txt").write_text(f"This is what is said in clip {index}.\n")
    told = min((demo_cache / _KEY).glob(f"*/*/{MANIFEST}")).read_bytes()
    manifest = EntryManifest.model_validate_json(told)
    made_by = (manifest.runner, manifest.settings)
    known = ReferenceStore(demo_cache / _KEY, made_by, _MANY_BYTES)
    demo = (known.read(each) for each in FolderSource(DEMO_CLIPS).library().clips())
    references = itertools.cycle(demo)
    store = ReferenceStore(cache / _KEY, made_by, 0)
    for cached in progress(FolderSource(clips).library().clips(), f"{count} clips"):
        with store.claim(cached) as mine:
            assert mine
            store.write(cached, next(references))
    return clips, cache


if __name__ == "__main__":
    main()
