from __future__ import annotations

from typing import Any

import pytest

from audio_score_server.errors import ModelLoadError
from audio_score_server.remote.scorer import RemoteScorer
from audio_score_server.settings import HiggsRemoteSettings

_KEY = "sk-secret"


def _scorer(api_base: str, environment: dict[str, str], **settings: Any) -> RemoteScorer:
    model = HiggsRemoteSettings(
        key="far", type="higgs_remote", api_base=api_base, model_id="m", **settings
    )
    return RemoteScorer(model, environment)


@pytest.mark.parametrize("environment", [{}, {"FAR_KEY": ""}, {"FAR_KEY": " \n"}])
def test_a_missing_key_is_named_by_its_variable(environment: dict[str, str]) -> None:
    with pytest.raises(ModelLoadError, match="variable FAR_KEY is not set"):
        _scorer("http://localhost/v1", environment, api_key_env="FAR_KEY")


@pytest.mark.parametrize("key", ["sk-sécret", "sk secret", "sk-secret\nX-More: 1", "sk\x00secret"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ModelLoadError, match="variable BOSON_API_KEY holds no key") as caught:
        _scorer("http://localhost/v1", {"BOSON_API_KEY": key})
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "api_base",
    [
        "",
        "localhost",
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http://",
        "http:///v1",
        "https://[::1/v1",
        "http://localhost:port/v1",
        "http://localhost:99999/v1",
        "http://local host/v1",
        "http://localhost/v1\x00",
        _KEY,
    ],
)
def test_what_is_no_address_is_refused(api_base: str) -> None:
    with pytest.raises(ModelLoadError, match=r"^api_base .* is no http or https address") as caught:
        _scorer(api_base, {"BOSON_API_KEY": _KEY})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "api_base",
    [
        "https://someone:sk-secret@localhost/v1",
        "https://localhost/v1?key=sk-secret",
        "https://localhost/v1#sk-secret",
    ],
)
def test_an_address_with_secrets_is_refused_without_repeating_them(api_base: str) -> None:
    with pytest.raises(ModelLoadError, match=r"key belongs into .* BOSON_API_KEY") as caught:
        _scorer(api_base, {"BOSON_API_KEY": "other"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("api_base", "host"),
    [
        ("https://far.example/v1", "far.example"),
        ("https://far.example:8443/v1/", "far.example:8443"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
    ],
)
def test_the_host_is_told_but_not_the_key(api_base: str, host: str) -> None:
    scorer = _scorer(api_base, {"BOSON_API_KEY": f"{_KEY}\n"})
    assert scorer.host == host
    assert "secret" not in repr(scorer)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "foo://someone:secret@localhost"),
        ("ALL_PROXY", "socks5://someone:secret@localhost"),
        ("ALL_PROXY", "http://someone:secret@localhost:port"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
    ],
)
def test_surroundings_that_allow_no_connection_are_told(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelLoadError, match="ALL_PROXY, SSL_CERT_FILE") as caught:
        _scorer("https://localhost/v1", {"BOSON_API_KEY": _KEY})
    assert "secret" not in str(caught.value)
