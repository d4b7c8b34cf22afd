"""The texts beside clips, read again only when their files have changed."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_score_server.library.files import Stamp, stamp_of
from audio_score_server.library.sidecar import SUFFIXES, read_sidecar

_CASES: Final = tuple(suffix for lower in SUFFIXES for suffix in (lower, lower.upper()))


@dataclass(frozen=True, slots=True)
class SidecarText:
    """A clip's text, as it was when it was read.

    Attributes:
        stamps: of the files that it may be in; None for those that are not there.
        text: what is spoken; None where no file tells.
    """

    stamps: tuple[Stamp | None, ...]
    text: str | None

    @property
    def written(self) -> float:
        """When one of the files was last written, in seconds since 1970; 0 without any."""
        return max((stamp.written for stamp in self.stamps if stamp), default=0.0)


class SidecarTexts:
    """Of the clips in one folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"{folder}{os.sep}"
        self._known: dict[str, SidecarText] = {}

    def of(self, clip: str, names: Collection[str] | None = None) -> SidecarText:
        """The text beside a clip.

        Args:
            clip: name of its file.
            names: of all files in the folder where they are known, which spares looking for each.
        """
        stem = os.path.splitext(clip)[0]
        stamps = tuple(
            stamp_of(f"{self._prefix}{name}") if names is None or name in names else None
            for name in text_names(stem)
        )
        known = self._known.get(clip)
        if known is None or known.stamps != stamps:
            text = read_sidecar(self._folder / clip) if any(stamps) else None
            known = self._known[clip] = SidecarText(stamps, text)
        return known

    def forget_all_but(self, clips: Collection[str]) -> None:
        """Let go of the texts of clips that are gone."""
        self._known = {clip: text for clip, text in self._known.items() if clip in clips}


def text_names(stem: str) -> list[str]:
    """Names of the files in which the text of a clip may be."""
    return [stem + suffix for suffix in _CASES]
