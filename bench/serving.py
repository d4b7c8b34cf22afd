"""Our server and other ways to serve the same runner, under load over HTTP.

    python -m bench.serving [--models NAME,...] [--contenders NAME,...] [--clients N,...]
                            [--loads PERCENT,...] [--batch-ms MS] [--recording-ms MS]
                            [--seconds S] [--repeats N] [--quick] [--work FOLDER]
                            [--python NAME=PATH ...]

A process of its own sends the demo's recordings, four seconds each, to real servers on the loopback
address. First clients that each wait for a score before they ask for the next; what the most of
them get is the server's capacity. Then requests that come at random moments, at shares of that
capacity up to twice of it, with a deadline of one and a half times what a full queue takes; their
clients leave a quarter of that later.

All servers use the same runner, decode and compare with the same code (which is checked by their
scores), form batches of up to 8, wait up to 10 ms for more where they have a setting for it, and
bound requests under way (64, or 32 with Whisper) and their time (the deadline) where they have
settings for that. The runner is either a stand-in that occupies its device for a fixed time, so
that what is measured is the serving, or Whisper tiny, untrained (``bench.checkpoints``).

The limit is what one device with full batches can do, or what the cores can do with nothing but the
work, whichever is less; the work is measured without a server first. Load and server share the
cores. Printed are Markdown tables: medians over repeats, in which servers take turns and start
afresh. ``--quick`` is for a look, not for figures.

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
from contextlib import nullcontext
from pathlib import Path
from typing import Final, NoReturn

from tqdm import tqdm

from bench.machine import describe
from bench.markdown import show_markdown
from bench.serving_contenders import CONTENDERS, interpreters, version_of
from bench.serving_phases import Phase, closed, opened
from bench.serving_processes import Server, ServerFailed, running
from bench.serving_report import Record, show_closed, show_opened, show_summary
from bench.serving_stage import MODELS, Stage, Stub, set_stage

_PACKAGES: Final = ("torch", "fastapi", "uvicorn", "uvloop", "httptools")
_QUICK_S: Final = 1.5


class Run:
    """Every contender on one model."""

    def __init__(self, stage: Stage, names: list[str], arguments: argparse.Namespace) -> None:
        self._stage = stage
        self._python: dict[str, str] = arguments.python
        self._clients: list[int] = arguments.clients
        self._loads: list[int] = arguments.loads
        self._seconds = max(arguments.seconds, stage.deadline_s)
        self._repeats: int = arguments.repeats
        self._records = {name: Record(CONTENDERS[name].name) for name in names}

    def measure(self) -> list[Record]:
        """All repeats; those that fail on the way are told and left out."""
        phases = len(self._clients) + len(self._loads)
        total = self._repeats * len(self._records) * phases
        with tqdm(total=total, file=sys.stderr, leave=False) as bar:
            for _ in range(self._repeats):
                for name in list(self._records):
                    bar.set_description(f"{self._stage.name}, {name}")
                    self._try(name, bar)
        return list(self._records.values())

    def _try(self, name: str, bar: tqdm[NoReturn]) -> None:
        try:
            self._measure(name, bar)
        except ServerFailed as failure:
            del self._records[name]
            tqdm.write(f"{CONTENDERS[name].name} is left out. {failure}", file=sys.stderr)

    def _measure(self, name: str, bar: tqdm[NoReturn]) -> None:
        """One life of a server."""
        record, stage = self._records[name], self._stage
        with (
            tempfile.TemporaryDirectory(prefix="bs-") as scratch,
            running(*stage.start(name, self._python[name], Path(scratch)), stage.first) as server,
        ):
            if not record.closed:
                stage.check(server)
            for clients in self._clients:
                stage.settle(server)
                phase = closed(server, stage.recordings, self._seconds, clients)
                record.closed.setdefault(clients, []).append(_working(server, phase))
                bar.update()
            for load in self._loads:
                stage.settle(server)
                rate = record.capacity[-1] * load / 100
                phase = opened(server, stage.recordings, self._seconds, rate, stage.deadline_s)
                record.opened.setdefault(load, []).append(phase)
                bar.update()


def _working(server: Server, phase: Phase) -> Phase:
    """A server that gives no scores has no capacity to take shares of."""
    if not phase.goodput:
        raise server.failure(f"It gave no scores, but {dict(phase.kinds)}")
    return phase


def main() -> None:
    """Command line."""
    arguments = _arguments()
    versions = _versions(arguments.contenders, arguments.python)
    stub = Stub(arguments.batch_ms, arguments.recording_ms)
    with _folder(arguments.work) as work, tempfile.TemporaryDirectory(prefix="bs-") as scratch:
        print(f"\n{describe('cpu', _PACKAGES)}")
        _show_contenders(versions)
        for model in arguments.models:
            stage = set_stage(model, stub, Path(scratch) / model, Path(work))
            _show(stage, Run(stage, list(versions), arguments).measure(), arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--models", type=_words, default=["stand-in"], help=f"Of {', '.join(MODELS)}.")
    add("--contenders", type=_words, default=list(CONTENDERS), help=f"Of {', '.join(CONTENDERS)}.")
    add("--clients", type=_counts, default=[1, 8, 32], help="That wait for each score.")
    add("--loads", type=_counts, default=[50, 100, 150, 200], help="In percent of the capacity.")
    add("--batch-ms", type=float, default=80.0, help="How long a batch occupies the stand-in.")
    add("--recording-ms", type=float, default=0.0, help="And how much longer for each recording.")
    add("--seconds", type=float, default=3.0, help="Counted of each load; at least a deadline.")
    add("--repeats", type=int, default=3, help="Lives of each server.")
    add("--quick", action="store_true", help=f"One repeat of {_QUICK_S:g} s.")
    add("--work", type=Path, help="Folder to keep checkpoints in.")
    add("--python", nargs="*", default=[], help="Interpreters of contenders, NAME=PATH.")
    arguments = parser.parse_args()
    for given, known in ((arguments.models, MODELS), (arguments.contenders, CONTENDERS)):
        for name in given:
            if name not in known:
                parser.error(f"{name!r} is not one of {', '.join(known)}")
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("--repeats and --seconds must be above 0")
    if arguments.quick:
        arguments.repeats, arguments.seconds = 1, _QUICK_S
    arguments.python = interpreters(arguments.python)
    return arguments


def _words(text: str) -> list[str]:
    return text.split(",")


def _counts(text: str) -> list[int]:
    for word in text.split(","):
        if not word.isdecimal() or int(word) == 0:
            raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 on")
    return [int(word) for word in text.split(",")]


def _folder(folder: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    if folder is None:
        return tempfile.TemporaryDirectory(prefix="bench-serving-")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"{folder} cannot be made ({error}): name another folder with --work.")
    return nullcontext(str(folder))


def _versions(names: list[str], python: dict[str, str]) -> dict[str, str]:
    """Versions of the contenders that are there; the others are told."""
    versions = {}
    for name in names:
        version = version_of(CONTENDERS[name], python[name])
        if version is None:
            print(
                f"{CONTENDERS[name].name} is left out: {python[name]} has no "
                f"{CONTENDERS[name].package}; see python -m pydoc bench.serving.",
                file=sys.stderr,
            )
        else:
            versions[name] = version
    return versions or sys.exit("None of the servers can be had: say others with --contenders.")


def _show_contenders(versions: dict[str, str]) -> None:
    rows = [
        [CONTENDERS[name].name, f"{CONTENDERS[name].package} {version}", CONTENDERS[name].bounds]
        for name, version in versions.items()
    ]
    show_markdown("Servers", ("server", "made with", "bounds"), (), rows)


def _show(stage: Stage, records: list[Record], arguments: argparse.Namespace) -> None:
    if not records:
        sys.exit(f"No server could be measured with {stage.name}; the lines above say why.")
    alone = stage.alone
    seconds = max(arguments.seconds, stage.deadline_s)
    repeats = f"median of {arguments.repeats} x {seconds:g} s"
    print(
        f"\n**{stage.name}**: {1000 * alone.service_s:.1f} ms for a recording alone, of CPU "
        f"{1000 * alone.cpu_s:.1f} ms; {1000 * alone.batch_s:.1f} ms for a full batch on the "
        f"device; limit {alone.limit:.1f} scores/s; deadline {stage.deadline_s:g} s."
    )
    show_closed(f"{stage.name}: clients that wait for each score, {repeats}", records, alone)
    show_opened(f"{stage.name}: requests at random moments, {repeats}", records, stage.deadline_s)
    show_summary(f"{stage.name}: in short", records, alone)


if __name__ == "__main__":
    main()
