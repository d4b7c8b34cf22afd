"""What comes in pieces: events, files, pages, jobs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_client import (
    AnsweredError,
    AudioRejected,
    AudioScoreClient,
    ConnectionLost,
    DeadlineExceeded,
    JobCancelled,
    JobFailed,
    UnexpectedAnswer,
    UnknownClip,
)
from audio_score_client.events import EventDecoder
from tests.client.asking import KINDS, Kind, ask
from tests.client.host import BROKEN, Answering, Host, Reply, Request

BOTH = pytest.mark.parametrize("kind", KINDS)
BUSY = Reply({"code": "overloaded", "detail": "Busy."}, 503, {"Retry-After": "0"})
SEGMENT = {"id": 0, "start": 0.5, "end": 1.5, "text": "Grüße aus Köln."}
FILE = bytes(range(256)) * 4000


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


PROGRESS = _event("progress", {"done_seconds": 1.5, "duration_seconds": None})
DONE = _event("done", {"success": True, "language": "de", "duration_seconds": 1.5})
WHOLE = _event("segment", SEGMENT) + PROGRESS + _event("segment", SEGMENT | {"id": 1}) + DONE


@BOTH
def test_segments_come_one_after_the_other(kind: Kind) -> None:
    told: list[Any] = []
    with Host(BUSY, BROKEN, Reply(WHOLE.encode())) as host:
        segments = ask(
            kind,
            host.url,
            *("transcribe_segments", b"RIFF"),
            language="de",
            on_transcribed=lambda *each: told.append(each),
        )
    assert [segment.id for segment in segments] == [0, 1]
    assert segments[0].text == "Grüße aus Köln."
    assert told == [(1.5, None)]
    fields = {name: content for name, _, content in host.requests[-1].parts()}
    assert fields == {"language": b"de", "stream": b"true", "audio": b"RIFF"}


@BOTH
@pytest.mark.parametrize("left_out", [1, len(DONE) + 5])
def test_a_transcript_that_breaks_off_is_an_error(kind: Kind, left_out: int) -> None:
    half = WHOLE.encode()[:-left_out]
    chunked = Reply(half, headers={"Content-Length": str(len(half))})
    torn = Reply(WHOLE.encode(), sent=len(half))
    for reply in (chunked, torn):
        with Host(reply) as host, pytest.raises(ConnectionLost):
            ask(kind, host.url, "transcribe_segments", b"RIFF")
        assert len(host.requests) == 1


@BOTH
def test_an_error_amid_a_transcript_has_its_class(kind: Kind) -> None:
    error = _event("error", {"code": "audio_undecodable", "detail": "Broken."})
    reply = Reply((PROGRESS + error).encode())
    with Host(reply) as host, pytest.raises(AudioRejected, match="Broken") as caught:
        ask(kind, host.url, "transcribe_segments", b"RIFF")
    assert caught.value.status == 200


def test_segments_need_not_be_read_to_the_end() -> None:
    endless = Reply(WHOLE.encode(), sent=len(WHOLE.encode()) - 1, stalls=True)
    with Host(endless) as host, AudioScoreClient(host.url) as client:
        assert next(client.transcribe_segments(b"RIFF")).id == 0


@given(data=st.data(), newline=st.sampled_from(["\n", "\r\n"]))
def test_events_are_the_same_however_they_are_cut(data: st.DataObject, newline: str) -> None:
    content = (": a comment\n\n" + WHOLE).replace("\n", newline).encode()
    places = data.draw(st.lists(st.integers(0, len(content)), max_size=9).map(sorted))
    cuts = [0, *places, len(content)]
    decoder = EventDecoder()
    chunks = [content[start:end] for start, end in pairwise(cuts)]
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    assert [event.name for event in events] == ["segment", "progress", "segment", "done"]
    assert events[0].data == SEGMENT


def test_an_event_of_several_lines_is_one() -> None:
    (event,) = EventDecoder().feed(b"data: [1,\ndata: 2]\nretry: 5\n\n")
    assert (event.name, event.data) == ("message", [1, 2])


@pytest.mark.parametrize("content", [b"data: {\n\n", b"x" * (2**24 + 1)])
def test_events_that_are_none_are_told(content: bytes) -> None:
    with pytest.raises(UnexpectedAnswer):
        list(EventDecoder().feed(content))


def _ranged(request: Request, etag: str = '"1"', file: bytes = FILE, **more: Any) -> Reply:
    """As a server answers that knows ranges."""
    start = 0
    told = request.headers.get("range", "")
    if told and request.headers.get("if-range") in (None, etag):
        start = int(told.removeprefix("bytes=").removesuffix("-"))
    headers = {"ETag": etag, "Content-Type": "video/quicktime"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(file) - 1}/{len(file)}"
    return Reply(file[start:], 206 if start else 200, headers, **more)


def _torn(request: Request) -> Reply:
    return _ranged(request, sent=150_000)


@BOTH
@pytest.mark.parametrize("troubles", [[], [_torn], [_torn, BROKEN, BUSY, _torn], [_torn] * 6])
def test_a_file_goes_on_where_it_stopped(kind: Kind, troubles: list[Answering]) -> None:
    with Host(*troubles, _ranged) as host:
        # Fewer tries than breaks: what came in between counts.
        content = ask(kind, host.url, "clip_media", "film", "1", client={"retries": 3})
    assert content == FILE
    last = host.requests[-1]
    assert last.target == "/clips/film/1/media"
    assert ("range" in last.headers) == bool(troubles)
    received = sum(each is _torn for each in troubles) * 150_000
    if received:
        assert last.headers["range"] == f"bytes={received}-"


@BOTH
def test_a_file_that_has_changed_meanwhile_is_fetched_anew(kind: Kind, tmp_path: Path) -> None:
    other = FILE[::-1] + b"more"
    path = tmp_path / "clip.mov"
    with Host(_torn, lambda request: _ranged(request, '"2"', other)) as host:
        ask(kind, host.url, "save_clip_media", "film", "1", path)
    assert path.read_bytes() == other
    assert list(tmp_path.iterdir()) == [path]


@BOTH
def test_a_weak_tag_is_no_reason_to_go_on(kind: Kind) -> None:
    torn = Reply(FILE, headers={"ETag": 'W/"1"'}, sent=1000)
    with Host(torn, _ranged) as host:
        assert ask(kind, host.url, "clip_media", "film", "1", sound_only=True) == FILE
    assert "range" not in host.requests[1].headers
    assert host.requests[1].target == "/clips/film/1/media?audio=1"


@BOTH
def test_another_range_than_asked_for_is_not_taken(kind: Kind) -> None:
    wrong = Reply(FILE[5:], 206, {"ETag": '"1"', "Content-Range": f"bytes 5-9/{len(FILE)}"})
    with Host(_torn, wrong) as host, pytest.raises(UnexpectedAnswer, match="bytes 5-9"):
        ask(kind, host.url, "clip_media", "film", "1")


@BOTH
def test_half_a_file_is_no_file(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "clip.mov").write_bytes(b"before")
    with Host(_torn, BROKEN) as host, pytest.raises(ConnectionLost):
        ask(
            kind,
            host.url,
            *("save_clip_media", "film", "1", tmp_path / "clip.mov"),
            client={"retries": 1},
        )
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]


@BOTH
def test_a_file_goes_into_one_that_is_open(kind: Kind, tmp_path: Path) -> None:
    with Host(_torn, _ranged) as host, (tmp_path / "clip").open("w+b") as file:
        file.write(b"longer than what comes" * len(FILE))
        ask(kind, host.url, "save_clip_media", "film", "1", file)
    assert (tmp_path / "clip").read_bytes() == FILE


@BOTH
def test_a_clip_that_is_not_there_leaves_no_file(kind: Kind, tmp_path: Path) -> None:
    gone = Reply({"code": "unknown_clip", "detail": "No such clip."}, 404)
    with Host(gone) as host, pytest.raises(UnknownClip):
        ask(kind, host.url, "save_clip_media", "film", "1", tmp_path / "clip.mov")
    assert list(tmp_path.iterdir()) == []


def _page(*cids: str, after: str | None = None, host: str = "") -> Reply:
    clips = [{"uid": "film", "cid": cid, "text": None, "etag": '"1"'} for cid in cids]
    link = f'<{host}/clips?limit=2&q=a+b&after={after}>; rel="next"'
    return Reply(clips, headers={"Link": link} if after else {})


@BOTH
def test_pages_follow_each_other(kind: Kind) -> None:
    pages = (_page("1", "2", after="film_2", host="http://elsewhere"), BUSY, _page("3"))
    with Host(*pages) as host:
        clips = ask(kind, host.url, "clips", query="a b", page_size=2)
    assert [clip.cid for clip in clips] == ["1", "2", "3"]
    first, _, last = (request.target for request in host.requests)
    assert first == "/clips?limit=2&q=a+b"
    assert last == "/clips?limit=2&q=a+b&after=film_2"


@BOTH
def test_an_empty_library_has_no_clips(kind: Kind) -> None:
    with Host(_page()) as host:
        assert ask(kind, host.url, "clips") == []


@BOTH
def test_pages_that_lead_nowhere_do_not_go_on_for_ever(kind: Kind) -> None:
    with Host(_page(after="film_2")) as host, pytest.raises(UnexpectedAnswer, match="nowhere"):
        ask(kind, host.url, "clips")


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    pages = (_page("1", "2", after="film_2"), _page("3"))
    with Host(*pages) as host, AudioScoreClient(host.url) as client:
        assert next(client.clips()).cid == "1"
        assert len(host.requests) == 1


JOB = {"id": "a1", "state": "running", "done_seconds": 1.0, "duration_seconds": 9.0}
RESULT = {"success": True, "language": "en", "duration_seconds": 9.0, "segments": [SEGMENT]}


@BOTH
def test_a_job_is_waited_for(kind: Kind) -> None:
    told: list[Any] = []
    ended = Reply(JOB | {"state": "succeeded", "done_seconds": 9.0, "result": RESULT})
    with Host(BROKEN, Reply(JOB), BUSY, ended) as host:
        transcription = ask(
            kind, host.url, "wait_for_job", "a1", on_transcribed=lambda *each: told.append(each)
        )
    assert transcription.text == "Grüße aus Köln."
    assert told == [(1.0, 9.0), (9.0, 9.0)]
    assert {request.target for request in host.requests} == {"/jobs/a1"}


@BOTH
def test_a_job_without_a_result_is_an_error(kind: Kind) -> None:
    error = {"code": "audio_undecodable", "detail": "Broken."}
    cases = [
        (JOB | {"state": "failed", "error": error}, JobFailed),
        (JOB | {"state": "cancelled"}, JobCancelled),
        (JOB | {"state": "succeeded"}, UnexpectedAnswer),
    ]
    for body, expected in cases:
        with Host(Reply(body)) as host, pytest.raises(expected):
            ask(kind, host.url, "wait_for_job", "a1")


@BOTH
def test_a_job_is_not_waited_for_longer_than_allowed(kind: Kind) -> None:
    with Host(*[Reply(JOB)] * 9) as host, pytest.raises(DeadlineExceeded):
        ask(kind, host.url, "wait_for_job", "a1", timeout_s=0.3)


@BOTH
def test_a_job_is_not_asked_for_ever(kind: Kind) -> None:
    with Host(Reply(JOB, sent=5, stalls=True)) as host, pytest.raises(DeadlineExceeded):
        ask(kind, host.url, "wait_for_job", "a1", client={"timeout_s": 0.5})


@BOTH
def test_a_job_is_handed_in_and_cancelled(kind: Kind) -> None:
    with Host(Reply(JOB | {"state": "queued"}, 202), Reply(status=204)) as host:
        job = ask(kind, host.url, "start_transcription", b"RIFF", word_timestamps=False)
        assert (job.id, job.ended) == ("a1", False)
        assert ask(kind, host.url, "cancel_job", job.id) is None
    assert host.requests[0].headers["prefer"] == "respond-async"
    assert (host.requests[1].method, host.requests[1].target) == ("DELETE", "/jobs/a1")


def test_an_option_that_there_is_not_is_told() -> None:
    with pytest.raises(TypeError, match="best_of"):
        ask("blocking", "http://localhost:1", "transcribe", b"RIFF", best_of=5)


@BOTH
@pytest.mark.parametrize("job_id", ["", "..", "a/b", "ä"])
def test_a_jobs_id_cannot_lead_elsewhere(kind: Kind, job_id: str) -> None:
    with pytest.raises(ValueError, match="id"):
        ask(kind, "http://localhost:1", "job", job_id)


@BOTH
@pytest.mark.parametrize(
    ("uid", "target"),
    [
        ("a b/c?d#e", "/clips/a%20b%2Fc%3Fd%23e/1"),
        ("..", "/clips/%2E%2E/1"),
        ("ä", "/clips/%C3%A4/1"),
    ],
)
def test_a_clips_id_cannot_lead_elsewhere(kind: Kind, uid: str, target: str) -> None:
    gone = Reply({"code": "unknown_clip", "detail": ""}, 404)
    with Host(gone) as host, pytest.raises(AnsweredError):
        ask(kind, host.url, "clip", uid, "1")
    assert host.requests[0].target == target


CLIP = {
    **{"uid": "film", "cid": "1", "text": "Hello", "etag": '"1"', "media_type": "audio/wav"},
    **{"size_bytes": 3, "duration_s": 1.5, "language": "en", "models": {"m": {"state": "ready"}}},
}


@BOTH
@pytest.mark.parametrize("status", [200, 201])
def test_a_clip_is_put(kind: Kind, status: int) -> None:
    with Host(Reply(CLIP, status)) as host:
        put = ask(
            kind,
            host.url,
            *("put_clip", "film", "1", b"RIFF", "Hello"),
            name="line.wav",
            if_none_match="*",
        )
    assert put.created == (status == 201)
    assert put.clip.models["m"].state == "ready"
    (request,) = host.requests
    assert (request.method, request.target) == ("PUT", "/clips/film/1")
    assert request.headers["if-none-match"] == "*"
    assert request.parts() == [("text", None, b"Hello"), ("media", "line.wav", b"RIFF")]


@BOTH
@pytest.mark.parametrize("text", ["Grüße", None])
def test_a_clips_text_is_changed(kind: Kind, text: str | None) -> None:
    with Host(Reply(CLIP)) as host:
        assert ask(kind, host.url, "set_clip_text", "film", "1", text, if_match='"1"').text
    (request,) = host.requests
    assert request.method == "PATCH"
    assert request.headers["if-match"] == '"1"'
    assert json.loads(request.body) == {"text": text}


@BOTH
@pytest.mark.parametrize(
    ("uid", "etag"), [("", '"1"'), ("film", ""), ("film", "ä"), ("film", "a\nb")]
)
def test_what_no_request_can_hold_is_told_at_once(kind: Kind, uid: str, etag: str) -> None:
    with pytest.raises(ValueError, match=r"clip id|no ETag"):
        ask(kind, "http://localhost:1", "delete_clip", uid, "1", if_match=etag)


@BOTH
def test_a_clip_without_a_name_that_tells_what_it_is_is_not_sent(kind: Kind) -> None:
    with pytest.raises(ValueError, match="ending"):
        ask(kind, "http://localhost:1", "put_clip", "film", "1", b"RIFF")


SCORES = {
    "model": "m",
    "scores": [
        {
            **{"uid": "film", "cid": "1", "audio": 1, "sim_score": 0.5},
            **{"audio_sim_score": 1, "text_sim_score": 0.0},
        }
    ],
}


@BOTH
def test_takes_and_lines_are_compared(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "b.wav"
    path.write_bytes(b"second")
    with Host(Reply(SCORES), Reply(SCORES), Reply(SCORES)) as host:
        best = ask(kind, host.url, "scores", [b"first", path], [("film", "1")], limit=3)
        assert best.scores[0].audio == 1
        ask(kind, host.url, "scores", b"first", [("film", "1"), ("film", "2")], model="m")
        ask(kind, host.url, "scores", b"first", uid="film")
    takes, lines, search = (request.parts() for request in host.requests)
    assert takes == [
        ("limit", None, b"3"),
        ("clip", None, b"film/1"),
        ("audio", "recording", b"first"),
        ("audio", "b.wav", b"second"),
    ]
    assert [content for name, _, content in lines if name == "clip"] == [b"film/1", b"film/2"]
    assert search == [("uid", None, b"film"), ("audio", "recording", b"first")]


@pytest.mark.parametrize("clips", [[], [("film", "1"), ("film", "2")]])
def test_takes_of_no_one_clip_are_not_compared(clips: list[tuple[str, str]]) -> None:
    for takes in ([b"1", b"2"], [b"1", b"2"], []):
        with pytest.raises(ValueError, match="recordings and"):
            ask("blocking", "http://localhost:1", "scores", takes, clips)
