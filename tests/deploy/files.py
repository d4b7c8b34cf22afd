"""What ``deploy/`` says, for its tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from tests.process.server import ROOT

DEPLOY: Final = ROOT / "deploy"
FILES: Final = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
NGINX: Final = DEPLOY / "nginx" / "audio-score.conf"
LOGROTATE: Final = DEPLOY / "logrotate" / "audio-score"
DOCKERFILE: Final = DEPLOY / "docker" / "Dockerfile"
COMPOSE: Final = DEPLOY / "docker" / "compose.yaml"


def documents(name: str) -> dict[str, Any]:
    """The documents of a Kubernetes file by their kind; of several of a kind, the last."""
    loaded = yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
    return {each.get("kind", ""): each for each in loaded}


def container() -> dict[str, Any]:
    """The one container of a pod."""
    pod = documents("audio-score.yaml")["Deployment"]["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


def unit(path: Path) -> dict[str, list[str]]:
    """A unit's directives; comments and sections left out."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (each.partition(" ") for each in joined.split("\n"))]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of a server or a gateway: the program's name, its arguments."""
    lines = [shlex.split(line) for path in UNITS for line in unit(path)["ExecStart"]]
    lines += [container()["args"]]
    lines += [
        shlex.split(rest.strip("[]").replace(",", " ")) for n, rest in instructions() if n == "CMD"
    ]
    for words in lines:
        (program,) = (place for place, word in enumerate(words) if word.endswith(".py"))
        yield Path(words[program]).name, words[program + 1 :]
