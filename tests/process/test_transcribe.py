"""Transcripts over HTTP: answers, events, jobs, and the clients that the world has."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

from audio_score_server.domain import FloatArray
from tests.process.server import ROOT, ServerProcess, running, write_config
from tests.support import chirp, wav_bytes

pytestmark = pytest.mark.process
TAKE: Final = ROOT / "audio_clip" / "RiverTales-s01e01_part01_right.mp3"
_SLOW_MS: Final = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A ready server whose model writes "words" named after the loudest bands."""
    config = write_config(
        tmp_path_factory.mktemp("fast"),
        max_transcription_bytes=2_000_000,
        max_transcription_seconds=60,
    )
    with running("--config", config) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that takes its time for every batch of windows, and one recording at once."""
    config = write_config(
        tmp_path_factory.mktemp("slow"),
        _SLOW_MS,
        max_transcriptions=1,
        transcribe_url_hosts=["*"],
    )
    with running("--config", config) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> openai.OpenAI:
    """OpenAI's own."""
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def _transcribed(url: str, audio: bytes | Path, **fields: str) -> httpx.Response:
    data = audio.read_bytes() if isinstance(audio, Path) else audio
    files = {"audio": ("recording", data)}
    return httpx.post(f"{url}/transcribe", data=fields, files=files, timeout=60)


def _wav(samples: FloatArray, rate: int = 16_000) -> bytes:
    return wav_bytes((32_767 * samples).astype("<i2").tobytes(), rate)


def _events(answer: httpx.Response) -> list[tuple[str, Any]]:
    events = []
    for block in answer.text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_an_answer_tells_what_is_said_and_when(server: ServerProcess) -> None:
    answer = _transcribed(server.url, TAKE).json()
    assert list(answer) == ["success", "language", "duration_seconds", "segments"]
    assert answer["success"] is True
    assert answer["language"] == "en"
    assert answer["duration_seconds"] > 1
    for number, segment in enumerate(answer["segments"]):
        assert list(segment) == ["id", "start", "end", "text", "words"]
        assert segment["id"] == number
        for word in segment["words"]:
            assert list(word) == ["start", "end", "word", "probability"]
            assert segment["start"] <= word["start"] <= word["end"] <= segment["end"]
        assert segment["text"] == " ".join(word["word"] for word in segment["words"])
    assert answer["segments"]


def test_words_can_be_left_out(server: ServerProcess) -> None:
    answer = _transcribed(server.url, TAKE, word_timestamps="false").json()
    assert all("words" not in segment for segment in answer["segments"])


def test_a_recording_without_speech_has_no_segments(server: ServerProcess) -> None:
    silence = _wav(0 * chirp(2.0))
    answer = _transcribed(server.url, silence).json()
    assert (answer["segments"], answer["duration_seconds"]) == ([], 2.0)


def test_nothing_is_left_out_where_that_is_asked(server: ServerProcess) -> None:
    tone = _wav(chirp(2.0))
    assert not _transcribed(server.url, tone).json()["segments"]
    assert _transcribed(server.url, tone, vad_filter="false").json()["segments"]


def test_events_tell_the_same_as_the_answer(server: ServerProcess) -> None:
    whole = _transcribed(server.url, TAKE).json()
    answer = _transcribed(server.url, TAKE, stream="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = _events(answer)
    segments = [data for name, data in events if name == "segment"]
    assert segments == whole["segments"]
    name, done = events[-1]
    assert name == "done"
    assert done == {key: whole[key] for key in ("success", "language", "duration_seconds")}
    assert any(name == "progress" for name, _ in events)


@pytest.mark.parametrize(
    ("audio", "fields", "status", "code"),
    [
        (b"", {}, 400, "audio_empty"),
        (b"no sound at all", {}, 400, "audio_undecodable"),
        (TAKE, {"language": "fr"}, 400, "unsupported_language"),
        (TAKE, {"model": "nobody"}, 400, "unknown_model"),
        (TAKE, {"beam_size": "0"}, 422, "invalid_request"),
        (TAKE, {"stream": "true", "language": "fr"}, 400, "unsupported_language"),
        (b"x" * 2_100_000, {}, 413, "upload_too_large"),
    ],
)
def test_a_wrong_request_is_told_why(
    server: ServerProcess, audio: bytes | Path, fields: dict[str, str], status: int, code: str
) -> None:
    answer = _transcribed(server.url, audio, **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_limits_are_told_by_their_own_names(server: ServerProcess) -> None:
    too_large = _transcribed(server.url, b"x" * 2_100_000).json()["detail"]
    assert "AUDIO_SCORE_MAX_TRANSCRIPTION_BYTES" in too_large
    too_long = _transcribed(server.url, _wav(0 * chirp(61.0, 8_000), 8_000))
    assert too_long.json()["code"] == "audio_too_long"
    assert "AUDIO_SCORE_MAX_TRANSCRIPTION_SECONDS" in too_long.json()["detail"]


def test_a_wrong_form_is_told_what_to_send(server: ServerProcess) -> None:
    answer = httpx.post(f"{server.url}/transcribe", data={"language": "en"})
    assert answer.status_code == 422
    assert "Send audio (a file)" in answer.json()["detail"]


def test_recordings_by_url_are_off(server: ServerProcess) -> None:
    answer = httpx.post(f"{server.url}/transcribe-url", json={"url": "https://example.com/a.mp3"})
    assert (answer.status_code, answer.json()["code"]) == (403, "url_disabled")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "169.254.169.254", "10.0.0.1"]
)
def test_recordings_are_not_fetched_from_within(slow: ServerProcess, host: str) -> None:
    answer = httpx.post(f"{slow.url}/transcribe-url", json={"url": f"http://{host}/a.mp3"})
    assert (answer.status_code, answer.json()["code"]) == (400, "url_forbidden")


