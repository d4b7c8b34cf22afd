"""Reading the small objects of a bucket: texts and clip manifests."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Final

from pydantic import ValidationError

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import ObjectChanged, ObjectMissing
from audio_score_server.buckets.objects import ObjectStamp, ObjectVersion
from audio_score_server.library.bucket_objects import (
    MANIFEST,
    ClipManifest,
    ObjectContent,
    is_read,
    stem_of,
)
from audio_score_server.library.sidecar import sidecar_text

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 16
_LONGEST: Final = 1_000_000
"""Bytes of a text; films' subtitles have a tenth."""


def read_contents(
    bucket: Bucket, stamps: Iterable[ObjectStamp], known: Mapping[str, ObjectContent]
) -> dict[str, ObjectContent]:
    """What texts and manifests say, fetched as far as their ETags are not known.

    Args:
        bucket: where they are.
        stamps: all objects of clips.
        known: what was read before, by key.

    Raises:
        BucketUnavailable: one cannot be fetched.
    """
    wanted = [each for each in stamps if is_read(each.key) and stem_of(each.key) is not None]
    contents = {
        stamp.key: known[stamp.key]
        for stamp in wanted
        if stamp.key in known and known[stamp.key].etag == stamp.etag
    }
    missing = [stamp for stamp in wanted if stamp.key not in contents]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="texts") as pool:
        for stamp, content in zip(
            missing, pool.map(lambda stamp: _read(bucket, stamp), missing), strict=True
        ):
            if content is not None:
                contents[stamp.key] = content
    return contents


def _read(bucket: Bucket, stamp: ObjectStamp) -> ObjectContent | None:
    """None for what has gone meanwhile."""
    if stamp.size > _LONGEST:
        _LOG.error(
            "The text %s in %s is no text of a clip, it has %d bytes: the clip is used without it.",
            stamp.key,
            bucket.url,
            stamp.size,
        )
        return ObjectContent(etag=stamp.etag)
    try:
        # Whatever it is now: the next listing would tell the same.
        stored = bucket.get(stamp.key)
    except (ObjectMissing, ObjectChanged):
        return None
    if stamp.key.endswith(MANIFEST):
        return manifest_content(bucket.url, stamp.key, stored.content, stored.version)
    try:
        spoken = sidecar_text(PurePosixPath(bucket.url, stamp.key), stored.content)
    except UnicodeError:
        spoken = ""
    return ObjectContent(etag=stored.version.etag, spoken=spoken or None)


def manifest_content(url: str, key: str, content: bytes, version: ObjectVersion) -> ObjectContent:
    """What a clip manifest says; what cannot be understood is told."""
    try:
        manifest = ClipManifest.model_validate(json.loads(content))
    except (ValueError, ValidationError):
        _LOG.error(
            "%s in %s is no clip manifest that this version can read: the clip is left out. Write "
            "the clip anew over HTTP, or delete the manifest.",
            key,
            url,
        )
        return ObjectContent(etag=version.etag)
    return ObjectContent(etag=version.etag, spoken=spoken_in(key, manifest.text), manifest=manifest)


def spoken_in(key: str, text: str | None) -> str | None:
    """What is spoken, by a text that was given over HTTP."""
    return (text and sidecar_text(PurePosixPath(key), text.encode("utf-8", "replace"))) or None
