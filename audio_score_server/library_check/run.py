"""Checks a folder of clips: lists it, listens to every clip, compares them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from audio_score_server.assembly.models import PHONE_MODEL, load_model
from audio_score_server.audio.decode import decode
from audio_score_server.domain import Encoding, Transcript, Utterance, Waveform
from audio_score_server.errors import AudioError, NoModelError, TooLongAudio, TooShortAudio
from audio_score_server.language.languages import Language
from audio_score_server.library.clip import Clip
from audio_score_server.library.folder import FolderSource
from audio_score_server.library_check.doubles import HeardClip, check_doubles
from audio_score_server.library_check.findings import Finding, FindingCode
from audio_score_server.library_check.names import check_names
from audio_score_server.library_check.sound import check_sound
from audio_score_server.retrieval.terms import likely_terms
from audio_score_server.runners.protocol import Runner
from audio_score_server.runners.registry import Loader
from audio_score_server.service_parts import decode_limits
from audio_score_server.settings import Settings

_AT_ONCE: Final = 8
"""Clips that are decoded, and encoded, together."""
Progress = Callable[[list[Clip]], Iterable[Clip]]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A clip's sound, or why there is none."""

    clip: Clip
    waveform: Waveform | None = None
    finding: Finding | None = None


def check_library(settings: Settings, folder: Path, progress: Progress) -> list[Finding]:
    """What is wrong with the clips of a folder, in order of their names.

    Args:
        settings: tell how long clips may be, and where the phone model runs.
        folder: of the clips.
        progress: passes clips on, and shows how many.

    Raises:
        NoModelError: the phone model cannot be loaded.
        LibraryUnavailable: the folder cannot be read.
    """
    # Tells the rest in structured form; its warnings would say the same twice.
    logging.getLogger("audio_score_server.library").setLevel(logging.CRITICAL)
    clips = FolderSource(folder).library().clips()
    findings = check_names(folder)
    loaded = load_model(PHONE_MODEL, settings, Loader(settings))
    if loaded is None:
        raise NoModelError("The phone model that listens to the clips cannot be loaded.")
    listener = _Listener(settings, loaded.part)
    with ThreadPoolExecutor(settings.cpu_threads or os.cpu_count()) as pool:
        waiting = iter(progress(clips))
        while together := list(islice(waiting, _AT_ONCE)):
            findings += listener.listen(list(pool.map(listener.decode, together)))
    findings += check_doubles(listener.heard)
    return sorted(findings, key=lambda finding: (finding.file, finding.code))


class _Listener:
    """Decodes and hears clips, and keeps what is needed to compare them."""

    def __init__(self, settings: Settings, runner: Runner[Any]) -> None:
        self.heard: dict[str, HeardClip] = {}
        self._runner = runner
        self._limits = decode_limits(settings)

    def decode(self, clip: Clip) -> _Decoded:
        """Its sound; what keeps it from being decoded is a finding."""
        try:
            return _Decoded(clip, decode(clip.read(), self._limits))
        except (AudioError, OSError) as error:
            return _Decoded(clip, finding=Finding(clip.name, _code_of(error), _told(error)))

    def listen(self, decoded: list[_Decoded]) -> Iterator[Finding]:
        """What is wrong with some clips; those that were decoded are heard together."""
        yield from (each.finding for each in decoded if each.finding)
        sounds = [(each.clip, each.waveform) for each in decoded if each.waveform]
        expected = [self._expected(clip.text) for clip, _ in sounds]
        utterances = [
            Utterance(self._runner.prepare(waveform), transcript)
            for (_, waveform), transcript in zip(sounds, expected, strict=True)
        ]
        encodings = self._runner.run(utterances) if utterances else []
        for (clip, waveform), transcript, encoding in zip(sounds, expected, encodings, strict=True):
            self._keep(clip, encoding)
            yield from check_sound(clip.name, waveform, encoding, transcript is not None)

    def _keep(self, clip: Clip, encoding: Encoding) -> None:
        heard = encoding.alignment.heard if encoding.alignment else ()
        if heard:
            terms = likely_terms(encoding.features, heard)
            self.heard[clip.name] = HeardClip(clip.text, encoding.features, terms)

    def _expected(self, text: str | None) -> Transcript | None:
        """The phones of a text that is in the model's language; None of any other."""
        language: Language | None = self._runner.phone_language
        if not text or language is None or not language.may_be([text]):
            return None
        return self._runner.expected(text)


def _code_of(error: Exception) -> FindingCode:
    if isinstance(error, TooShortAudio):
        return "too_short"
    return "too_long" if isinstance(error, TooLongAudio) else "undecodable"


def _told(error: Exception) -> str:
    return str(error).split(". ")[0].rstrip(".").replace("The recording", "the clip")