def test_the_openai_client_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake"]


@pytest.mark.parametrize("model", ["whisper-1", "fake"])
def test_the_openai_client_gets_the_text(
    server: ServerProcess, client: openai.OpenAI, model: str
) -> None:
    answer = client.audio.transcriptions.create(file=TAKE, model=model)
    segments = _transcribed(server.url, TAKE).json()["segments"]
    assert answer.text == " ".join(segment["text"] for segment in segments)


def test_the_openai_client_gets_words_and_segments(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        file=TAKE,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert answer.words
    assert answer.segments
    assert answer.text == " ".join(word.word for word in answer.words)
    assert answer.segments[0].start == answer.words[0].start


def test_the_openai_client_can_read_along(client: openai.OpenAI) -> None:
    whole = client.audio.transcriptions.create(file=TAKE, model="whisper-1").text
    events = client.audio.transcriptions.create(file=TAKE, model="whisper-1", stream=True)
    deltas, done = [], []
    for event in events:
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
        elif event.type == "transcript.text.done":
            done.append(event.text)
    assert "".join(deltas) == whole
    assert done == [whole]


def test_the_openai_client_is_told_what_is_wrong(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be decoded") as raised:
        client.audio.transcriptions.create(file=b"no sound", model="whisper-1")
    assert raised.value.code == "audio_undecodable"


def test_word_times_go_with_verbose_json_alone(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="verbose_json"):
        client.audio.transcriptions.create(
            file=TAKE, model="whisper-1", timestamp_granularities=["word"]
        )


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_players_read_the_subtitles(
    server: ServerProcess, client: openai.OpenAI, tmp_path: Path, kind: Any
) -> None:
    text = client.audio.transcriptions.create(file=TAKE, model="whisper-1", response_format=kind)
    file = tmp_path / f"subtitles.{kind}"
    file.write_text(str(text), encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-i", str(file), "-f", "webvtt", "-"]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = [line for line in read.splitlines() if line.startswith("band")]
    segments = _transcribed(server.url, TAKE).json()["segments"]
    assert " ".join(words).split() == " ".join(each["text"] for each in segments).split()


def test_a_job_ends_with_the_same_answer(server: ServerProcess) -> None:
    whole = _transcribed(server.url, TAKE).json()
    accepted = httpx.post(
        f"{server.url}/transcribe",
        headers={"Prefer": "respond-async"},
        files={"audio": ("recording", TAKE.read_bytes())},
    )
    assert accepted.status_code == 202
    address = f"{server.url}{accepted.headers['location']}"
    assert accepted.json()["state"] == "queued"
    job = _ended(address)
    assert job["state"] == "succeeded"
    assert job["result"] == whole
    assert httpx.delete(address).status_code == 204
    assert httpx.get(address).json()["code"] == "unknown_job"


def test_a_job_that_fails_tells_why(server: ServerProcess) -> None:
    accepted = httpx.post(
        f"{server.url}/transcribe",
        headers={"Prefer": "respond-async"},
        files={"audio": ("recording", b"no sound at all")},
    )
    job = _ended(f"{server.url}{accepted.headers['location']}")
    assert job["state"] == "failed"
    assert job["error"]["code"] == "audio_undecodable"


def _ended(address: str) -> dict[str, Any]:
    for _ in range(600):
        job: dict[str, Any] = httpx.get(address).json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job did not end: {job}")


def _long_recording() -> bytes:
    """Five minutes, of which nothing may be left out."""
    return _wav(chirp(300.0, 8_000), 8_000)


def _windows(url: str) -> float:
    line = next(
        line
        for line in httpx.get(f"{url}/metrics").text.splitlines()
        if line.startswith("audio_score_transcribed_windows_total{")
    )
    return float(line.split()[-1])


def test_the_work_stops_when_the_client_leaves(slow: ServerProcess) -> None:
    fields = {"stream": "true", "vad_filter": "false", "condition_on_previous_text": "true"}
    files = {"audio": ("recording", _long_recording())}
    with httpx.stream("POST", f"{slow.url}/transcribe", data=fields, files=files) as answer:
        next(answer.iter_raw())
    begun = _windows(slow.url)
    time.sleep(4 * _SLOW_MS / 1000)
    # The one that was on the device.
    assert _windows(slow.url) <= begun + 2


def test_more_than_may_be_are_refused(slow: ServerProcess) -> None:
    fields = {"stream": "true", "vad_filter": "false", "condition_on_previous_text": "true"}
    files = {"audio": ("recording", _long_recording())}
    with httpx.stream("POST", f"{slow.url}/transcribe", data=fields, files=files) as answer:
        # Kept: a reader that is forgotten closes the connection.
        events = answer.iter_raw()
        next(events)
        refused = _transcribed(slow.url, TAKE)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert int(refused.headers["retry-after"]) > 0
