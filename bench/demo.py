"""Where the demo's clips and recordings are, and what their names say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
DEMO_CLIPS: Final = ROOT / "video_clip"
DEMO_RECORDINGS: Final = ROOT / "audio_clip"


def ids(name: str) -> tuple[str, str]:
    """Video and clip id in a recording's file name, ``<uid>_<cid>_<kind>.<ending>``."""
    uid, cid, _ = Path(name).stem.rsplit("_", 2)
    return uid, cid
