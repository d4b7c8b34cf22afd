"""What ten thousand cached clips add to a server's start.

    python -m bench.library [--clips N] [--repeats N]

A temporary folder gets two libraries: one of five clips and one of that many. A clip is a few
bytes, never decoded, with its text beside it; its cache entry is written by the package's own store
and holds the features of a demo clip, as a first server process made them. Then real servers start
on both libraries in turn. Printed are medians of the seconds to ready and of the resident memory,
and what the many clips add over the five. The files have just been written, so they are read from
memory rather than from a disk.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.domain import Reference
from audio_score_server.references.entry import MANIFEST, Manifest
from audio_score_server.references.folder import FolderSource
from audio_score_server.references.store import ReferenceStore
from bench import options
from bench.demo import DEMO_CLIPS
from bench.measure import median, progress, show
from bench.server import phones_server

_KEY: Final = "phones"
_FEW: Final = 5
_CLIPS_OF_A_VIDEO: Final = 40
_MANY_BYTES: Final = 2**30


@dataclass(frozen=True, slots=True)
class Sample:
    """What real cache entries are like.

    Attributes:
        made_by: fingerprints of the runner and of the settings.
        references: of the demo clips.
    """

    made_by: tuple[str, str]
    references: list[Reference]


@dataclass(frozen=True, slots=True)
class Folders:
    """A library on disk.

    Attributes:
        clips: folder of clips.
        cache: folder of their entries.
        count: number of clips.
    """

    clips: Path
    cache: Path
    count: int


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument(
        "--clips", type=options.count, default=10_000, help="Clips of the large library."
    )
    parser.add_argument(
        "--repeats", type=options.count, default=3, help="Servers started on each library."
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-library-") as name:
        sample = _sample(Path(name) / "demo")
        few = _make(Path(name) / "few", _FEW, sample)
        many = _make(Path(name) / "many", arguments.clips, sample)
        _measure(few, many, arguments.repeats)


def _sample(cache: Path) -> Sample:
    """Have a server encode the demo clips."""
    with phones_server(DEMO_CLIPS, cache):
        pass
    manifests = sorted((cache / _KEY).glob(f"*/*/{MANIFEST}"))
    manifest = Manifest.model_validate_json(manifests[0].read_bytes())
    made_by = (manifest.runner, manifest.settings)
    store = ReferenceStore(cache / _KEY, made_by, _MANY_BYTES)
    return Sample(
        made_by, [store.read(clip) for clip in FolderSource(DEMO_CLIPS).library().clips()]
    )


def _make(folder: Path, count: int, sample: Sample) -> Folders:
    folders = Folders(folder / "clips", folder / "cache", count)
    folders.clips.mkdir(parents=True)
    for index in range(count):
        video, part = divmod(index, _CLIPS_OF_A_VIDEO)
        clip = folders.clips / f"Series-s{video // 20:02d}e{video % 20:02d}_part{part:02d}.mov"
        clip.write_bytes(f"clip {index}".encode())
        clip.with_suffix(".txt").write_text(f"This is what is said in clip {index}.\n")
    store = ReferenceStore(folders.cache / _KEY, sample.made_by, 0)
    clips = FolderSource(folders.clips).library().clips()
    references = itertools.cycle(sample.references)
    for cached in progress(clips, f"{count} clips"):
        with store.claim(cached) as mine:
            assert mine
            store.write(cached, next(references))
    return folders


def _measure(few: Folders, many: Folders, repeats: int) -> None:
    starts = [(_start(few), _start(many)) for _ in progress(range(repeats), "starts")]
    # Of few and of many: seconds to ready, and MiB.
    figures = [
        [median([pair[side][figure] for pair in starts]) for figure in (0, 1)] for side in (0, 1)
    ]
    (few_s, few_mib), (many_s, many_mib) = figures
    show(
        f"Start with every clip cached, median of {repeats}",
        ("clips", "ready s", "RSS MiB"),
        [
            [f"{few.count:,}", f"{few_s:.2f}", f"{few_mib:.1f}"],
            [f"{many.count:,}", f"{many_s:.2f}", f"{many_mib:.1f}"],
            ["added", f"{many_s - few_s:.2f}", f"{many_mib - few_mib:.1f}"],
            ["ratio", f"{many_s / few_s:.2f}", f"{many_mib / few_mib:.2f}"],
        ],
    )


def _start(folders: Folders) -> tuple[float, float]:
    """Seconds to ready, and resident memory in MiB then."""
    with phones_server(folders.clips, folders.cache) as server:
        # Clips that the server took for stale would be encoded anew and measure something else.
        if f" {folders.count} of {folders.count} clips are cached" not in server.log:
            raise server.failure("The server did not find its cache complete")
        return server.ready_s, server.held()[0]


if __name__ == "__main__":
    main()
