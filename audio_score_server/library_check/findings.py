"""What can be wrong with a clip, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

FindingCode = Literal[
    "skipped_name",
    "subfolder",
    "double_file",
    "no_text",
    "unreadable_text",
    "guessed_encoding",
    "stray_text",
    "undecodable",
    "too_short",
    "too_long",
    "silent",
    "no_speech",
    "clipped",
    "noise",
    "music",
    "text_mismatch",
    "same_text",
    "same_sound",
]
REMEDIES: Final = MappingProxyType[FindingCode, str](
    {
        "skipped_name": "Call it <uid>_<cid> and its ending, in UTF-8.",
        "subfolder": "Move its clips into the folder itself.",
        "double_file": "Remove the one that is not wanted.",
        "no_text": "Write what is said into a text file beside it, or run clips transcribe.",
        "unreadable_text": "Save it as a text in UTF-8 that the server may read.",
        "guessed_encoding": "Save it as UTF-8.",
        "stray_text": "Name it after its clip, or remove it.",
        "undecodable": "Export it again, with its sound.",
        "too_short": "Cut it longer, or lower min_audio_seconds.",
        "too_long": "Cut it to one line, or raise max_audio_seconds.",
        "silent": "Export it again, with its sound.",
        "no_speech": "Take a clip in which somebody speaks.",
        "clipped": "Export it at a lower level, from the original.",
        "noise": "Take a cleaner original, or a track of the voice alone.",
        "music": "Take a track of the voice alone.",
        "text_mismatch": "Listen, and write what is said, or give the clip the right sound.",
        "same_text": "Keep one, unless two takes of the line are wanted.",
        "same_sound": "Keep one, or correct the text of the other.",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.

    Attributes:
        file: name of the file, or of the folder.
        code: what, for programs; stable.
        detail: for people, with figures.
    """

    file: str
    code: FindingCode
    detail: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.code]
