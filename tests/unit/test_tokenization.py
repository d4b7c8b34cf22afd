from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.tokenization import plain, unspaced, word_spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("... \u2014 !?", []),
        ("Hello, World!", ["hello", "world"]),
        ("I don\u2019t know", ["i", "don't", "know"]),
        ("'Tis the \u2018season\u2019", ["tis", "the", "season"]),
        ("rock 'n' roll", ["rock", "n", "roll"]),
        ("well-known", ["well", "known"]),
        ("stra\u00dfe \uff28\uff49 \ufb01ne", ["strasse", "hi", "fine"]),
        ("42 is 4\u00bd", ["42", "is", "41", "2"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", ["\u4f60", "\u597d", "\u4e16", "\u754c"]),
        ("\u6211\u7231 hip-hop", ["\u6211", "\u7231", "hip", "hop"]),
        ("\u6211\u7231jazz\u548cAI", ["\u6211", "\u7231", "jazz", "\u548c", "ai"]),
        ("2026\u5e74", ["2026", "\u5e74"]),
        ("\u304b\u3099\u3063\u3053\u3046", ["\u304c", "\u3063", "\u3053", "\u3046"]),
        ("\uff76\uff9e\uff7d", ["\u30ac", "\u30b9"]),
        ("\u0e19\u0e49\u0e33", ["\u0e19\u0e49\u0e4d", "\u0e32"]),
        ("\uc548\ub155 \uc138\uacc4", ["\uc548\ub155", "\uc138\uacc4"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


_TEXTS = st.text(max_size=40) | st.text(
    "ab'\u2019 \u4f60\u597d\u3044\u0e01\u0e31\u0301.,-1", max_size=20
)


def _words_of_spaced_scripts(text: str) -> list[str]:
    """By replacing whatever is not spoken by spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    for apostrophe in "\u2019\u02bc\u2018`":
        folded = folded.replace(apostrophe, "'")
    spoken = (c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    return [word for word in (part.strip("'") for part in "".join(spoken).split()) if word]


@given(st.text(max_size=40))
def test_where_scripts_have_spaces_words_are_what_is_between_them(text: str) -> None:
    if not any(map(unspaced, plain(text))):
        assert words(text) == _words_of_spaced_scripts(text)


@given(_TEXTS)
def test_spans_are_words_in_order_without_overlap(text: str) -> None:
    made_plain = plain(text)
    spans = word_spans(made_plain)
    ends = [end for span in spans for end in span]
    assert ends == sorted(ends)
    assert all(start < stop for start, stop in spans)
    assert all(start >= 0 and stop <= len(made_plain) for start, stop in spans)
    for word in (made_plain[start:stop] for start, stop in spans):
        assert not word.startswith("'")
        assert not word.endswith("'")
    assert words(text) == [made_plain[start:stop].casefold() for start, stop in spans]


@given(_TEXTS)
def test_no_letter_is_lost(text: str) -> None:
    letters = [c for c in plain(text) if unicodedata.category(c)[0] in "LMN"]
    made_plain = plain(text)
    kept = "".join(made_plain[start:stop] for start, stop in word_spans(made_plain))
    assert [c for c in kept if c != "'"] == letters


@given(st.text("\u4f60\u597d\u3044\u30ab\u0e01\u0e02\U00020000", max_size=12))
def test_scripts_without_spaces_are_taken_letter_by_letter(text: str) -> None:
    assert words(text) == list(text)
    assert words(" ".join(text)) == list(text)
