"""What all servers of a run have in common: a model, clips, recordings, settings, a deadline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.checkpoints import whisper_checkpoint
from bench.demo import DEMO_CLIPS, ROOT
from bench.recordings import demo_recordings
from bench.serving_contenders import CONTENDERS
from bench.serving_load import make_request
from bench.serving_processes import Server, environment, free_port, status_of
from bench.serving_report import Alone
from bench.tokens import SENTENCE, byte_pairs

MODELS: Final = {"stand-in": 64, "whisper-tiny": 32}
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
class Stub:
    """How slow the stand-in is.

    Attributes:
        batch_ms: for a batch.
        recording_ms: more for each recording in it.
    """

    batch_ms: float
    recording_ms: float


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

    def start(self, name: str, python: str, scratch: Path) -> tuple[Sequence[str], Any, int]:
        """Command, environment and port of a contender.

        Args:
            name: of the contender.
            python: its interpreter.
            scratch: folder for its own files.
        """
        port = free_port()
        contender = CONTENDERS[name]
        settings = _variables(self.config) | {"AUDIO_SCORE_SERVER_PORT": str(port)}
        variables = environment(settings | dict(contender.variables(scratch)))
        return contender.start(python, port, scratch), variables, port

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


def set_stage(name: str, stub: Stub, folder: Path, work: Path) -> Stage:
    """Prepare a run and measure its work without a server.

    Args:
        name: of ``MODELS``.
        stub: of the stand-in.
        folder: to be made, for the run's files.
        work: folder of checkpoints.
    """
    recordings, clips = folder / "recordings", folder / "clips"
    recordings.mkdir(parents=True)
    for recording in demo_recordings():
        (recordings / recording.name).write_bytes(recording.data)
    shutil.copytree(DEMO_CLIPS, clips)
    for text in clips.glob("*.txt"):
        # What untrained models are made to say.
        text.write_text(SENTENCE, encoding="utf-8")
    settings: dict[str, Any] = {
        "models": [_model(name, stub, work)],
        "device": "cpu",
        "video_clip_dir": str(clips),
        "cache_dir": str(folder / "cache"),
        "max_batch_size": _BATCH,
        "max_batch_wait_ms": _WAIT_MS,
        "max_inflight": MODELS[name],
    }
    config = folder / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    alone = _measured(config, recordings)
    deadline_s = max(_LEAST_DEADLINE_S, round(_SLACK * MODELS[name] / alone.limit, 1))
    config.write_text(json.dumps(settings | {"request_timeout_s": deadline_s}), encoding="utf-8")
    first = make_request(min(recordings.iterdir()))
    return Stage(name, recordings, config, alone, deadline_s, first)


def _model(name: str, stub: Stub, work: Path) -> dict[str, Any]:
    if name == "stand-in":
        slow = {"batch_ms": stub.batch_ms, "recording_ms": stub.recording_ms}
        return {"key": name, "type": "fake", **slow}
    checkpoint = whisper_checkpoint("tiny", work, byte_pairs(None))
    return {"key": name, "type": "whisper", "model_id": str(checkpoint), "language": "en"}


def _measured(config: Path, recordings: Path) -> Alone:
    finished = subprocess.run(
        [sys.executable, "-m", "bench.serving_peers.alone", str(recordings)],
        cwd=ROOT,
        env=environment(_variables(config)),
        check=True,
        stdout=subprocess.PIPE,
    )
    return Alone.of(json.loads(finished.stdout), _BATCH)


def _variables(config: Path) -> dict[str, str]:
    return {"AUDIO_SCORE_CONFIG": str(config)}
