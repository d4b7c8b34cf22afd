"""Checkpoints are fetched, checked and found as users have it done: by processes, over HTTP."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.hub import FakeHub
from tests.process.server import ROOT, clean_environment

_NOISE: Final = random.Random(0)
_SMALL: Final = {
    "config.json": b"{}",
    "generation_config.json": b'{"is_multilingual": true}',
    "preprocessor_config.json": b'{"feature_size": 80}',
    "tokenizer.json": b'{"version": "1.0"}',
}
_WHISPER: Final = {
    **_SMALL,
    "model.safetensors": _NOISE.randbytes(100_000),
    "pytorch_model.bin": b"a pickle",
    "README.md": b"about",
}
_CONVERTED: Final = {
    "config.json": b'{"suppress_ids": []}',
    "tokenizer.json": _SMALL["tokenizer.json"],
    "vocabulary.json": b"[]",
    "model.bin": _NOISE.randbytes(100_000),
}
_PLACES: Final = {
    "audio_tower.conv1.weight": "model-00002-of-00003.safetensors",
    "audio_tower.layers.0.weight": "model-00003-of-00003.safetensors",
    "embed_tokens.weight": "model-00001-of-00003.safetensors",
    "lm_head.weight": "model-00003-of-00003.safetensors",
}
_HIGGS: Final = {
    "config.json": b"{}",
    "model.safetensors.index.json": json.dumps({"weight_map": _PLACES}).encode(),
    **{f"model-0000{part}-of-00003.safetensors": _NOISE.randbytes(50_000) for part in (1, 2, 3)},
}
_WHISPER_MODEL: Final = {"key": "whisper", "type": "whisper", "model_id": "owner/whisper"}
_HIGGS_MODEL: Final = {
    "key": "higgs",
    "type": "higgs_audio",
    "model_id": "owner/higgs",
    "processor_id": "owner/whisper",
    "transcriber_id": "owner/whisper",
    "only_on": "cuda",
}


class Downloads:
    """The download command beside a hub, with a cache of its own."""

    def __init__(self, folder: Path, hub: FakeHub) -> None:
        self.hub = hub
        self.folder = folder
        self.models_dir = folder / "models"

    def start(self, *models: Mapping[str, object], **variables: str) -> subprocess.Popen[str]:
        """Run the command over these models."""
        config = self.folder / "config.json"
        config.write_text(json.dumps({"models": models}))
        flags = ("--config", str(config), "--models-dir", str(self.models_dir))
        return _command("download", *flags, **{**self.hub.variables(self.folder), **variables})

    def run(
        self, *models: Mapping[str, object], **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """As ``start``, until it ends."""
        return _ended(self.start(*models, **variables))

    def file(self, name: str) -> Path:
        """The one file of this name in the cache, or the link to it that leads nowhere."""
        paths = self.models_dir.glob("models--*/snapshots/*/*")
        (path,) = (path for path in paths if path.name == name)
        return path


def _command(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "audio_score_server", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(variables),
    )


def _ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, log = process.communicate(timeout=60)
    assert "Traceback" not in log
    return subprocess.CompletedProcess(process.args, process.returncode, out, log)


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    """The command, and a hub with a Whisper and a Higgs-Audio checkpoint."""
    with FakeHub() as hub:
        hub.add("owner/whisper", _WHISPER)
        hub.add("owner/higgs", _HIGGS)
        yield Downloads(tmp_path, hub)


def test_what_is_wanted_is_fetched_once_and_found_without_a_hub(downloads: Downloads) -> None:
    phones = {"key": "phones", "type": "phones"}
    first = downloads.run(_WHISPER_MODEL, phones)
    assert first.returncode == 0
    assert first.stdout.splitlines() == [
        "whisper: complete; 100.1 kB fetched.",
        "phones: needs nothing.",
        "All is there for 2 models.",
    ]
    assert sorted(downloads.hub.fetched()) == sorted({*_SMALL, "model.safetensors"})
    downloads.hub.forget()
    second = downloads.run(_WHISPER_MODEL)
    assert second.stdout.splitlines() == ["whisper: complete already.", "All is there."]
    assert downloads.hub.requests == []
    offline = downloads.run(_WHISPER_MODEL, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0


def test_a_checkpoint_of_ctranslate2_is_fetched_checked_and_found(downloads: Downloads) -> None:
    downloads.hub.add("owner/faster", _CONVERTED)
    model = {**_WHISPER_MODEL, "model_id": "owner/faster"}
    assert downloads.run(model).returncode == 0
    assert downloads.hub.fetched() == ["config.json", "tokenizer.json", "model.bin"]
    downloads.hub.forget()
    downloads.file("model.bin").resolve().write_bytes(b"wrong")
    assert "model.bin repaired." in downloads.run(model).stdout
    assert downloads.hub.fetched() == ["model.bin"]
    assert downloads.file("model.bin").read_bytes() == _CONVERTED["model.bin"]
    assert downloads.run(model, HF_HUB_OFFLINE="1").returncode == 0


def test_of_a_larger_model_only_the_shards_with_the_tower_are_fetched(downloads: Downloads) -> None:
    result = downloads.run(_HIGGS_MODEL)
    assert result.returncode == 0
    shards = [name for name in downloads.hub.fetched() if name.startswith("model-")]
    assert shards == ["model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"]


def test_several_at_once_fetch_everything_once(downloads: Downloads) -> None:
    for process in [downloads.start(_WHISPER_MODEL) for _ in range(2)]:
        assert _ended(process).returncode == 0
    sent = [request.path for request in downloads.hub.requests if "/content/" in request.path]
    assert len(sent) == 1


@pytest.mark.parametrize("xet", [False, True])
def test_weights_come_by_plain_http_and_the_token_stays_with_the_hub(
    downloads: Downloads, xet: bool
) -> None:
    downloads.hub.add("owner/whisper", _WHISPER, token="hf_secret", xet=xet)
    debug = {"AUDIO_SCORE_LOG_LEVEL": "debug", "HF_HUB_VERBOSITY": "debug"}
    result = downloads.run(_WHISPER_MODEL, HF_TOKEN="hf_secret", **debug)
    assert result.returncode == 0
    for secret in ("hf_secret", "Signature"):
        assert secret not in result.stdout + result.stderr
    requests = downloads.hub.requests
    assert {request.path.split("/")[1] for request in requests} == {"api", "owner", "content"}
    (content,) = (request for request in requests if request.path.startswith("/content/"))
    assert "authorization" not in content.headers
    assert all("authorization" in request.headers for request in requests if request != content)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_fetched_anew_and_no_other(downloads: Downloads, name: str) -> None:
    downloads.run(_WHISPER_MODEL)
    downloads.hub.forget()
    blob = downloads.file(name).resolve()
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    result = downloads.run(_WHISPER_MODEL)
    assert result.returncode == 0
    assert f"fetched, {name} repaired." in result.stdout
    assert downloads.hub.fetched() == [name]
    assert downloads.file(name).read_bytes() == _WHISPER[name]


def test_a_damaged_index_is_fetched_anew(downloads: Downloads) -> None:
    downloads.run(_HIGGS_MODEL)
    downloads.hub.forget()
    downloads.file("model.safetensors.index.json").resolve().write_bytes(b"{")
    assert downloads.run(_HIGGS_MODEL).returncode == 0
    assert downloads.hub.fetched() == ["model.safetensors.index.json"]


def test_what_was_left_half_done_is_made_whole(downloads: Downloads) -> None:
    downloads.run(_WHISPER_MODEL)
    downloads.hub.forget()
    blob = downloads.file("model.safetensors").resolve()
    leftover = blob.with_name(f"{blob.name}.0123abcd.incomplete")
    leftover.write_bytes(blob.read_bytes()[:1_000])
    blob.unlink()
    downloads.file("generation_config.json").resolve().write_bytes(b"")
    assert downloads.run(_WHISPER_MODEL).returncode == 0
    assert sorted(downloads.hub.fetched()) == ["generation_config.json", "model.safetensors"]
    assert not leftover.exists()


def test_a_damaged_file_that_cannot_be_fetched_is_not_kept(downloads: Downloads) -> None:
    downloads.run(_WHISPER_MODEL)
    downloads.file("model.safetensors").resolve().write_bytes(b"wrong")
    result = downloads.run(_WHISPER_MODEL, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert "whisper: failed: owner/whisper is not in the cache, and HF_HUB_OFFLINE" in result.stdout
    assert not downloads.file("model.safetensors").exists()


def test_what_comes_damaged_is_told_and_not_kept(downloads: Downloads) -> None:
    downloads.hub.faults.corrupt = True
    result = downloads.run(_WHISPER_MODEL)
    assert result.returncode == 1
    assert "model.safetensors of owner/whisper came damaged from the hub" in result.stdout
    assert not downloads.file("model.safetensors").exists()


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_connection_is_taken_up_again(downloads: Downloads, reset: bool) -> None:
    # The hub's client keeps what has come in pieces of 10 MiB.
    weights = _NOISE.randbytes(12 * 2**20)
    downloads.hub.add("owner/whisper", {**_WHISPER, "model.safetensors": weights})
    downloads.hub.faults.cut_at = 11 * 2**20
    downloads.hub.faults.cut_by_reset = reset
    assert downloads.run(_WHISPER_MODEL).returncode == 0
    assert downloads.file("model.safetensors").read_bytes() == weights
    sent = [request for request in downloads.hub.requests if request.path.startswith("/content/")]
    again = None if reset else f"bytes={10 * 2**20}-"
    assert [request.headers.get("range") for request in sent] == [None, again]


def test_a_revision_is_fetched_and_found_by_its_name(downloads: Downloads) -> None:
    repository = downloads.hub.add("owner/whisper", _WHISPER, revisions=("v1",))
    for revision in ("v1", repository.commit):
        model = {**_WHISPER_MODEL, "revision": revision}
        assert downloads.run(model).returncode == 0
        downloads.hub.forget()
        assert downloads.run(model).returncode == 0
        assert downloads.hub.requests == []


def _add_refused(hub: FakeHub) -> dict[str, str]:
    """Checkpoints that cannot be had, and why."""
    hub.add("owner/gated", _WHISPER, gated=True)
    hub.add("owner/private", _WHISPER, token="right")
    hub.add("owner/pickled", {**_SMALL, "pytorch_model.bin": b"a pickle"})
    hub.add("owner/silent", {**_SMALL, "preprocessor_config.json": b"{}"})
    hub.add("owner/toneless", {name: _WHISPER[name] for name in ("config.json", "tokenizer.json")})
    hub.add("owner/vast", _WHISPER, claimed_sizes={"model.safetensors": 10**18})
    hub.add("owner/short", _WHISPER, claimed_sizes={"model.safetensors": 10**5 + 1})
    places = {"lm_head.weight": "model-00001-of-00003.safetensors"}
    index = json.dumps({"weight_map": places}).encode()
    config = b'{"skip_audio_tower": true}'
    hub.add("owner/deaf", {**_HIGGS, "config.json": config, "model.safetensors.index.json": index})
    return {
        "owner/missing": "the hub has no checkpoint owner/missing, or it is private; correct",
        "owner/gated": "owner/gated is gated: accept its terms",
        "owner/private": "the hub does not accept the token in HF_TOKEN",
        "owner/pickled": "owner/pickled has its weights as a pickle only",
        "owner/silent": "or model.safetensors.index.json, nor CTranslate2's model.bin",
        "owner/toneless": "has no preprocessor_config.json or processor_config.json",
        "owner/vast": "owner/vast needs 1000000000.0 GB in",
        "owner/short": "a file of owner/short came with too few or too many bytes",
        "/no/folder": "'/no/folder' is neither a folder nor a name on the hub",
    }


def test_every_refusal_is_told_with_its_remedy_and_the_rest_goes_on(downloads: Downloads) -> None:
    causes = _add_refused(downloads.hub)
    models = [{**_WHISPER_MODEL, "key": f"m{n}", "model_id": id} for n, id in enumerate(causes)]
    revised = {**_WHISPER_MODEL, "key": "revised", "revision": "v2"}
    deaf = {**_HIGGS_MODEL, "model_id": "owner/deaf"}
    result = downloads.run(*models, revised, deaf, _WHISPER_MODEL, HF_TOKEN="wrong")
    assert result.returncode == 1
    *lines, summary = result.stdout.splitlines()
    assert len(lines) == len(models) + 3
    for line, cause in zip(lines, causes.values(), strict=False):
        assert f": failed: {cause}" in line or cause in line, line
    assert "owner/whisper has no revision 'v2'" in lines[-3]
    assert "owner/deaf has no audio tower: no tensor in its" in lines[-2]
    assert lines[-2].endswith("its config.json says skip_audio_tower; name another.")
    assert lines[-1] == "whisper: complete; 100.1 kB fetched."
    assert summary == f"{len(lines) - 1} of {len(lines)} models failed; the lines above say why."
    deafs = [request.path for request in downloads.hub.requests if "deaf" in request.path]
    assert not any("model-" in path for path in deafs)


@pytest.mark.parametrize("place", ["/api/", "/resolve/", "/content/"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_fails_is_not_asked_for_long(
    downloads: Downloads, status: int, place: str
) -> None:
    downloads.hub.faults.status, downloads.hub.faults.status_for = status, place
    started = time.monotonic()
    result = downloads.run(_WHISPER_MODEL)
    assert time.monotonic() - started < 10
    assert result.returncode == 1
    assert {429: "too many requests"}.get(status, f"answered {status}") in result.stdout
    failed = [request for request in downloads.hub.requests if place in request.path]
    assert len(failed) <= 2


@contextmanager
def _black_hole() -> Iterator[int]:
    """A port whose queue of connections is full: the system drops whoever knocks, silently."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_hubs_that_hang_are_given_up(downloads: Downloads, tmp_path: Path) -> None:
    downloads.hub.faults.stall = "content"
    started = time.monotonic()
    with _black_hole() as port:
        (tmp_path / "elsewhere").mkdir()
        unanswered = Downloads(tmp_path / "elsewhere", downloads.hub).start(
            _WHISPER_MODEL, HF_ENDPOINT=f"http://127.0.0.1:{port}"
        )
        downloads.hub.add("owner/whisper", _WHISPER, xet=False)
        stalled = downloads.start(_WHISPER_MODEL, HF_HUB_DOWNLOAD_TIMEOUT="1")
        result = _ended(unanswered)
        assert time.monotonic() - started < 12
    assert result.returncode == 1
    assert "127.0.0.1 cannot be reached (no answer within 8 s);" in result.stdout
    assert "run `audio-score download` on a machine with network access" in result.stdout
    result = _ended(stalled)
    assert result.returncode == 1
    assert "localhost cannot be reached (" in result.stdout
    assert "Signature" not in result.stdout + result.stderr
    assert time.monotonic() - started < 30
    assert not list(downloads.models_dir.rglob("*.incomplete"))


