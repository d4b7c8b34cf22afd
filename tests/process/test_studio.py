"""The studio over HTTP: its page, its policy, its caching; and the times of a clip's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.process.server import ROOT, ServerProcess, running, write_config

pytestmark = pytest.mark.process
_LINE: Final = (ROOT / "video_clip" / "RiverTales-s01e01_part01.txt").read_text()


def _asset(url: str, name: str) -> str:
    found = re.search(rf'"(studio/\w+/{name})"', httpx.get(f"{url}/studio").text)
    assert found is not None
    return f"{url}/{found[1]}"


def test_the_first_page_is_the_studio(demo: ServerProcess) -> None:
    answer = httpx.get(demo.url, follow_redirects=True)
    assert answer.url.path == "/studio"
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    lines = [line for line in demo.lines if "http://" in line]
    assert lines[0].endswith(f"The studio: {demo.url}/studio")


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(demo: ServerProcess) -> None:
    for address in (f"{demo.url}/studio", _asset(demo.url, "main.js")):
        headers = httpx.get(address).headers
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy)
        assert "http" not in str(policy)
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_files_are_kept_for_as_long_as_they_are_the_same(demo: ServerProcess) -> None:
    address = _asset(demo.url, "main.js")
    answer = httpx.get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    plain = httpx.get(address, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.text == answer.text
    unchanged = httpx.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    # A page of another version, while workers are replaced.
    other = httpx.get(re.sub(r"studio/\w+/", "studio/0123456789abcdef/", address))
    assert (other.text, other.headers["Cache-Control"]) == (answer.text, "no-cache")


@pytest.mark.parametrize(
    "name", ["nothing.js", "assets.py", "../assets.py", "..%2fassets.py", "index.html"]
)
def test_what_is_no_file_of_the_page_is_not_there(demo: ServerProcess, name: str) -> None:
    assert httpx.get(f"{demo.url}/studio/0/{name}").status_code == 404


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running("--config", config, AUDIO_SCORE_STUDIO="off") as server:
        server.wait_until_ready()
        assert httpx.get(f"{server.url}/studio").status_code == 404
        assert httpx.get(server.url).headers["Location"] == "/docs"
        assert "The studio" not in server.log
        # A model that hears no phones knows no times.
        clip = httpx.get(f"{server.url}/clips").json()[0]
        words = httpx.get(f"{server.url}/clips/{clip['uid']}/{clip['cid']}/words")
        assert (words.status_code, words.json()) == (200, [])


def test_words_have_the_times_of_the_clip(demo: ServerProcess) -> None:
    address = f"{demo.url}/clips/RiverTales-s01e01/part01/words"
    answer = httpx.get(address)
    words = answer.json()
    assert [word["text"] for word in words] == _LINE.rstrip(".\n").split()
    spans = [(word["reference"]["start"], word["reference"]["end"]) for word in words]
    assert spans == sorted(spans)
    assert 0 < spans[0][0] < spans[-1][1] < 3.5
    again = httpx.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert httpx.get(f"{demo.url}/clips/RiverTales-s01e01/part09/words").status_code == 404
