"""No URL leads to an address that is not public: a listener on this machine is never reached."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import httpcore
import pytest

from audio_score_server.errors import DownloadFailed, UrlForbidden
from audio_score_server.fetching.fetch import fetch
from audio_score_server.fetching.policy import FetchPolicy
from tests.recording_host import ok, recording_host, redirect

_PUBLIC = "93.184.215.14"
_FRONT = "127.0.0.2"
"""Where the host is that is allowed and redirects."""
_NAMES: Mapping[str, Sequence[str]] = {
    "good.example": [_PUBLIC],
    "front.example": [_FRONT],
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "xn--lcalhost-e5a.example": ["127.0.0.1"],
    "mixed.example": [_PUBLIC, "127.0.0.1"],
    "mixed6.example": ["2606:4700:4700::1111", "::1"],
    "unmixed.example": ["127.0.0.1", _PUBLIC],
    "mapped.example": ["::ffff:127.0.0.1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "private.example": ["10.1.2.3"],
    "metadata.example": ["169.254.169.254"],
    "metadata6.example": ["fd00:ec2::254"],
    "zone.example": ["fe80::1%lo"],
    "short.example": ["127.1"],
}
_ADDRESSES = [
    # IPv4 in every form that a C library takes
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1"),
    *("0177.0.0.1", "017700000001", "0177.1", "00000177.0.0.1", "0x7F.0X0.0x0.0x1", "127.0.0.1."),
    *("0.0.0.0", "0", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "169.254.170.2", "192.0.0.192"),
    *("168.63.129.16", "100.100.100.200", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    # IPv6, and IPv4 within
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]"),
    *("[fd00:ec2::254]", "[ff02::1]", "[::1%lo]", "[::FFFF:127.0.0.1]", "[2606:4700::5efe:7f00:1]"),
    # names
    *("localhost", "LOCALHOST", "LocalHost", "localhost.", "localhost.localdomain"),
    *(name for name in _NAMES if name not in ("good.example", "front.example", "localhost")),
    # numbers, dots and letters that normalization turns into others
    *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1"),
    *("\u2460\u2461\u2466.0.0.1", "\u24dbocalhost", "loc\u00adalhost", "127.0.0.1\u200b"),
    *("%31%32%37.0.0.1", "127%2e0%2e0%2e1", "local%68ost", "\u0661\u0662\u0667.0.0.1"),
    # two readings
    *("good.example@127.0.0.1", "good.example:80@127.0.0.1", "good.example%40127.0.0.1"),
    *("127.0.0.1:80@good.example", "@127.0.0.1", ":@127.0.0.1", "good.example\\@127.0.0.1"),
    *("127.0.0.1\\.good.example", "127.0.0.1 good.example", "127.0.0.1\t.good.example"),
    *("127.0.0.1\r\n.good.example", "good.example\r\nHost:127.0.0.1", "127.0.0.1\x00.good.example"),
    *("127.0.0.1,good.example", "[127.0.0.1]", "[::1].good.example", "127.0.0.1%00", "127.0.0.1;"),
]
_IN_HEADERS = [host for host in _ADDRESSES if not set(host) & set("\r\n\x00")]
_WHOLE = [
    "http://127.0.0.1:{port}#@good.example/",
    "http://127.0.0.1:{port}?@good.example/",
    "http://good.example/ http://127.0.0.1:{port}/",
    "http://good.example/\r\n\r\nGET http://127.0.0.1:{port}/ HTTP/1.1",
    "http://good.example/\nHost: 127.0.0.1:{port}",
    "http://good.example/\u010d\u010a",
    " http://127.0.0.1:{port}/",
    "\x01http://127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:////127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "//127.0.0.1:{port}/",
    "/\\127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http://",
    "",
    "http://good.example:{port}:{port}/",
    "http://good.example:22/",
    "http://good.example:6379/",
    "http://good.example:0/",
    "http://good.example:65616/",
    "http://good.example:/",
    "http://good.example:+80/",
    "http://good.example:080/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://127.0.0.1:{port}/_INFO",
    "ftp://127.0.0.1:{port}/a",
    "dict://127.0.0.1:{port}/info",
    "ldap://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "data:audio/wav;base64,UklGRg==",
    "jar:http://127.0.0.1:{port}!/a",
    "url:http://127.0.0.1:{port}/",
    "view-source:http://127.0.0.1:{port}/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "unix:///var/run/docker.sock",
    "http://unix:/var/run/docker.sock:/info",
    "http://%2Fvar%2Frun%2Fdocker.sock/info",
]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address to which a connection is tried; those elsewhere are never really tried."""
    tried: list[str] = []
    connect = httpcore.AnyIOBackend.connect_tcp

    async def dial(self: httpcore.AnyIOBackend, host: str, *rest: Any) -> Any:
        tried.append(host)
        if not ip_address(host).is_loopback:
            raise httpcore.ConnectError("not from a test")
        return await connect(self, host, *rest)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", dial)
    return tried


async def _resolve(host: str, port: int) -> Sequence[str]:
    if host not in _NAMES:
        raise socket.gaierror(f"{host}:{port} is not known")
    return _NAMES[host]


def _policy(ports: Iterable[int], networks: Iterable[str] = ()) -> FetchPolicy:
    return FetchPolicy(
        ("*", *(f"*:{port}" for port in ports)),
        1_000,
        10.0,
        allowed_networks=tuple(ip_network(network) for network in networks),
    )


