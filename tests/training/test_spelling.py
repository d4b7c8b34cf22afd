"""Texts become the phones that voices read."""

from __future__ import annotations

import pytest

from training.spelling import english_phones, japanese_phones


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("The bird watches eight toys.", "ðə bˈɜɹd wˈɔʧɪz ˈAt tˈYz."),
        ("Who could join us now?", "hˈu kʊd ʤˈYn ʌs nˈW?"),
        ("Stop, water!", "stˈɑp, wˈɔtəɹ!"),
    ],
)
def test_english(text: str, phones: str) -> None:
    assert english_phones(text) == phones


@pytest.mark.parametrize(
    ("kana", "phones"),
    [
        ("きょーわ いい ね。", "kʲoːβa ii ne."),
        ("しゃしん、 がっこー", "ɕaɕiɴ, ɡaʔkoː"),
        ("ケーキ ふぁん", "keːkʲi ɸaɴ"),
        ("さんぽ てんき こんにちわ ほんや", "sampo teŋkʲi koɲɲiʨiβa hoɴja"),
    ],
)
def test_japanese(kana: str, phones: str) -> None:
    assert japanese_phones(kana) == phones


def test_what_is_no_kana_is_refused() -> None:
    with pytest.raises(KeyError):
        japanese_phones("今日")
