from __future__ import annotations

import json

import numpy as np
import pytest

from audio_score_server.domain import Contours, EncoderFeatures, Encoding, Reference, Transcript
from audio_score_server.language.lexicon import SpokenWord
from audio_score_server.runners.phones.alignment import align
from audio_score_server.runners.phones.decoding import heard_phones
from audio_score_server.scoring.detail import Detail, explain
from audio_score_server.scoring.words_by_phones import AlignedPhones
from audio_score_server.telemetry.stages import Stages
from audio_score_server.web.detail import DetailResponse
from tests.support import certain_sound

RATE = 50.0
WORDS = (SpokenWord("big", ("B", "IH", "G")), SpokenWord("ship", ("SH", "IH", "P")))
PHONES = tuple(phone for word in WORDS for phone in word.phones)
CLIP = "- - - - - - B - - IH - - G - - - SH - - IH - - P - - -"
DUB = "- - - - - - - - B - - IH - - G - - - S - - IY - - P - - -"


def _features(frames: int) -> EncoderFeatures:
    values = np.random.default_rng(0).random((frames, 4)).astype(np.float32)
    return EncoderFeatures(values, np.ones(frames, np.float32), RATE)


def _contours(frames: int) -> Contours:
    """Two steps for each frame."""
    times = np.arange(2 * frames) / 100
    pitch = 150 + 30 * np.sin(9 * times)
    level = -30 + 8 * np.sin(13 * times)
    return Contours(
        0.01,
        pitch.astype(np.float32),
        level.astype(np.float32),
        np.full(len(times), -0.1, np.float32),
        np.full(len(times), 0.1, np.float32),
    )


def _encoding(labels: str, phones: tuple[str, ...] | None) -> Encoding:
    sound = certain_sound(labels)
    heard = heard_phones(sound)
    names = tuple(each.phone for each in heard)
    alignment = align(sound, phones or names, heard) if phones or names else None
    evidence = alignment.evidence if alignment is not None and phones else None
    return Encoding(
        _features(len(sound)), Transcript(" ".join(names), "phone"), evidence, alignment
    )


def _reference(labels: str, phones: tuple[str, ...] | None) -> Reference:
    encoding = _encoding(labels, phones)
    transcript = Transcript(" ".join(phones), "phone") if phones else encoding.transcript
    frames = len(encoding.features.frames)
    return Reference(encoding.features, transcript, _contours(frames), encoding.alignment)


def _path(
    reference: Reference, recording: Encoding
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    frames = min(len(reference.features.frames), len(recording.features.frames))
    return np.stack([np.arange(frames)] * 2, axis=1)


def _explain(dub: str, text: str | None = "Big ship!") -> Detail:
    reference = _reference(CLIP, PHONES if text else None)
    recording = _encoding(dub, tuple(reference.transcript.text.split()))
    return explain(
        reference,
        recording,
        _contours(len(recording.features.frames)),
        _path(reference, recording),
        text=text,
        spoken=WORDS if text else (),
        warnings=("noisy",),
        score_version="7",
    )


def test_phones_tell_words_times_and_rates() -> None:
    detail = _explain(DUB)
    assert (detail.expected, detail.heard) == ("Big ship!", ("B", "IH", "G", "S", "IY", "P"))
    assert [(word.text, word.status) for word in detail.words] == [
        ("big", "correct"),
        ("ship", "substitution"),
    ]
    assert detail.words[1].heard == ("S", "IY", "P")
    assert detail.timing is not None
    assert detail.timing.start_offset_s == pytest.approx(0.04)
    assert detail.timing.speech_rate.unit == "phone"
    assert detail.prosody.pitch_correlation is not None
    assert (detail.warnings, detail.score_version) == (("noisy",), "7")


def test_a_clip_without_text_is_told_in_phones() -> None:
    detail = _explain(CLIP, None)
    assert detail.expected == "B IH G SH IH P"
    assert [(word.text, word.status) for word in detail.words] == [("B IH G SH IH P", "correct")]


def test_silence_misses_all() -> None:
    detail = _explain("- - - - - - -")
    assert [word.status for word in detail.words] == ["omission", "omission"]
    assert detail.heard == ()


def _by_words(auxiliary: AlignedPhones | None) -> Detail:
    frames = len(CLIP.split())
    reference = Reference(
        _features(frames), Transcript("Big ship!", "word", "en"), _contours(frames)
    )
    recording = Encoding(_features(frames), Transcript("big sheep", "word", "en"), None)
    return explain(
        reference,
        recording,
        _contours(frames),
        _path(reference, recording),
        text="Big ship!",
        auxiliary=auxiliary,
        score_version="7",
    )


def test_words_without_a_phone_encoder_have_no_times() -> None:
    detail = _by_words(None)
    assert [(word.text, word.status, word.heard) for word in detail.words] == [
        ("Big", "correct", ()),
        ("ship", "substitution", ("sheep",)),
    ]
    assert all(word.recording is None and word.reference is None for word in detail.words)
    assert detail.timing is not None
    assert detail.timing.speech_rate.unit == "word"


def test_words_with_a_phone_encoder_have_times_and_phones() -> None:
    clip, dub = _encoding(CLIP, PHONES).alignment, _encoding(DUB, PHONES).alignment
    assert clip is not None
    assert dub is not None
    detail = _by_words(AlignedPhones(WORDS, clip, dub, RATE))
    assert [(word.text, word.status, word.heard) for word in detail.words] == [
        ("Big", "correct", ()),
        ("ship", "substitution", ("sheep",)),
    ]
    assert all(word.recording and word.reference and word.phones for word in detail.words)


@pytest.mark.parametrize("dub", [CLIP, DUB, "- - -", "B IH", f"AA M T {DUB}"])
@pytest.mark.parametrize("text", ["Big ship!", None])
def test_the_answer_is_plain_json_with_all_of_it(dub: str, text: str | None) -> None:
    detail, stages = _explain(dub, text), Stages()
    stages.add("device", 0.0, 0.0123)
    answer = json.loads(DetailResponse.of(detail, stages).model_dump_json())
    assert [word["text"] for word in answer["words"]] == [word.text for word in detail.words]
    assert answer["timings_ms"] == {"device": 12.3}
    assert answer["warnings"] == ["noisy"]
    assert answer["score_version"] == "7"
    assert (answer["timing"] is None) == (detail.timing is None)


def test_the_answer_is_rounded() -> None:
    answer = DetailResponse.of(_explain(DUB), Stages())
    ship = answer.words[1]
    assert ship.phones[1].heard == ["IY"]
    assert ship.recording is not None
    assert ship.recording.start == round(ship.recording.start, 3)
    assert answer.timing is not None
    assert answer.timing.start_offset_s == 0.04
    assert answer.words[0].score == round(answer.words[0].score, 6) > 0.5
