from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.domain import Score
from audio_score_server.errors import RemoteError
from audio_score_server.remote.answer import read_answer, read_content
from audio_score_server.remote.host import Host, quote
from tests.chat import completion, similarities

_KEY = "sk-secret/1"
_HOST = Host("far.example", _KEY)
_GOOD = '{"audio_sim_score": 0.25, "text_sim_score": 0.75}'

_similarity = st.floats(0, 1) | st.sampled_from([0, 1])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["audio_sim_score", "text_sim_score", "choices"]), inner
        )
    ),
    max_leaves=8,
)


@given(audio=_similarity, text=_similarity)
def test_the_numbers_come_back_as_they_were_sent(audio: float, text: float) -> None:
    assert read_answer(similarities(audio, text).body, _HOST) == Score(audio, text)


def test_the_total_is_the_average() -> None:
    assert read_answer(completion(_GOOD).body, _HOST).total == 0.5


@pytest.mark.parametrize(
    "content",
    [
        f"```json\n{_GOOD}\n```",
        f"```\n{_GOOD}\n```",
        f"<think>The set {{a, b}} of vowels {{...}} differs.</think>\n\n{_GOOD}",
        f'The form is {{"audio_sim_score": <0..1>}}, so:\n{_GOOD}\nThat is all.',
        f"\ufeff{_GOOD}",
        f"{{{{ {_GOOD}",
        '{"text_sim_score": 75e-2, "audio_sim_score": 0.25}',
    ],
)
def test_one_object_is_found_wherever_it_stands(content: str) -> None:
    assert read_answer(completion(content).body, _HOST) == Score(0.25, 0.75)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no JSON object where one was asked for: nothing"),
        ("I cannot hear anything.", "no JSON object.*I cannot hear anything"),
        ("[0.5, 0.5]", "no JSON object"),
        ("0.5", "no JSON object"),
        (_GOOD[:-1], "no JSON object"),
        (_GOOD + _GOOD, "more than one JSON object"),
        (f"{_GOOD} or {{}}", "more than one JSON object"),
        ('{"audio_sim_score": 0.5, "audio_sim_score": 0.9, "text_sim_score": 1}', "no JSON object"),
        ('{"a":' * 100_000, "no JSON object"),
        ('{"audio_sim_score": ' + "9" * 5_000 + "}", "no JSON object"),
        ("{}", "audio_sim_score: Field required"),
        ('{"audio_sim_score": 0.5}', "text_sim_score: Field required"),
        ('{"audio": 0.5, "text": 0.5}', "audio_sim_score: Field required"),
        (f'{{"scores": {_GOOD}}}', "audio_sim_score: Field required"),
        (_GOOD[:-1] + ', "error": "heard nothing"}', "error: Extra inputs"),
        ('{"audio_sim_score": "0.5", "text_sim_score": 1}', "audio_sim_score: .*number"),
        ('{"audio_sim_score": true, "text_sim_score": 1}', "audio_sim_score: .*number"),
        ('{"audio_sim_score": null, "text_sim_score": 1}', "audio_sim_score: .*number"),
        ('{"audio_sim_score": [1], "text_sim_score": 1}', "audio_sim_score: .*number"),
        ('{"audio_sim_score": NaN, "text_sim_score": 1}', "audio_sim_score: .*(number|or equal)"),
        ('{"audio_sim_score": 1, "text_sim_score": Infinity}', "text_sim_score: "),
        ('{"audio_sim_score": 1, "text_sim_score": 1e999}', "text_sim_score: "),
        ('{"audio_sim_score": 1.01, "text_sim_score": 1}', "audio_sim_score: .*less than.* 1"),
        ('{"audio_sim_score": 1, "text_sim_score": -0.01}', "text_sim_score: .*greater than.* 0"),
        ('{"audio_sim_score": 85, "text_sim_score": 90}', "audio_sim_score: .*less than.* 1"),
        ('{"audio_sim_score": 1' + "0" * 400 + ', "text_sim_score": 1}', "audio_sim_score: "),
    ],
)
def test_other_content_is_refused_with_the_cause(content: str, complaint: str) -> None:
    with pytest.raises(RemoteError, match=complaint) as caught:
        read_answer(completion(content).body, _HOST)
    assert str(caught.value).startswith("far.example wrote ")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "no chat completion"),
        (b"<html>Welcome</html>", "no chat completion .*<html>Welcome</html>"),
        (b"\xff\xfe", "no chat completion"),
        (b"null", "no chat completion"),
        (b"[]", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'{"choices": null}', "no chat completion"),
        (b'{"choices": [{}]}', "no chat completion"),
        (b'{"error": {"message": "overloaded"}}', "no chat completion .*overloaded"),
        (b"[" * 100_000, "no chat completion"),
        (completion([{"type": "text"}]).body.replace(b'"[{', b"[{"), "no chat completion"),
        (completion(None).body, "no JSON object"),
        (completion(_GOOD, finish="length").body, "cut off.*raise max_completion_tokens"),
        (completion(_GOOD, finish="content_filter").body, "filter"),
        (completion(None, refusal="I must not.").body, "refused to answer: I must not."),
        (completion(_GOOD, refusal="I must not.").body, "refused to answer: I must not."),
    ],
)
def test_other_bodies_are_refused_with_the_cause(body: bytes, complaint: str) -> None:
    with pytest.raises(RemoteError, match=complaint) as caught:
        read_answer(body, _HOST)
    assert len(str(caught.value)) < 300


