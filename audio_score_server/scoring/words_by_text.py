"""What became of each word, by the transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TypeAlias

import numpy as np
from rapidfuzz.distance import Levenshtein

from audio_score_server.domain import FloatArray
from audio_score_server.language.normalization import Word, normalize
from audio_score_server.scoring.word_similarity import confidence
from audio_score_server.scoring.words import CORRECT_SCORE, WordDetail
from audio_score_server.tokenization import plain, word_spans
from audio_score_server.tokenization import words as written_words

_Pair: TypeAlias = tuple[Word | None, Word | None]
"""An expected word and what was heard for it."""


def words_by_text(
    expected: str, heard: str, language: str | None, evidence: FloatArray | None
) -> tuple[WordDetail, ...]:
    """What became of each word, by the transcript.

    Words are compared by their sounds, as ``normalize`` tells them: homophones are said.

    Args:
        expected: the clip's text.
        heard: the transcript.
        language: code of the language of both, None where nobody knows.
        evidence: float32 ``[words]`` of the clip's text as written, where the model gives it: a
            word that it finds likely is said, whatever the transcript has.
    """
    texts = as_written(expected)
    confidences = np.zeros(len(texts), np.float32)
    if evidence is not None and len(evidence) == len(texts):
        confidences = confidence(evidence)
    # By place in the text; added words, by places below zero, come in between as they were heard.
    groups: dict[int, list[_Pair]] = {}
    for pair in _pairs(normalize(expected, language), normalize(heard, language)):
        key = -1 - len(groups) if pair[0] is None else pair[0].origin
        groups.setdefault(key, []).append(pair)
    return tuple(
        _compared(texts[place], pairs, float(confidences[place]))
        if place >= 0
        else _insertion(_heard(pairs))
        for place, pairs in groups.items()
    )


def as_written(text: str) -> list[str]:
    """The words of a text without punctuation, in its own spelling."""
    made_plain = plain(text)
    return [made_plain[start:stop] for start, stop in word_spans(made_plain)]


def _pairs(expected: Sequence[Word], heard: Sequence[Word]) -> list[_Pair]:
    """Words over against each other, None where one side has nothing."""
    steps = Levenshtein.opcodes([word.sounds for word in expected], [word.sounds for word in heard])
    return [
        pair
        for step in steps
        for pair in zip_longest(
            expected[step.src_start : step.src_end], heard[step.dest_start : step.dest_end]
        )
    ]


def _heard(pairs: Sequence[_Pair]) -> tuple[str, ...]:
    return tuple(heard.text for _, heard in pairs if heard is not None)


def _insertion(heard: tuple[str, ...]) -> WordDetail:
    return WordDetail(" ".join(heard), "insertion", 0.0, heard)


def _compared(text: str, pairs: Sequence[_Pair], confident: float) -> WordDetail:
    """A word as written, which may be several as spoken."""
    alike = float(np.mean([_alike(pair) for pair in pairs]))
    heard = _heard(pairs)
    if alike == 1 or confident >= CORRECT_SCORE:
        return WordDetail(text, "correct", max(alike, confident))
    if heard:
        return WordDetail(text, "substitution", max(alike, confident), heard)
    return WordDetail(text, "omission", confident)


def _alike(pair: _Pair) -> float:
    """How much of their sounds two words share."""
    expected, heard = pair
    if expected is None or heard is None:
        return 0.0
    return Levenshtein.normalized_similarity(expected.sounds, heard.sounds)


def with_times(
    words: tuple[WordDetail, ...], timed: tuple[WordDetail, ...]
) -> tuple[WordDetail, ...]:
    """Words by a transcript, with places and phones from the same text's words by phones."""
    sources = [word for word in timed if word.status != "insertion"]
    places = [place for place, word in enumerate(words) if word.status != "insertion"]
    result = list(words)
    for step in Levenshtein.opcodes(
        [_plain_word(words[place].text) for place in places],
        [_plain_word(word.text) for word in sources],
    ):
        if step.tag == "equal":
            pairs = zip(
                places[step.src_start : step.src_end],
                sources[step.dest_start : step.dest_end],
                strict=True,
            )
            for place, source in pairs:
                result[place] = _timed(words[place], source)
    return tuple(result)


def _plain_word(text: str) -> str:
    return " ".join(written_words(text))


def _timed(word: WordDetail, source: WordDetail) -> WordDetail:
    recording = None if word.status == "omission" else source.recording
    return replace(word, recording=recording, reference=source.reference, phones=source.phones)
