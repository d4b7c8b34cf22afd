"""Clips that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audio_score_server.domain import EncoderFeatures
from audio_score_server.library_check.findings import Finding
from audio_score_server.retrieval.index import PhoneIndex
from audio_score_server.retrieval.terms import PhoneTerms
from audio_score_server.similarity.calibration import SAME_LINE
from audio_score_server.similarity.features import NormalizedFeatures, mean_frame, similarity
from audio_score_server.tokenization import words

_NEIGHBOURS: Final = 4
"""Clips that are compared with each: those that have most phones in common with it."""


@dataclass(frozen=True, slots=True)
class HeardClip:
    """A clip as the phone model heard it.

    Attributes:
        text: beside it; None without one.
        features: what was heard.
        terms: its phones, as they are looked for.
    """

    text: str | None
    features: EncoderFeatures
    terms: PhoneTerms


def check_doubles(clips: Mapping[str, HeardClip]) -> list[Finding]:
    """Which clips, by name, say the same as one before them."""
    findings = []
    said: dict[str, str] = {}
    for name, clip in clips.items():
        key = " ".join(words(clip.text or ""))
        if key and said.setdefault(key, name) != name:
            findings.append(Finding(name, "same_text", f"{said[key]} says the same"))
    told = {finding.file for finding in findings}
    return [*findings, *_same_sounds({name: clips[name] for name in clips if name not in told})]


def _same_sounds(clips: Mapping[str, HeardClip]) -> Iterator[Finding]:
    """Of every two clips that sound the same, the later one."""
    centre = mean_frame([clip.features for clip in clips.values()])
    places = {name: place for place, name in enumerate(clips)}
    for name, others in _neighbours(clips).items():
        own = NormalizedFeatures.of(clips[name].features, centre)
        for other in others:
            alike = similarity(own, NormalizedFeatures.of(clips[other].features, centre))
            if places[other] < places[name] and alike >= SAME_LINE:
                yield Finding(name, "same_sound", f"it sounds like {other}, whose text is another")
                break


def _neighbours(clips: Mapping[str, HeardClip]) -> dict[str, Sequence[str]]:
    """For each clip, the others that have most phones in common with it."""
    index = PhoneIndex[str]()
    index.change({name: [clip.terms] for name, clip in clips.items()})
    found: dict[str, Sequence[str]] = {}
    for name, clip in clips.items():
        nearest = index.search(clip.terms, _NEIGHBOURS + 1)
        found[name] = [other for other, _ in nearest if other != name]
    return found
