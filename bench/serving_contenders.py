"""Ours and the others: how each is started, and how it is asked for its version."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ASK: Final = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


@dataclass(frozen=True)
class Contender:
    """A server of the benchmark.

    Attributes:
        name: in tables.
        package: whose version is told, and without which it is left out.
        bounds: what it has a setting for: requests under way, their time.
        command: words for the interpreter, with ``{port}`` and ``{scratch}``, a folder.
        variables: further ones of its environment, likewise.
    """

    name: str
    package: str
    bounds: str
    command: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, python: str, **known: object) -> tuple[list[str], dict[str, str]]:
        """Command and further variables, given an interpreter, ``port`` and ``scratch``."""
        words = [word.format(**known) for word in self.command.split()]
        variables = {name: value.format(**known) for name, value in self.variables.items()}
        return [python, *words], variables


_PEERS: Final = "bench.serving_peers"
CONTENDERS: Final = {
    "ours": Contender("ours", "uvicorn", "requests and time", "run_server.py"),
    "plain": Contender("FastAPI, one at a time", "fastapi", "nothing", f"-m {_PEERS}.plain"),
    "litserve": Contender("LitServe", "litserve", "time", f"-m {_PEERS}.lit"),
    "bentoml": Contender(
        "BentoML",
        "bentoml",
        "requests and time",
        f"-m bentoml serve {_PEERS}.bento:Score --host 127.0.0.1 --port {{port}}",
        {"BENTOML_HOME": "{scratch}", "BENTOML_DO_NOT_TRACK": "True"},
    ),
    "ray": Contender(
        "Ray Serve",
        "ray",
        "requests and time",
        f"-m {_PEERS}.ray_serve {{scratch}}",
        {"RAY_USAGE_STATS_ENABLED": "0"},
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
