from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_score_server.domain import WORTHLESS_NATS, Alignment
from audio_score_server.language.phones import BLANK, PHONES, phone_indices
from audio_score_server.runners.phones.alignment import align
from audio_score_server.runners.phones.decoding import heard_phones
from tests.support import certain_sound

_UNEXPECTED_NATS = 1.5


def _random(seed: int, frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(frames, 1 + len(PHONES), generator=generator)
    return scores.log_softmax(dim=-1)


def _aligned(sound: torch.Tensor, *phones: str) -> Alignment:
    return align(sound, phones, heard_phones(sound))


def _spans(labels: str, phones: str) -> list[tuple[int, int] | None]:
    """First frame and frame after the last of each phone; None for those not said."""
    aligned = _aligned(certain_sound(labels), *phones.split())
    return [
        (int(start), int(stop)) if present else None
        for present, start, stop in zip(aligned.present, aligned.starts, aligned.stops, strict=True)
    ]


def _evidence(labels: str, phones: str) -> list[float]:
    aligned = _aligned(certain_sound(labels), *phones.split())
    return [float(value) for value in aligned.evidence]


@pytest.mark.parametrize(
    ("labels", "phones", "spans"),
    [
        ("- B B - AA T -", "B AA T", [(1, 3), (4, 5), (5, 6)]),
        ("B - B", "B B", [(0, 1), (2, 3)]),
        ("B", "B", [(0, 1)]),
        ("B AA T", "B AA T", [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_a_certain_path_is_found_with_full_evidence(
    labels: str, phones: str, spans: list[tuple[int, int]]
) -> None:
    assert _spans(labels, phones) == spans
    assert _evidence(labels, phones) == pytest.approx([1.0] * len(spans))


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("B - AA -", [(0, 1), (2, 3), None, None]),
        ("- T - S", [None, None, (1, 2), (3, 4)]),
        ("B - - S", [(0, 1), None, None, (3, 4)]),
        ("- - -", [None, None, None, None]),
    ],
)
def test_what_is_not_said_is_skipped_and_leaves_the_rest_alone(
    labels: str, spans: list[tuple[int, int] | None]
) -> None:
    assert _spans(labels, "B AA T S") == spans
    worthless = math.exp(-WORTHLESS_NATS)
    expected = [worthless if span is None else 1.0 for span in spans]
    assert _evidence(labels, "B AA T S") == pytest.approx(expected, abs=1e-6)


def test_a_phone_that_nobody_expected_weighs_on_the_one_before() -> None:
    before, after = _evidence("B - ZH - T", "B T")
    assert before == pytest.approx(math.exp(-_UNEXPECTED_NATS))
    assert after == pytest.approx(1.0)


def test_a_sound_before_the_first_phone_weighs_on_that_phone() -> None:
    first, second = _evidence("ZH - B - T", "B T")
    assert first == pytest.approx(math.exp(-_UNEXPECTED_NATS))
    assert second == pytest.approx(1.0)


def test_fewer_frames_than_phones_leave_some_unsaid() -> None:
    aligned = _aligned(certain_sound("B AA"), "B", "AA", "T", "S", "B")
    assert aligned.present.tolist() == [True, True, False, False, False]


def test_a_repeated_phone_without_a_blank_is_said_once() -> None:
    assert _aligned(certain_sound("B B"), "B", "B").present.sum() == 1


_PHONES = st.lists(st.sampled_from(PHONES[:3] + PHONES[-1:]), min_size=1, max_size=10)


@given(st.integers(0, 1_000), st.integers(1, 40), _PHONES)
def test_phones_come_in_order_and_within_the_recording(
    seed: int, frames: int, phones: list[str]
) -> None:
    aligned = _aligned(_random(seed, frames), *phones)
    assert len(aligned.present) == len(aligned.starts) == len(aligned.stops) == len(phones)
    assert aligned.evidence.dtype == np.float32
    assert ((aligned.evidence >= 0) & (aligned.evidence <= 1)).all()
    end = 0
    for present, start, stop in zip(aligned.present, aligned.starts, aligned.stops, strict=True):
        if present:
            assert end <= start < stop <= frames
            end = stop
        else:
            assert start == stop == 0


@given(st.integers(0, 1_000), st.integers(1, 40))
def test_what_was_heard_bears_itself_out(seed: int, frames: int) -> None:
    sound = _random(seed, frames)
    heard = heard_phones(sound)
    if heard:
        aligned = _aligned(sound, *(each.phone for each in heard))
        assert aligned.present.all()
        np.testing.assert_allclose(aligned.evidence, 1.0, atol=1e-4)


def _least_loss(sound: torch.Tensor, labels: list[int]) -> float:
    """By the definition: the cheapest way to say some of the phones, in order."""
    losses: list[list[float]] = (sound.amax(dim=1, keepdim=True) - sound).tolist()

    @cache
    def after(frame: int, last: int, spoken: bool) -> float:
        """Loss from a frame on, when the frame before was at, or in a blank after, ``last``."""
        if frame == len(losses):
            return WORTHLESS_NATS * (len(labels) - 1 - last)
        blank = min(losses[frame][BLANK], _UNEXPECTED_NATS)
        ways = [blank + after(frame + 1, last, False)]
        if spoken:
            ways.append(losses[frame][labels[last]] + after(frame + 1, last, True))
        for phone in range(last + 1, len(labels)):
            adjacent = phone == last + 1 and labels[phone] != labels[last]
            if not spoken or adjacent:
                skipped = WORTHLESS_NATS * (phone - last - 1)
                ways.append(skipped + losses[frame][labels[phone]] + after(frame + 1, phone, True))
        return min(ways)

    return after(0, -1, False)


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.integers(1, 9), _PHONES)
def test_no_way_to_say_the_phones_is_cheaper(seed: int, frames: int, phones: list[str]) -> None:
    sound = _random(seed, frames)
    loss = -np.log(_aligned(sound, *phones).evidence.astype(np.float64)).sum()
    assert loss == pytest.approx(_least_loss(sound, phone_indices(phones)), abs=1e-3)


def test_stress_digits_do_not_matter() -> None:
    sound = _random(0, 10)
    plain, stressed = _aligned(sound, "AA", "T"), _aligned(sound, "AA1", "T")
    assert plain.evidence.tolist() == stressed.evidence.tolist()
