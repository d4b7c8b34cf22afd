from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from audio_score_server.errors import TooManyRequests
from audio_score_server.paths import SCORE_PATHS
from audio_score_server.web.authentication import Authenticator
from audio_score_server.web.families import RouteFamilies, RouteFamily, UploadLimits
from audio_score_server.web.rate_limit import RateLimit

_RATES = st.integers(1, 200)
_TIMES = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 7.0, 100.0]), max_size=300).map(
    lambda pauses: list(accumulate(pauses, initial=1e5))
)


@given(_RATES, _TIMES)
def test_no_stretch_of_time_has_more_than_a_minutes_requests_and_its_own(
    rate: int, times: list[float]
) -> None:
    limit = RateLimit(rate)
    let_in = [now for now in times if not limit.wait_s("a", now)]
    for first, start in enumerate(let_in):
        for count, end in enumerate(let_in[first:], start=1):
            assert count <= rate + (end - start) * rate / 60 + 1e-3


@given(_RATES, _TIMES)
def test_whoever_waits_as_told_is_let_in_and_no_sooner(rate: int, times: list[float]) -> None:
    limit = RateLimit(rate)
    for now in times:
        wait_s = limit.wait_s("a", now)
        if wait_s:
            assert limit.wait_s("a", now + 0.9 * wait_s) > 0
            assert limit.wait_s("a", now + wait_s) == 0
            return


@given(_RATES)
def test_a_quiet_client_may_send_a_minutes_requests_at_once(rate: int) -> None:
    limit = RateLimit(rate)
    assert [limit.wait_s("a", 5.0) for _ in range(rate)] == [0.0] * rate
    assert 0 < limit.wait_s("a", 5.0) <= 60 / rate + 1e-6


@given(_RATES, st.lists(st.sampled_from("abc"), max_size=100))
def test_clients_do_not_concern_each_other(rate: int, clients: list[str]) -> None:
    together, alone = RateLimit(rate), {client: RateLimit(rate) for client in "abc"}
    for client in clients:
        assert together.wait_s(client, 1.0) == alone[client].wait_s(client, 1.0)


@given(st.lists(st.integers(0, 20), max_size=100), st.integers(1, 5))
def test_only_so_many_clients_are_remembered_those_heard_of_last(
    clients: list[int], most: int
) -> None:
    limit = RateLimit(1, most)
    for client in clients:
        limit.wait_s(str(client), 1.0)
        assert len(limit) <= most
    recent = list(dict.fromkeys(reversed(clients)))[:most]
    assert all(limit.wait_s(str(client), 1.0) > 0 for client in recent)


def _scope(address: str | None, forwarded: list[str], method: str = "POST") -> Scope:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    client = (address, 1) if address else None
    return {
        "type": "http",
        "method": method,
        "path": "/score",
        "headers": [*headers, (b"x-real-ip", str(id(headers)).encode())],
        "client": client,
    }


def _authenticator(per_minute: int, behind_proxy: bool) -> Authenticator:
    limits = UploadLimits(1_000, 1, 1.0, 1.0)
    family = RouteFamily("score", SCORE_PATHS, limits, RateLimit(per_minute))
    return Authenticator(None, RouteFamilies([family], limits), behind_proxy)


def _same(authenticator: Authenticator, *scopes: Scope) -> bool:
    """Whether all of these come from one client: it may send one request a minute."""
    refusals = [authenticator.rejection(scope) for scope in scopes]
    assert refusals[0] is None
    return all(isinstance(rejection, TooManyRequests) for rejection in refusals[1:])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
    ],
)
def test_a_client_is_its_address_or_its_household(one: str, other: str, same: bool) -> None:
    assert _same(_authenticator(1, behind_proxy=False), _scope(one, []), _scope(other, [])) == same
    assert (
        _same(_authenticator(1, behind_proxy=True), _scope(None, [one]), _scope(None, [other]))
        == same
    )


def test_over_a_port_nobody_is_believed_to_be_another() -> None:
    authenticator = _authenticator(1, behind_proxy=False)
    scopes = [_scope("10.0.0.1", [f"10.0.1.{number}"]) for number in range(5)]
    assert _same(authenticator, *scopes)


def test_of_what_a_proxy_forwards_only_its_own_word_counts() -> None:
    authenticator = _authenticator(1, behind_proxy=True)
    made_up = [[f"10.0.1.{n}, 10.0.0.1"] for n in range(3)] + [["10.0.1.9", "10.0.0.1"]]
    assert _same(authenticator, *(_scope(None, each) for each in made_up))
    assert authenticator.rejection(_scope(None, ["10.0.0.1, 10.0.0.2"])) is None


def test_clients_without_any_address_are_one() -> None:
    authenticator = _authenticator(1, behind_proxy=True)
    assert _same(authenticator, _scope(None, []), _scope(None, []))


def test_only_requests_for_a_score_count() -> None:
    authenticator = _authenticator(1, behind_proxy=False)
    others = [_scope("10.0.0.1", [], method) for method in ("GET", "HEAD", "OPTIONS")]
    assert [authenticator.rejection(scope) for scope in others for _ in range(5)] == [None] * 15
    clips = {**_scope("10.0.0.1", []), "path": "/clips"}
    assert authenticator.rejection(clips) is None
    slashed = {**_scope("10.0.0.1", []), "path": "/score/"}
    assert _same(authenticator, _scope("10.0.0.1", []), slashed)


@given(st.lists(st.floats(0, 1e4), min_size=2).map(sorted))
def test_waits_shrink_as_time_passes(times: list[float]) -> None:
    limit = RateLimit(1)
    limit.wait_s("a", 0.0)
    waits = [limit.wait_s("a", min(now, 59.0)) for now in times]
    assert all(earlier >= later for earlier, later in pairwise(waits))
