"""Whether an object store heeds conditions: some that speak S3 take every put."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from uuid import uuid4

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import ObjectChanged, ObjectMissing

_KEY: Final = ".library/conditions"


def heeds_conditions(bucket: Bucket) -> bool:
    """Whether puts fail that ask for what is not so; seen by trying.

    Raises:
        BucketUnavailable: it cannot be tried.
    """
    with suppress(ObjectChanged):
        bucket.put_if(_KEY, _content(), None)
    try:
        first = bucket.get(_KEY).version
        bucket.put_if(_KEY, _content(), first)
    except ObjectChanged:
        # Another host tries at the same moment.
        pass
    except ObjectMissing:
        return False
    for expected in (None, first):
        try:
            bucket.put_if(_KEY, _content(), expected)
        except ObjectChanged:
            continue
        return False
    return True


def _content() -> bytes:
    return uuid4().hex.encode()
