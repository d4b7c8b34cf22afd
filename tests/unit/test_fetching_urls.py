from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.errors import UrlForbidden
from audio_score_server.fetching.urls import RecordingUrl, read_url

_HERE = RecordingUrl("https", "example.com", 443, "/a/b?c=d")


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("http://example.com", RecordingUrl("http", "example.com", 80, "/"), "example.com"),
        ("HTTPS://Example.COM:443/A?b#c", RecordingUrl("https", "example.com", 443, "/A?b"), None),
        ("https://example.com?b", RecordingUrl("https", "example.com", 443, "/?b"), None),
        ("http://example.com#@evil.org/", RecordingUrl("http", "example.com", 80, "/"), None),
        ("http://a.b/c@d:e", RecordingUrl("http", "a.b", 80, "/c@d:e"), "a.b"),
        ("http://a.b:443/%0d%0a", RecordingUrl("http", "a.b", 443, "/%0d%0a"), "a.b:443"),
        ("http://[2001:DB8::1]:80/", RecordingUrl("http", "2001:db8::1", 80, "/"), "[2001:db8::1]"),
    ],
)
def test_a_url_is_taken_apart(text: str, url: RecordingUrl, authority: str | None) -> None:
    assert read_url(text) == url
    assert url.authority == (authority or "example.com")


@pytest.mark.parametrize(
    ("location", "target"),
    [("e", "/a/e"), ("/e?f#g", "/e?f"), ("?x", "/a/b?x"), ("https://example.com/h", "/h")],
)
def test_a_redirect_may_be_relative(location: str, target: str) -> None:
    assert _HERE.redirected(location) == RecordingUrl("https", "example.com", 443, target)


def test_a_redirect_may_lead_to_another_host_and_to_encryption() -> None:
    assert _HERE.redirected("//other.org/x") == RecordingUrl("https", "other.org", 443, "/x")
    plain = RecordingUrl("http", "example.com", 80, "/")
    assert plain.redirected("https://example.com/").scheme == "https"


@pytest.mark.parametrize("location", ["http://example.com/", "HTTP://example.com/"])
def test_a_redirect_may_not_give_up_encryption(location: str) -> None:
    with pytest.raises(UrlForbidden, match="from https to http"):
        _HERE.redirected(location)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://a/",
        "//[::1",
        "\\\\evil.org",
        "/\r\nSet-Cookie: a",
        "/\u00e9",
        "//u@evil.org/",
        "/ ",
        "///evil.org/",
        "https:///evil.org",
        "https:/a",
        "https:a",
    ],
)
def test_a_redirect_is_read_as_strictly(location: str) -> None:
    with pytest.raises(UrlForbidden, match="cannot be read"):
        _HERE.redirected(location)


def test_a_url_may_be_long_but_not_endless() -> None:
    start = "https://example.com/"
    assert read_url(start.ljust(8_000, "a")).host == "example.com"
    with pytest.raises(UrlForbidden, match=r"at most 8,000 characters"):
        read_url(start.ljust(8_001, "a"))


@given(st.text(alphabet=string.printable + "\u3002\uff0e\u00e9\x00", max_size=30))
def test_whatever_is_taken_has_a_host_and_no_surprises(rest: str) -> None:
    with suppress(UrlForbidden):
        assert _HERE.redirected(rest).scheme == "https"
    try:
        url = read_url(f"http://{rest}")
    except UrlForbidden:
        return
    assert url.host
    assert url.target.startswith("/")
    spelt = f"{url.authority}{url.target}"
    assert spelt.isascii()
    assert not set(spelt) & set(' "<>\\^`{|}#' + string.whitespace)
    assert read_url(f"http://{spelt}") == url
