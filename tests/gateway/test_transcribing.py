"""Transcripts through the gateway: larger, longer, and not lost with a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.gateway.gate import Gate, needs_nginx, serving_gate
from tests.support import chirp, wav_bytes

pytestmark = [pytest.mark.process, needs_nginx]
_SLOW_MS: Final = 300
_MINUTES: Final = 3
_WHOLE: Final = {"vad_filter": "false", "condition_on_previous_text": "true"}
"""One window after the other, and nothing left out."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Two workers that take a third of a second for a window, and small uploads to score."""
    folder = tmp_path_factory.mktemp("gate")
    limits = {"max_upload_bytes": 1_000_000, "max_transcription_bytes": 6_000_000}
    with serving_gate(folder, 2, batch_ms=_SLOW_MS, **limits) as gate:
        yield gate


@pytest.fixture(scope="module")
def recording() -> bytes:
    """Some minutes, of three megabytes."""
    samples = chirp(60.0 * _MINUTES, 8_000)
    return wav_bytes((32_767 * samples).astype("<i2").tobytes(), 8_000)


def _post(gate: Gate, path: str, data: bytes, **fields: str) -> httpx.Response:
    files = {"audio": ("recording", data)}
    return httpx.post(f"{gate.url}{path}", data=fields, files=files, timeout=60)


def test_recordings_to_transcribe_may_be_larger(gate: Gate, recording: bytes) -> None:
    answer = _post(gate, "/transcribe", recording, **_WHOLE)
    assert answer.status_code == 200
    assert answer.json()["duration_seconds"] == pytest.approx(60 * _MINUTES)
    refused = _post(gate, "/score", recording, uid="film", cid="1")
    assert (refused.status_code, refused.json()["code"]) == (413, "upload_too_large")
    larger = _post(gate, "/transcribe", 3 * recording)
    assert (larger.status_code, larger.json()["code"]) == (413, "upload_too_large")
    assert "AUDIO_SCORE_MAX_TRANSCRIPTION_BYTES" in larger.json()["detail"]


def test_events_come_while_the_work_goes_on(gate: Gate, recording: bytes) -> None:
    files = {"audio": ("recording", recording)}
    fields = {**_WHOLE, "stream": "true"}
    with httpx.stream("POST", f"{gate.url}/transcribe", data=fields, files=files) as answer:
        events = answer.iter_raw()
        next(events)
        began = time.monotonic()
        *_, last = events
    assert b"event: done" in last
    # All at once, if they had been kept back.
    assert time.monotonic() - began > 3 * _SLOW_MS / 1000


def test_a_job_outlives_its_worker(gate: Gate, recording: bytes) -> None:
    accepted = httpx.post(
        f"{gate.url}/transcribe",
        headers={"Prefer": "respond-async"},
        data=_WHOLE,
        files={"audio": ("recording", recording)},
        timeout=60,
    )
    assert accepted.status_code == 202
    address = f"{gate.url}{accepted.headers['location']}"
    gate.wait_for(lambda: _job(address)["done_seconds"] > 0)
    before = [worker["pid"] for worker in gate.workers()]
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    gate.wait_for(lambda: _job(address).get("state") == "succeeded")
    assert _job(address)["result"]["duration_seconds"] == pytest.approx(60 * _MINUTES)
    assert not set(before) & {worker["pid"] for worker in gate.workers()}


def _job(address: str) -> dict[str, Any]:
    answer = httpx.get(address, timeout=10)
    # While the workers are replaced, nobody knows.
    job: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return {"done_seconds": 0, **job}
