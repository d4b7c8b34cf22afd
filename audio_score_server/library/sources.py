"""The source of the clips that the settings name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audio_score_server.errors import SettingsError
from audio_score_server.library.writable_folder import WritableFolder
from audio_score_server.library.writing import WritableSource
from audio_score_server.settings import Settings

COPIES = ".clips"
"""Folder in the cache: a folder for each bucket."""


def open_source(settings: Settings) -> WritableSource:
    """A folder's or a bucket's; nothing is asked of it yet.

    Raises:
        SettingsError: the URL or the environment is not one to reach a bucket with.
    """
    place = settings.video_clip_dir
    if isinstance(place, Path):
        return WritableFolder(place, settings.library_scan_interval_s, settings.max_library_bytes)
    # What speaks with object stores takes a while to import.
    from audio_score_server.buckets.bucket import Bucket
    from audio_score_server.buckets.errors import BucketUnavailable
    from audio_score_server.library.writable_bucket import WritableBucket

    try:
        bucket = Bucket.open(place)
    except BucketUnavailable as error:
        raise SettingsError(f"video_clip_dir: {error}") from error
    copy = settings.cache_dir / COPIES / hashlib.sha256(bucket.identity.encode()).hexdigest()[:16]
    return WritableBucket(
        bucket,
        copy,
        settings.bucket_interval_s,
        settings.bucket_copy_bytes,
        settings.max_library_bytes,
    )


def clip_folder(settings: Settings) -> Path:
    """The folder of the clips, for what works on files.

    Raises:
        SettingsError: they are in a bucket.
    """
    if isinstance(settings.video_clip_dir, Path):
        return settings.video_clip_dir
    raise SettingsError(
        f"video_clip_dir is {settings.video_clip_dir}: this works on a folder. Copy the clips into "
        "one, and put the texts back."
    )
