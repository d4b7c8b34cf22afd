"""The index of lines: equal to comparing with every line, however it came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import EncoderFeatures, HeardPhone
from audio_score_server.language.phones import PHONES
from audio_score_server.retrieval.index import PhoneIndex
from audio_score_server.retrieval.terms import TERMS, PhoneTerms, likely_terms, terms_of

_FEW = PHONES[:4]
"""Lines of few phones have much in common."""
_LINES = st.lists(st.sampled_from(_FEW), min_size=2, max_size=8).map(tuple)
_WAYS = st.lists(_LINES, min_size=1, max_size=2)
_LIBRARIES = st.dictionaries(st.integers(0, 20), _WAYS, max_size=12)
Line = tuple[str, ...]


def _known(library: Mapping[int, Sequence[Line]]) -> dict[int, list[PhoneTerms]]:
    return {key: [terms_of(line) for line in ways] for key, ways in library.items()}


def _counted(line: Line) -> Counter[tuple[int, str, str]]:
    return Counter(
        (gap, line[place], line[place + gap])
        for gap in (0, 1, 2, 3)
        for place in range(len(line) - gap)
    )


def _exhaustive(library: Mapping[int, Sequence[Line]], query: Line) -> dict[int, float]:
    """The weighted Tversky index of every line that has anything in common with the query."""
    rows = [(key, _counted(line)) for key, ways in library.items() for line in ways]
    frequencies = Counter(term for _, row in rows for term in row)

    def mass(terms: Counter[tuple[int, str, str]]) -> float:
        return sum(
            count * log(1 + len(rows) / max(frequencies[term], 1)) for term, count in terms.items()
        )

    asked = _counted(query)
    best: dict[int, float] = {}
    for key, row in rows:
        whole = 0.3 * mass(asked) + 0.7 * mass(row)
        alike = mass(asked & row) / whole if asked & row else 0.0
        best[key] = max(best.get(key, 0.0), alike)
    return {key: alike for key, alike in best.items() if alike > 0}


def _found(index: PhoneIndex[int], query: Line) -> dict[int, float]:
    found = index.search(terms_of(query), 100)
    assert [alike for _, alike in found] == sorted((alike for _, alike in found), reverse=True)
    return dict(found)


@given(_LIBRARIES, _LINES)
def test_it_finds_what_a_look_at_every_line_finds(
    library: dict[int, list[Line]], query: Line
) -> None:
    index = PhoneIndex[int]()
    index.change(_known(library))
    assert _found(index, query) == pytest.approx(_exhaustive(library, query))


@given(st.lists(st.tuples(_LIBRARIES, st.sets(st.integers(0, 20))), max_size=5), _LINES)
def test_an_index_that_followed_changes_is_one_made_anew(
    changes: list[tuple[dict[int, list[Line]], set[int]]], query: Line
) -> None:
    followed = PhoneIndex[int]()
    now: dict[int, list[Line]] = {}
    for added, removed in changes:
        followed.change(_known(added), removed)
        now = {key: ways for key, ways in now.items() if key not in removed} | added
    anew = PhoneIndex[int]()
    anew.change(_known(now))
    assert len(followed) == len(anew) == len(now)
    assert set(followed.keys()) == set(now)
    assert _found(followed, query) == pytest.approx(_found(anew, query))


def test_many_changes_are_put_in_order_and_lose_nothing() -> None:
    chance = np.random.default_rng(4)
    library = {key: [tuple(chance.choice(PHONES, 12))] for key in range(2_000)}
    known = _known(library)
    index = PhoneIndex[int]()
    for first in range(0, 2_000, 100):
        index.change({key: known[key] for key in range(first, first + 100)})
    index.change({}, range(0, 2_000, 2))
    assert len(index) == 1_000
    for key in (1, 999, 1_999):
        ((found, alike),) = index.search(terms_of(library[key][0]), 1)
        assert found == key
        assert alike == pytest.approx(1.0)
    assert all(key % 2 for key, _ in index.search(terms_of(library[0][0]), 2_000))


def test_only_lines_that_are_looked_for_are_found() -> None:
    index = PhoneIndex[int]()
    line = ("HH", "AH", "L", "OW")
    index.change({1: [terms_of(line)], 2: [terms_of(line)]})
    assert [key for key, _ in index.search(terms_of(line), 5, lambda key: key == 2)] == [2]
    assert len(index.search(terms_of(line), 1)) == 1


def test_nothing_is_found_for_nothing() -> None:
    index = PhoneIndex[int]()
    assert index.search(terms_of(("HH", "AH")), 5) == []
    index.change({1: [terms_of(("HH", "AH"))]})
    assert index.search(terms_of(()), 5) == []
    assert index.search(terms_of(("ZH", "OY")), 5) == []


def _posteriors(*frames: dict[str, float]) -> EncoderFeatures:
    values = np.zeros((len(frames), len(PHONES)), np.float32)
    for row, frame in zip(values, frames, strict=True):
        for phone, share in frame.items():
            row[PHONES.index(phone)] = np.sqrt(share)
    return EncoderFeatures(values, np.ones(len(frames), np.float32), 50.0)


def test_a_sure_recording_has_the_terms_of_its_phones() -> None:
    features = _posteriors({"HH": 1.0}, {"AH": 1.0}, {"L": 1.0})
    heard = [HeardPhone(phone, place, place + 1) for place, phone in enumerate(("HH", "AH", "L"))]
    likely, sure = likely_terms(features, heard), terms_of(("HH", "AH", "L"))
    assert likely.ids.tolist() == sure.ids.tolist()
    assert likely.counts == pytest.approx(sure.counts)
    assert likely.ids.max() < TERMS


def test_a_phone_that_may_be_another_counts_as_both() -> None:
    features = _posteriors({"IH": 0.7, "IY": 0.28, "ZH": 0.02}, {"T": 1.0})
    likely = likely_terms(features, [HeardPhone("IH", 0, 1), HeardPhone("T", 1, 2)])
    expected = dict.fromkeys(terms_of(("T",)).ids.tolist(), 1.0)
    expected |= dict.fromkeys(set(terms_of(("IH", "T")).ids.tolist()) - set(expected), 0.7 / 0.98)
    expected |= dict.fromkeys(set(terms_of(("IY", "T")).ids.tolist()) - set(expected), 0.28 / 0.98)
    found = dict(zip(likely.ids.tolist(), likely.counts.tolist(), strict=True))
    assert found == pytest.approx(expected)
