from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from audio_score_server.domain import Score
from audio_score_server.errors import BatchError, NotReady
from audio_score_server.pipelines import canary as module
from audio_score_server.pipelines.canary import Canary, FailureTracker

KNOWN = Score(audio=0.9, text=0.8)


def _singing(*outcomes: Score | Exception) -> Callable[[], Awaitable[Score]]:
    """Each score in turn, or the error."""
    left = iter(outcomes)

    async def probe() -> Score:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return probe


async def _ailments(canary: Canary, count: int) -> list[str | None]:
    await canary.record_baseline()
    return [await canary.health_error() for _ in range(count)]


def _told(*outcomes: Score | Exception) -> list[str | None]:
    """What the canary says of each outcome after the first, which it learns."""
    canary = Canary(_singing(*outcomes), lambda: 0)
    return asyncio.run(_ailments(canary, len(outcomes) - 1))


def test_the_same_score_is_well() -> None:
    assert _told(KNOWN, KNOWN, KNOWN) == [None, None]


@pytest.mark.parametrize(
    "other", [Score(0.889, 0.8), Score(0.911, 0.8), Score(0.9, 0.789), Score(0.91, 0.81)]
)
def test_what_batching_changes_is_well(other: Score) -> None:
    assert _told(KNOWN, other) == [None]


@pytest.mark.parametrize(
    "other", [Score(0.87, 0.8), Score(0.93, 0.8), Score(0.9, 0.77), Score(0.9, 0.83)]
)
def test_another_score_is_told_with_both(other: Score) -> None:
    (told,) = _told(KNOWN, other)
    assert told == (
        "a known recording scored 0.900 and 0.800 at start and now scores "
        f"{other.audio:.3f} and {other.text:.3f}"
    )


def test_no_number_is_not_well() -> None:
    (told,) = _told(KNOWN, BatchError("the model gave features that are not finite"))
    assert told is not None
    assert "not finite" in told


def test_errors_are_told_and_pass() -> None:
    first, second = _told(KNOWN, BatchError("RuntimeError: out of order"), KNOWN)
    assert first == "a known recording can no longer be scored: RuntimeError: out of order"
    assert second is None


def test_a_model_that_is_being_closed_is_not_ill() -> None:
    assert _told(KNOWN, NotReady("The server is stopping.")) == [None]


def _given_up(*rounds: tuple[float, str | None]) -> list[str | None]:
    """What follows from ailments, each at its time in seconds."""
    endurance = FailureTracker()
    return [endurance.observe(health_error, now) for now, health_error in rounds]


def test_a_model_is_given_up_after_some_time_and_some_failures() -> None:
    assert _given_up((0, "a"), (60, "a"), (119, "b"), (120, "c"), (150, "c")) == [
        *(None, None, None),
        "unhealthy for 120 s and 4 times in a row: c",
        "unhealthy for 150 s and 5 times in a row: c",
    ]


def test_one_slow_failure_is_not_enough() -> None:
    assert _given_up((0, "a"), (600, "a"), (1200, "a")) == [
        *(None, None),
        "unhealthy for 1200 s and 3 times in a row: a",
    ]


def test_a_model_that_gets_well_again_is_not_given_up() -> None:
    rounds = [(60.0 * n, None if n % 3 == 2 else "a") for n in range(30)]
    assert set(_given_up(*rounds)) == {None}


def test_what_was_never_learnt_is_not_asked_for() -> None:
    async def probe() -> Score:
        raise AssertionError

    assert asyncio.run(Canary(probe, lambda: 0).health_error()) is None


def test_what_cannot_be_learnt_is_an_error() -> None:
    with pytest.raises(BatchError):
        _told(BatchError("no"))


@pytest.mark.parametrize(("done", "told"), [(0, "its device has done nothing for 0 s"), (1, None)])
def test_silence_is_an_ailment_only_while_nothing_is_done(
    done: int, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
    progress = 0
    cancelled = asyncio.Event()

    async def probe() -> Score:
        nonlocal progress
        if not learnt:
            return KNOWN
        progress += done
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    learnt = False

    async def scenario() -> str | None:
        nonlocal learnt
        canary = Canary(probe, lambda: progress)
        await canary.record_baseline()
        learnt = True
        health_error = await canary.health_error()
        assert cancelled.is_set()
        return health_error

    assert asyncio.run(scenario()) == told
