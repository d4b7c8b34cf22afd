"""Every documented error, over a real socket."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.process.server import ROOT, ServerProcess, post

UID, CID = "RiverTales-s01e01", "part01"
TAKE = ROOT / "audio_clip" / f"{UID}_{CID}_right.mp3"


def _wav(seconds: float, rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(b"\0\0" * int(seconds * rate))
    return buffer.getvalue()


def _flac_bomb(seconds: int) -> bytes:
    """Silence packs almost to nothing."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=8_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8_000), np.int16), "s16", "mono")
            frame.sample_rate = 8_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _detail(answer: httpx.Response) -> str:
    body = answer.json()
    assert list(body) == ["detail", "code"]
    assert isinstance(body["detail"], str)
    return body["detail"]


def test_unknown_video_names_the_videos_there_are(demo: ServerProcess) -> None:
    answer = post(demo.url, TAKE, "PeppaPig-s06e02", CID)
    assert answer.status_code == 404
    assert "PeppaPig-s06e02" in _detail(answer)
    assert UID in _detail(answer)


def test_unknown_clip_names_the_clips_of_the_video(demo: ServerProcess) -> None:
    answer = post(demo.url, TAKE, UID, "part99")
    assert answer.status_code == 404
    assert "part01, part02, part03" in _detail(answer)


@pytest.mark.parametrize("uid", ["../../etc", "..", "/", "\0", "a" * 10_000, "%2e%2e"])
def test_hostile_ids_are_only_unknown(demo: ServerProcess, uid: str) -> None:
    answer = post(demo.url, TAKE, uid, uid)
    assert answer.status_code == 404
    assert "no video" in _detail(answer)


def test_unknown_model_names_the_loaded_ones(demo: ServerProcess) -> None:
    answer = post(demo.url, TAKE, UID, CID, model="whisper-enormous")
    assert answer.status_code == 400
    assert "whisper-enormous" in _detail(answer)
    assert "phones" in _detail(answer)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is no audio" * 100, "cannot be decoded"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "cannot be decoded"),
        (_wav(0.0), "recording"),
        (_wav(0.1), "too short"),
        (TAKE.read_bytes()[:40], "cannot be decoded"),
    ],
)
def test_unusable_audio_is_refused_with_the_reason(
    demo: ServerProcess, content: bytes, reason: str
) -> None:
    answer = post(demo.url, content, UID, CID)
    assert answer.status_code == 400
    assert reason in _detail(answer)


def test_too_long_audio_is_refused(demo: ServerProcess) -> None:
    answer = post(demo.url, _wav(21), UID, CID)
    assert answer.status_code == 413
    assert "20 s" in _detail(answer)


def test_a_small_file_that_unpacks_to_an_hour_is_refused(demo: ServerProcess) -> None:
    bomb = _flac_bomb(3_600)
    assert len(bomb) < 1_000_000
    answer = post(demo.url, bomb, UID, CID)
    assert answer.status_code == 413
    assert "too long" in _detail(answer)


def test_too_large_an_upload_is_refused(demo: ServerProcess) -> None:
    answer = post(demo.url, b"x" * 3_000_000, UID, CID)
    assert answer.status_code == 413
    assert "2,000,000 bytes" in _detail(answer)


def test_too_large_an_upload_of_unstated_length_is_refused(demo: ServerProcess) -> None:
    request = httpx.Request(
        "POST", f"{demo.url}/score", files={"audio": b"x" * 3_000_000}, data={"uid": UID}
    )
    body = request.read()
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    headers = {"Content-Type": request.headers["Content-Type"]}
    answer = httpx.post(f"{demo.url}/score", content=chunks, headers=headers, timeout=30)
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413
    assert "too large" in _detail(answer)


@pytest.mark.parametrize("missing", ["uid", "cid", "audio"])
def test_a_missing_field_is_named(demo: ServerProcess, missing: str) -> None:
    data = {name: value for name, value in {"uid": UID, "cid": CID}.items() if name != missing}
    files = {} if missing == "audio" else {"audio": TAKE.read_bytes()}
    answer = httpx.post(f"{demo.url}/score", data=data, files=files)
    assert answer.status_code == 422
    assert repr(missing) in _detail(answer)
    assert "multipart/form-data" in _detail(answer)


