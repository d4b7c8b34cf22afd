"""Whom a clip's performances are told from: some of the library's clips, or lines of our own."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from audio_score_server.library.clip import BUILT_IN, Clip, ClipId
from audio_score_server.library.folder import FolderSource

_LINES: Final = Path(__file__).parents[1] / "cohort"
_MOST: Final = 16
"""More settle a clip's level no better: the mean of 16 is off by a quarter of their spread."""


def choose_cohort(clips: Sequence[Clip]) -> list[Clip]:
    """Some clips of the library, filled up with built-in lines where it is small.

    Chosen by a hash of their ids: clips that come or go change little, and what is near in order,
    which is often one scene or one voice, is not chosen together.
    """
    first = heapq.nsmallest(_MOST, clips, key=lambda clip: zlib.crc32(str(clip.id).encode()))
    return [*first, *built_in_speech()][:_MOST]


def built_in_speech() -> list[Clip]:
    """Lines of many voices, native and not, that ship in the package; in order."""
    return [
        replace(clip, id=ClipId(BUILT_IN, clip.id.cid))
        for clip in FolderSource(_LINES).library().clips()
    ]
