"""Whisper's tokenizer, in the layout of its special tokens, from given or made-up byte pairs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel
from transformers import WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES

SENTENCE: Final = "The boat is on the river and we can see the old house."
"""What every model is made to say."""
WRONG_SENTENCE: Final = SENTENCE.replace("river", "water")
"""The same, wrong in its sixth token of fourteen."""
SENTENCE_TOKENS: Final = 14
_TEXT_TOKENS: Final = 50_257
_TIMESTAMPS: Final = 1_501
_SYMBOLS: Final = '"#()*+/:;<=>@[\\]^_`{|}~'
"""Of what nobody says aloud; Whisper never writes these alone."""


@dataclass(frozen=True, slots=True)
class BytePairs:
    """What byte-pair encoding knows of text.

    Attributes:
        vocabulary: token to id, below 50,257.
        merges: pairs of tokens that become one, the earlier first.
    """

    vocabulary: dict[str, int]
    merges: tuple[tuple[str, str], ...]


def byte_pairs(folder: Path | None) -> BytePairs:
    """Those of a Whisper tokenizer on disk; without one, just enough for the two sentences.

    Raises:
        SystemExit: the folder holds no such tokenizer.
    """
    if folder is None:
        return _made_up()
    try:
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        vocabulary = {token: key for token, key in model["vocab"].items() if key < _TEXT_TOKENS}
        return BytePairs(vocabulary, tuple((left, right) for left, right in model["merges"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(
            f"{folder} holds no byte-pair tokenizer.json ({type(error).__name__}: {error}): name "
            "the folder of a multilingual Whisper checkpoint, or leave --tokenizer out."
        )


def _made_up() -> BytePairs:
    """The bytes in the usual order, each word of the sentences as one token, and filling."""
    tokens = sorted(ByteLevel.alphabet())
    merges: dict[tuple[str, str], None] = {}
    for word in (SENTENCE + " " + WRONG_SENTENCE).replace(".", "").split():
        token = "Ġ"
        for letter in word:
            merges[token, letter] = None
            token += letter
    tokens += [left + right for left, right in merges]
    tokens += [f"filling{index}" for index in range(_TEXT_TOKENS - 1 - len(tokens))]
    # CTranslate2 knows multilingual vocabularies by the empty token that ends their text.
    tokens.append("")
    return BytePairs({token: key for key, token in enumerate(tokens)}, tuple(merges))


def make_tokenizer(pairs: BytePairs, languages: int) -> Any:
    """A WhisperTokenizer of 50,257 tokens of text, special ones, and timestamps.

    Args:
        pairs: for the text.
        languages: 99, or 100 since large-v3.

    Raises:
        SystemExit: it would not write the sentence in fourteen tokens.
    """
    special = [
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in list(LANGUAGES)[:languages]),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
        *("<|nospeech|>", "<|notimestamps|>"),
    ]
    tokenizer: Any = WhisperTokenizer(
        vocab=dict(pairs.vocabulary),
        merges=list(pairs.merges),
        pad_token="<|endoftext|>",
        additional_special_tokens=[_added(token, special=True) for token in special],
    )
    stamps = [f"<|{index * 0.02:.2f}|>" for index in range(_TIMESTAMPS)]
    tokenizer.add_tokens([_added(stamp, special=False) for stamp in stamps])
    for sentence in (SENTENCE, WRONG_SENTENCE):
        count = len(sentence_ids(tokenizer, sentence))
        if count != SENTENCE_TOKENS:
            sys.exit(
                f"This tokenizer writes {sentence!r} in {count} tokens rather than "
                f"{SENTENCE_TOKENS}: take that of a multilingual Whisper checkpoint, or leave "
                "--tokenizer out."
            )
    return tokenizer


def _added(token: str, *, special: bool) -> AddedToken:
    return AddedToken(token, normalized=False, special=special)


def sentence_ids(tokenizer: Any, sentence: str) -> list[int]:
    """Token ids of a sentence as Whisper writes it, after a space."""
    ids: list[int] = tokenizer(" " + sentence, add_special_tokens=False)["input_ids"]
    return ids


def generation_settings(tokenizer: Any, languages: int) -> dict[str, Any]:
    """Contents of a multilingual checkpoint's ``generation_config.json``."""
    names = [f"<|{code}|>" for code in list(LANGUAGES)[:languages]]
    ids = tokenizer.convert_tokens_to_ids
    end, start = ids(["<|endoftext|>", "<|startoftranscript|>"])
    tasks = {name: ids(f"<|{name}|>") for name in ("transcribe", "translate")}
    previous, no_speech = ids(["<|startofprev|>", "<|nospeech|>"])
    suppressed = [*tasks.values(), start, previous, ids("<|startoflm|>"), no_speech]
    return {
        "decoder_start_token_id": start,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end),
        "is_multilingual": True,
        "lang_to_id": dict(zip(names, ids(names), strict=True)),
        "task_to_id": tasks,
        "max_initial_timestamp_index": 50,
        "max_length": 448,
        "no_timestamps_token_id": ids("<|notimestamps|>"),
        "prev_sot_token_id": previous,
        "return_timestamps": False,
        "begin_suppress_tokens": [ids("Ġ"), end],
        "suppress_tokens": sorted([*ids(list(_SYMBOLS)), *suppressed]),
    }
