"""A server whose device does as it is told, batch by batch; run as a module, it is that server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio_score_server.domain import EncoderFeatures, Encoding, FloatArray, Utterance
from audio_score_server.runners import fake
from tests.process.server import ROOT, ServerProcess, clean_environment

_FRAME_S: Final = 0.02
RUN: Final = "run"
LIE: Final = "lie"
"""Answer with something else than was heard."""


class GatedServer(ServerProcess):
    """Each batch waits for an order: ``RUN``, ``LIE``, or what the device says as it fails."""

    def given(self) -> list[float]:
        """The next batch that the device is given, when it is: how long each recording is."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log
        seconds: list[float] = json.loads(line)
        return seconds

    def order(self, order: str = RUN) -> None:
        """What to do with the batch under way."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def run(self) -> list[float]:
        """Let the next batch through, when there is one."""
        batch = self.given()
        self.order()
        return batch

    def free(self) -> None:
        """Let the batch under way and everything after it through."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextmanager
def gated_start(
    config: str, *flags: str, module: str = __name__, **variables: str
) -> Iterator[GatedServer]:
    """Such a server, or another module's, as it starts; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--config", config, "--port", "0", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=clean_environment(variables),
    )
    server = GatedServer(process)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def gated(config: str, *flags: str, batches: int = 1, **variables: str) -> Iterator[GatedServer]:
    """Such a server, ready; ``batches`` is how many it runs at its start."""
    with gated_start(config, *flags, **variables) as server:
        for _ in range(batches):
            server.run()
        server.wait_until_ready()
        yield server


class _GatedRunner(fake.FakeRunner):
    def run(self, utterances: Sequence[Utterance[FloatArray]]) -> list[Encoding]:
        """Tell of the batch and do as told."""
        lengths = [round(len(utterance.features) * _FRAME_S, 2) for utterance in utterances]
        print(json.dumps(lengths), flush=True)  # noqa: T201
        order = sys.stdin.readline().strip() or RUN
        if order not in (RUN, LIE):
            raise RuntimeError(order)
        encodings = super().run(utterances)
        return [_distorted(each) for each in encodings] if order == LIE else encodings


def _distorted(encoding: Encoding) -> Encoding:
    heard = encoding.features
    noise = np.random.default_rng(0).standard_normal(heard.frames.shape).astype(np.float32)
    return replace(encoding, features=EncoderFeatures(noise, heard.speech, heard.frame_rate_hz))


def _serve(arguments: Sequence[str]) -> Any:
    from audio_score_server.cli import main
    from audio_score_server.similarity import cohort

    # Batches are counted: only those of the test's own clips and recordings.
    cohort.built_in_speech = list
    fake.FakeRunner = _GatedRunner  # type: ignore[misc]
    return main(Path("config.json"), arguments)


if __name__ == "__main__":
    sys.exit(_serve(sys.argv[1:]))
