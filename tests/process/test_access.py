"""API keys and rates, over real connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.process.clients import Answer, Client, Numbers, ask, form, get, head, wait_until
from tests.process.server import ROOT, ServerProcess, clean_environment, running, write_config
from tests.support import chirp, encoded

pytestmark = pytest.mark.process
KEY: Final = "a-key-of-the-tests-0123456789"
OTHER: Final = "another-key-of-the-tests-0123"
SECOND: Final = encoded(chirp(1.0))
OPEN: Final = (
    "/studio",
    "/health",
    "/health/live",
    "/health/ready",
    "/docs",
    "/redoc",
    "/openapi.json",
)
CLOSED: Final = ("/clips", "/models", "/metrics", "/no-such-page", "/docs/", "/health/live/")


def _keys(folder: Path, *keys: str) -> str:
    path = folder / "keys"
    path.write_text("# who may\n" + "".join(f"{key}\n" for key in keys))
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Needs a key."""
    folder = tmp_path_factory.mktemp("guarded")
    config = write_config(
        folder, api_keys_file="keys", log_level="debug", max_upload_bytes=4_000_000
    )
    _keys(folder, KEY, OTHER)
    with running("--config", config) as server:
        server.wait_until_ready()
        yield server


def _score(url: str, **headers: str) -> Answer:
    with Client(url) as client:
        return client.send(ask(SECOND, **headers)).answer()


def _bearer(key: str) -> str:
    return f"Bearer {key}"


def test_bearers_of_any_key_are_served(guarded: ServerProcess) -> None:
    for key in (KEY, OTHER):
        assert _score(guarded.url, Authorization=_bearer(key)).status == 200
        for path in ("/clips", "/models", "/metrics"):
            assert get(guarded.url, path, Authorization=_bearer(key)).status == 200


@pytest.mark.parametrize("header", [None, _bearer("wrong-key-0123456789"), "Basic YTpi"])
def test_others_are_not(guarded: ServerProcess, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answers = [_score(guarded.url, **headers)]
    answers += [get(guarded.url, path, **headers) for path in CLOSED]
    for answer in answers:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer KEY" in answer.detail
        assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_documentation_are_open(guarded: ServerProcess, path: str) -> None:
    assert get(guarded.url, path).status == 200


def test_the_documentation_asks_for_the_key(guarded: ServerProcess) -> None:
    paths = get(guarded.url, "/openapi.json").json["paths"]
    asking = {path for path in paths if any("security" in each for each in paths[path].values())}
    assert asking == {path for path in paths if not path.startswith("/health")}
    assert {"/score", "/transcribe", "/metrics", "/clips"} <= asking
    script = get(guarded.url, "/static-offline-docs/swagger-ui-bundle.js")
    assert script.status == 200


def test_a_client_that_asks_first_is_told_before_it_sends(guarded: ServerProcess) -> None:
    with Client(guarded.url) as client:
        answer = client.send(head(2_000_000, Expect="100-continue")).answer()
    assert answer.status == 401


def _files(server: ServerProcess) -> set[str]:
    """Files without a name that the process has open."""
    entries = Path(f"/proc/{server.process.pid}/fd").iterdir()
    names = {str(entry.readlink()) for entry in entries if entry.is_symlink()}
    return {name for name in names if name.endswith("(deleted)")}


def _keeps(server: ServerProcess, before: set[str], count: int) -> bool:
    return len(_files(server) - before) == count


def test_a_large_upload_without_a_key_is_told_and_kept_nowhere(guarded: ServerProcess) -> None:
    body = form(bytes(3_500_000))
    before = _files(guarded)
    for key, status, kept in ((KEY, 400, 1), ("wrong-key-0123456789", 401, 0)):
        with Client(guarded.url) as client:
            client.send(head(len(body), Authorization=_bearer(key)) + body[:3_400_000])
            # What has come by now is dealt with before this is answered.
            assert get(guarded.url, "/health/live").status == 200
            wait_until(partial(_keeps, guarded, before, kept))
            client.send(body[3_400_000:])
            assert client.answer().status == status


def test_refusals_are_counted_and_no_key_is_ever_logged(guarded: ServerProcess) -> None:
    def refused() -> float:
        text = get(guarded.url, "/metrics", Authorization=_bearer(KEY)).body.decode()
        lines = [line for line in text.splitlines() if 'outcome="rejected"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines if "requests_total" in line)

    before = refused()
    wrong = "wrong-key-9876543210"
    assert _score(guarded.url, Authorization=_bearer(wrong), X_Request_Id="denied").status == 401
    guarded.wait_for_line(lambda line: "status=401" in line and "request_id=denied" in line)
    assert refused() == before + 1
    assert [key for key in (KEY, OTHER, wrong) if key in guarded.log] == []
    assert "Traceback" not in guarded.log


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ("# nothing yet\n", 0o600, "holds no API key"),
        (f"{KEY}\n", 0o644, "may be read by everyone"),
        (None, 0, "No such file"),
    ],
)
def test_keys_that_guard_nothing_keep_the_server_from_starting(
    tmp_path: Path, content: str | None, mode: int, told: str
) -> None:
    config = write_config(tmp_path, api_keys_file="keys")
    if content is not None:
        (tmp_path / "keys").write_text(content)
        (tmp_path / "keys").chmod(mode)
    result = subprocess.run(
        [sys.executable, str(ROOT / "run_server.py"), "--config", config, "--port", "0"],
        capture_output=True,
        text=True,
        env=clean_environment({}),
        timeout=60,
    )
    assert result.returncode == 2
    assert told in result.stderr
    assert KEY not in result.stderr
    assert "Traceback" not in result.stderr


def test_over_the_rate_a_client_is_told_when_to_come_again(tmp_path: Path) -> None:
    config = write_config(tmp_path, rate_limit_per_minute=3)
    with running("--config", config) as server:
        server.wait_until_ready()
        made_up = [_score(server.url, X_Forwarded_For=f"10.0.0.{n}") for n in range(4)]
        assert [answer.status for answer in made_up] == [200, 200, 200, 429]
        refused = made_up[-1]
        assert "At most 3 requests a minute" in refused.detail
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        assert get(server.url, "/clips").status == 200
        assert Numbers(server.url).of("audio_score_requests_total", outcome="rejected") == 1


def test_with_keys_a_client_is_its_key(tmp_path: Path) -> None:
    config = write_config(
        tmp_path, rate_limit_per_minute=1, api_keys_file=_keys(tmp_path, KEY, OTHER)
    )
    with running("--config", config) as server:
        server.wait_until_ready()
        asked = [_score(server.url, Authorization=_bearer(key)) for key in (KEY, KEY, OTHER)]
        assert [answer.status for answer in asked] == [200, 429, 200]


def test_behind_a_proxy_a_client_is_whom_the_proxy_saw(tmp_path: Path) -> None:
    config = write_config(tmp_path, rate_limit_per_minute=1)
    with running("--config", config, "--socket", str(tmp_path / "server.sock")) as server:
        server.wait_until_ready()
        seen = ("10.0.0.1", "10.9.9.9, 10.0.0.1", "10.0.0.1, 10.0.0.2")
        asked = [_score(server.url, X_Forwarded_For=each) for each in seen]
        assert [answer.status for answer in asked] == [200, 429, 200]
