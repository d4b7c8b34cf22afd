"""Deleting media that killed writers have left in a bucket."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import BucketUnavailable
from audio_score_server.library.bucket_commit import state_of
from audio_score_server.library.bucket_index import KnownClips
from audio_score_server.library.bucket_objects import MANIFEST, OWN
from audio_score_server.library.listing import clip_id_of

_LOG = logging.getLogger(__name__)
_FORSAKEN_S: Final = 86_400.0
"""What was uploaded so long ago has nobody who would still name it in a manifest."""


def sweep(bucket: Bucket, known: KnownClips) -> int:
    """Delete media that no manifest names, and has not for a day; how many objects.

    Raises:
        BucketUnavailable: it cannot be told which they are.
    """
    named = {
        each.manifest.media.key
        for key, each in known.snapshot.contents.items()
        if key.endswith(MANIFEST) and each.manifest is not None and each.manifest.media is not None
    }
    deleted = 0
    for stamp in bucket.below(OWN):
        written = datetime.fromisoformat(stamp.modified).timestamp()
        if stamp.key not in named and time.time() - written > _FORSAKEN_S:
            deleted += _deleted(bucket, stamp.key)
    if deleted:
        _LOG.info("Deleted %d objects of killed writers from %s.", deleted, bucket.url)
    return deleted


def _deleted(bucket: Bucket, key: str) -> bool:
    """Whether an object was deleted, after a second look: another host may have named it."""
    clip_id = clip_id_of(f"{PurePosixPath(key).parent.name}.wav")
    if clip_id is None:
        return False
    state = state_of(bucket, clip_id)
    if state.version is not None and state.manifest is None:
        # A newer version's manifest may name it.
        return False
    if state.manifest is not None and state.manifest.media and state.manifest.media.key == key:
        return False
    try:
        bucket.delete(key)
    except BucketUnavailable as error:
        _LOG.debug("%s cannot be deleted: %s", key, error)
        return False
    return True
