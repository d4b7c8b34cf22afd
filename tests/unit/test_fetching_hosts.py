from __future__ import annotations

import pytest

from audio_score_server.fetching.hosts import HostPattern, canonical_host
from audio_score_server.fetching.policy import FetchPolicy


@pytest.mark.parametrize(
    ("pattern", "host", "port", "admitted"),
    [
        ("example.com", "example.com", 443, True),
        ("Example.COM", "example.com", 80, True),
        ("example.com", "example.com", 8443, False),
        ("example.com", "a.example.com", 443, False),
        ("example.com", "notexample.com", 443, False),
        ("example.com", "example.com.evil.org", 443, False),
        ("*.example.com", "a.example.com", 443, True),
        ("*.example.com", "a.b.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("*.example.com", "notexample.com", 443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("*", "whatever.org", 443, True),
        ("*", "192.0.2.1", 80, True),
        ("*", "whatever.org", 22, False),
        ("*:8080", "whatever.org", 8080, True),
        ("192.0.2.1", "192.0.2.1", 80, True),
        ("[2001:DB8:0::1]:8080", "2001:db8::1", 8080, True),
    ],
)
def test_a_pattern_admits_what_it_names(pattern: str, host: str, port: int, admitted: bool) -> None:
    assert HostPattern.of(pattern).admits(host, port) is admitted
    assert FetchPolicy((pattern, "other.org"), 1, 1.0).admits(host, port) is admitted


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "*.", "**", "*.*", "a.*.com", "*example.com", "https://example.com", "example.com/"),
        *("example.com:0", "example.com:99999", "example.com:", "user@example.com", "[::1", "::1"),
        *("*.127.0.0.1", "*.[::1]", "127.1", "0x7f.0.0.1", "[fe80::1%eth0]", "bücher.example"),
    ],
)
def test_what_is_no_pattern_is_refused_before_anything_is_fetched(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no host; give example\.com"):
        FetchPolicy((pattern,), 1, 1.0)


def test_no_host_is_admitted_where_none_is_named() -> None:
    assert not FetchPolicy((), 1, 1.0).admits("example.com", 443)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("EXAMPLE.com", "example.com"),
        ("my_bucket.s3.example", "my_bucket.s3.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.example.com", "1.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:0DB8::0001]", "2001:db8::1"),
    ],
)
def test_a_host_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_host(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.1."),
        *(
            "0x",
            "1.2.3.4.5",
            "256.1.1.1",
            "a.1",
            "a..b",
            ".a",
            "a.",
            "-a.b",
            "a-.b",
            "a b",
            "a%2eb",
        ),
        *("[::1%lo]", "[::1", "[]", "[127.0.0.1]", "[1]", "::1", "", "a" * 64, "a." * 127 + "aa"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "b\u00fccher.example"),
    ],
)
def test_what_may_be_read_in_several_ways_is_no_host(text: str) -> None:
    assert canonical_host(text) is None
