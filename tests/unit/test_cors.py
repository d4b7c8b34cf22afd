from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from audio_score_server.service import ScoreService
from audio_score_server.settings import FakeSettings, Settings
from audio_score_server.telemetry.metrics import Metrics
from audio_score_server.web.app import create_app

_PAGE = "https://app.example"


def _no_service(settings: Settings, metrics: Metrics) -> ScoreService:
    raise AssertionError("nothing here asks for a score")


def _ask(method: str, path: str, *origins: str, keys: Path | None = None) -> httpx.Response:
    settings = Settings(
        models=(FakeSettings(key="fake", type="fake"),), cors_origins=origins, api_keys_file=keys
    )
    app = create_app(settings, _no_service, lambda _: None)
    headers = {"Origin": _PAGE}
    if method == "OPTIONS":
        headers |= {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, x-request-timeout-ms",
        }

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def _keys(folder: Path) -> Path:
    path = folder / "keys"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("origins", [(_PAGE,), ("*",), ("https://other.example", _PAGE)])
def test_a_page_of_a_named_origin_may_ask_without_its_key_and_read_the_answer(
    tmp_path: Path, origins: tuple[str, ...]
) -> None:
    allowed = "*" if origins == ("*",) else _PAGE
    preflight = _ask("OPTIONS", "/score", *origins, keys=_keys(tmp_path))
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == allowed
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for path, status in (("/health/live", 200), ("/clips", 401)):
        answer = _ask("GET", path, *origins, keys=_keys(tmp_path))
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == allowed
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origins", [(), ("https://other.example",)])
def test_other_pages_may_not(origins: tuple[str, ...]) -> None:
    assert "access-control-allow-origin" not in _ask("GET", "/health/live", *origins).headers
    assert _ask("OPTIONS", "/score", *origins).status_code in (400, 405)


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "https://a, https://b"])
def test_what_is_no_origin_is_a_wrong_setting(origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(models=(FakeSettings(key="fake", type="fake"),), cors_origins=(origin,))
