"""The event loop has time for everybody, whatever the threads are at."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.process.clients import Client, ask
from tests.process.server import write_config
from tests.process.ticking import Stall, ticking
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
_STALL_S: Final = 0.010
_ROUNDS: Final = 3
_OUTLIERS: Final = 2
"""Times a round that whoever holds the interpreter may lose its processor to another process."""


def _post(url: str, recording: bytes) -> int:
    with Client(url) as client:
        return client.send(ask(recording)).answer().status


def test_long_recordings_do_not_stall_the_event_loop(tmp_path: Path) -> None:
    sound = chirp(200.0)
    recordings = [encoded(sound), encoded(sound, "mp3", "libmp3lame")]
    models = [{"key": "phones", "type": "phones"}]
    config = write_config(tmp_path, models=models, max_audio_seconds=300)
    rounds = []
    with ticking(config) as server, ThreadPoolExecutor(len(recordings)) as pool:
        # What is imported and compiled for the first requests is no matter here.
        assert _post(server.url, encoded(chirp(1.0))) == 200
        assert _post(server.url, bytes(2 * 2**20)) == 400
        for _ in range(_ROUNDS):
            began = time.monotonic()
            answers = pool.map(lambda recording: _post(server.url, recording), recordings)
            assert set(answers) == {200}
            rounds.append((began, time.monotonic()))
        stalls = server.stalls()
    worst = [_worst(stalls, began, ended) for began, ended in rounds]
    # What the server does itself, it does in every round.
    assert min(own for own, _ in worst) < _STALL_S, worst
    assert min(computed for _, computed in worst) < _STALL_S, worst


def _worst(stalls: list[Stall], began: float, ended: float) -> tuple[float, float]:
    """A round's longest stall but for outliers, and the longest time that the loop computed."""
    these = [stall for stall in stalls if began <= stall.when <= ended]
    own = sorted((stall.own for stall in these), reverse=True)
    return [*own, 0.0, 0.0, 0.0][_OUTLIERS], max((stall.computed for stall in these), default=0.0)