def test_audio_sent_as_text_is_a_missing_file(demo: ServerProcess) -> None:
    answer = httpx.post(f"{demo.url}/score", data={"uid": UID, "cid": CID, "audio": "hello"})
    assert answer.status_code == 422
    assert "'audio'" in _detail(answer)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"--x\r\nno form", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"\xff" * 100, "application/x-www-form-urlencoded"),
    ],
)
def test_a_broken_form_is_the_clients_error(
    demo: ServerProcess, content: bytes, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = httpx.post(f"{demo.url}/score", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    assert _detail(answer)


def test_an_unknown_address_points_to_the_documentation(demo: ServerProcess) -> None:
    answer = httpx.get(f"{demo.url}/marks")
    assert answer.status_code == 404
    assert "/docs" in _detail(answer)


def test_the_wrong_method_is_refused(demo: ServerProcess) -> None:
    answer = httpx.get(f"{demo.url}/score")
    assert answer.status_code == 405
    assert "/score does not take GET" in _detail(answer)


def _samples_of_formats() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "audio_clip").glob("RiverTales*part01*"))]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chance=st.randoms(use_true_random=False), lie=st.binary(max_size=64))
def test_no_bytes_whatever_give_a_server_error(
    demo: ServerProcess, chance: object, lie: bytes
) -> None:
    content = _damaged(chance, lie)
    answer = post(demo.url, content, UID, CID)
    assert answer.status_code in (200, 400, 413), answer.text


def _damaged(chance: object, lie: bytes) -> bytes:
    """A real recording cut short, with bytes of it overwritten; or the bytes alone."""
    import random

    assert isinstance(chance, random.Random)
    if chance.random() < 0.1:
        return lie
    content = bytearray(chance.choice(_samples_of_formats()))
    for _ in range(chance.randrange(4)):
        # Half of the damage goes where headers are.
        place = chance.randrange(len(content) if chance.random() < 0.5 else 200)
        content[place : place + len(lie)] = lie
    return bytes(content[: chance.randrange(len(content)) if chance.random() < 0.5 else None])


def test_the_server_is_as_well_as_before(demo: ServerProcess) -> None:
    assert post(demo.url, Path(TAKE), UID, CID).status_code == 200
    assert "Traceback" not in demo.log


def _form(
    fields: list[tuple[str, str]], recordings: int = 1
) -> list[tuple[str, tuple[str | None, bytes]]]:
    """Parts of a form; the recording any number of times."""
    parts: list[tuple[str, tuple[str | None, bytes]]] = [
        (name, (None, value.encode())) for name, value in fields
    ]
    return [*parts, *[("audio", (TAKE.name, TAKE.read_bytes()))] * recordings]


_ONCE = [("uid", UID), ("cid", CID)]


@pytest.mark.parametrize(
    ("fields", "recordings", "query", "named"),
    [
        (_ONCE, 2, "", "audio"),
        ([*_ONCE, ("uid", "another")], 1, "", "uid"),
        ([*_ONCE, ("cid", CID)], 1, "", "cid"),
        ([*_ONCE, ("model", "phones"), ("model", "whisper-small")], 1, "", "model"),
        (_ONCE, 1, "?model=whisper-small", "model"),
        (_ONCE, 1, "?detail=full", "detail"),
    ],
)
def test_what_is_said_twice_or_elsewhere_is_named(
    demo: ServerProcess,
    fields: list[tuple[str, str]],
    recordings: int,
    query: str,
    named: str,
) -> None:
    answer = httpx.post(f"{demo.url}/score{query}", files=_form(fields, recordings), timeout=30)
    assert answer.status_code == 422
    assert repr(named) in _detail(answer)


def test_a_recording_that_is_no_file_is_asked_for_as_one(demo: ServerProcess) -> None:
    answer = httpx.post(
        f"{demo.url}/score", files=_form([*_ONCE, ("audio", "take.wav")], 0), timeout=30
    )
    assert answer.status_code == 422
    assert "'audio': it must be sent as a file" in _detail(answer)
    assert "UploadFile" not in _detail(answer)


@pytest.mark.parametrize("path", ["/health", "/health/live", "/models", "/clips", "/metrics"])
def test_head_answers_with_the_headers_of_get(demo: ServerProcess, path: str) -> None:
    head, get = (httpx.request(each, f"{demo.url}{path}") for each in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_what_takes_no_get_is_refused(demo: ServerProcess) -> None:
    assert httpx.head(f"{demo.url}/score").status_code == 405
