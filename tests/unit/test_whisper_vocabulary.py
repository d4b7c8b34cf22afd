from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, GenerationConfig

from audio_score_server.errors import ModelLoadError
from audio_score_server.runners.whisper.checkpoint import tokenizer_of
from audio_score_server.runners.whisper.vocabulary import DraftText, Vocabulary, joined
from audio_score_server.tokenization import plain, unspaced, words
from tests.checkpoints import make_whisper


def _load(folder: Path, **changes: Any) -> Vocabulary:
    generation = GenerationConfig.from_pretrained(folder)
    for name, value in changes.items():
        setattr(generation, name, value)
    return Vocabulary(tokenizer_of(folder), generation)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint for three languages."""
    return make_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def vocabulary(folder: Path) -> Vocabulary:
    """Its vocabulary."""
    return _load(folder)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """That of a checkpoint for English alone."""
    return _load(make_whisper(tmp_path_factory.mktemp("english"), languages=()))


def _names(folder: Path, tokens: list[int]) -> list[str]:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    names: list[str] = tokenizer.convert_ids_to_tokens(tokens)
    return names


def test_a_prompt_names_language_and_task(folder: Path, vocabulary: Vocabulary) -> None:
    for language in ("en", "de", "zh"):
        prompt = vocabulary.prompt(language)
        assert len(prompt) == vocabulary.prompt_length
        assert _names(folder, prompt) == [
            *("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        ]
        assert vocabulary.language_of(prompt[1]) == language
    assert vocabulary.prompt(None) == vocabulary.prompt("en")


def test_where_there_is_but_one_language_the_prompt_names_none(english: Vocabulary) -> None:
    assert english.languages == {}
    assert english.prompt(None) == english.prompt("en")
    assert len(english.prompt("en")) == english.prompt_length == 2


def test_only_languages_that_the_model_knows_are_taken(
    vocabulary: Vocabulary, english: Vocabulary
) -> None:
    for language in (None, "en", "de", "zh"):
        vocabulary.check_language(language)
    english.check_language("en")
    with pytest.raises(ModelLoadError, match="'fr' is not one of the checkpoint's: de, en, zh"):
        vocabulary.check_language("fr")
    with pytest.raises(ModelLoadError, match="'de' is not one of the checkpoint's: en"):
        english.check_language("de")


def test_tokens_that_are_never_said_are_the_checkpoints(vocabulary: Vocabulary) -> None:
    assert {3, 7} < set(vocabulary.suppressed)
    assert vocabulary.suppressed_first == [5, vocabulary.stop]


def test_the_end_may_be_the_first_of_several_tokens(folder: Path, vocabulary: Vocabulary) -> None:
    assert _load(folder, eos_token_id=[vocabulary.stop, 1]).stop == vocabulary.stop
    assert _load(folder, suppress_tokens=None, begin_suppress_tokens=None).suppressed == []


@pytest.mark.parametrize(
    "lacking", ["no_timestamps_token_id", "decoder_start_token_id", "eos_token_id", "task_to_id"]
)
def test_a_checkpoint_that_says_too_little_is_refused(folder: Path, lacking: str) -> None:
    with pytest.raises(ModelLoadError, match=r"generation_config\.json .* take that of"):
        _load(folder, **{lacking: None})


_TEXTS = st.text(max_size=20) | st.lists(
    st.sampled_from(
        [
            "the",
            "thin",
            "Don\u2019t",
            "naïve",
            "日本",
            "สวัสดี",
            "हिन्दी",
            "\U0001f642",
            "...",
            "4\u00bd",
        ]
    ),
    max_size=6,
).map(" ".join)


@given(_TEXTS)
def test_a_draft_says_the_text(vocabulary: Vocabulary, text: str) -> None:
    draft = vocabulary.draft(text)
    assert vocabulary.text(draft.tokens) == plain(text).strip()


@given(_TEXTS)
def test_every_word_of_a_draft_has_its_tokens(vocabulary: Vocabulary, text: str) -> None:
    draft = vocabulary.draft(text)
    assert len(draft.words) == len(words(text))
    starts = [word.start for word in draft.words]
    assert starts == sorted(starts)
    for word, own in zip(words(text), draft.words, strict=True):
        assert len(own) > 0
        assert own.stop <= len(draft.tokens)
        assert word in vocabulary.text(draft.tokens[own.start : own.stop]).casefold()


def test_the_space_before_a_word_is_part_of_it(vocabulary: Vocabulary) -> None:
    assert vocabulary.draft("ab cd").tokens == vocabulary.draft("  ab cd\n").tokens
    assert vocabulary.draft("ab cd").words == [range(0, 2), range(2, 4)]
    assert vocabulary.draft("a, b").words == [range(0, 1), range(2, 3)]
    assert vocabulary.draft("日本").words == [range(0, 3), range(3, 6)]


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_is_no_draft(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.draft(text) == DraftText([], [])


def test_a_word_is_as_likely_as_all_of_its_tokens() -> None:
    draft = DraftText([10, 11, 12, 13, 14], [range(0, 2), range(3, 4), range(4, 5)])
    shares = np.array([0.5, 0.5, 0.1, 0.25, 1.0], np.float32)
    evidence = draft.evidence(np.log(shares))
    assert evidence.dtype == np.float32
    np.testing.assert_allclose(evidence, [0.25, 0.25, 1.0], rtol=1e-6)


def test_words_that_were_not_reached_have_no_evidence() -> None:
    draft = DraftText([10, 11, 12], [range(0, 1), range(1, 3)])
    assert draft.evidence(np.log(np.full(2, 0.5, np.float32))).tolist() == [0.5, 0.0]
    assert draft.evidence(np.empty(0, np.float32)).tolist() == [0.0, 0.0]
    assert DraftText([], []).evidence(np.empty(0, np.float32)).shape == (0,)


def test_special_tokens_are_not_said(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.draft("hello").tokens
    assert vocabulary.text([*vocabulary.prompt("en"), *tokens, vocabulary.stop]) == "hello"


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        ([], ""),
        (["", ""], ""),
        (["a b"], "a b"),
        (["a", "b"], "a b"),
        (["", "a", "", "b", ""], "a b"),
        (["你好", "世界"], "你好世界"),
        (["AI", "世界"], "AI世界"),
        (["世界", "AI"], "世界AI"),
    ],
)
def test_parts_are_joined_as_their_script_is_written(texts: list[str], whole: str) -> None:
    assert joined(texts) == whole


@given(st.lists(_TEXTS.map(str.strip), max_size=4))
def test_joining_keeps_the_words(texts: list[str]) -> None:
    together = [word for text in texts for word in words(text)]
    if not any(unspaced(character) for text in texts for character in plain(text)):
        assert words(joined(texts)) == together


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello world", [" hello", " world"]),
        ("It's here, now.", [" It's", " here,", " now."]),
        ('She said "no one" left', [" She", " said", ' "no', ' one"', " left"]),
        ("twenty-one", [" twenty-one"]),
        ("你好。再见", ["你", "好。", "再", "见"]),
        ("naïve café", [" naïve", " café"]),
        ("", []),
    ],
)
def test_a_transcript_is_divided_into_words(
    vocabulary: Vocabulary, text: str, found: list[str]
) -> None:
    tokens = vocabulary.draft(text).tokens
    assert [word for word, _, _ in vocabulary.words(tokens)] == found


@given(st.text(alphabet="ab ,.'你好é-", max_size=30))
def test_words_are_the_whole_transcript(vocabulary: Vocabulary, text: str) -> None:
    tokens = vocabulary.draft(text).tokens
    found = vocabulary.words(tokens)
    assert "".join(word for word, _, _ in found).strip() == vocabulary.text(tokens)
    for (_, _, stop), (_, start, _) in pairwise(found):
        assert stop == start


def test_a_transcript_that_is_cut_within_a_character_still_has_words(
    vocabulary: Vocabulary,
) -> None:
    tokens = vocabulary.draft("ab é").tokens[:-1]
    assert next(word for word, _, _ in vocabulary.words(tokens)) == " ab"


def test_a_prompt_may_go_on_from_a_text(folder: Path, vocabulary: Vocabulary) -> None:
    assert vocabulary.previous("  ", 10) == []
    own = vocabulary.previous("abcdef", 4)
    assert len(own) == 4
    assert _names(folder, own)[0] == "<|startofprev|>"
    assert _names(folder, own)[1:] == ["d", "e", "f"]
