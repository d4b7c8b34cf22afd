from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from audio_score_server.audio.wav import wav
from audio_score_server.domain import Score, Waveform
from audio_score_server.errors import NotReady, RemoteError, RemoteTimeout
from audio_score_server.remote.question import RESPONSE_FORMAT
from audio_score_server.remote.scorer import RemoteScorer
from audio_score_server.settings import HiggsRemoteSettings
from tests.chat import FOREVER, Chat, Reply, chat, completion, failure, similarities
from tests.support import chirp

_KEY = "sk-secret"
_REFERENCE = Waveform(chirp(0.3), 16_000)
_RECORDING = Waveform(chirp(0.2, lowest=400.0), 16_000)
_GOOD = similarities(0.25, 0.75)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _levels_as_before() -> Any:
    names = ("openai", "httpx2", "httpcore2")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _with_scorer(
    url: str, scenario: Callable[[RemoteScorer], Awaitable[Any]], **settings: Any
) -> Any:
    """Run a scenario with a scorer that is closed afterwards."""

    async def run() -> Any:
        model = HiggsRemoteSettings(
            key="far", type="higgs_remote", api_base=url, model_id="judge", **settings
        )
        scorer = RemoteScorer(model, {"BOSON_API_KEY": _KEY})
        try:
            return await scenario(scorer)
        finally:
            await scorer.close()

    return asyncio.run(run())


async def _score(scorer: RemoteScorer) -> Score:
    return await scorer.score(_REFERENCE, _RECORDING, "Hello.")


def _asked(endpoint: Chat, **settings: Any) -> Score:
    score = _with_scorer(endpoint.url, _score, **settings)
    assert isinstance(score, Score)
    return score


def test_both_recordings_are_sent_and_the_numbers_come_back() -> None:
    with chat(_GOOD) as endpoint:
        score = _asked(
            endpoint,
            system_prompt="Judge.",
            user_prompt="How close?",
            temperature=0.5,
            max_completion_tokens=99,
        )
    assert score == Score(0.25, 0.75)
    (request,) = endpoint.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    question = request.question
    system, user = question.pop("messages")
    assert question == {
        "model": "judge",
        "temperature": 0.5,
        "max_completion_tokens": 99,
        "response_format": json.loads(json.dumps(RESPONSE_FORMAT)),
    }
    assert system == {"role": "system", "content": "Judge."}
    sounds = [
        base64.b64decode(part["input_audio"]["data"])
        for part in user["content"]
        if part["type"] == "input_audio"
    ]
    assert sounds == [wav(_REFERENCE), wav(_RECORDING)]
    texts = [part["text"] for part in user["content"] if part["type"] == "text"]
    assert texts == ["How close?", "Reference. It says: Hello.", "Recording:"]


def test_the_key_is_in_one_header_and_nowhere_else() -> None:
    with chat(_GOOD) as endpoint:
        _asked(endpoint)
    (request,) = endpoint.requests
    assert request.headers.pop("authorization") == f"Bearer {_KEY}"
    assert _KEY not in request.line + str(request.headers)
    assert _KEY.encode() not in request.body


def test_variables_meant_for_another_host_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "foreign-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1")
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", "X-Gate: foreign-secret\nAuthorization: Bearer foreign-secret"
    )
    with chat(_GOOD) as endpoint:
        _asked(endpoint)
    assert "foreign" not in str(endpoint.requests)
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {_KEY}"


@pytest.mark.parametrize(
    "passing",
    [
        failure(500),
        failure(503, retry_after="0"),
        failure(429),
        failure(429, retry_after="0.3"),
        failure(408),
        failure(409),
        Reply(begin=False),
        Reply(_GOOD.body, cut=20),
        Reply(_GOOD.body, cut=0),
        Reply(b'5\r\n{"cho', headers={"Transfer-Encoding": "chunked"}),
        Reply(_GOOD.body, headers={"Content-Length": "9999"}),
    ],
)
def test_what_may_pass_is_asked_again(passing: Reply) -> None:
    started = time.monotonic()
    with chat(passing, _GOOD) as endpoint:
        assert _asked(endpoint) == Score(0.25, 0.75)
    assert len(endpoint.requests) == 2
    assert endpoint.requests[0].body == endpoint.requests[1].body
    assert time.monotonic() - started >= float(passing.headers.get("retry-after", "0.125"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_not_argued_with(status: int) -> None:
    with chat(failure(status, "response_format is not supported")) as endpoint:
        wanted = rf"^127.0.0.1:\d+ answered HTTP {status}.*: response_format is not supported$"
        with pytest.raises(RemoteError, match=wanted):
            _asked(endpoint)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "check the key in BOSON_API_KEY"),
        (403, "check the key in BOSON_API_KEY"),
        (404, "check api_base and model_id"),
    ],
)
def test_refusals_name_the_remedy(status: int, remedy: str) -> None:
    with chat(failure(status)) as endpoint, pytest.raises(RemoteError, match=remedy):
        _asked(endpoint)


