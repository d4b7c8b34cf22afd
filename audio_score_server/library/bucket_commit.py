"""Changing one clip of a bucket: its objects as they are now, and the manifest that replaces them.

The manifest's put is the change: before it nobody sees anything new, after it everybody sees all.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import BucketUnavailable, ObjectChanged, ObjectMissing
from audio_score_server.buckets.objects import ObjectStamp, ObjectVersion
from audio_score_server.library.bucket_objects import (
    MANIFEST,
    OWN,
    BucketClip,
    ClipManifest,
    ClipObjects,
    ManifestMedia,
    ObjectContent,
    clip_of,
    stem_of,
    version_of,
)
from audio_score_server.library.bucket_reading import manifest_content, read_contents, spoken_in
from audio_score_server.library.clip import ClipId

_LOG = logging.getLogger(__name__)
_UNKNOWN_TIME: Final = ""


@dataclass(frozen=True, slots=True)
class ClipState:
    """One clip in the bucket at one moment.

    Attributes:
        stem: what its objects begin with.
        objects: all of them.
        version: of the manifest; None without one.
        clip: what they are; None where they are no clip.
    """

    stem: str
    objects: ClipObjects
    version: ObjectVersion | None
    clip: BucketClip | None

    @property
    def manifest(self) -> ClipManifest | None:
        """What the manifest says; None without one that can be understood."""
        read = self.objects.contents.get(f"{self.stem}{MANIFEST}")
        return None if read is None else read.manifest

    @property
    def by_hand(self) -> dict[str, ObjectStamp]:
        """Objects that somebody has put there, with media or text."""
        return {k: each for k, each in self.objects.stamps.items() if not k.endswith(MANIFEST)}


def state_of(bucket: Bucket, clip_id: ClipId) -> ClipState:
    """The clip as it is now.

    Raises:
        BucketUnavailable: it cannot be found out.
    """
    stem, key = str(clip_id), f"{clip_id}{MANIFEST}"
    stamps = {each.key: each for each in bucket.beginning(f"{stem}.") if stem_of(each.key) == stem}
    by_hand = [stamp for stamp in stamps.values() if stamp.key != key]
    contents = read_contents(bucket, by_hand, {})
    version = None
    try:
        stored = bucket.get(key)
    except (ObjectMissing, ObjectChanged):
        stamps.pop(key, None)
    else:
        version = stored.version
        contents[key] = manifest_content(bucket.url, key, stored.content, version)
        stamps[key] = ObjectStamp(key, len(stored.content), version.etag, _UNKNOWN_TIME)
    objects = ClipObjects(stamps, contents)
    return ClipState(stem, objects, version, clip_of(stem, objects))


def upload(bucket: Bucket, clip_id: ClipId, suffix: str, content: bytes) -> ManifestMedia:
    """Put media where nobody looks before a manifest names it.

    Raises:
        BucketUnavailable: it cannot be put.
    """
    key = f"{OWN}/{clip_id}/{uuid4().hex}{suffix}"
    version = bucket.put(key, content)
    return ManifestMedia(
        key=key,
        suffix=suffix,
        size=len(content),
        etag=version.etag,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def committed(
    bucket: Bucket, before: ClipState, media: ManifestMedia | None, text: str | None, hide: set[str]
) -> ClipState:
    """Put a manifest in place of what is there.

    Args:
        bucket: where.
        before: what is there.
        media: of the clip; None for what is there by hand, if that is not hidden.
        text: of the clip.
        hide: keys of objects there by hand that are replaced.

    Returns:
        The state afterwards.

    Raises:
        ObjectChanged: something else is there by now.
        BucketUnavailable: it could not be put; or it could, and the answer was lost for good.
    """
    key = f"{before.stem}{MANIFEST}"
    hides = {name: version_of(before.objects.stamps[name]) for name in sorted(hide)}
    manifest = ClipManifest(revision=uuid4().hex, media=media, text=text, hides=hides)
    content = manifest.model_dump_json(indent=1).encode()
    try:
        version = bucket.put_if(key, content, before.version)
    except (ObjectChanged, BucketUnavailable):
        # A try whose answer was lost may have put it there.
        version = _own(bucket, key, content)
    spoken = spoken_in(key, text)
    read = ObjectContent(etag=version.etag, spoken=spoken, manifest=manifest)
    stamp = ObjectStamp(key, len(content), version.etag, _UNKNOWN_TIME)
    objects = ClipObjects(
        {**before.objects.stamps, key: stamp}, {**before.objects.contents, key: read}
    )
    return ClipState(before.stem, objects, version, clip_of(before.stem, objects))


def _own(bucket: Bucket, key: str, content: bytes) -> ObjectVersion:
    try:
        stored = bucket.get(key)
    except ObjectMissing:
        raise ObjectChanged(key) from None
    if stored.content != content:
        raise ObjectChanged(key)
    return stored.version


def clear_away(bucket: Bucket, before: ClipState, after: ClipState) -> ClipState:
    """Delete what a change has replaced, as far as that can be done now.

    Returns:
        The state without what was deleted.
    """
    manifest = after.manifest
    assert manifest is not None
    gone = set()
    with suppress(BucketUnavailable):
        for stamp in bucket.beginning(f"{after.stem}."):
            # Somebody may have put another one there.
            if manifest.hides.get(stamp.key) == version_of(stamp):
                bucket.delete(stamp.key)
                gone.add(stamp.key)
        old = before.manifest.media if before.manifest else None
        if old is not None and (manifest.media is None or old.key != manifest.media.key):
            bucket.delete(old.key)
    left = {key: each for key, each in after.objects.stamps.items() if key not in gone}
    objects = ClipObjects(left, after.objects.contents)
    return ClipState(after.stem, objects, after.version, clip_of(after.stem, objects))
