"""Transcripts: at once, segment by segment, or as jobs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from audio_score_client.answers import Job, Segment, Transcription
from audio_score_client.calls import Call
from audio_score_client.errors import JobCancelled, JobFailed, UnexpectedAnswer
from audio_score_client.events import Event
from audio_score_client.exchange import error_of_event, events, exchange
from audio_score_client.parsing import parsed
from audio_score_client.retrying import Policy
from audio_score_client.steps import Flow, Items, Pause
from audio_score_client.uploads import Audio, OnProgress, Upload

OnTranscribed = Callable[[float, float | None], object]
"""Told how many seconds of the recording are done, of how many; None while that is not known."""
_POLL_S: Final = 1.0


class TranscribingOperations:
    """Transcripts."""

    policy: Policy

    def transcribe(
        self,
        audio: Audio,
        language: str | None = None,
        model: str | None = None,
        *,
        prompt: str = "",
        beam_size: int | None = None,
        temperature: float | None = None,
        word_timestamps: bool = True,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[Transcription]:
        """Transcribe a recording, and wait for all of it.

        Args:
            audio: the recording: a path, its bytes, or a file opened for reading bytes.
            language: code, such as ``en``; found out where left out.
            model: key of a loaded model; the first that can where left out.
            prompt: text that goes before: names and spellings.
            beam_size: hypotheses at once, 1 for the fastest; the server's default where left out.
            temperature: 0 for the likeliest transcript.
            word_timestamps: whether to tell every word's time.
            timeout_s: longest time, in seconds; see ``Operations``. Long recordings take minutes.
            on_progress: called with bytes sent and bytes in all.

        Raises:
            AudioRejected: the recording cannot be used.
        """
        fields = _fields(language, model, prompt, beam_size, temperature, word_timestamps)
        call = _call(audio, fields, on_progress)
        return exchange(
            call, self.policy.attempts(timeout_s), lambda _, told: parsed(Transcription, told)
        )

    def transcribe_segments(
        self,
        audio: Audio,
        language: str | None = None,
        model: str | None = None,
        *,
        prompt: str = "",
        beam_size: int | None = None,
        temperature: float | None = None,
        word_timestamps: bool = True,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_transcribed: OnTranscribed | None = None,
    ) -> Items[Segment]:
        """Transcribe a recording; yields its segments while they are written.

        Nothing is tried again once the first segment has come. The time is that of the whole, with
        what is done between segments.

        Args:
            audio: as of ``transcribe``, and so are the other arguments.
            language: code, such as ``en``; found out where left out.
            model: key of a loaded model; the first that can where left out.
            prompt: text that goes before.
            beam_size: hypotheses at once.
            temperature: 0 for the likeliest transcript.
            word_timestamps: whether to tell every word's time.
            timeout_s: longest time, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.
            on_transcribed: called with seconds done and seconds in all, None while not known.

        Raises:
            AudioRejected: the recording cannot be used.
            ConnectionLost: the transcript broke off.
        """
        fields = _fields(language, model, prompt, beam_size, temperature, word_timestamps)
        call = _call(audio, {**fields, "stream": "true"}, on_progress)
        return events(call, self.policy.attempts(timeout_s), _Segments(on_transcribed))

    def start_transcription(
        self,
        audio: Audio,
        language: str | None = None,
        model: str | None = None,
        *,
        prompt: str = "",
        beam_size: int | None = None,
        temperature: float | None = None,
        word_timestamps: bool = True,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[Job]:
        """Hand a recording in as a job, which goes on without the client.

        Where the connection breaks after the recording was sent, nobody knows whether there is a
        job: it is not sent again.

        Args:
            audio: as of ``transcribe``, and so are the other arguments.
            language: code, such as ``en``; found out where left out.
            model: key of a loaded model; the first that can where left out.
            prompt: text that goes before.
            beam_size: hypotheses at once.
            temperature: 0 for the likeliest transcript.
            word_timestamps: whether to tell every word's time.
            timeout_s: longest time for handing it in, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.
        """
        fields = _fields(language, model, prompt, beam_size, temperature, word_timestamps)
        headers = {"Prefer": "respond-async"}
        call = _call(audio, fields, on_progress, headers=headers, repeatable=False)
        return exchange(call, self.policy.attempts(timeout_s), _job)

    def job(self, job_id: str, *, timeout_s: float | None = None) -> Flow[Job]:
        """How far a job is, and what came of it.

        Args:
            job_id: its ``id``.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownJob: there is no such job, or it is there no more.
        """
        return exchange(_job_call("GET", job_id), self.policy.attempts(timeout_s), _job)

    def wait_for_job(
        self,
        job_id: str,
        *,
        timeout_s: float = math.inf,
        on_transcribed: OnTranscribed | None = None,
    ) -> Flow[Transcription]:
        """Wait until a job has ended; its result. Giving up does not cancel it.

        Args:
            job_id: its ``id``.
            timeout_s: longest time, in seconds; no limit where left out.
            on_transcribed: called with seconds done and seconds in all, None while not known.

        Raises:
            JobFailed: it has failed.
            JobCancelled: it was cancelled.
            UnknownJob: there is no such job, or it is there no more.
        """
        attempts = self.policy.attempts(timeout_s)
        while True:
            job = yield from exchange(_job_call("GET", job_id), attempts, _job)
            attempts.succeed()
            if on_transcribed is not None:
                on_transcribed(job.done_seconds, job.duration_seconds)
            if job.ended:
                return _result(job)
            yield Pause(min(_POLL_S, attempts.deadline.left_s()))

    def cancel_job(self, job_id: str, *, timeout_s: float | None = None) -> Flow[None]:
        """Cancel a job that waits or runs; forget one that has ended.

        Args:
            job_id: its ``id``.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownJob: there is no such job, or it is there no more.
        """
        call = _job_call("DELETE", job_id)
        return exchange(call, self.policy.attempts(timeout_s), lambda response, told: None)


def _fields(
    language: str | None,
    model: str | None,
    prompt: str,
    beam_size: int | None,
    temperature: float | None,
    word_timestamps: bool,
) -> dict[str, str]:
    """The form; what is left out is the server's to choose."""
    fields = {"language": language or "", "model": model or "", "prompt": prompt}
    if beam_size is not None:
        fields["beam_size"] = str(beam_size)
    if temperature is not None:
        fields["temperature"] = str(temperature)
    if not word_timestamps:
        fields["word_timestamps"] = "false"
    return {name: value for name, value in fields.items() if value}