@pytest.mark.parametrize(
    "failing", [failure(500, "broken"), failure(429, "too many"), Reply(begin=False)]
)
def test_what_does_not_pass_is_told_in_time(
    failing: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)  # tries after 0, 0.125 and 0.375 s
    wanted = r"HTTP (500|429) .*: (broken|too many)|hung up: "
    with chat(failing) as endpoint, pytest.raises(RemoteError, match=wanted):
        _asked(endpoint, timeout_s=0.8)
    assert len(endpoint.requests) == 3


def test_a_pause_beyond_the_deadline_is_not_waited_for() -> None:
    started = time.monotonic()
    with (
        chat(failure(429, "later", retry_after="60")) as endpoint,
        pytest.raises(RemoteError, match="HTTP 429"),
    ):
        _asked(endpoint)
    assert time.monotonic() - started < 5
    assert len(endpoint.requests) == 1


def test_a_try_that_cannot_end_in_time_is_not_begun() -> None:
    with (
        chat(Reply(failure(500).body, 500, after_s=0.4)) as endpoint,
        pytest.raises(RemoteError, match="HTTP 500"),
    ):
        _asked(endpoint, timeout_s=0.8)
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)
    with chat(_GOOD) as endpoint:
        pass
    with pytest.raises(RemoteError, match=r"^127.0.0.1:\d+ cannot be reached or hung up: "):
        _asked(endpoint, timeout_s=0.8)


def test_a_late_answer_is_not_waited_for() -> None:
    with chat(Reply(_GOOD.body, after_s=FOREVER)) as endpoint:
        with pytest.raises(RemoteTimeout, match=r"^127.0.0.1:\d+ did not answer within 0.2 s\. "):
            _asked(endpoint, timeout_s=0.2)
        endpoint.wait_until(lambda seen: seen.hung_up == 1)


