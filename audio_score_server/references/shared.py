"""Entries that several hosts share, so that each is computed once: what is kept of them, and how.

How they come from host to host is not known here (``SharedEntries``).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import AbstractContextManager
from typing import Final, Protocol

import numpy as np
from pydantic import ValidationError

from audio_score_server.domain import Reference
from audio_score_server.library.clip import Clip
from audio_score_server.references.entry import (
    FEATURES,
    FORMAT,
    MANIFEST,
    TRANSCRIPT,
    EntryInvalid,
    EntryManifest,
    contents_of,
    manifest_of,
    reference_from,
)

_LARGEST: Final = 64 * 2**20
"""Bytes of a file; a clip of ten minutes takes less."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class SharedEntries(Protocol):
    """Bytes under keys, for several hosts; safe to use from several threads.

    Nothing is raised where the others cannot be reached: then each host computes for itself.
    """

    def get(self, key: str) -> bytes | None:
        """What is under a key; None where nothing is, or where nobody can tell."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Put something under a key, whole or not at all."""
        ...

    def claim(self, key: str) -> AbstractContextManager[None] | None:
        """The right to compute what belongs under a key, until it is left; None while another has.

        Of a host that has died it is taken over after a while.
        """
        ...


def shared_key(clip: Clip, made_by: tuple[str, str]) -> str:
    """Under which a clip's entry is: by all that it is made from.

    Raises:
        ClipChanged: the clip has another version by now.
        OSError: the clip cannot be read.
    """
    parts = (FORMAT, *made_by, clip.sha256(), clip.size, clip.text)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def packed(clip: Clip, made_by: tuple[str, str], reference: Reference) -> bytes:
    """An entry as one file: a ZIP of what a cache entry has, with the hash of each part.

    Raises:
        ClipChanged: the clip has another version by now.
        OSError: the clip cannot be read.
    """
    files = contents_of(reference)
    manifest = manifest_of(clip, made_by, reference, files)
    files[MANIFEST] = manifest.model_dump_json().encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return stream.getvalue()


def unpacked(clip: Clip, made_by: tuple[str, str], content: bytes) -> Reference:
    """The reference in a packed entry.

    Raises:
        EntryInvalid: it is damaged, or not of this clip, model and settings.
        ClipChanged: the clip has another version by now.
        OSError: the clip cannot be read.
    """
    files = _files(content)
    try:
        manifest = EntryManifest.model_validate_json(files[MANIFEST])
    except ValidationError as error:
        raise EntryInvalid("damaged: its manifest cannot be read") from error
    told = (manifest.format, manifest.runner, manifest.settings, manifest.text)
    made_from = (manifest.clip_size, manifest.clip_sha256)
    if told != (FORMAT, *made_by, clip.text) or made_from != (clip.size, clip.sha256()):
        raise EntryInvalid("it was made from something else")
    for name in (TRANSCRIPT, FEATURES):
        stamp = manifest.files.get(name)
        if stamp is None or hashlib.sha256(files[name]).hexdigest() != stamp.sha256:
            raise EntryInvalid(f"damaged: {name} has changed")
    reference = reference_from(manifest, files[TRANSCRIPT], files[FEATURES])
    if not np.isfinite(reference.features.frames).all():
        raise EntryInvalid("damaged: its features are not finite")
    return reference


def _files(content: bytes) -> dict[str, bytes]:
    """What is in a packed entry; nothing in it may be larger than it says.

    Raises:
        EntryInvalid: it is none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            named = sorted(info.filename for info in infos)
            if named != sorted((MANIFEST, TRANSCRIPT, FEATURES)):
                raise EntryInvalid("it holds other files")
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise EntryInvalid("it is compressed")
            if any(info.file_size > _LARGEST for info in infos):
                raise EntryInvalid("it is too large")
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise EntryInvalid("damaged: it is no entry") from error
