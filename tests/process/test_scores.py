"""``POST /scores`` over a real socket: which line was it, and which take is best?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.clients import Numbers
from tests.process.server import ROOT, ServerProcess, post, running, write_config
from tests.support import chirp, encoded, make_clip

RIVER, KITCHEN = "RiverTales-s01e01", "KitchenRobots-s01e02"
TAKES = ROOT / "audio_clip"
CLIPS = [f"{RIVER}/part0{part}" for part in (1, 2, 3)] + [
    f"{KITCHEN}/part0{part}" for part in (1, 2)
]
ONE = TAKES / f"{RIVER}_part01_other.m4a"
SILENCE = TAKES / "silence.ogg"


def _ask(
    server: ServerProcess, recordings: Sequence[Path | bytes], headers: Any = None, **fields: Any
) -> httpx.Response:
    contents = [each if isinstance(each, bytes) else each.read_bytes() for each in recordings]
    files = [("audio", (f"take{place}", each)) for place, each in enumerate(contents)]
    return httpx.post(f"{server.url}/scores", data=fields, files=files, headers=headers, timeout=60)


def _scores(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    scores: list[dict[str, Any]] = answer.json()["scores"]
    totals = [each["sim_score"] for each in scores]
    assert totals == sorted(totals, reverse=True)
    return scores


def _detail(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize("clip", CLIPS)
def test_the_right_line_is_found_among_several(demo: ServerProcess, clip: str) -> None:
    uid, cid = clip.split("/")
    (take,) = TAKES.glob(f"{uid}_{cid}_other.*")
    scores = _scores(_ask(demo, [take], clip=CLIPS))
    assert (scores[0]["uid"], scores[0]["cid"]) == (uid, cid)
    assert len(scores) == len(CLIPS)
    assert scores[0]["sim_score"] > 0.8
    assert scores[1]["sim_score"] < 0.3


def test_every_score_is_that_of_a_request_for_it_alone(demo: ServerProcess) -> None:
    for each in _scores(_ask(demo, [ONE], clip=CLIPS)):
        alone = post(demo.url, ONE, each["uid"], each["cid"]).json()
        assert {name: each[name] for name in alone if name != "model"} == pytest.approx(
            {name: value for name, value in alone.items() if name != "model"}, abs=1e-5
        )


def test_the_best_take_comes_first(demo: ServerProcess) -> None:
    kinds = ("half", "other", "wrong")
    takes = [next(TAKES.glob(f"{RIVER}_part01_{kind}.*")) for kind in kinds]
    scores = _scores(_ask(demo, takes, clip=f"{RIVER}/part01"))
    assert [kinds[each["audio"]] for each in scores] == ["other", "half", "wrong"]


@pytest.mark.parametrize("clip", CLIPS)
def test_the_line_is_found_in_the_whole_library(demo: ServerProcess, clip: str) -> None:
    uid, cid = clip.split("/")
    (take,) = TAKES.glob(f"{uid}_{cid}_right.*")
    answer = _ask(demo, [take])
    best = _scores(answer)[0]
    assert (best["uid"], best["cid"], best["audio"]) == (uid, cid, 0)
    assert answer.json()["searched"] == len(CLIPS)


def test_a_video_and_a_limit_narrow_the_search(demo: ServerProcess) -> None:
    answer = _ask(demo, [ONE], uid=KITCHEN)
    assert {each["uid"] for each in _scores(answer)} == {KITCHEN}
    assert answer.json()["searched"] == 2
    assert len(_scores(_ask(demo, [ONE], limit=1))) == 1
    assert len(_scores(_ask(demo, [ONE], limit=2, clip=CLIPS))) == 2


def test_requests_count_as_those_for_a_score(demo: ServerProcess) -> None:
    before = Numbers(demo.url).of("audio_score_requests_total", outcome="ok", model="phones")
    answer = _ask(demo, [ONE], clip=CLIPS)
    after = Numbers(demo.url).of("audio_score_requests_total", outcome="ok", model="phones")
    assert after - before == 1
    assert "device" in answer.headers["server-timing"]


def test_silence_scores_next_to_nothing(demo: ServerProcess) -> None:
    assert all(each["sim_score"] < 0.05 for each in _scores(_ask(demo, [SILENCE], clip=CLIPS)))


def test_several_recordings_and_several_clips_are_ambiguous(demo: ServerProcess) -> None:
    detail = _detail(_ask(demo, [ONE, ONE], clip=CLIPS[:2]), 422, "ambiguous_request")
    assert "either one recording" in detail


def test_several_recordings_need_a_clip(demo: ServerProcess) -> None:
    assert "name it" in _detail(_ask(demo, [ONE, ONE]), 422, "invalid_request")


def test_more_than_may_be_asked_at_once_is_refused(demo: ServerProcess) -> None:
    many = [f"film/{number}" for number in range(51)]
    assert "at most 50" in _detail(_ask(demo, [ONE], clip=many), 422, "invalid_request")
    takes = [SILENCE] * 21
    detail = _detail(_ask(demo, takes, clip=CLIPS[0]), 422, "invalid_request")
    assert "at most 20" in detail
    assert "limit" in _detail(_ask(demo, [ONE], limit=51), 422, "invalid_request")


@pytest.mark.parametrize("name", ["part01", "/part01", f"{RIVER}/", "/"])
def test_a_name_that_is_none_of_a_clip_is_told(demo: ServerProcess, name: str) -> None:
    assert "uid/cid" in _detail(_ask(demo, [ONE], clip=name), 422, "invalid_request")


def test_what_is_said_twice_is_ambiguous(demo: ServerProcess) -> None:
    for fields in (
        {"clip": [CLIPS[0], CLIPS[0]]},
        {"clip": CLIPS[0], "uid": RIVER},
        {"model": ["phones", "phones"]},
    ):
        _detail(_ask(demo, [ONE], **fields), 422, "ambiguous_request")
    files = {"audio": ONE.read_bytes()}
    answer = httpx.post(f"{demo.url}/scores?clip={CLIPS[0]}", files=files, timeout=60)
    assert "address" in _detail(answer, 422, "ambiguous_request")


def test_unknown_clips_videos_and_models_are_told(demo: ServerProcess) -> None:
    assert "part99" in _detail(_ask(demo, [ONE], clip=f"{RIVER}/part99"), 404, "unknown_clip")
    assert "no video 'Nobody'" in _detail(_ask(demo, [ONE], uid="Nobody"), 404, "unknown_clip")
    _detail(_ask(demo, [ONE], clip=CLIPS, model="none"), 400, "unknown_model")


def test_the_recording_that_cannot_be_used_is_named(demo: ServerProcess) -> None:
    answer = _ask(demo, [ONE, b"no sound", ONE], clip=CLIPS[0])
    assert "Recording 2 of 3 (index 1)" in _detail(answer, 400, "audio_undecodable")
    _detail(_ask(demo, [b""]), 400, "audio_empty")
    assert "audio" in _detail(
        httpx.post(f"{demo.url}/scores", data={"clip": CLIPS}, timeout=60), 422, "invalid_request"
    )


def test_a_client_that_does_not_wait_is_told(demo: ServerProcess) -> None:
    answer = _ask(demo, [ONE] * 10, {"X-Request-Timeout-Ms": "1"}, clip=CLIPS[0])
    _detail(answer, 504, "request_timeout")


@pytest.fixture(scope="module")
def wordless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a model that hears no phones, on 102 clips of two videos."""
    folder = tmp_path_factory.mktemp("many")
    config = write_config(folder)
    for number in range(101):
        make_clip(folder / "clips", f"series_{number}.wav", f"line {number}")
    with running("--config", config, AUDIO_SCORE_CACHE_DIR=str(folder / "cache")) as server:
        server.wait_until_ready()
        yield server


def test_a_model_without_phones_searches_few_clips_alone(wordless: ServerProcess) -> None:
    take = encoded(chirp())
    found = _ask(wordless, [take], uid="film")
    assert [each["cid"] for each in _scores(found)] == ["1"]
    detail = _detail(_ask(wordless, [take]), 400, "capability_unsupported")
    assert "hears no phones" in detail
