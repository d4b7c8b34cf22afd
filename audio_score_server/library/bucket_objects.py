"""What the objects of a bucket are as clips: values in, values out.

A clip is an object that somebody put there by hand, with its texts beside it, or what a clip
manifest says, or both (docs/decisions/0007-a-manifest-is-the-commit-of-a-clip-in-a-bucket.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from audio_score_server.buckets.objects import ObjectStamp
from audio_score_server.library.clip import ClipId
from audio_score_server.library.listing import SUFFIXES, clip_id_of, rank
from audio_score_server.library.sidecar import SUFFIXES as TEXT_SUFFIXES

MANIFEST: Final = ".clip.json"
"""Ending of clip manifests."""
_REMEMBERED: Final = 2**17
"""Keys whose stems are known: each change of a large library would find all of them anew."""
OWN: Final = ".library"
"""Folder of the media that manifests name; nobody else puts anything there."""


class ManifestMedia(BaseModel):
    """A clip's media that was written over HTTP; its object is never changed.

    Attributes:
        key: of the object.
        suffix: the ending of the clip's name.
        size: bytes.
        etag: of the object.
        sha256: of its content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    suffix: str
    size: int
    etag: str
    sha256: str


class ClipManifest(BaseModel):
    """One clip, as it was last written over HTTP.

    Attributes:
        format: of the manifest.
        revision: another one with every change, which tells a writer its own.
        media: None for what an object put there by hand has; and where there is none, there is no
            clip.
        text: as it was given; None without one.
        hides: objects put there by hand that were replaced, and the versions of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    revision: str
    media: ManifestMedia | None
    text: str | None
    hides: dict[str, str]


class ObjectContent(BaseModel):
    """What was read of a small object.

    Attributes:
        etag: of the object.
        spoken: what is spoken, by a text or a manifest's; None where nothing is.
        manifest: what it says; None for a text, and for a manifest that cannot be understood.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    etag: str
    spoken: str | None = None
    manifest: ClipManifest | None = None


@dataclass(frozen=True, slots=True)
class BucketClip:
    """A clip, and where its media is.

    Attributes:
        id: of the clip.
        name: of its file, for people.
        key: of the object that holds the media.
        size: bytes.
        etag: of that object.
        text: what is said; None without a text.
        raw_text: as it was given over HTTP; None where it was not.
        sha256: of the media; None where nobody has written it down.
    """

    id: ClipId
    name: str
    key: str
    size: int
    etag: str
    text: str | None
    raw_text: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ClipObjects:
    """The objects of one clip."""

    stamps: Mapping[str, ObjectStamp]
    contents: Mapping[str, ObjectContent]


def version_of(stamp: ObjectStamp) -> str:
    """Tells an object from one of the same content that is put there later."""
    return f"{stamp.etag} {stamp.modified}"


@lru_cache(_REMEMBERED)
def stem_of(key: str) -> str | None:
    """What the objects of a clip have in common: ``<uid>_<cid>``; None for other objects."""
    if key.endswith(MANIFEST):
        stem = key.removesuffix(MANIFEST)
    elif key.lower().endswith((*SUFFIXES, *TEXT_SUFFIXES)):
        stem = os.path.splitext(key)[0]
    else:
        return None
    return stem if clip_id_of(f"{stem}.wav") is not None else None


def is_read(key: str) -> bool:
    """Whether an object is small and tells something: a text or a manifest."""
    return key.endswith(MANIFEST) or key.lower().endswith(TEXT_SUFFIXES)


def by_clip(
    stamps: Iterable[ObjectStamp], contents: Mapping[str, ObjectContent]
) -> dict[str, ClipObjects]:
    """Objects that belong together, by stem."""
    found: dict[str, dict[str, ObjectStamp]] = {}
    for stamp in stamps:
        stem = stem_of(stamp.key)
        if stem is not None:
            found.setdefault(stem, {})[stamp.key] = stamp
    return {
        stem: ClipObjects(keys, {key: contents[key] for key in keys if key in contents})
        for stem, keys in found.items()
    }


def clip_of(stem: str, objects: ClipObjects) -> BucketClip | None:
    """The clip that objects of one stem are; None where they are none.

    What somebody has put there by hand since a manifest was written counts more than the manifest.
    """
    clip_id = clip_id_of(f"{stem}.wav")
    read = objects.contents.get(f"{stem}{MANIFEST}")
    manifest = read.manifest if read is not None else None
    if clip_id is None or (read is not None and manifest is None):
        # What the manifest hides nobody knows.
        return None
    shown = _shown(objects, manifest)
    text, raw = _text(stem, shown, objects.contents, read)
    media = [key for key in shown if key.lower().endswith(SUFFIXES)]
    if media:
        stamp = shown[min(sorted(media), key=rank)]
        return BucketClip(clip_id, stamp.key, stamp.key, stamp.size, stamp.etag, text, raw)
    if manifest is None or manifest.media is None:
        return None
    kept = manifest.media
    name = f"{stem}{kept.suffix}"
    return BucketClip(clip_id, name, kept.key, kept.size, kept.etag, text, raw, kept.sha256)


def _shown(objects: ClipObjects, manifest: ClipManifest | None) -> dict[str, ObjectStamp]:
    """Objects put there by hand that are not replaced."""
    hidden = manifest.hides if manifest is not None else {}
    return {
        key: stamp
        for key, stamp in objects.stamps.items()
        if not key.endswith(MANIFEST) and hidden.get(key) != version_of(stamp)
    }


def _text(
    stem: str,
    shown: Mapping[str, ObjectStamp],
    contents: Mapping[str, ObjectContent],
    manifest: ObjectContent | None,
) -> tuple[str | None, str | None]:
    """What is said, and as it was given over HTTP."""
    for suffix in TEXT_SUFFIXES:
        for key in (f"{stem}{suffix}", f"{stem}{suffix.upper()}"):
            spoken = contents[key].spoken if key in shown and key in contents else None
            if spoken:
                return spoken, None
    if manifest is None or manifest.manifest is None:
        return None, None
    return manifest.spoken, manifest.manifest.text
