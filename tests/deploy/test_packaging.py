"""What the package asks pip for: everything with ``[server]``, no PyTorch without."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution, packages_distributions, requires
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.process.server import ROOT, clean_environment

_SOURCES: Final = (
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
    "audio_score_server/__init__.py",
)
_BUILD: Final = """
import sys
from setuptools.build_meta import prepare_metadata_for_build_wheel

prepare_metadata_for_build_wheel(sys.argv[1])
"""
_HEAVY: Final = {
    *("torch", "torchaudio", "transformers", "numpy", "numba", "scipy", "matplotlib", "av"),
    *("gruut", "opentelemetry-sdk"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The package's metadata, as pip has it built; in a copy, which the build leaves files in."""
    copy = tmp_path_factory.mktemp("package")
    for name in _SOURCES:
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    (copy / "out").mkdir()
    command = [sys.executable, "-c", _BUILD, "out"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (metadata,) = (copy / "out").glob("*.dist-info")
    return PathDistribution(metadata)


def _required(package: Distribution, extra: str) -> dict[str, str]:
    """Name to version of what an extra adds, with the extra's own marker left out."""
    found: dict[str, str] = {}
    for line in package.requires or ():
        requirement = Requirement(line)
        marker = str(requirement.marker or "")
        if f'extra == "{extra}"' in marker if extra else "extra" not in marker:
            found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


def _listed() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    requirements = [Requirement(line.partition(" #")[0]) for line in lines if line[0] != "#"]
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements}


def _closure(names: Iterator[str]) -> set[str]:
    """Distributions by these names and all that they bring along."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for line in requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def test_the_servers_extra_is_all_of_requirements_txt(package: Distribution) -> None:
    assert package.metadata.get_all("Provides-Extra") == ["server"]
    assert _required(package, "server") == _listed()
    assert all(version.startswith("==") for version in _listed().values())


def test_without_it_nothing_is_heavy_and_versions_are_those_of_requirements_txt(
    package: Distribution,
) -> None:
    base = _required(package, "")
    assert base.keys() <= _listed().keys()
    assert set(base.values()) == {""}, "versions are in requirements.txt alone"
    assert not _closure(iter(base)) & _HEAVY
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert {f"{name}{_listed()[name]}" for name in base} <= set(pins)


_BLOCKED: Final = """
import sys

sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
sys.argv[1:2] = []
"""
_COMMAND: Final = (
    _BLOCKED + "from audio_score_server.cli import command\n\nsys.exit(command(sys.argv[1:]))"
)
_MODULES: Final = (
    _BLOCKED
    + """
import importlib
import pkgutil

import audio_score_server.gateway

for module in pkgutil.iter_modules(audio_score_server.gateway.__path__):
    importlib.import_module(f"audio_score_server.gateway.{module.name}")
import audio_score_server.checkpoints.locate
"""
)


@pytest.fixture(scope="module")
def others(package: Distribution) -> str:
    """The modules that an installation without ``[server]`` does not have."""
    installed = _closure(iter(_required(package, "")))
    found = packages_distributions().items()
    return ",".join(
        name for name, owners in found if installed.isdisjoint(map(canonicalize_name, owners))
    )


def _run(program: str, others: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, others, *arguments],
        cwd=ROOT,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_gateway_and_checkpoints_import_without_the_servers_packages(others: str) -> None:
    assert "torch" in others.split(",")
    result = _run(_MODULES, others)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["gate", "status", "download"])
def test_light_commands_run_without_the_servers_packages(others: str, command: str) -> None:
    result = _run(_COMMAND, others, command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"audio-score {command}" in result.stdout


def test_status_runs_without_the_servers_packages(others: str, tmp_path: Path) -> None:
    result = _run(_COMMAND, others, "status", "--run-dir", str(tmp_path))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(tmp_path) in result.stderr


def test_a_server_without_its_packages_says_what_to_install(others: str) -> None:
    result = _run(_COMMAND, others, "serve")
    assert result.returncode == 3
    (line,) = result.stderr.splitlines()
    assert "which is not installed here; install audio-score-server[server]" in line
