"""Ours and the others: how each is started, and how it is asked for its version."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ASK: Final = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
Start = Callable[[str, int, Path], list[str]]
"""An interpreter, a port and a scratch folder of a short name to a command."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server of the benchmark.

    Attributes:
        name: in tables.
        package: whose version is told, and without which it is left out.
        bounds: what it has a setting for: requests under way, their time.
        start: the command.
        variables: further ones of its environment, by the scratch folder.
    """

    name: str
    package: str
    bounds: str
    start: Start
    variables: Callable[[Path], Mapping[str, str]] = field(default=lambda _: {})


def _module(name: str) -> Start:
    return lambda python, port, scratch: [python, "-m", f"bench.serving_peers.{name}"]


def _bento(python: str, port: int, scratch: Path) -> list[str]:
    service = "bench.serving_peers.bento:Score"
    return [python, "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]


CONTENDERS: Final = {
    "ours": Contender(
        "ours",
        "uvicorn",
        "requests and time",
        lambda python, port, scratch: [python, "run_server.py"],
    ),
    "plain": Contender("FastAPI, one at a time", "fastapi", "nothing", _module("plain")),
    "litserve": Contender("LitServe", "litserve", "time", _module("lit")),
    "bentoml": Contender(
        "BentoML",
        "bentoml",
        "requests and time",
        _bento,
        lambda scratch: {"BENTOML_HOME": str(scratch), "BENTOML_DO_NOT_TRACK": "True"},
    ),
    "ray": Contender(
        "Ray Serve",
        "ray",
        "requests and time",
        lambda python, port, scratch: [
            *_module("ray_serve")(python, port, scratch),
            str(scratch),
        ],
        lambda scratch: {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
}
"""Servers by the names that the command line has for them; ours first."""


def version_of(contender: Contender, python: str) -> str | None:
    """Version of a contender's package as an interpreter has it; None where it has none."""
    try:
        answer = subprocess.run(
            [python, "-c", _ASK, contender.package], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def interpreters(given: list[str]) -> dict[str, str]:
    """Contender to interpreter, from words ``NAME=PATH``; this process's own for all others.

    Raises:
        SystemExit: a word is not like that.
    """
    chosen = dict.fromkeys(CONTENDERS, sys.executable)
    for word in given:
        name, _, path = word.partition("=")
        if name not in CONTENDERS or not Path(path).is_file():
            sys.exit(f"--python {word}: say NAME=PATH, a name of {', '.join(CONTENDERS)}.")
        chosen[name] = path
    return chosen
