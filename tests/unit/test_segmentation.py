"""Words to segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.transcription.segmentation import Segmenter
from audio_score_server.transcription.words import Segment, TimedWord, words_of


def _spoken(text: str, pause_s: float = 0.05, each_s: float = 0.3) -> list[TimedWord]:
    """Words one after the other; ``|`` is a second of silence."""
    found: list[TimedWord] = []
    now = 0.0
    for word in text.split():
        if word == "|":
            now += 1.0
            continue
        found.append(TimedWord(f" {word}", now, now + each_s, 1.0))
        now += each_s + pause_s
    return found


def _segments(words: list[TimedWord]) -> list[Segment]:
    segmenter = Segmenter()
    return [*segmenter.feed(words), *segmenter.finish()]


def _texts(text: str, **spoken: float) -> list[str]:
    return [segment.text for segment in _segments(_spoken(text, **spoken))]


def test_a_sentence_is_a_segment() -> None:
    assert _texts("Where is the cat? It sleeps in the sun.") == [
        "Where is the cat?",
        "It sleeps in the sun.",
    ]


def test_closing_quotes_belong_to_the_sentence() -> None:
    assert _texts('She said "I am not here." He went on.') == [
        'She said "I am not here."',
        "He went on.",
    ]


def test_a_pause_ends_a_segment() -> None:
    assert _texts("we went | home") == ["we went", "home"]


def test_a_short_answer_stays_with_what_follows() -> None:
    assert _texts("Yes. I do like it here.") == ["Yes. I do like it here."]


def test_a_sentence_without_end_is_ended_at_a_comma() -> None:
    words = ["word"] * 60
    words[49] = "word,"
    first, second = _texts(" ".join(words))
    assert first.endswith(",")
    assert second


def test_and_at_last_anywhere() -> None:
    assert len(_texts(" ".join(["word"] * 200))) > 1


_WORDS = st.lists(
    st.tuples(
        st.sampled_from(("a", "b.", "c,", "d?", '"e."', "f...")),
        st.floats(0, 3),
        st.floats(0.01, 2),
    ),
    max_size=60,
)


@given(drawn=_WORDS)
def test_every_word_is_in_one_segment_in_order(drawn: list[tuple[str, float, float]]) -> None:
    words: list[TimedWord] = []
    now = 0.0
    for text, pause, length in drawn:
        words.append(TimedWord(f" {text}", now + pause, now + pause + length, 1.0))
        now += pause + length
    segments = _segments(words)
    assert list(words_of(segments)) == words
    assert all(segment.words for segment in segments)
