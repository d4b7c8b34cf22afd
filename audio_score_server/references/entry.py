"""One cache entry on disk: a folder with a manifest, a transcript and features.

An entry appears whole or not at all: it is written beside its place and renamed into it. The
manifest says what it was made from, so that a stale entry is recognised without reading the clip.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from audio_score_server.domain import Reference, Transcript
from audio_score_server.library.clip import Clip, ClipChanged
from audio_score_server.library.files import read_regular
from audio_score_server.references.tensors import Tensors, heard_phones_of, reference_of, tensors_of

FORMAT: Final = 4
"""Changes with the layout of entries."""
MANIFEST: Final = "manifest.json"
TRANSCRIPT: Final = "transcript.txt"
FEATURES: Final = "features.safetensors"


class EntryInvalid(Exception):
    """An entry is missing, stale or damaged; the text says which."""


class _EntryModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileStamp(_EntryModel):
    """What a file of an entry must be like."""

    size: int
    sha256: str


class EntryManifest(_EntryModel):
    """What an entry was made from, and what belongs to it."""

    format: int
    runner: str
    settings: str
    clip_file: str
    clip_size: int
    clip_version: str
    clip_sha256: str
    text: str | None
    unit: Literal["word", "phone"]
    language: str | None
    frame_rate_hz: float
    step_s: float
    files: dict[str, FileStamp]


def write_entry(
    folder: Path, scratch: Path, clip: Clip, made_by: tuple[str, str], reference: Reference
) -> None:
    """Write an entry, replacing what is at ``folder``.

    Args:
        folder: the entry's place.
        scratch: a folder on the same file system that nobody else uses meanwhile.
        clip: what the reference was made from.
        made_by: fingerprints of the runner and of the settings.
        reference: what to keep.

    Raises:
        ClipChanged: the clip has changed meanwhile.
        OSError: the disk is full, say; what was at ``folder`` may be gone, nothing half-written is
            left there.
    """
    fresh = scratch / "new"
    fresh.mkdir(parents=True)
    files = contents_of(reference)
    for name, content in files.items():
        _write(fresh / name, content)
    manifest = manifest_of(clip, made_by, reference, files)
    _write(fresh / MANIFEST, manifest.model_dump_json(indent=1).encode())
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        os.rename(folder, scratch / "old")
    os.rename(fresh, folder)
    shutil.rmtree(scratch)


def contents_of(reference: Reference) -> dict[str, bytes]:
    """The files of an entry but for its manifest, by name."""
    return {
        FEATURES: save(tensors_of(reference)),
        TRANSCRIPT: (reference.transcript.text + "\n").encode(),
    }


def manifest_of(
    clip: Clip, made_by: tuple[str, str], reference: Reference, files: dict[str, bytes]
) -> EntryManifest:
    """The manifest of an entry with these files.

    Raises:
        ClipChanged: the clip has changed meanwhile.
        OSError: the clip cannot be read.
    """
    return EntryManifest(
        format=FORMAT,
        runner=made_by[0],
        settings=made_by[1],
        clip_file=clip.name,
        clip_size=clip.size,
        clip_version=clip.version,
        clip_sha256=clip.sha256(),
        text=clip.text,
        unit=reference.transcript.unit,
        language=reference.transcript.language,
        frame_rate_hz=reference.features.frame_rate_hz,
        step_s=reference.contours.step_s,
        files={
            name: FileStamp(size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        },
    )


def _write(path: Path, content: bytes) -> None:
    """Down to the disk, so that a rename never outlives the bytes it promises."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def check_entry(folder: Path, clip: Clip, made_by: tuple[str, str]) -> EntryManifest:
    """The manifest of a valid entry, without reading the features.

    Raises:
        EntryInvalid: the entry is missing, damaged, or was made from something else.
    """
    manifest = _manifest(folder)
    if (manifest.format, manifest.runner, manifest.settings) != (FORMAT, *made_by):
        raise EntryInvalid("made by another model or with other settings")
    if manifest.text != clip.text:
        raise EntryInvalid("the text beside the clip has changed")
    if not _same_clip(manifest, clip):
        raise EntryInvalid("the clip has changed")
    for name in (FEATURES, TRANSCRIPT):
        if name not in manifest.files or _size(folder / name) != manifest.files[name].size:
            raise EntryInvalid(f"damaged: {name} is missing or cut short")
    return manifest


def refresh_entry(folder: Path, manifest: EntryManifest, clip: Clip) -> None:
    """Note the clip's new version in the manifest of a valid entry, so that it is hashed only once.

    Raises:
        OSError: the cache cannot be written.
    """
    fresh = manifest.model_copy(update={"clip_version": clip.version})
    partial = folder / f"{MANIFEST}.{os.getpid()}"
    _write(partial, fresh.model_dump_json(indent=1).encode())
    os.replace(partial, folder / MANIFEST)


def _same_clip(manifest: EntryManifest, clip: Clip) -> bool:
    """By size and version where they agree; else by content, since copies get new times."""
    if manifest.clip_size != clip.size:
        return False
    if manifest.clip_version == clip.version:
        return True
    try:
        return manifest.clip_sha256 == clip.sha256()
    except (ClipChanged, OSError):
        return False


def _manifest(folder: Path) -> EntryManifest:
    try:
        return EntryManifest.model_validate_json(read_regular(folder / MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        raise EntryInvalid("missing") from None
    except (OSError, ValidationError) as error:
        raise EntryInvalid("damaged: its manifest cannot be read") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def read_entry(folder: Path, clip: Clip, made_by: tuple[str, str]) -> Reference:
    """The reference a valid entry holds.

    Raises:
        EntryInvalid: as ``check_entry``, or the features are not what the manifest promises.
    """
    manifest = check_entry(folder, clip, made_by)
    return reference_from(
        manifest, _verified(folder, TRANSCRIPT, manifest), _verified(folder, FEATURES, manifest)
    )


def reference_from(manifest: EntryManifest, transcript: bytes, features: bytes) -> Reference:
    """The reference that an entry's files hold.

    Raises:
        EntryInvalid: they cannot be understood.
    """
    try:
        text = transcript.decode().removesuffix("\n")
        tensors: Tensors = load(features)
        said = Transcript(text, manifest.unit, manifest.language)
        return reference_of(tensors, said, manifest.frame_rate_hz, manifest.step_s)
    except (SafetensorError, KeyError, UnicodeError) as error:
        raise EntryInvalid(f"damaged: {FEATURES} cannot be read") from error


def read_phones(folder: Path, clip: Clip, made_by: tuple[str, str]) -> list[tuple[str, ...]]:
    """The phones of the transcript and those heard in the clip, where a phone model made the entry.

    A small part of the entry alone is read: of ten thousand entries, in seconds.

    Raises:
        EntryInvalid: as ``check_entry``, or what is read of it is damaged.
    """
    if check_entry(folder, clip, made_by).unit != "phone":
        return []
    try:
        said = tuple(read_regular(folder / TRANSCRIPT).decode().split())
        with safe_open(folder / FEATURES, "np") as tensors:
            return [said, heard_phones_of(tensors)]
    except (OSError, UnicodeError, SafetensorError) as error:
        raise EntryInvalid(f"damaged: {FEATURES} or {TRANSCRIPT} cannot be read") from error


def _verified(folder: Path, name: str, manifest: EntryManifest) -> bytes:
    try:
        content = read_regular(folder / name)
    except OSError as error:
        raise EntryInvalid(f"damaged: {name} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != manifest.files[name].sha256:
        raise EntryInvalid(f"damaged: {name} has changed")
    return content
