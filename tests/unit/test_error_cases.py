from __future__ import annotations

from collections import Counter

import pytest

from audio_score_server import errors
from audio_score_server.errors import AudioScoreError, RequestError
from audio_score_server.web.error_cases import ERROR_CASES, status_of
from audio_score_server.web.error_documentation import documented

_CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, AudioScoreError)
]
_NO_ANSWERS = {
    *("internal_error", "invalid_settings", "model_load_failed", "no_model", "evaluation_failed"),
    # Grounds of others, and of clips alone.
    *("unusable_audio", "audio_silent"),
}
"""Of what no request meets under this code."""


def test_codes_are_words_and_each_is_there_once() -> None:
    codes = [case.code for case in ERROR_CASES]
    assert [code for code, count in Counter(codes).items() if count > 1] == []
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    classes = Counter(cls.code for cls in _CLASSES)
    assert [code for code, count in classes.items() if count > 1] == []


@pytest.mark.parametrize("cls", _CLASSES)
def test_every_error_that_a_request_may_meet_is_documented(cls: type[AudioScoreError]) -> None:
    known = {case.code for case in ERROR_CASES}
    assert (cls.code in known) != (cls.code in _NO_ANSWERS) or cls.code == "internal_error"


def test_an_error_has_the_status_that_is_documented() -> None:
    for case in ERROR_CASES:
        for cls in _CLASSES:
            if cls.code == case.code and cls.__init__ is Exception.__init__:
                assert status_of(cls("it failed")) == case.status
    assert status_of(RequestError("wrong")) == 422


def test_cases_of_one_status_are_documented_together() -> None:
    responses = documented(ERROR_CASES)
    examples = responses[413]["content"]["application/json"]["examples"]
    assert set(examples) == {"upload_too_large", "audio_too_long"}
    assert examples["audio_too_long"]["value"]["code"] == "audio_too_long"
    assert list(responses) == sorted({case.status for case in ERROR_CASES})