def test_servers_that_leave_the_finish_out_are_understood() -> None:
    assert read_answer(completion(_GOOD, finish=None).body, _HOST) == Score(0.25, 0.75)


@given(content=st.text() | _json.map(json.dumps))
def test_no_content_breaks_the_reader(content: str) -> None:
    said = ""
    try:
        score = read_content(content, _HOST)
    except RemoteError as error:
        score, said = Score(0.0, 0.0), str(error)
    assert said.isprintable()
    assert 0 <= score.audio <= 1
    assert 0 <= score.text <= 1


@given(body=st.binary() | _json.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(RemoteError):
        read_answer(body, _HOST)


@given(message=_json, finish=_json, choices=st.integers(1, 3))
def test_no_choice_breaks_the_reader(message: object, finish: object, choices: int) -> None:
    choice = {"message": message, "finish_reason": finish}
    with pytest.raises(RemoteError):
        read_answer(json.dumps({"choices": [choice] * choices}).encode(), _HOST)


@pytest.mark.parametrize("piece", ["{", '{"', '{"a":', "{}", '{"a":1}', '{"\\"', "{1", '{"a":{"b'])
def test_a_megabyte_is_read_in_no_time(piece: str) -> None:
    started = time.process_time()
    with pytest.raises(RemoteError):
        read_content(piece * (2**20 // len(piece)), _HOST)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "words",
    [
        f"the key {_KEY} is wrong",
        r"the key sk-secret\/1 is wrong",
        r"the key \u0073k-\u0073ecret\u002f1 is wrong",
        "x" * 195 + _KEY,
    ],
)
def test_the_key_is_not_repeated_however_it_is_spelt(words: str) -> None:
    said = quote(words, _KEY)
    assert "secret" not in said
    assert len(said) <= 200
    assert "secret" not in str(_HOST.error("says", words))
    assert "secret" not in repr(_HOST)


@pytest.mark.parametrize(
    "body", [completion(f"key: {_KEY}").body, completion(None, refusal=_KEY).body, _KEY.encode()]
)
def test_an_answer_with_the_key_is_quoted_without_it(body: bytes) -> None:
    with pytest.raises(RemoteError, match=re.escape("[key]")) as caught:
        read_answer(body, _HOST)
    assert "secret" not in str(caught.value)


def test_foreign_words_are_one_printable_line() -> None:
    assert quote("a\r\n\tb\x00\x1b[31mc\ud800 d", "key") == "a b [31mc d"
