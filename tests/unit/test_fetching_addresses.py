from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from audio_score_server.fetching.addresses import is_public, reachable


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "223.255.255.255"),
        *("2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::808:808"),
    ],
)
def test_what_everyone_reaches_is_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert reachable(address, ())


@pytest.mark.parametrize(
    "address",
    [
        # IPv4: this host, private, carrier-grade NAT, loopback, link-local, special, multicast.
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1"),
        *("127.255.255.255", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255"),
        *("192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
        *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
        *("255.255.255.255", "168.63.129.16"),
        # IPv6: the same kinds.
        *("::", "::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1", "fd00:ec2::254"),
        *("fd20:ce::254", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
        *("4000::1", "2001:2::1", "2001:20::1", "2606:4700::1%lo"),
        # IPv6 that holds an IPv4 address.
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1"),
        *("2002:7f00:1::1", "2002:808:808::1", "2001:0:7f00:1::1", "2001::80ff:fffe"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "64:ff9b:1::7f00:1"),
        *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:127.0.0.1"),
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not reachable(address, ())


@pytest.mark.parametrize("text", ["", "127.1", "2130706433", "localhost", "::1/128"])
def test_what_is_no_address_is_not_reached(text: str) -> None:
    assert not reachable(text, (ip_network("0.0.0.0/0"), ip_network("::/0")))


def test_an_allowed_network_is_reached_in_no_other_form() -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    assert reachable("127.0.0.1", allowed)
    assert reachable("fd00::1", allowed)
    assert reachable("8.8.8.8", allowed)
    for address in ("10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"):
        assert not reachable(address, allowed)
