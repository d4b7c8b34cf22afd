"""A library that changes under load, on two workers, one of which is killed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest

from tests.buckets import BucketProxy, ByHand
from tests.gateway.gate import Gate, needs_nginx, serving_gate
from tests.process.server import ROOT

pytestmark = [pytest.mark.process, needs_nginx, pytest.mark.timeout(300)]
_CLIENTS: Final = 16
_CHANGES: Final = 200
_IDS: Final = 20
_KEY: Final = "an-admin-key-of-the-tests"
_ADMIN: Final = {"Authorization": f"Bearer {_KEY}"}
_LINES: Final = ("RiverTales-s01e01_part01", "KitchenRobots-s01e02_part02")
"""Of which each clip is one or the other; who reads the first reads it right or wrong."""
_TAKE: Final = (ROOT / "audio_clip" / f"{_LINES[0]}_right.mp3").read_bytes()
_MODELS: Final = [{"key": "phones", "type": "phones"}]


class _Readers:
    """Clients that read the first line to any clip, and keep what they are told."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[int, tuple[float, float] | str]] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(_CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, seed: int) -> None:
        chance = random.Random(seed)
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                self.answers.append(score(client, str(chance.randrange(_IDS))))


def score(client: httpx.Client, cid: str) -> tuple[int, tuple[float, float] | str]:
    """The answer to the first line, read to a clip."""
    answer = client.post("/score", data={"uid": "live", "cid": cid}, files={"audio": _TAKE})
    told = answer.json()
    if answer.status_code != 200:
        return answer.status_code, told["code"]
    return 200, (told["audio_sim_score"], told["text_sim_score"])


class _Writer:
    """Changes clips, by requests and in the folder, and knows what they are in the end."""

    def __init__(self, url: str, folder: Path | None) -> None:
        """``folder``: where there is one; all is done by requests without."""
        self.lines: dict[str, str] = {}
        self.client = httpx.Client(base_url=url, headers=_ADMIN, timeout=60)
        self._folder = folder

    def change(self, chance: random.Random) -> None:
        cid, line = str(chance.randrange(_IDS)), chance.choice(_LINES)
        folder = self._folder if chance.random() < 0.5 else None
        if cid in self.lines and chance.random() < 0.3:
            del self.lines[cid]
            self._remove(cid, folder)
        else:
            self.lines[cid] = line
            self._put(cid, line, folder)

    def _remove(self, cid: str, folder: Path | None) -> None:
        if folder is None:
            assert self.client.delete(f"/clips/live/{cid}").status_code == 204
            return
        for path in folder.glob(f"live_{cid}.*"):
            path.unlink()

    def _put(self, cid: str, line: str, folder: Path | None) -> None:
        media, text = (ROOT / "video_clip" / f"{line}{suffix}" for suffix in (".mov", ".txt"))
        if folder is None:
            files = {"media": (media.name, media.read_bytes())}
            fields = {"text": text.read_text()}
            answer = self.client.put(f"/clips/live/{cid}", data=fields, files=files)
            assert answer.status_code in (200, 201), answer.text
            return
        for path in (media, text):
            (folder / f"live_{cid}{path.suffix}").write_bytes(path.read_bytes())


def _is_whole(audio: float, text: float) -> bool:
    """Whether sound and text are of one line."""
    return (audio > 0.5) == (text > 0.5)


@pytest.fixture
def admin_keys(tmp_path: Path) -> str:
    path = tmp_path / "admin_keys"
    path.write_text(f"{_KEY}\n")
    path.chmod(0o600)
    return str(path)


def test_clips_come_change_and_go_while_a_worker_is_killed(tmp_path: Path, admin_keys: str) -> None:
    with serving_gate(tmp_path, 2, models=_MODELS, admin_keys_file=admin_keys) as gate:
        _change_under_load(gate, tmp_path / "clips")


def test_so_they_do_in_a_bucket(
    tmp_path: Path, admin_keys: str, by_hand: ByHand, proxy: BucketProxy
) -> None:
    settings: dict[str, Any] = {"admin_keys_file": admin_keys, "video_clip_dir": by_hand.url}
    with serving_gate(tmp_path, 2, models=_MODELS, bucket_interval_s=0.5, **settings) as gate:
        _change_under_load(gate, None)


def _change_under_load(gate: Gate, folder: Path | None) -> None:
    chance = random.Random(20)
    writer = _Writer(gate.url, folder)
    with writer.client, _Readers(gate.url) as readers:
        for turn in range(_CHANGES):
            writer.change(chance)
            if turn == _CHANGES // 2:
                os.kill(gate.workers()[0]["pid"], signal.SIGKILL)
    kinds = Counter(status for status, _ in readers.answers)
    assert set(kinds) == {200, 404}, Counter(map(str, readers.answers))
    scores = [told for _, told in readers.answers if isinstance(told, tuple)]
    assert [told for told in scores if not _is_whole(*told)] == []
    assert {audio > 0.5 for audio, _ in scores} == {True, False}
    gate.wait_for(gate.is_serving)
    for index in range(2):
        transport = httpx.HTTPTransport(uds=str(gate.folder / "run" / f"worker-{index}.sock"))
        with httpx.Client(transport=transport, base_url="http://worker", timeout=60) as client:
            gate.wait_for(partial(_lists, client, set(writer.lines)))
            _compare(client, writer)


def _lists(client: httpx.Client, cids: set[str]) -> bool:
    return {clip["cid"] for clip in client.get("/clips?uid=live").json()} == cids


def _compare(client: httpx.Client, writer: _Writer) -> None:
    """What a worker says of every clip is what was done last."""
    for cid in map(str, range(_IDS)):
        status, told = score(client, cid)
        if cid not in writer.lines:
            assert (status, told) == (404, "unknown_clip")
        else:
            assert isinstance(told, tuple), told
            is_first = writer.lines[cid] == _LINES[0]
            assert [each > 0.5 for each in told] == [is_first, is_first]