def _call(
    audio: Audio, fields: dict[str, str], on_progress: OnProgress | None, **more: Any
) -> Call:
    uploads = (Upload.of("audio", audio),)
    return Call(
        "POST", "/transcribe", fields=fields, uploads=uploads, on_progress=on_progress, **more
    )


def _job_call(method: str, job_id: str) -> Call:
    if not job_id.isascii() or not job_id.isalnum():
        raise ValueError(f"{job_id!r} is no job's id.")
    return Call(method, f"/jobs/{job_id}")


def _job(_: httpx.Response, told: object) -> Job:
    return parsed(Job, told)


def _result(job: Job) -> Transcription:
    if job.state == "cancelled":
        raise JobCancelled(f"The job {job.id} was cancelled.")
    if job.error is not None:
        raise JobFailed(job.error.code, job.error.detail)
    if job.result is None:
        raise UnexpectedAnswer(f"The job {job.id} has {job.state}, and has no result.")
    return job.result


@dataclass(frozen=True, slots=True)
class _Progress:
    done_seconds: float
    duration_seconds: float | None


class _Segments:
    """Of the events of a transcript, the segments."""

    def __init__(self, on_transcribed: OnTranscribed | None) -> None:
        self._on_transcribed = on_transcribed
        self.done = False

    def take(self, event: Event) -> Segment | None:
        """See ``Reading.take``."""
        if event.name == "segment":
            return parsed(Segment, event.data, "segment")
        if event.name == "progress" and self._on_transcribed is not None:
            progress = parsed(_Progress, event.data, "progress")
            self._on_transcribed(progress.done_seconds, progress.duration_seconds)
        if event.name == "error":
            raise error_of_event(event.data)
        self.done = event.name == "done"
        return None