def test_a_body_that_trickles_is_late() -> None:
    with (
        chat(Reply(_GOOD.body, cut=10, lingers=True)) as endpoint,
        pytest.raises(RemoteTimeout, match=r"within 0.2 s"),
    ):
        _asked(endpoint, timeout_s=0.2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with chat(_GOOD) as elsewhere:
        target = f"{elsewhere.url}/chat/completions?key={_KEY}"
        redirect = Reply(status=status, headers={"Location": target})
        wanted = rf"redirects \(HTTP {status}\).*127"
        with chat(redirect) as endpoint, pytest.raises(RemoteError, match=wanted) as caught:
            _asked(endpoint)
    assert elsewhere.requests == []
    assert len(endpoint.requests) == 1
    assert _KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(b"<html>Welcome</html>", headers={"Content-Type": "text/html"}), "Welcome"),
        (Reply(status=204), "no chat completion"),
        (Reply(status=304), "redirects"),
        (completion("no"), "no JSON object"),
        (similarities(2, 0), "audio_sim_score"),
        (completion(None, refusal="I must not."), "I must not"),
        (completion("{", finish="length"), "raise max_completion_tokens"),
        (completion("", finish="content_filter"), "filter"),
        (Reply(b"x" * 2**21), "more than 1048576 bytes"),
        (Reply(b"x" * 2**21, status=500), "more than 1048576 bytes"),
        (Reply(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "compressed"),
        (Reply(b"\xff\xfe", 400, {"Content-Type": "text/plain; charset=hex"}), "HTTP 400"),
        (Reply(b'{"error": "short"}', 400), "short"),
        (Reply(b'{"error": {"message": {"deep": 1}, "code": []}}', 400), "deep"),
        (Reply(b'{"detail": "\\ud800\\u0000plain"}', 400), "plain"),
        (Reply(b"[" * 100_000, 400), "HTTP 400"),
        (Reply(status=400), r"HTTP 400\.$"),
        (Reply(b"y" * 10**6, 403), "yyy"),
    ],
)
def test_nonsense_is_an_error_of_one_short_line(reply: Reply, complaint: str) -> None:
    with chat(reply) as endpoint, pytest.raises(RemoteError, match=complaint) as caught:
        _asked(endpoint, timeout_s=5)
    assert len(endpoint.requests) == 1
    assert len(str(caught.value)) < 320
    assert str(caught.value).isprintable()
    str(caught.value).encode()


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, f"Incorrect API key: {_KEY}", x_key=_KEY, set_cookie=f"key={_KEY}"),
        failure(500, f"Crashed on {_KEY}", x_request_id=_KEY),
        Reply(f"key {_KEY}".encode(), 403, reason=f"No {_KEY}"),
        Reply(f'{{"{_KEY}": "{_KEY}"}}'.encode(), 400),
        Reply(f"key {_KEY}".encode()),
        completion(f"I was given {_KEY}."),
        completion({_KEY: 1}),
        completion(None, refusal=_KEY),
        Reply(status=307, headers={"Location": f"http://localhost/{_KEY}"}),
    ],
)
def test_a_key_that_is_sent_back_is_not_repeated(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with chat(reply, failure(401, _KEY)) as endpoint, pytest.raises(RemoteError) as caught:
        _asked(endpoint)
    assert _KEY in endpoint.requests[0].headers["authorization"]
    assert _KEY not in "".join(traceback.format_exception(caught.value))
    error: BaseException | None = caught.value
    while error is not None:
        assert _KEY not in repr(error) + str(error)
        error = error.__context__
    assert _KEY not in "".join(f"{record.getMessage()}{record.args}" for record in caplog.records)


def test_no_more_questions_are_under_way_than_allowed() -> None:
    async def scenario(scorer: RemoteScorer) -> list[Score]:
        return await asyncio.gather(*(_score(scorer) for _ in range(7)))

    with chat(Reply(_GOOD.body, after_s=0.02)) as endpoint:
        scores = _with_scorer(endpoint.url, scenario, max_concurrency=3)
    assert scores == [Score(0.25, 0.75)] * 7
    assert endpoint.most_under_way <= 3


def test_waiting_for_a_slot_counts() -> None:
    async def scenario(scorer: RemoteScorer) -> list[Any]:
        first = asyncio.create_task(_score(scorer))
        await asyncio.to_thread(endpoint.wait_until, lambda seen: seen.under_way == 1)
        return list(await asyncio.gather(first, _score(scorer), return_exceptions=True))

    with chat(Reply(_GOOD.body, after_s=FOREVER)) as endpoint:
        first, second = _with_scorer(endpoint.url, scenario, max_concurrency=1, timeout_s=0.3)
    assert "did not answer within 0.3 s" in str(first)
    assert isinstance(second, RemoteTimeout)


def test_who_gets_no_slot_is_told_so() -> None:
    async def scenario(scorer: RemoteScorer) -> None:
        await scorer._slots.acquire()
        await _score(scorer)

    with chat(_GOOD) as endpoint, pytest.raises(RemoteTimeout, match=r"busy with 1 .* after 0.1 s"):
        _with_scorer(endpoint.url, scenario, max_concurrency=1, timeout_s=0.1)
    assert endpoint.requests == []


def test_a_caller_that_leaves_takes_its_request_along_and_frees_its_slot() -> None:
    async def scenario(scorer: RemoteScorer) -> Score:
        leaving = asyncio.create_task(_score(scorer))
        await asyncio.to_thread(endpoint.wait_until, lambda seen: seen.under_way == 1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await asyncio.to_thread(endpoint.wait_until, lambda seen: seen.hung_up == 1)
        return await _score(scorer)

    with chat(Reply(after_s=FOREVER), _GOOD) as endpoint:
        assert _with_scorer(endpoint.url, scenario, max_concurrency=1) == Score(0.25, 0.75)


def test_a_caller_that_leaves_while_waiting_for_a_slot_takes_none() -> None:
    async def scenario(scorer: RemoteScorer) -> Score:
        await scorer._slots.acquire()
        leaving = asyncio.create_task(_score(scorer))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        scorer._slots.release()
        return await _score(scorer)

    with chat(_GOOD) as endpoint:
        assert _with_scorer(endpoint.url, scenario, max_concurrency=1) == Score(0.25, 0.75)
    assert len(endpoint.requests) == 1


def test_closing_refuses_what_waits_at_once() -> None:
    async def scenario(scorer: RemoteScorer) -> list[Any]:
        tasks = [asyncio.create_task(_score(scorer)) for _ in range(3)]
        await asyncio.to_thread(endpoint.wait_until, lambda seen: seen.under_way == 2)
        await scorer.close()
        return list(await asyncio.gather(*tasks, _score(scorer), return_exceptions=True))

    started = time.monotonic()
    with chat(Reply(after_s=FOREVER)) as endpoint:
        outcomes = _with_scorer(endpoint.url, scenario, max_concurrency=2)
        endpoint.wait_until(lambda seen: seen.hung_up == 2)
    assert [type(outcome) for outcome in outcomes] == [NotReady] * 4
    assert time.monotonic() - started < 5
