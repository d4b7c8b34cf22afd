"""A library of many clips with a complete cache, made without encoding any."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

from audio_score_server.library.folder import FolderSource
from audio_score_server.references.entry import MANIFEST, EntryManifest
from audio_score_server.references.store import ReferenceStore
from bench.demo import DEMO_CLIPS
from bench.measure import progress

_KEY: Final = "phones"
_CLIPS_OF_A_VIDEO: Final = 40
_MANY_BYTES: Final = 2**30


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
