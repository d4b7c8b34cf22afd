"""The client against a real server: every operation, by either client."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from audio_score_client import (
    AudioRejected,
    DeadlineExceeded,
    Forbidden,
    InvalidClip,
    JobCancelled,
    LibraryReadOnly,
    NotFound,
    PreconditionFailed,
    Unauthorized,
    UnknownClip,
    UnknownJob,
    UnknownModel,
)
from tests.client.asking import KINDS, Kind, ask
from tests.process.clients import CID, UID
from tests.process.server import ROOT, ServerProcess, running, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
BOTH = pytest.mark.parametrize("kind", KINDS)
TAKE: Final = ROOT / "audio_clip" / "RiverTales-s01e01_part01_other.m4a"
LINE: Final = ("RiverTales-s01e01", "part01")
READER: Final = "reader-" + 16 * "r"
ADMIN: Final = "admin-" + 16 * "a"
_SLOW_MS: Final = 300


def _keys(path: Path, key: str) -> str:
    path.write_text(f"{key}\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A ready server with a fake model, whose clips can be changed, and which asks for keys."""
    folder = tmp_path_factory.mktemp("library")
    config = write_config(
        folder,
        api_keys_file=_keys(folder / "readers", READER),
        admin_keys_file=_keys(folder / "admins", ADMIN),
        cache_dir="cache",
    )
    with running("--config", config) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that takes its time for every batch."""
    folder = tmp_path_factory.mktemp("slow")
    config = write_config(folder, _SLOW_MS, cache_dir="cache")
    with running("--config", config) as server:
        server.wait_until_ready()
        yield server


@BOTH
def test_a_score_tells_why(kind: Kind, demo: ServerProcess) -> None:
    plain = ask(kind, demo.url, "score", TAKE, *LINE, model="phones")
    assert plain.model == "phones"
    assert plain.detail is None
    with TAKE.open("rb") as file:
        told = ask(kind, demo.url, "score", file, *LINE, detail=True)
    assert told.sim_score == plain.sim_score > 0.9
    assert [word.text for word in told.detail.words][:3] == ["The", "little", "boat"]
    assert told.detail.timing.recording.end > 1
    assert ask(kind, demo.url, "score", TAKE.read_bytes(), *LINE) == plain


@BOTH
def test_errors_have_their_classes(kind: Kind, demo: ServerProcess) -> None:
    cases = [
        (UnknownClip, (TAKE, "RiverTales-s01e01", "part99"), {}),
        (UnknownModel, (TAKE, *LINE), {"model": "none"}),
        (AudioRejected, (b"", *LINE), {}),
        (AudioRejected, (b"no recording at all", *LINE), {}),
    ]
    for expected, arguments, named in cases:
        with pytest.raises(expected) as caught:
            ask(kind, demo.url, "score", *arguments, **named)
        assert caught.value.request_id
        assert caught.value.detail


@BOTH
def test_the_server_is_told_how_long_is_waited(kind: Kind, slow: ServerProcess) -> None:
    recording = encoded(chirp())
    # The server says so before the client's own clock does, or the client does: both are told.
    with pytest.raises(DeadlineExceeded):
        ask(kind, slow.url, "score", recording, UID, CID, timeout_s=0.1)


@BOTH
def test_a_server_tells_how_it_is(kind: Kind, demo: ServerProcess) -> None:
    health = ask(kind, demo.url, "health")
    assert health.status == "ready"
    assert health.clips == 5
    assert health.versions["audio-score-server"]
    models = ask(kind, demo.url, "models")
    assert [(model.key, model.default) for model in models] == [("phones", True)]


@BOTH
def test_a_library_is_listed_searched_and_fetched(
    kind: Kind, demo: ServerProcess, tmp_path: Path
) -> None:
    clips = ask(kind, demo.url, "clips", page_size=2)
    assert len(clips) == 5
    assert clips == ask(kind, demo.url, "clips")
    own = ask(kind, demo.url, "clips", "RiverTales-s01e01", "BOAT little", page_size=1)
    assert [(clip.uid, clip.cid) for clip in own] == [LINE]
    clip = ask(kind, demo.url, "clip", *LINE)
    assert clip.text == "The little boat drifts slowly toward the morning sun."
    assert clip.models["phones"].state == "ready"
    file = ROOT / "video_clip" / "RiverTales-s01e01_part01.mov"
    assert ask(kind, demo.url, "clip_media", *LINE) == file.read_bytes()
    assert clip.size_bytes == file.stat().st_size
    ask(kind, demo.url, "save_clip_media", *LINE, tmp_path / "line.wav", sound_only=True)
    with wave.open(str(tmp_path / "line.wav")) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(clip.duration_s, abs=0.1)


@BOTH
def test_a_library_is_changed(kind: Kind, library: ServerProcess, tmp_path: Path) -> None:
    admin = {"api_key": ADMIN}
    path = tmp_path / "line.wav"
    path.write_bytes(encoded(chirp(1.5)))
    named: dict[str, Any] = {"client": admin}
    put = ask(kind, library.url, "put_clip", "new", kind, path, "Hello there", **named)
    assert put.created
    assert put.clip.text == "Hello there"
    again = ask(kind, library.url, "put_clip", "new", kind, path, "Hello there", **named)
    assert not again.created
    with pytest.raises(PreconditionFailed):
        ask(
            kind,
            library.url,
            *("put_clip", "new", kind, path, "Other"),
            if_none_match="*",
            **named,
        )
    changed = ask(
        kind,
        library.url,
        *("set_clip_text", "new", kind, "Hello you"),
        if_match=put.clip.etag,
        **named,
    )
    assert changed.text == "Hello you"
    assert ask(kind, library.url, "set_clip_text", "new", kind, None, **named).text is None
    with pytest.raises(PreconditionFailed):
        ask(kind, library.url, "delete_clip", "new", kind, if_match=put.clip.etag, **named)
    assert ask(kind, library.url, "score", path, "new", kind, **named).sim_score > 0.9
    ask(kind, library.url, "delete_clip", "new", kind, **named)
    with pytest.raises(UnknownClip):
        ask(kind, library.url, "clip", "new", kind, **named)
    with pytest.raises(UnknownClip):
        ask(kind, library.url, "delete_clip", "new", kind, **named)


@BOTH
def test_what_cannot_be_a_clip_is_told(kind: Kind, library: ServerProcess) -> None:
    named: dict[str, Any] = {"client": {"api_key": ADMIN}}
    sound = encoded(chirp())
    for uid, media, name in (
        ("new", b"no sound", "a.wav"),
        ("new", sound, "a.exe"),
        ("../new", sound, "a.wav"),
    ):
        with pytest.raises((InvalidClip, NotFound)):  # no address has a slash more
            ask(kind, library.url, "put_clip", uid, "1", media, name=name, **named)


@BOTH
def test_keys_open_what_they_are_for(
    kind: Kind, library: ServerProcess, demo: ServerProcess
) -> None:
    sound = encoded(chirp())
    with pytest.raises(Unauthorized):
        ask(kind, library.url, "models")
    assert ask(kind, library.url, "health").status == "ready"
    assert ask(kind, library.url, "models", client={"api_key": READER})
    with pytest.raises(Forbidden):
        ask(
            kind,
            library.url,
            *("put_clip", "new", "1", sound),
            name="a.wav",
            client={"api_key": READER},
        )
    with pytest.raises(LibraryReadOnly):
        ask(kind, demo.url, "delete_clip", *LINE)


@BOTH
def test_a_recording_is_transcribed_in_three_ways(kind: Kind, slow: ServerProcess) -> None:
    recording = encoded(chirp(65.0, lowest=300.0))
    told: list[tuple[float, float | None]] = []
    whole = ask(kind, slow.url, "transcribe", recording, vad_filter=False, beam_size=1)
    assert whole.language == "en"
    assert whole.duration_seconds == pytest.approx(65, abs=0.1)
    assert whole.segments
    assert whole.segments[0].words
    segments = ask(
        kind,
        slow.url,
        *("transcribe_segments", recording),
        vad_filter=False,
        on_transcribed=lambda *each: told.append(each),
    )
    assert tuple(segments) == whole.segments
    assert told[-1][0] == pytest.approx(65, abs=0.1)
    job = ask(kind, slow.url, "start_transcription", recording, vad_filter=False)
    done = ask(kind, slow.url, "wait_for_job", job.id)
    assert done == whole
    ask(kind, slow.url, "cancel_job", job.id)
    with pytest.raises(UnknownJob):
        ask(kind, slow.url, "job", job.id)


@BOTH
def test_a_job_is_cancelled(kind: Kind, slow: ServerProcess) -> None:
    recording = encoded(chirp(115.0, lowest=300.0))
    jobs = [
        ask(kind, slow.url, "start_transcription", recording, vad_filter=False) for _ in range(2)
    ]
    # The second waits for the first.
    ask(kind, slow.url, "cancel_job", jobs[1].id)
    with pytest.raises(JobCancelled):
        ask(kind, slow.url, "wait_for_job", jobs[1].id)
    ask(kind, slow.url, "wait_for_job", jobs[0].id)


@BOTH
def test_a_transcript_that_cannot_be_is_an_error(kind: Kind, slow: ServerProcess) -> None:
    for method in ("transcribe", "transcribe_segments"):
        with pytest.raises(AudioRejected):
            ask(kind, slow.url, method, b"no recording")
