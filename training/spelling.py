"""Texts as phones that the Kokoro voices read: English from its spelling, Japanese from kana."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import gruut

_PUNCTUATION: Final = {"...": "…", "-": "—", "–": "—", "—": "—"}
_AS_IT_IS: Final = frozenset(".,!?;:…—")
_ENGLISH: Final = {
    **{"eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "t͡ʃ": "ʧ", "d͡ʒ": "ʤ"},
    **{"ɚ": "əɹ", "ɝ": "ɜɹ"},
}
_REDUCED: Final = {"a": "ɐ", "an": "ɐn", "i": "ˌI"}
_STRESS: Final = "ˈˌ"
_STRESSED_ER: Final = "ɜɹ"
_WEAK: Final = frozenset(
    (
        *("the", "and", "or", "but", "as", "than", "that", "of", "to", "for", "from"),
        *("at", "in", "on", "by", "with", "is", "are", "was", "were", "be", "been", "am", "has"),
        *("have", "had", "do", "does", "can", "could", "would", "should", "will", "must"),
        *("you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them", "my"),
        *("your", "his", "its", "our", "their"),
    )
)
"""Words that carry no stress in a sentence; the dictionary stresses each as if it stood alone."""

_VOWELS: Final = "aiɯeo"
_ROWS: Final = {
    **{"かきくけこ": "k", "がぎぐげご": "ɡ", "さしすせそ": "s", "ざじずぜぞ": "ʣ"},
    **{"たちつてと": "t", "だぢづでど": "d", "なにぬねの": "n", "はひふへほ": "h"},
    **{"ばびぶべぼ": "b", "ぱぴぷぺぽ": "p", "まみむめも": "m", "らりるれろ": "ɾ"},
}
_SOFT: Final = {
    **{"し": "ɕ", "じ": "ʥ", "ち": "ʨ", "ぢ": "ʥ", "に": "ɲ", "ひ": "ç"},
    **{"き": "kʲ", "ぎ": "ɡʲ", "び": "bʲ", "ぴ": "pʲ", "み": "mʲ", "り": "ɾʲ"},
}
"""Consonants before i, which are those before ゃ, ゅ and ょ as well."""
_ODD: Final = {
    **{"す": "sɨ", "ず": "zɨ", "つ": "ʦɨ", "づ": "zɨ", "ふ": "ɸɯ", "や": "ja", "ゆ": "jɯ"},
    **{"よ": "jo", "わ": "βa", "を": "o", "ゔ": "vɯ", "ふぁ": "ɸa", "ふぃ": "ɸʲi", "ふぇ": "ɸe"},
    **{"ふぉ": "ɸo", "てぃ": "tʲi", "でぃ": "dʲi", "しぇ": "ɕe", "じぇ": "ʥe", "ちぇ": "ʨe"},
    **{"っ": "ʔ", "ー": "ː", "、": ",", "。": ".", "？": "?", "！": "!", " ": " "},
}
_NASAL: Final = {"mbp": "m", "kɡ": "ŋ", "ɲʨʥ": "ɲ", "ntdɾzʣʦ": "n"}
"""What ん becomes before these; ɴ elsewhere."""
_KATAKANA: Final = {kana: kana - 0x60 for kana in range(0x30A1, 0x30F7)}


def english_phones(text: str) -> str:
    """An English text as one string of phones, with stress, spaces and punctuation.

    Args:
        text: of one line, as it is usually written.
    """
    phones = "".join(
        f" {_word(word.text, word.phonemes)}" if word.is_spoken else _mark(word.text)
        for sentence in gruut.sentences(text, lang="en-us")
        for word in sentence
        if word.phonemes
    )
    return phones.strip()


def _mark(text: str) -> str:
    mark = _PUNCTUATION.get(text, text)
    return mark if mark in _AS_IT_IS else ""


def _word(text: str, ipa: list[str]) -> str:
    if text.lower() in _REDUCED:
        return _REDUCED[text.lower()]
    weak = text.lower() in _WEAK
    return "".join(_phone("" if weak else each[0], each.lstrip(_STRESS)) for each in ipa)


def _phone(first: str, bare: str) -> str:
    stress = first if first and first in _STRESS else ""
    if stress and bare == "ɚ":
        return stress + _STRESSED_ER
    return stress + _ENGLISH.get(bare, bare)


def japanese_phones(kana: str) -> str:
    """A Japanese text as one string of phones.

    Args:
        kana: as it is pronounced: は and へ as particles わ and え, long vowels with ー, words
            apart.

    Raises:
        KeyError: a character that is neither kana nor one of ``、。？！``.
    """
    sounds = [_SOUNDS[each] for each in _MORA.findall(kana.translate(_KATAKANA))]
    following = [*sounds[1:], ""]
    return "".join(
        _nasal(after) if sound == "ん" else sound
        for sound, after in zip(sounds, following, strict=True)
    )


def _nasal(after: str) -> str:
    return next(
        (nasal for before, nasal in _NASAL.items() if after[:1] and after[0] in before), "ɴ"
    )


def _sounds() -> Iterator[tuple[str, str]]:
    yield "ん", "ん"
    yield from zip("あいうえお", _VOWELS, strict=True)
    for row, consonant in _ROWS.items():
        yield from ((kana, consonant + vowel) for kana, vowel in zip(row, _VOWELS, strict=True))
    for kana, consonant in _SOFT.items():
        yield kana, f"{consonant}i"
        yield from (
            (kana + small, consonant + vowel) for small, vowel in zip("ゃゅょ", "aɨo", strict=True)
        )
    yield from _ODD.items()


_SOUNDS: Final = dict(_sounds())
_MORA: Final = re.compile(r".[ゃゅょぁぃぇぉ]|.", re.DOTALL)
