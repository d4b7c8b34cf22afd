from __future__ import annotations

import pytest
import torch

from audio_score_server.domain import HeardPhone
from audio_score_server.language.phones import PHONES
from audio_score_server.runners.phones.decoding import heard_phones
from tests.support import certain_sound


def _names(heard: tuple[HeardPhone, ...]) -> list[str]:
    return [each.phone for each in heard]


def test_spans_are_those_of_the_frames() -> None:
    assert heard_phones(certain_sound("- B B - AA")) == (
        HeardPhone("B", 1, 3),
        HeardPhone("AA", 4, 5),
    )


@pytest.mark.parametrize(
    ("labels", "heard"),
    [
        ("", ""),
        ("-", ""),
        ("B", "B"),
        ("B B B", "B"),
        ("B - B", "B B"),
        ("- B AA AA - T -", "B AA T"),
    ],
)
def test_repeats_merge_and_blanks_part(labels: str, heard: str) -> None:
    assert _names(heard_phones(certain_sound(labels))) == heard.split()


def test_every_phone_can_be_heard() -> None:
    assert _names(heard_phones(certain_sound(" ".join(PHONES)))) == list(PHONES)


def test_the_likeliest_label_counts_however_unlikely_it_is() -> None:
    unsure = torch.full((1, 1 + len(PHONES)), -3.0)
    unsure[0, 5] = -2.9
    assert heard_phones(unsure) == (HeardPhone(PHONES[4], 0, 1),)
