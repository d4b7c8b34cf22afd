"""Ask a remote model for scores: so many at once, in a given time, again where that may help."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError

from audio_score_server.domain import Score, Waveform
from audio_score_server.errors import AudioScoreError, NotReady, RemoteError, RemoteTimeout
from audio_score_server.remote.answer import read_answer
from audio_score_server.remote.endpoint import connect, host_of
from audio_score_server.remote.question import RESPONSE_FORMAT, messages
from audio_score_server.remote.retries import asked_pause_s, passing, pause_s
from audio_score_server.settings import HiggsRemoteSettings

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A try that brought no answer.

    Attributes:
        error: why.
        passing: whether another try may fare better.
        asked_s: seconds that the host asks to wait for, if it does.
    """

    error: RemoteError
    passing: bool
    asked_s: float | None = None


class RemoteScorer:
    """A model that listens to both recordings elsewhere.

    Attributes:
        host: where the model is, for people.
    """

    def __init__(self, settings: HiggsRemoteSettings, environment: Mapping[str, str]) -> None:
        """Read the key and check the address; nothing is sent yet.

        Raises:
            ModelLoadError: the key is missing or none, ``api_base`` is no address, or the proxy or
                certificates that the environment names cannot be used.
        """
        self._settings = settings
        self._remote = host_of(settings, environment)
        self._client = connect(settings.api_base, self._remote)
        # The package imports what it needs for this now rather than in the first request.
        self._completions = self._client.chat.completions.with_raw_response
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._limits: set[asyncio.Timeout] = set()
        self._closed = False
        self.host = self._remote.name

    async def score(self, reference: Waveform, recording: Waveform, text: str | None) -> Score:
        """How close the recording came to the reference, in the model's judgement.

        Args:
            reference: the clip's sound.
            recording: the performance of it.
            text: what the clip says, where it is known.

        Raises:
            RemoteError: the host refused, failed to the end or answered nonsense.
            RemoteTimeout: no answer in time, waiting for a free slot and retries included.
            NotReady: the scorer closes.
        """
        if self._closed:
            raise NotReady("The server is stopping.")
        limit = asyncio.timeout(self._settings.timeout_s)
        asked = False
        try:
            async with limit:
                self._limits.add(limit)
                async with self._slots:
                    asked = True
                    chat = await asyncio.to_thread(
                        messages, self._settings, reference, recording, text
                    )
                    body = await self._ask(chat, limit)
        except TimeoutError:
            raise self._late(asked) from None
        finally:
            self._limits.discard(limit)
        return read_answer(body, self._remote)

    async def close(self) -> None:
        """Refuse what still waits, and give up the connections."""
        self._closed = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)
        await self._client.close()

    async def _ask(self, chat: list[ChatCompletionMessageParam], limit: asyncio.Timeout) -> bytes:
        """The body of the answer, from as many tries as there is time for.

        A try is taken to last as long as the one before: one that cannot end in time is not begun.
        """
        clock = asyncio.get_running_loop().time
        end = limit.when()
        assert end is not None
        tries = 0
        while True:
            started = clock()
            outcome = await self._try(chat)
            if isinstance(outcome, bytes):
                return outcome
            pause, took = pause_s(tries, random.random(), outcome.asked_s), clock() - started
            if not outcome.passing or clock() + pause + took >= end:
                raise outcome.error
            _LOG.info("%s (asking again in %.1f s)", outcome.error, pause)
            await asyncio.sleep(pause)
            tries += 1

    async def _try(self, chat: list[ChatCompletionMessageParam]) -> bytes | _Failure:
        """One request. Failures are returned, so that no error drags along what was received."""
        try:
            response = await self._completions.create(
                model=self._settings.model_id,
                messages=chat,
                response_format=RESPONSE_FORMAT,
                temperature=self._settings.temperature,
                max_completion_tokens=self._settings.max_completion_tokens,
            )
        except APIStatusError as error:
            return self._refusal(error)
        except APIConnectionError as error:
            words = str(error.__cause__) or type(error.__cause__).__name__
            return _Failure(self._remote.error("cannot be reached or hung up", words), True)
        return response.content

    def _refusal(self, error: APIStatusError) -> _Failure:
        status, headers = error.status_code, error.response.headers
        if status < 400:
            target = urlsplit(headers.get("location", ""))
            elsewhere = f"{target.scheme}://{target.netloc}" if target.netloc else ""
            what = f"redirects (HTTP {status}); put the final address into api_base"
            return _Failure(self._remote.error(what, elsewhere), False)
        what = f"answered HTTP {status}{self._remedy(status)}"
        return _Failure(
            self._remote.error(what, _message(error)),
            passing(status),
            asked_pause_s(headers, datetime.now(UTC)),
        )

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return f" (check the key in {self._settings.api_key_env})"
        if status == 404:
            return " (check api_base and model_id)"
        return " (try again later)" if passing(status) else ""

    def _late(self, asked: bool) -> AudioScoreError:
        if self._closed:
            return NotReady("The server is stopping.")
        seconds, most = self._settings.timeout_s, self._settings.max_concurrency
        if not asked:
            return RemoteTimeout(
                f"{self.host} was still busy with {most} earlier questions after {seconds:g} s. "
                "Try again later, or raise max_concurrency."
            )
        return RemoteTimeout(
            f"{self.host} did not answer within {seconds:g} s. Try again later, or raise timeout_s."
        )


def _message(error: APIStatusError) -> str:
    """What a refusal says: the message of the usual JSON, else the whole body."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return message if isinstance(message, str) else error.response.text
