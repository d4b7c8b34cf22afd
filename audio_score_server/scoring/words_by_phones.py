"""What became of each word, by its phones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from audio_score_server.domain import WORTHLESS_NATS, Alignment, HeardPhone
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.scoring.phone_matching import match_phones
from audio_score_server.scoring.time_spans import PhoneTimes, TimeSpan, hull
from audio_score_server.scoring.words import (
    CORRECT_SCORE,
    ClipWord,
    PhoneDetail,
    WordDetail,
    WordStatus,
)

_LEAST_EVIDENCE: Final = 1e-30
_SAID_SHARE: Final = 0.5
"""Of a word's phones: with fewer it is not there, or another word is in its place."""
_APART_S: Final = 0.4
"""Learners pause within words, but no longer."""
_PHRASE_S: Final = 0.15
"""Pauses of a clip without text part its phones into phrases."""
_Heard = Sequence[Sequence[HeardPhone]]


@dataclass(frozen=True, slots=True)
class AlignedPhones:
    """A text's phones in a clip and in a recording of it.

    Attributes:
        words: of the text; all their phones in order are those that are aligned.
        reference: where they are in the clip.
        recording: where they are in the recording.
        frame_rate_hz: of both.
    """

    words: Sequence[SpokenWord]
    reference: Alignment
    recording: Alignment
    frame_rate_hz: float


def clip_words(
    spoken: Sequence[SpokenWord], alignment: Alignment, frame_rate_hz: float, seconds: float
) -> tuple[ClipWord, ...]:
    """Where the words of a clip's text are in the clip; without words of no sound.

    Args:
        spoken: words of the text; all their phones in order are those that are aligned.
        alignment: of those phones with the clip.
        frame_rate_hz: of the alignment.
        seconds: how long the clip is.
    """
    clip = PhoneTimes.of(alignment, frame_rate_hz, seconds)
    found: list[ClipWord] = []
    first = 0
    for word in spoken:
        places = range(first, first + len(word.phones))
        first = places.stop
        if places:
            found.append(ClipWord(word.text, hull(clip.expected(place) for place in places)))
    return tuple(found)


def words_by_phones(sounds: AlignedPhones, seconds: tuple[float, float]) -> tuple[WordDetail, ...]:
    """What became of each word, by its phones; added words where they were heard.

    Args:
        sounds: the text's phones.
        seconds: durations of the clip and of the recording.
    """
    rate = sounds.frame_rate_hz
    clip = PhoneTimes.of(sounds.reference, rate, seconds[0])
    dub = PhoneTimes.of(sounds.recording, rate, seconds[1])
    match = match_phones(sounds.recording, rate)
    details: list[WordDetail] = []
    first = 0
    for word in sounds.words:
        places = range(first, first + len(word.phones))
        first = places.stop
        if places:
            heard = [match.instead[place] for place in places]
            phones = tuple(
                _phone(phone, place, instead, clip, dub)
                for phone, place, instead in zip(word.phones, places, heard, strict=True)
            )
            details.append(_word(word, phones, heard, dub))
    for stretch in match.added:
        _insert(details, _added(stretch, dub))
    return tuple(details)


def _phone(
    phone: str, place: int, heard: Sequence[HeardPhone], clip: PhoneTimes, dub: PhoneTimes
) -> PhoneDetail:
    names = [each.phone for each in heard]
    return PhoneDetail(
        phone,
        _goodness(float(dub.alignment.evidence[place])),
        () if phone in names else tuple(names),
        dub.expected(place),
        clip.expected(place),
    )


def _goodness(evidence: float) -> float:
    """Of one phone by itself, so that a mistake shows where it is made."""
    return max(0.0, 1.0 + math.log(max(evidence, _LEAST_EVIDENCE)) / WORTHLESS_NATS)


def _word(
    word: SpokenWord, phones: tuple[PhoneDetail, ...], heard: _Heard, dub: PhoneTimes
) -> WordDetail:
    score = float(np.mean([phone.score for phone in phones]))
    everything = [phone for each in heard for phone in each]
    spans = [phone.recording for phone in phones if phone.recording is not None]
    status = _status(word, len(_together(spans)), everything, score)
    if status == "substitution":
        # What stands for the word without being any of its phones.
        spans += [dub.heard(phone) for phone in everything]
    return WordDetail(
        word.text,
        status,
        score,
        _names(everything) if status == "substitution" else (),
        None if status == "omission" else hull(_together(spans)),
        hull(phone.reference for phone in phones),
        phones,
    )


def _status(
    word: SpokenWord, present: int, heard: Sequence[HeardPhone], score: float
) -> WordStatus:
    """Of a word, so many of whose phones are said."""
    if tuple(phone.phone for phone in heard) == word.phones:
        return "correct"
    if present >= _SAID_SHARE * len(word.phones) and score >= CORRECT_SCORE:
        return "correct"
    return "substitution" if len(heard) >= _SAID_SHARE * len(word.phones) else "omission"


def _together(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The most spans that no pause parts: a lone phone a second away is no part of a word."""
    groups: list[list[TimeSpan]] = [[]]
    for span in sorted(spans, key=lambda span: span.start):
        if groups[-1] and span.start - max(each.end for each in groups[-1]) > _APART_S:
            groups.append([])
        groups[-1].append(span)
    return max(groups, key=len)


def _names(phones: Sequence[HeardPhone]) -> tuple[str, ...]:
    return tuple(phone.phone for phone in phones)


def _added(phones: Sequence[HeardPhone], dub: PhoneTimes) -> WordDetail:
    span = hull(dub.heard(phone) for phone in phones)
    names = _names(phones)
    return WordDetail(" ".join(names), "insertion", 0.0, names, span)


def _insert(details: list[WordDetail], added: WordDetail) -> None:
    """Put an added word after the last word that begins before it."""
    assert added.recording is not None
    place = 0
    for index, word in enumerate(details, start=1):
        if word.recording is not None and word.recording.start <= added.recording.start:
            place = index
    details.insert(place, added)


def phrases(phones: Sequence[str], clip: Alignment, frame_rate_hz: float) -> list[SpokenWord]:
    """Phones of a clip without a text, as one "word" from each pause to the next.

    Args:
        phones: as they were heard.
        clip: where they are.
        frame_rate_hz: of the alignment.
    """
    pauses = (clip.starts[1:] - clip.stops[:-1]) > _PHRASE_S * frame_rate_hz
    bounds = [0, *(np.flatnonzero(pauses) + 1).tolist(), len(phones)]
    stretches = [tuple(phones[start:stop]) for start, stop in pairwise(bounds)]
    return [SpokenWord(" ".join(stretch), stretch) for stretch in stretches]
