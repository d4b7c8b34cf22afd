from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from audio_score_server.remote.retries import asked_pause_s, passing, pause_s

_NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_statuses_that_may_pass(status: int) -> None:
    assert passing(status)


@pytest.mark.parametrize("status", [300, 307, 400, 401, 403, 404, 413, 422])
def test_statuses_that_will_not_pass(status: int) -> None:
    assert not passing(status)


def test_pauses_double_up_to_a_limit() -> None:
    pauses = [pause_s(tries, 1.0, None) for tries in range(8)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 8, 8]
    assert pause_s(10**6, 1.0, None) == 8


@pytest.mark.parametrize("tries", [0, 3, 9])
def test_chance_spreads_pauses_over_their_later_half(tries: int) -> None:
    longest = pause_s(tries, 1.0, None)
    assert pause_s(tries, 0.0, None) == longest / 2
    assert longest / 2 < pause_s(tries, 0.5, None) < longest


def test_what_the_host_asks_for_is_waited_at_the_least() -> None:
    assert pause_s(0, 1.0, 3.0) == 3.0
    assert pause_s(4, 1.0, 3.0) == 4.0
    assert pause_s(0, 1.0, -5.0) == 0.25
    assert pause_s(0, 1.0, math.inf) == math.inf


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("1e999", math.inf),
        ("Mon, 06 May 2024 07:08:39 GMT", 30.0),
        ("Mon, 06 May 2024 09:08:39 +0200", 30.0),
        ("Mon, 06 May 2024 07:08:39 -0000", 30.0),
        ("Mon, 06 May 2024 07:07:09 GMT", -60.0),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Mon, 99 May 2024 07:08:39 GMT", None),
    ],
)
def test_what_a_host_asks_for(value: str, seconds: float | None) -> None:
    assert asked_pause_s({"retry-after": value}, _NOW) == seconds


def test_a_host_that_asks_for_nothing() -> None:
    assert asked_pause_s({}, _NOW) is None
