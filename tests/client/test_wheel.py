"""The client as others install it: alone, typed and light."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from audio_score_client import __version__
from tests.process.server import ROOT, clean_environment

_MOST_BYTES: Final = 20_000_000
_PROGRAM: Final = """
import importlib.metadata, sys
import audio_score_client
client = audio_score_client.AudioScoreClient("http://localhost:9000")
try:
    import torch
except ModuleNotFoundError:
    print(importlib.metadata.version("audio-score-client"), audio_score_client.__file__)
"""


def _run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={**clean_environment({}), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel, built in a copy, which the build leaves files in."""
    folder = tmp_path_factory.mktemp("client")
    copy = folder / "client"
    ignored = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    shutil.copytree(ROOT / "client", copy, ignore=ignored)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")
    result = _run(*pip, "--wheel-dir", folder, copy, folder=folder)
    assert result.returncode == 0, result.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_the_types_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "audio_score_client/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    packages = {name.partition("/")[0] for name in names}
    assert packages == {"audio_score_client", f"audio_score_client-{__version__}.dist-info"}


def test_its_licence_is_the_servers() -> None:
    own, servers = ROOT / "client" / "LICENSE", ROOT / "LICENSE"
    assert own.read_bytes() == servers.read_bytes()


def test_it_is_of_the_servers_version() -> None:
    import audio_score_server

    assert __version__ == audio_score_server.__version__


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_it_installs_alone_and_light(wheel: Path, tmp_path: Path) -> None:
    reachable = _run(
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--dest", tmp_path, "sniffio"),
        folder=tmp_path,
    )
    if reachable.returncode:
        pytest.skip("no package index can be reached")
    venv = tmp_path / "venv"
    made = _run(sys.executable, "-m", "venv", venv, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    empty = _bytes(venv)
    python = venv / "bin" / "python"
    installed = _run(python, "-m", "pip", "install", wheel, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    told = _run(python, "-c", _PROGRAM, folder=tmp_path)
    assert told.stdout.startswith(f"{__version__} {venv}"), told.stderr
    assert _bytes(venv) - empty < _MOST_BYTES