async def _refused(url: str) -> str:
    """Why a URL is refused, when the listener is at its port."""
    async with recording_host(ok(b"secret"), addresses=("127.0.0.1", "::1")) as canary:
        sink = io.BytesIO()
        with pytest.raises(UrlForbidden) as caught:
            await fetch(url.format(port=canary.port), _policy([canary.port]), sink, _resolve)
        assert canary.connections == 0
        assert sink.getvalue() == b""
    return str(caught.value)


async def _refused_after_redirect(location: str) -> str:
    """Why a URL is refused that an allowed host redirects to."""
    async with recording_host(ok(b"secret"), addresses=("127.0.0.1", "::1")) as canary:
        answer = redirect(location.format(port=canary.port))
        async with recording_host(answer, addresses=(_FRONT,)) as front:
            policy = _policy([canary.port, front.port], [f"{_FRONT}/32"])
            with pytest.raises(UrlForbidden, match="redirects to one that is refused") as caught:
                await fetch(f"http://front.example:{front.port}/", policy, io.BytesIO(), _resolve)
            assert front.connections == 1
        assert canary.connections == 0
    return str(caught.value)


@pytest.mark.parametrize("host", _ADDRESSES)
def test_no_form_of_an_address_is_reached(host: str, dialled: list[str]) -> None:
    told = asyncio.run(_refused(f"http://{host}:{{port}}/take.wav"))
    assert dialled == []
    # Neither the address nor a name tells the client what there is inside.
    assert not any(address in told for addresses in _NAMES.values() for address in addresses)


@pytest.mark.parametrize("host", _ADDRESSES)
def test_no_form_of_an_address_is_reached_encrypted(host: str, dialled: list[str]) -> None:
    asyncio.run(_refused(f"https://{host}:{{port}}/take.wav"))
    assert dialled == []


@pytest.mark.parametrize("url", _WHOLE)
def test_no_other_url_is_reached(url: str, dialled: list[str]) -> None:
    asyncio.run(_refused(url))
    assert dialled == []


@pytest.mark.parametrize(
    "location",
    [
        # What does not travel in a header is sent as the bytes that it is.
        *(f"http://{host}:{{port}}/".encode().decode("latin-1") for host in _IN_HEADERS),
        *("//127.0.0.1:{port}/", "//localhost:{port}", "file:///etc/passwd", "gopher://127.0.0.1/"),
        *("/\\127.0.0.1:{port}/", "\\\\127.0.0.1:{port}", "http:////127.0.0.1:{port}/"),
        *("http:/\\127.0.0.1:{port}/", "data:,a", "http://good.example:6379/", "//[::1"),
    ],
)
def test_no_redirect_leads_there(location: str, dialled: list[str]) -> None:
    asyncio.run(_refused_after_redirect(location))
    assert dialled == [_FRONT]


def test_a_host_is_looked_up_once_and_reached_where_it_was_checked(dialled: list[str]) -> None:
    """DNS rebinding: public when it is checked, and private ever after."""
    answers = [[_PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]

    async def rebind(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async def run() -> None:
        async with recording_host(ok(b"secret")) as canary:
            url = f"http://rebind.example:{canary.port}/"
            with pytest.raises(DownloadFailed, match="cannot be reached"):
                await fetch(url, _policy([canary.port]), io.BytesIO(), rebind)
            assert canary.connections == 0

    asyncio.run(run())
    assert dialled == [_PUBLIC]
    assert len(answers) == 2


def test_a_host_that_redirects_to_itself_is_checked_again(dialled: list[str]) -> None:
    """DNS rebinding between two requests to one host."""
    answers = [[_FRONT], ["127.0.0.1"]]

    async def rebind(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async def run() -> None:
        async with recording_host(redirect("/again"), addresses=(_FRONT, "127.0.0.1")) as host:
            policy = _policy([host.port], [f"{_FRONT}/32"])
            url = f"http://rebind.example:{host.port}/"
            with pytest.raises(UrlForbidden, match="not public"):
                await fetch(url, policy, io.BytesIO(), rebind)
            assert host.connections == 1

    asyncio.run(run())
    assert dialled == [_FRONT]


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(dialled: list[str]) -> None:
    async def run() -> None:
        async with recording_host(redirect("http://good.example/"), addresses=(_FRONT,)) as front:
            policy = FetchPolicy(
                (f"front.example:{front.port}",),
                9,
                9.0,
                allowed_networks=(ip_network("127.0.0.2"),),
            )
            url = f"http://front.example:{front.port}/"
            with pytest.raises(UrlForbidden, match="not among those") as caught:
                await fetch(url, policy, io.BytesIO(), _resolve)
            assert "good.example" not in str(caught.value)

    asyncio.run(run())
    assert dialled == [_FRONT]


def test_a_host_that_is_not_allowed_is_not_even_looked_up(dialled: list[str]) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    policy = FetchPolicy(("*.example.com", "good.example:8443"), 9, 9.0)
    for url in ("https://good.example/", "https://example.com/", "https://good.example:444/"):
        with pytest.raises(UrlForbidden, match="not among those"):
            asyncio.run(fetch(url, policy, io.BytesIO(), never))
    assert dialled == []


def test_the_systems_own_lookup_is_checked_as_well(dialled: list[str]) -> None:
    async def run() -> None:
        async with recording_host(ok(b"secret"), addresses=("127.0.0.1", "::1")) as canary:
            url = f"http://localhost:{canary.port}/"
            with pytest.raises(UrlForbidden, match="not public"):
                await fetch(url, _policy([canary.port]), io.BytesIO())
            assert canary.connections == 0

    asyncio.run(run())
    assert dialled == []
