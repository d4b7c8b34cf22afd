from __future__ import annotations

import pytest
import torch

from audio_score_server.runners.phones.decoding import heard_phones
from audio_score_server.runners.phones.inventory import PHONES
from tests.support import certain_sound


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
    assert heard_phones(certain_sound(labels)) == tuple(heard.split())


def test_every_phone_can_be_heard() -> None:
    assert heard_phones(certain_sound(" ".join(PHONES))) == PHONES


def test_the_likeliest_label_counts_however_unlikely_it_is() -> None:
    unsure = torch.full((1, 1 + len(PHONES)), -3.0)
    unsure[0, 5] = -2.9
    assert heard_phones(unsure) == (PHONES[4],)
