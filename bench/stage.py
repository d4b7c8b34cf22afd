"""What all servers of a run have in common: a model, recordings, settings, a deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_score_server.settings import load_settings
from audio_score_server.settings.load import CONFIG_VARIABLE
from bench.alone import Alone, measured
from bench.demo import DEMO_CLIPS
from bench.load import make_request
from bench.recordings import write_demo_recordings
from bench.server import Server, free_port, running, status_of
from bench.serving_contenders import CONTENDERS
from training.kokoro import models_folder

_TRAINED: Final = "whisper-tiny.en"
MODELS: Final = {"stand-in": 64, "phones": 64, _TRAINED: 32}
"""Models to how many requests may be under way: a slow one's queue would take long to fill."""
_BATCH: Final = 8
_WAIT_MS: Final = 10.0
_SLACK: Final = 1.5
_LEAST_DEADLINE_S: Final = 1.0
_TOLERANCE: Final = 0.02
"""In half precision a score depends a little on what the recording is batched with."""
_SETTLE_S: Final = 30.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Stage:
    """A model's run.

    Attributes:
        name: of the model, in tables.
        recordings: folder of what is uploaded.
        config: settings file that every server reads.
        alone: what the work takes without a server.
        deadline_s: when an answer is late.
        first: a request that can be answered.
    """

    name: str
    recordings: Path
    config: Path
    alone: Alone
    deadline_s: float
    first: bytes

    @contextmanager
    def started(self, name: str, python: str, scratch: Path) -> Iterator[Server]:
        """A contender, once it gives scores.

        Args:
            name: of the contender.
            python: its interpreter.
            scratch: folder for its own files.

        Raises:
            ServerFailed: it does not.
        """
        port, contender = free_port(), CONTENDERS[name]
        settings = {CONFIG_VARIABLE: str(self.config), "AUDIO_SCORE_SERVER_PORT": str(port)}
        command, variables = contender.start(python, port=port, scratch=scratch)
        with running(command, settings | variables, port, self.first) as server:
            yield server

    def check(self, server: Server) -> None:
        """Make sure that a server gives the scores that the work gives without it.

        Raises:
            ServerFailed: it does not.
        """
        for path in sorted(self.recordings.iterdir()):
            status, body = status_of(server.port, make_request(path))
            wanted = self.alone.scores[path.name]
            if status != 200 or abs(json.loads(body)["sim_score"] - wanted) > _TOLERANCE:
                answer = body.decode(errors="replace")
                raise server.failure(
                    f"{path.name} should score {wanted}, but was answered {status} {answer}"
                )

    def settle(self, server: Server) -> None:
        """Wait until a server has done with what was sent before.

        Raises:
            ServerFailed: it answers no more.
        """
        patience = time.monotonic() + _SETTLE_S
        while time.monotonic() < patience:
            sent = time.monotonic()
            status, _ = status_of(server.port, self.first)
            if status == 200 and time.monotonic() - sent < self.deadline_s / 2:
                return
            time.sleep(_POLL_S)
        raise server.failure(f"It was still not idle {_SETTLE_S:.0f} s after a load")


def set_stage(name: str, batch_ms: float, folder: Path) -> Stage:
    """Prepare a run and measure its work without a server.

    Args:
        name: of ``MODELS``.
        batch_ms: how long a batch occupies the stand-in.
        folder: to be made, for the run's files.
    """
    recordings, config = folder / "recordings", folder / "config.json"
    recordings.mkdir(parents=True)
    write_demo_recordings(recordings)
    settings: dict[str, Any] = {
        "models": [_model(name, batch_ms)],
        "device": "cpu",
        "video_clip_dir": str(DEMO_CLIPS),
        "cache_dir": str(folder / "cache"),
        "max_batch_size": _BATCH,
        "max_batch_wait_ms": _WAIT_MS,
        "max_inflight": MODELS[name],
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    alone = measured(load_settings({}, {}, config), recordings)
    deadline_s = max(_LEAST_DEADLINE_S, round(_SLACK * MODELS[name] / alone.limit, 1))
    config.write_text(json.dumps(settings | {"request_timeout_s": deadline_s}), encoding="utf-8")
    first = make_request(min(recordings.iterdir()))
    return Stage(name, recordings, config, alone, deadline_s, first)


def _model(name: str, batch_ms: float) -> dict[str, Any]:
    if name == _TRAINED:
        folder = str(models_folder() / name)
        return {"key": name, "type": "whisper", "model_id": folder, "language": "en"}
    if name == "stand-in":
        return {"key": name, "type": "fake", "batch_ms": batch_ms}
    return {"key": name, "type": name}
