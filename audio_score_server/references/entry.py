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

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from audio_score_server.domain import EncoderFeatures, Reference, Transcript
from audio_score_server.references.library import Clip

_FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TRANSCRIPT: Final = "transcript.txt"
FEATURES: Final = "features.safetensors"


class EntryInvalid(Exception):
    """An entry is missing, stale or damaged; the text says which."""


class Manifest(BaseModel):
    """What an entry was made from, and what belongs to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    runner: str
    settings: str
    clip_file: str
    clip_size: int
    clip_modified_ns: int
    clip_sha256: str
    text: str | None
    transcript: str
    unit: Literal["word", "phone"]
    frame_rate_hz: float
    features_size: int
    features_sha256: str


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_entry(
    folder: Path, scratch: Path, clip: Clip, made_by: tuple[str, str], reference: Reference
) -> None:
    """Write an entry, replacing what is at ``folder``.

    Args:
        folder: the entry's place.
        scratch: a folder on the same file system that nobody else uses meanwhile.
        clip: what the reference was made from.
        made_by: fingerprints of the runner and of the settings.
        reference: what to keep; features are stored in half precision.

    Raises:
        OSError: the disk is full, say; what was at ``folder`` may be gone, nothing half-written is
            left there.
    """
    features = save(
        {
            "frames": reference.features.frames.astype(np.float16),
            "speech": reference.features.speech,
        }
    )
    manifest = Manifest(
        format=_FORMAT,
        runner=made_by[0],
        settings=made_by[1],
        clip_file=clip.path.name,
        clip_size=clip.size,
        clip_modified_ns=clip.modified_ns,
        clip_sha256=fingerprint_of(clip.path),
        text=clip.text,
        transcript=reference.transcript.text,
        unit=reference.transcript.unit,
        frame_rate_hz=reference.features.frame_rate_hz,
        features_size=len(features),
        features_sha256=hashlib.sha256(features).hexdigest(),
    )
    fresh = scratch / "new"
    fresh.mkdir(parents=True)
    _write(fresh / FEATURES, features)
    _write(fresh / TRANSCRIPT, (reference.transcript.text + "\n").encode())
    _write(fresh / MANIFEST, manifest.model_dump_json(indent=1).encode())
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        os.rename(folder, scratch / "old")
    os.rename(fresh, folder)
    shutil.rmtree(scratch)


def _write(path: Path, content: bytes) -> None:
    """Down to the disk, so that a rename never outlives the bytes it promises."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def check_entry(folder: Path, clip: Clip, made_by: tuple[str, str]) -> Manifest:
    """The manifest of a valid entry, without reading the features.

    Raises:
        EntryInvalid: the entry is missing, damaged, or was made from something else.
    """
    manifest = _manifest(folder)
    if (manifest.format, manifest.runner, manifest.settings) != (_FORMAT, *made_by):
        raise EntryInvalid("made by another model or with other settings")
    if manifest.text != clip.text:
        raise EntryInvalid("the text beside the clip has changed")
    if not _same_clip(manifest, clip):
        raise EntryInvalid("the clip has changed")
    if _size(folder / FEATURES) != manifest.features_size:
        raise EntryInvalid("damaged: its features are missing or cut short")
    return manifest


def _same_clip(manifest: Manifest, clip: Clip) -> bool:
    """By size and time where they agree; else by content, since copies get new times."""
    if manifest.clip_size != clip.size:
        return False
    if manifest.clip_modified_ns == clip.modified_ns:
        return True
    return manifest.clip_sha256 == fingerprint_of(clip.path)


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
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
    try:
        content = (folder / FEATURES).read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.features_sha256:
            raise EntryInvalid("damaged: its features have changed")
        tensors = load(content)
        frames = tensors["frames"].astype(np.float32)
        features = EncoderFeatures(frames, tensors["speech"], manifest.frame_rate_hz)
    except (OSError, SafetensorError, KeyError) as error:
        raise EntryInvalid("damaged: its features cannot be read") from error
    return Reference(features, Transcript(manifest.transcript, manifest.unit))
