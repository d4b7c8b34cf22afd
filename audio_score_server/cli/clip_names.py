"""Clips as command lines name them: ``UID/CID``."""

from __future__ import annotations

import argparse

from audio_score_server.library.clip import ClipId


def clip_name(value: str) -> ClipId:
    """The clip that an argument names.

    Raises:
        ArgumentTypeError: it names none.
    """
    uid, _, cid = value.rpartition("/")
    if not uid or not cid:
        raise argparse.ArgumentTypeError(
            f"{value!r} names no clip; give video and clip id, such as RiverTales-s01e01/part01"
        )
    return ClipId(uid, cid)


def named(clip_id: ClipId) -> str:
    """As ``clip_name`` reads it."""
    return f"{clip_id.uid}/{clip_id.cid}"
