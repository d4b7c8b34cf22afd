"""Clips over HTTP: listed, watched, changed; and nobody does so who may not."""

from __future__ import annotations

import io
import random
import shutil
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.process.server import ROOT, ServerProcess, running

pytestmark = pytest.mark.process
_READER: Final = {"Authorization": "Bearer a-key-for-reading-alone"}
_ADMIN: Final = {"Authorization": "Bearer a-key-for-administrators"}
_MEDIA: Final = ROOT / "video_clip" / "RiverTales-s01e01_part01.mov"
_TAKE: Final = ROOT / "audio_clip" / "RiverTales-s01e01_part01_right.mp3"
_LINE: Final = _MEDIA.with_suffix(".txt").read_text().strip()
_PATIENCE_S: Final = 20.0
_COHORT: Final = ROOT / "audio_score_server" / "cohort"


class Served:
    """A server, and the folder of its clips."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.client = httpx.Client(base_url=server.url, timeout=60)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**_ADMIN, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def put(self, path: str, text: str | None = _LINE, **headers: str) -> httpx.Response:
        fields = {} if text is None else {"text": text}
        files = {"media": (_MEDIA.name, _MEDIA.read_bytes())}
        return self.ask("PUT", path, data=fields, files=files, headers=headers)

    def score(self, uid: str, cid: str) -> httpx.Response:
        fields = {"uid": uid, "cid": cid}
        return self.ask("POST", "/score", data=fields, files={"audio": _TAKE.read_bytes()})

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")


def _keys(folder: Path, name: str, header: dict[str, str]) -> str:
    path = folder / name
    path.write_text(header["Authorization"].removeprefix("Bearer ") + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("library")
    folder = base / "clips"
    shutil.copytree(ROOT / "video_clip", folder)
    variables = {
        "AUDIO_SCORE_VIDEO_CLIP_DIR": str(folder),
        "AUDIO_SCORE_CACHE_DIR": str(base / "cache"),
        "AUDIO_SCORE_API_KEYS_FILE": _keys(base, "keys", _READER),
        "AUDIO_SCORE_ADMIN_KEYS_FILE": _keys(base, "admin", _ADMIN),
        "AUDIO_SCORE_MODEL_KEYS": "phones",
        "AUDIO_SCORE_MAX_CLIP_BYTES": "300000",
        "AUDIO_SCORE_MAX_LIBRARY_BYTES": "2000000",
    }
    with running(**variables) as server:
        server.wait_until_ready()
        served = Served(server, folder)
        with served.client:
            yield served


def test_the_list_comes_in_pages(served: Served) -> None:
    pages, path = [], "/clips?limit=2"
    while path:
        answer = served.ask("GET", path)
        pages.append([f"{clip['uid']}_{clip['cid']}" for clip in answer.json()])
        assert answer.headers["X-Total-Count"] == "5"
        following = answer.links.get("next", {}).get("url", "")
        path = f"/clips{following}" if following else ""
    assert [len(page) for page in pages] == [2, 2, 1]
    listed = [name for page in pages for name in page]
    assert listed == sorted(path.stem for path in (ROOT / "video_clip").glob("*.mov"))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=boat+MORNING", 1),
        ("q=tales", 3),
        ("q=boat+tomatoes", 0),
        ("uid=KitchenRobots-s01e02", 2),
    ],
)
def test_clips_are_found_by_words_and_video(served: Served, query: str, count: int) -> None:
    answer = served.ask("GET", f"/clips?{query}")
    assert len(answer.json()) == count
    assert answer.headers["X-Total-Count"] == str(count)


def test_a_clip_tells_what_it_is_and_is_not_sent_twice(served: Served) -> None:
    answer = served.ask("GET", "/clips/RiverTales-s01e01/part01")
    clip = answer.json()
    assert clip["text"] == _LINE
    assert clip["language"] == "en"
    assert clip["media_type"] == "video/quicktime"
    assert clip["size_bytes"] == _MEDIA.stat().st_size
    assert 2 < clip["duration_s"] < 6
    assert clip["models"] == {"phones": {"state": "ready"}}
    assert clip["etag"] == answer.headers["ETag"]
    again = served.ask(
        "GET", "/clips/RiverTales-s01e01/part01", headers={"If-None-Match": clip["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-50", 206, -50, None),
        ("bytes=0-999999999", 206, 0, None),
        ("bytes=0-1,5-9", 200, 0, None),
        ("bytes=9-2", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_browsers_can_seek(
    served: Served, asked: str, status: int, start: int, stop: int | None
) -> None:
    content = _MEDIA.read_bytes()
    path = "/clips/RiverTales-s01e01/part01/media"
    answer = served.ask("GET", path, headers={"Range": asked})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(content)}"
        assert answer.json()["code"] == "range_not_satisfiable"
        return
    assert answer.content == content[start:stop]
    assert answer.headers["Content-Type"] == "video/quicktime"
    assert answer.headers["Accept-Ranges"] == "bytes"
    stale = served.ask("GET", path, headers={"Range": asked, "If-Range": '"other"'})
    assert (stale.status_code, stale.content) == (200, content)


def test_the_head_of_a_file_is_that_of_the_file(served: Served) -> None:
    path = "/clips/RiverTales-s01e01/part01/media"
    head, whole = served.ask("HEAD", path), served.ask("GET", path)
    assert head.content == b""
    for name in ("ETag", "Content-Length", "Content-Type"):
        assert head.headers[name] == whole.headers[name]


def test_a_clip_can_be_heard_alone(served: Served) -> None:
    answer = served.ask("GET", "/clips/RiverTales-s01e01/part01/media?audio=1")
    assert answer.headers["Content-Type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        assert 2 < sound.getnframes() / sound.getframerate() < 6


def test_a_clip_lives_its_life(served: Served) -> None:
    path = "/clips/life/1"
    made = served.put(path, text="Something else altogether.", **{"If-None-Match": "*"})
    assert made.status_code == 201
    assert made.json()["models"]["phones"]["state"] == "ready"
    assert served.score("life", "1").json()["text_sim_score"] < 0.3
    assert served.put(path, text="Something else altogether.").status_code == 200
    etag = made.headers["ETag"]
    patched = served.ask("PATCH", path, json={"text": _LINE}, headers={"If-Match": etag})
    assert (patched.status_code, patched.json()["text"]) == (200, _LINE)
    assert patched.headers["ETag"] != etag
    assert served.score("life", "1").json()["text_sim_score"] > 0.7
    late = served.ask("DELETE", path, headers={"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert served.ask("DELETE", path).status_code == 204
    assert served.score("life", "1").json()["code"] == "unknown_clip"
    assert served.ask("DELETE", path).status_code == 404
    assert not [name for name in served.files() if name.startswith("life")]


def test_a_file_that_is_put_into_the_folder_is_listed_and_scored(served: Served) -> None:
    shutil.copyfile(_MEDIA, served.folder / "dropped_1.mov")
    (served.folder / "dropped_1.txt").write_text(_LINE)
    assert served.score("dropped", "1").json()["sim_score"] > 0.7
    served.server.wait_for_line(lambda line: "1 clips added, 0 changed, 0 removed" in line)
    assert len(served.ask("GET", "/clips?uid=dropped").json()) == 1
    for suffix in (".mov", ".txt"):
        (served.folder / f"dropped_1{suffix}").unlink()
    assert served.score("dropped", "1").status_code == 404


def test_a_file_that_is_being_written_is_waited_for(served: Served) -> None:
    content, path = _MEDIA.read_bytes(), served.folder / "slow_1.mov"

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for start in range(0, len(content), len(content) // 5):
                stream.write(content[start : start + len(content) // 5])
                time.sleep(0.4)
        path.with_suffix(".txt").write_text(_LINE)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    answer = served.score("slow", "1")
    writer.join()
    assert answer.json()["sim_score"] > 0.7
    for each in (path, path.with_suffix(".txt")):
        each.unlink()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        ({"Authorization": "Bearer no-key-of-this-server"}, 401, "unauthorized"),
        (_READER, 403, "forbidden"),
    ],
)
def test_nobody_changes_a_clip_without_an_admin_key(
    served: Served, method: str, headers: dict[str, str], status: int, code: str
) -> None:
    before = served.files()
    url = f"{served.server.url}/clips/RiverTales-s01e01/part01"
    answer = httpx.request(method, url, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert served.files() == before


@pytest.mark.parametrize(
    "path", ["/clips", "/clips/RiverTales-s01e01/part01", "/clips/RiverTales-s01e01/part01/media"]
)
def test_nothing_is_read_without_a_key(served: Served, path: str) -> None:
    assert httpx.get(f"{served.server.url}{path}").status_code == 401
    assert httpx.get(f"{served.server.url}{path}", headers=_READER).status_code == 200


def test_without_admin_keys_nothing_can_be_changed(demo: ServerProcess) -> None:
    answer = httpx.delete(f"{demo.url}/clips/RiverTales-s01e01/part01")
    assert (answer.status_code, answer.json()["code"]) == (403, "library_read_only")
    assert "AUDIO_SCORE_ADMIN_KEYS_FILE" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.mov", b"", 400, "invalid_clip_media"),
        ("a.mov", b"no sound at all", 400, "invalid_clip_media"),
        ("a.exe", _MEDIA.read_bytes(), 400, "invalid_clip_media"),
        ("mov", _MEDIA.read_bytes(), 400, "invalid_clip_media"),
        ("a.mov", _MEDIA.read_bytes()[:2_000], 400, "invalid_clip_media"),
        ("a.mov", bytes(400_000), 413, "upload_too_large"),
    ],
)
def test_what_cannot_be_a_clip_is_refused(
    served: Served, name: str, content: bytes, status: int, code: str
) -> None:
    answer = served.ask("PUT", "/clips/bad/1", files={"media": (name, content)})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert not [each for each in served.files() if each.startswith("bad")]


def test_a_silent_clip_is_refused_with_the_reason(served: Served) -> None:
    silence = io.BytesIO()
    with wave.open(silence, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    answer = served.ask("PUT", "/clips/bad/1", files={"media": ("a.wav", silence.getvalue())})
    assert answer.status_code == 400
    assert "nothing but silence" in answer.json()["detail"]


def test_a_form_without_a_file_says_what_to_send(served: Served) -> None:
    answer = served.ask("PUT", "/clips/bad/1", data={"text": "hello"})
    assert answer.status_code == 422
    assert "Send media (a file)" in answer.json()["detail"]


def _hostile_names(count: int) -> Iterator[str]:
    chance = random.Random(14)
    parts = ["..", ".", "%2e%2e", "%2f", "%5c", "a", "_", "%00", "%0a", "con", "~", "%F0%9F%98%80"]
    parts += ["%d0%b0", "%e2%80%8b", "%ef%bc%8e", "*", "?x=", "#", "%25", ";", "$(id)", "%ff", "A"]
    for _ in range(count):
        yield "".join(chance.choices(parts, k=chance.randint(1, 5)))


def test_no_name_leads_out_of_the_library(served: Served) -> None:
    base = served.folder.parent
    outside = {path for path in base.iterdir() if path.name != "clips"}
    before = set(served.files())
    for name in _hostile_names(80):
        for path in (f"/clips/{name}/1", f"/clips/film/{name}", f"/clips/{name}/{name}"):
            answer = served.put(path, text=None)
            assert answer.status_code < 500, (path, answer.text)
            if answer.status_code == 201:
                served.ask("DELETE", path)
            assert served.ask("GET", f"{path}/media").status_code < 500
    assert {path for path in base.iterdir() if path.name != "clips"} == outside
    assert set(served.files()) == before


def test_broken_bodies_leave_nothing_half(served: Served) -> None:
    before = served.files()
    chance = random.Random(15)
    kinds = ["multipart/form-data; boundary=x", "application/json", "text/plain", ""]
    for _ in range(100):
        body = bytes(
            chance.choices(b'--x\r\n:;="{}name media text\0\xff', k=chance.randint(0, 400))
        )
        headers = {"Content-Type": chance.choice(kinds)}
        method = chance.choice(["PUT", "PATCH"])
        answer = served.ask(method, "/clips/bad/1", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (method, headers, body, answer.text)
    assert served.files() == before


def test_the_quota_is_kept(served: Served) -> None:
    ballast = served.folder / "ballast.bin"
    ballast.write_bytes(bytes(1_990_000))
    try:
        answer = served.put("/clips/full/1")
        assert (answer.status_code, answer.json()["code"]) == (507, "quota_exceeded")
        assert "AUDIO_SCORE_MAX_LIBRARY_BYTES" in answer.json()["detail"]
    finally:
        ballast.unlink()


def _scores(served: Served) -> dict[str, float]:
    """Of every reading of a demo clip that is there, right ones and others."""
    scores = {}
    for take in sorted((ROOT / "audio_clip").glob("*_part*")):
        uid, cid, _ = take.stem.split("_")
        fields = {"uid": uid, "cid": cid}
        answer = served.ask("POST", "/score", data=fields, files={"audio": take.read_bytes()})
        scores[take.stem] = answer.json()["sim_score"]
    return scores


def test_scores_of_other_clips_hardly_move(served: Served) -> None:
    before = _scores(served)
    for number, path in enumerate(sorted(_COHORT.glob("*.webm"))[20:25]):
        shutil.copyfile(path, served.folder / f"more_{number}.webm")
        shutil.copyfile(path.with_suffix(".txt"), served.folder / f"more_{number}.txt")
    # Five lines of the cohort's sixteen are others then.
    served.server.wait_for_line(lambda line: "by 16 clips, 6 of them built in" in line)
    deadline = time.monotonic() + _PATIENCE_S
    while (after := _scores(served)) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    moved = {stem: after[stem] - before[stem] for stem in before}
    assert any(moved.values())
    sizes = sorted(map(abs, moved.values()))
    assert sizes[-1] < 0.1, moved
    assert sizes[len(sizes) // 2] < 0.005, moved
