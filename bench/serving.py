"""Our server and other ways to serve the same runner, under load over HTTP.

    python -m bench.serving [--models NAME,...] [--contenders NAME,...] [--clients N,...]
                            [--loads PERCENT,...] [--batch-ms MS] [--seconds S] [--repeats N]
                            [--quick] [--python NAME=PATH ...]

A process of its own sends the demo's recordings, four seconds each, to real servers on the loopback
address. First clients that each wait for a score before they ask for the next; what the most of
them get is the server's capacity. Then requests that come at random moments, at shares of that
capacity up to twice of it, with a deadline of one and a half times what a full queue takes; their
clients leave a quarter of that later.

All servers use the same runner, decode and compare with the same code (which is checked by their
scores), form batches of up to 8, wait up to 10 ms for more where they have a setting for it, and
bound requests under way (64, or 32 with Whisper) and their time (the deadline) where they have
settings for that. The runner is a stand-in that occupies its device for a fixed time, so that what
is measured is the serving; the packaged phone encoder; or the Whisper tiny.en that
``scripts/fetch_test_models`` fetches.

The limit is what one device with full batches can do, or what the cores can do with nothing but the
work, whichever is less; the work is measured without a server first, part by part. Load and server
share the cores. Printed are Markdown tables: medians over repeats, in which servers take turns and
start afresh. ``--quick`` is for a look, not for figures.

``pip install -r requirements-bench.txt`` brings the others, which are left out where they are
missing. BentoML asks for other telemetry packages than our server and is run by an interpreter of
its own:

    python -m venv FOLDER
    grep -hvE "opentelemetry|^-r" requirements.txt requirements-dev.txt > with-bentoml.txt
    FOLDER/bin/pip install bentoml==1.4.39 -r with-bentoml.txt
    python -m bench.serving --python bentoml=FOLDER/bin/python
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final, NoReturn

from tqdm import tqdm

from bench import options
from bench.machine import describe
from bench.measure import show
from bench.phases import closed, opened
from bench.report import Record, show_closed, show_opened, show_summary
from bench.server import ServerFailed
from bench.serving_contenders import CONTENDERS, interpreters, version_of
from bench.stage import MODELS, Stage, set_stage

_PACKAGES: Final = ("torch", "fastapi", "uvicorn", "uvloop", "httptools")
_QUICK_S: Final = 1.5


class Run:
    """Every contender on one model."""

    def __init__(self, stage: Stage, names: list[str], arguments: argparse.Namespace) -> None:
        self._stage = stage
        self._arguments = arguments
        self._seconds = max(arguments.seconds, stage.deadline_s)
        self._records = {name: Record(CONTENDERS[name].name) for name in names}

    def measure(self) -> list[Record]:
        """All repeats; those that fail on the way are told and left out."""
        phases = len(self._arguments.clients) + len(self._arguments.loads)
        total = self._arguments.repeats * len(self._records) * phases
        with tqdm(total=total, file=sys.stderr, leave=False) as bar:
            for _ in range(self._arguments.repeats):
                for name in list(self._records):
                    bar.set_description(f"{self._stage.name}, {name}")
                    try:
                        self._measure(name, bar)
                    except ServerFailed as failure:
                        del self._records[name]
                        tqdm.write(f"{name} is left out. {failure}", file=sys.stderr)
        return list(self._records.values())

    def _measure(self, name: str, bar: tqdm[NoReturn]) -> None:
        """One life of a server."""
        record, stage, seconds = self._records[name], self._stage, self._seconds
        with (
            tempfile.TemporaryDirectory(prefix="bs-") as scratch,
            stage.started(name, self._arguments.python[name], Path(scratch)) as server,
        ):
            if not record.closed:
                stage.check(server)
            for clients in self._arguments.clients:
                stage.settle(server)
                phase = closed(server, stage.recordings, seconds, clients)
                if not phase.goodput:
                    raise server.failure(f"It gave no scores, but {dict(phase.kinds)}")
                record.closed.setdefault(clients, []).append(phase)
                bar.update()
            for load in self._arguments.loads:
                stage.settle(server)
                rate = record.capacity[-1] * load / 100
                phase = opened(server, stage.recordings, seconds, rate, stage.deadline_s)
                record.opened.setdefault(load, []).append(phase)
                bar.update()


def main() -> None:
    """Command line."""
    arguments = _arguments()
    versions = _versions(arguments.contenders, arguments.python)
    print(f"\n{describe('cpu', _PACKAGES)}")
    contenders = [(CONTENDERS[name], version) for name, version in versions.items()]
    rows = [[each.name, f"{each.package} {found}", each.bounds] for each, found in contenders]
    show("Servers", ("server", "made with", "bounds"), rows, left=3)
    with tempfile.TemporaryDirectory(prefix="bs-") as scratch:
        for model in arguments.models:
            stage = set_stage(model, arguments.batch_ms, Path(scratch) / model)
            _show(stage, Run(stage, list(versions), arguments).measure(), arguments)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    add, names, counts = parser.add_argument, options.names, options.counts
    known = ", ".join(CONTENDERS)
    add("--models", type=names(MODELS), default=["stand-in"], help=f"Of {', '.join(MODELS)}.")
    add("--contenders", type=names(CONTENDERS), default=list(CONTENDERS), help=f"Of {known}.")
    add("--clients", type=counts, default=[1, 8, 32], help="That wait for each score.")
    add("--loads", type=counts, default=[50, 100, 150, 200], help="In percent of the capacity.")
    add("--batch-ms", type=float, default=80.0, help="How long a batch occupies the stand-in.")
    add("--seconds", type=float, default=3.0, help="Counted of each load; at least a deadline.")
    add("--repeats", type=options.count, default=3, help="Lives of each server.")
    add("--quick", action="store_true", help=f"One repeat of {_QUICK_S:g} s.")
    add("--python", nargs="*", default=[], help="Interpreters of contenders, NAME=PATH.")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repeats, arguments.seconds = 1, _QUICK_S
    arguments.python = interpreters(arguments.python)
    return arguments


def _versions(names: list[str], python: dict[str, str]) -> dict[str, str]:
    """Versions of the contenders that are there; the others are told."""
    found = {name: version_of(CONTENDERS[name], python[name]) for name in names}
    for name in names:
        if found[name] is None:
            print(
                f"{name} is left out: {python[name]} has no {CONTENDERS[name].package}; see "
                "python -m pydoc bench.serving.",
                file=sys.stderr,
            )
    versions = {name: version for name, version in found.items() if version is not None}
    return versions or sys.exit("None of the servers can be had: say others with --contenders.")


def _show(stage: Stage, records: list[Record], arguments: argparse.Namespace) -> None:
    if not records:
        sys.exit(f"No server could be measured with {stage.name}; the lines above say why.")
    seconds = max(arguments.seconds, stage.deadline_s)
    repeats = f"median of {arguments.repeats} x {seconds:g} s"
    name, alone, deadline_s = stage.name, stage.alone, stage.deadline_s
    alone.show(name)
    show_closed(f"{name}: clients that wait for each score, {repeats}", records, alone)
    title = f"{name}: requests at random moments, due within {deadline_s:g} s, {repeats}"
    show_opened(title, records, deadline_s)
    show_summary(f"{name}: in short", records, alone)


if __name__ == "__main__":
    main()
