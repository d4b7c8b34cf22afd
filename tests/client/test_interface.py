"""The client and the server say the same; both clients offer the same."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import audio_score_client
from audio_score_client import (
    AsyncAudioScoreClient,
    AudioScoreClient,
    AudioScoreClientError,
    DeadlineExceeded,
    RejectedRequest,
    ServerFault,
    UnexpectedAnswer,
    answers,
    detail,
    errors,
)
from audio_score_client.operations import Operations
from audio_score_client.parsing import parsed
from audio_score_server.web import detail as server_detail
from audio_score_server.web import schemas, transcripts
from audio_score_server.web.error_cases import ERROR_CASES
from audio_score_server.web.routes import jobs

_PACKAGE = Path(audio_score_client.__file__).parent
_PAIRS: list[tuple[type[Any], type[BaseModel]]] = [
    (answers.Score, schemas.ScoreResponse),
    (answers.LoadedModel, schemas.ModelResponse),
    (answers.ModelHealth, schemas.ModelHealthResponse),
    (answers.Health, schemas.HealthResponse),
    (answers.Clip, schemas.ClipSummaryResponse),
    (answers.ClipInfo, schemas.ClipResponse),
    (answers.ModelClip, schemas.ClipModelResponse),
    (answers.Word, transcripts.TimedWordResponse),
    (answers.Segment, transcripts.SegmentResponse),
    (answers.Transcription, transcripts.TranscriptionResponse),
    (answers.Job, jobs.JobResponse),
    (answers.JobError, schemas.ErrorResponse),
    (detail.TimeSpan, server_detail.TimeSpanResponse),
    (detail.PhoneDetail, server_detail.PhoneResponse),
    (detail.WordDetail, server_detail.WordResponse),
    (detail.Pauses, server_detail.PausesResponse),
    (detail.OnsetDeviation, server_detail.OnsetDeviationResponse),
    (detail.SpeechRate, server_detail.SpeechRateResponse),
    (detail.Timing, server_detail.TimingResponse),
    (detail.Fluency, server_detail.FluencyResponse),
    (detail.Prosody, server_detail.ProsodyResponse),
    (detail.ScoreDetail, server_detail.DetailResponse),
]
_METHODS = [
    name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if name[0] != "_"
]


@pytest.mark.parametrize(("own", "servers"), _PAIRS, ids=lambda each: each.__name__)
def test_answers_have_the_servers_fields(own: type[Any], servers: type[BaseModel]) -> None:
    told = set(servers.model_fields) - {"success"}
    assert {field.name for field in fields(own)} == told


def test_every_answer_is_compared() -> None:
    own = {
        each
        for module in (answers, detail)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if is_dataclass(each)
    }
    # What the client adds itself, and what this server has none of yet.
    own -= {answers.PutClip, answers.Scores, answers.RankedScore}
    assert own == {own for own, _ in _PAIRS}


@pytest.mark.parametrize("case", ERROR_CASES, ids=lambda case: case.code)
def test_every_error_of_the_server_has_a_class(case: Any) -> None:
    found = errors.error_class(case.status, case.code)
    assert issubclass(found, RejectedRequest if case.status < 500 else ServerFault)
    assert issubclass(found, DeadlineExceeded) == (case.status == 504)


@pytest.mark.parametrize("status", range(400, 600))
def test_a_code_that_is_not_known_falls_back_on_the_status(status: int) -> None:
    found = errors.error_class(status, "of_the_future")
    assert issubclass(found, RejectedRequest if status < 500 else ServerFault)


def test_every_error_is_told_of_and_one_of_the_package() -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    assert len(classes) > 15
    for each in classes:
        assert issubclass(each, AudioScoreClientError)
        assert each.__name__ in (errors.__doc__ or "")
        assert each.__name__ in audio_score_client.__all__


@pytest.mark.parametrize("name", _METHODS)
def test_both_clients_have_every_operation_as_it_is(name: str) -> None:
    operation = getattr(Operations, name)
    own = list(inspect.signature(operation).parameters)
    assert "Args:" in (inspect.getdoc(operation) or "") or own == ["self", "timeout_s"]
    for client in (AudioScoreClient, AsyncAudioScoreClient):
        method = getattr(client, name)
        assert list(inspect.signature(method).parameters) == own
        assert inspect.getdoc(method) == inspect.getdoc(operation)


def test_signatures_tell_what_is_returned() -> None:
    told = {
        name: str(inspect.signature(getattr(client, name)).return_annotation)
        for client, name in ((AudioScoreClient, "score"), (AudioScoreClient, "clips"))
    }
    assert told == {"score": "Score", "clips": "Iterator[Clip]"}
    own = inspect.signature(AsyncAudioScoreClient.clips).return_annotation
    assert own == "AsyncIterator[Clip]"


def test_the_package_imports_nothing_of_the_server() -> None:
    program = (
        "import sys, audio_score_client\n"
        "print([name for name in ('audio_score_server', 'torch', 'numpy', 'pydantic')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"


def test_modules_and_functions_are_short() -> None:
    for path in _PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                # What is told of arguments does not make a function hard to read.
                told = len((ast.get_docstring(node) or "").splitlines())
                assert length - told < 50, f"{path}: {node.name}"


SCORE = {"model": "m", "sim_score": 0, "audio_sim_score": 0.25, "text_sim_score": 1}


def test_whole_numbers_are_numbers_and_more_may_be_told() -> None:
    score = parsed(answers.Score, SCORE | {"new": {"in": ["version", 2]}})
    assert score == answers.Score("m", 0.0, 0.25, 1.0)
    assert isinstance(score.sim_score, float)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (SCORE | {"sim_score": "0.5"}, "str at answer.sim_score, not float"),
        (SCORE | {"sim_score": True}, "bool at answer.sim_score"),
        (SCORE | {"sim_score": None}, "NoneType at answer.sim_score"),
        (SCORE | {"model": 3}, "int at answer.model, not str"),
        (SCORE | {"detail": []}, "list at answer.detail, not an object"),
        ({"model": "m"}, "lacks answer.sim_score"),
        ([], "list at answer, not an object"),
    ],
)
def test_what_is_not_as_promised_is_told(told: Any, complaint: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=complaint):
        parsed(answers.Score, told)


def test_what_is_deep_inside_is_told_with_its_place() -> None:
    job = {"id": "a", "state": "running", "done_seconds": 1, "duration_seconds": None}
    segment = {"id": 0, "start": 0, "end": 1, "text": 5}
    result = {"language": "en", "duration_seconds": 1, "segments": [segment]}
    with pytest.raises(UnexpectedAnswer, match=r"int at answer\.result\.segments\[0\]\.text"):
        parsed(answers.Job, job | {"result": result})