_LOCATE: Final = """
import sys, time
from pathlib import Path
from audio_score_server.checkpoints.locate import locate
from audio_score_server.checkpoints.required import WHISPER, Checkpoint
from audio_score_server.errors import ModelLoadError

started = time.monotonic()
try:
    print(locate(Checkpoint(sys.argv[1], None, WHISPER), Path(sys.argv[2])))
except ModelLoadError as error:
    print(error)
print(time.monotonic() - started)
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


def _located(model_id: str, models_dir: Path, **variables: str) -> tuple[str, float]:
    """What a server would be told, and after how many seconds."""
    result = subprocess.run(
        [sys.executable, "-c", _LOCATE, model_id, str(models_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=clean_environment(variables),
        timeout=60,
    )
    answer, seconds, heavy = result.stdout.splitlines()
    assert heavy == "[]"
    return answer, float(seconds)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:{port}", "http://nowhere.invalid", "no"])
def test_a_hub_out_of_reach_is_told_within_seconds(tmp_path: Path, endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    variables = {"HF_ENDPOINT": endpoint.format(port=port), "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
    text, seconds = _located("owner/whisper", tmp_path, HF_HOME=str(tmp_path), **variables)
    assert "cannot be reached (" in text
    assert "or set model_id to a folder" in text
    assert seconds < 10


def test_a_server_finds_what_was_downloaded_with_the_hub_gone(downloads: Downloads) -> None:
    downloads.run(_WHISPER_MODEL)
    gone = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
    text, _ = _located("owner/whisper", downloads.models_dir, **gone)
    assert Path(text) == downloads.file("config.json").parent


def test_a_server_fetches_what_is_missing(downloads: Downloads, tmp_path: Path) -> None:
    variables = downloads.hub.variables(tmp_path)
    text, _ = _located("owner/whisper", downloads.models_dir, **variables)
    assert (Path(text) / "model.safetensors").read_bytes() == _WHISPER["model.safetensors"]
    assert "README.md" not in downloads.hub.fetched()


def test_a_web_page_that_answers_for_the_hub_is_no_hub(downloads: Downloads) -> None:
    downloads.hub.faults.status = 200
    result = downloads.run(_WHISPER_MODEL)
    assert "what answered for owner/whisper is no model hub; check HF_ENDPOINT" in result.stdout


def test_a_folder_that_cannot_be_written_is_told(downloads: Downloads) -> None:
    downloads.models_dir.write_text("a file")
    result = downloads.run(_WHISPER_MODEL)
    assert result.returncode == 1
    assert f"({downloads.models_dir})" in result.stdout


def test_ctrl_c_stops_it_and_the_next_run_goes_on(downloads: Downloads) -> None:
    downloads.hub.faults.stall = "content"
    process = downloads.start(_WHISPER_MODEL)
    while not any("/content/" in request.path for request in downloads.hub.requests):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    result = _ended(process)
    assert result.returncode == 130
    assert "Stopped. Run it again to go on" in result.stderr
    downloads.hub.faults.stall = ""
    downloads.hub.forget()
    assert downloads.run(_WHISPER_MODEL).returncode == 0
    assert downloads.hub.fetched() == ["model.safetensors"]


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(downloads: Downloads) -> None:
    downloads.hub.add("owner/whisper", _WHISPER, xet=False)
    plain = downloads.run(_WHISPER_MODEL)
    assert "Fetching owner/whisper, 100.1 kB: generation_config.json, " in plain.stderr
    assert "%|" not in plain.stderr
    downloads.file("model.safetensors").resolve().unlink()
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "audio_score_server", "download", "--models-dir"]
        config = {"AUDIO_SCORE_CONFIG": str(downloads.folder / "config.json")}
        process = subprocess.Popen(
            [*command, str(downloads.models_dir)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=clean_environment({**downloads.hub.variables(downloads.folder), **config}),
        )
        os.close(theirs)
        shown = _read_all(terminal)
        assert process.wait(30) == 0
    assert "model.safetensors: 100%|" in shown
    assert "Signature" not in shown


def _read_all(terminal: io.FileIO) -> str:
    shown = b""
    while True:
        try:
            shown += terminal.read(4096)
        except OSError:  # how a terminal says that nobody writes to it any more
            return shown.decode(errors="replace")


def test_wrong_settings_end_it_with_code_2(tmp_path: Path) -> None:
    result = _ended(_command("download", "--config", str(tmp_path / "config.json")))
    assert result.returncode == 2
    assert "Wrong settings:" in result.stderr


def test_serve_is_the_server(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"models": [{"key": "fake", "type": "fake"}]}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = _ended(_command("serve", "--config", str(config), "--port", port))
    assert result.returncode == 1
    assert "Cannot listen on" in result.stderr
