"""The image, as far as it can be told without building it."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from audio_score_server.settings import Settings
from tests.deploy.files import COMPOSE, DOCKERFILE, instructions
from tests.process.server import ROOT, clean_environment

_KNOWN: Final = {
    *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE"),
    *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}
_PORT: Final = Settings.model_fields["server_port"].default


def _all(name: str) -> list[str]:
    return [rest for each, rest in instructions() if each == name]


def _copied() -> list[str]:
    """What the image takes from the repository."""
    own = [rest.split() for rest in _all("COPY") if not rest.startswith("--from")]
    return [source for *sources, _ in own for source in sources]


def test_every_line_is_an_instruction() -> None:
    assert {name for name, rest in instructions() if name} <= _KNOWN
    assert all(rest.strip() for name, rest in instructions() if name)


@pytest.mark.parametrize("command", _all("RUN"))
def test_every_command_is_one(command: str) -> None:
    subprocess.run(["sh", "-n", "-c", command], check=True)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert set(_copied()) == kept
    assert all((ROOT / source).exists() for source in _copied())
    assert "*" in ignored


def test_what_is_copied_is_enough(tmp_path: Path) -> None:
    for source in _copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / source)
        else:
            shutil.copy(ROOT / source, tmp_path / source)
    for program in fnmatch.filter(_copied(), "run_*.py"):
        result = subprocess.run(
            [sys.executable, "-P", program, "--version"],
            cwd=tmp_path,
            env={**clean_environment({}), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr


def test_it_runs_as_nobody_in_particular() -> None:
    (user,) = _all("USER")
    assert user == "audio-score"
    (setup,) = (rest for rest in _all("RUN") if "useradd" in rest)
    assert "--uid 10001" in setup
    assert "--gid 10001" in setup
    after = [name for name, _ in instructions()]
    assert after.index("USER") > max(n for n, name in enumerate(after) if name == "RUN")


def test_it_has_what_the_gateway_and_odd_recordings_need() -> None:
    (setup,) = (rest for rest in _all("RUN") if "apt-get install" in rest)
    assert {"nginx-light", "ffmpeg"} <= set(setup.split())


def test_the_port_is_the_programs_and_health_is_asked_there() -> None:
    assert _all("EXPOSE") == [str(_PORT)]
    (check,) = _all("HEALTHCHECK")
    assert f"http://127.0.0.1:{_PORT}/health/ready" in check
    code = json.loads(check.partition("CMD ")[2])
    compile(code[2], "healthcheck", "exec")
    assert json.loads(_all("CMD")[0]) == ["run_server_with_gate.py"]


def _composed() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_there_is_a_profile_for_processors_and_one_for_cuda() -> None:
    services = _composed()["services"]
    assert {name: service["profiles"] for name, service in services.items()} == {
        "cpu": ["cpu"],
        "cuda": ["cuda"],
    }
    (device,) = services["cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    arguments = services["cpu"]["build"]["args"]
    assert set(arguments) <= {rest.partition("=")[0] for rest in _all("ARG")}


def test_compose_mounts_what_is_there_where_the_image_looks() -> None:
    composed = _composed()
    written = set(re.findall(r"/var/\w+/audio-score(?=[\"/ ])", DOCKERFILE.read_text()))
    for service in composed["services"].values():
        assert service["ports"] == [f"127.0.0.1:{_PORT}:{_PORT}"]
        build = service["build"]
        assert (COMPOSE.parent / build["context"] / build["dockerfile"]).samefile(DOCKERFILE)
        mounts = [mount.split(":") for mount in service["volumes"]]
        for source, target, *_ in mounts:
            assert source in composed["volumes"] or (COMPOSE.parent / source).exists()
            assert target.startswith(("/opt/audio-score/", "/var/"))
        # The rest of the image's files cannot be changed.
        assert service["read_only"]
        assert written <= {target for _, target, *_ in mounts}
