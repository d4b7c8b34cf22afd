"""Transcripts: at once, segment by segment, or as jobs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypedDict, Unpack

import httpx

from audio_score_client.answers import Job, Segment, Transcription
from audio_score_client.calls import Call
from audio_score_client.deadline import Deadline
from audio_score_client.errors import JobCancelled, JobFailed, UnexpectedAnswer
from audio_score_client.events import Event
from audio_score_client.exchange import error_of_event, events, exchange
from audio_score_client.parsing import parsed
from audio_score_client.retrying import Policy, late
from audio_score_client.steps import Flow, Items, Pause
from audio_score_client.uploads import Audio, OnProgress, Upload

OnTranscribed = Callable[[float, float | None], object]
"""Told how many seconds of the recording are done, of how many; None while that is not known."""
_POLL_S: Final = 1.0


class TranscriptionOptions(TypedDict, total=False):
    """How to transcribe; what is left out is the server's to choose.

    Attributes:
        language: code, such as ``en``; found out where left out.
        model: key of a loaded model; the first that can where left out.
        prompt: text that goes before: names and spellings.
        beam_size: hypotheses at once, 1 for the fastest.
        temperature: 0 for the likeliest transcript, up to 1.
        vad_filter: whether what is no speech is left out.
        condition_on_previous_text: whether each window of 30 s goes on from the text before it.
        word_timestamps: whether to tell every word's time.
    """

    language: str | None
    model: str | None
    prompt: str
    beam_size: int
    temperature: float
    vad_filter: bool
    condition_on_previous_text: bool
    word_timestamps: bool


class TranscribingOperations:
    """Transcripts."""

    policy: Policy

    def transcribe(
        self,
        audio: Audio,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Flow[Transcription]:
        """Transcribe a recording, and wait for all of it.

        Args:
            audio: the recording: a path, its bytes, or a file opened for reading bytes.
            timeout_s: longest time, in seconds; see ``Operations``. Long recordings take minutes.
            on_progress: called with bytes sent and bytes in all.
            options: see ``TranscriptionOptions``.

        Raises:
            AudioRejected: the recording cannot be used.
        """
        call = _call(audio, _fields(options), on_progress)
        return exchange(
            call, self.policy.attempts(timeout_s), lambda _, told: parsed(Transcription, told)
        )

    def transcribe_segments(
        self,
        audio: Audio,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_transcribed: OnTranscribed | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Items[Segment]:
        """Transcribe a recording; yields its segments while they are written.

        Nothing is tried again once the first segment has come. The time is that of the whole, with
        what is done between segments.

        Args:
            audio: the recording: a path, its bytes, or a file opened for reading bytes.
            timeout_s: longest time, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.
            on_transcribed: called with seconds done and seconds in all, None while not known.
            options: see ``TranscriptionOptions``.

        Raises:
            AudioRejected: the recording cannot be used.
            ConnectionLost: the transcript broke off.
        """
        call = _call(audio, {**_fields(options), "stream": "true"}, on_progress)
        return events(call, self.policy.attempts(timeout_s), _Segments(on_transcribed))

    def start_transcription(
        self,
        audio: Audio,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Flow[Job]:
        """Hand a recording in as a job, which goes on without the client.

        Where the connection breaks after the recording was sent, nobody knows whether there is a
        job: it is not sent again.

        Args:
            audio: the recording: a path, its bytes, or a file opened for reading bytes.
            timeout_s: longest time for handing it in, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.
            options: see ``TranscriptionOptions``.
        """
        headers = {"Prefer": "respond-async"}
        call = _call(audio, _fields(options), on_progress, headers=headers, repeatable=False)
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
            timeout_s: longest time, in seconds; no limit where left out. Each time that the server
                is asked how far it is, the client's own limit holds.
            on_transcribed: called with seconds done and seconds in all, None while not known.

        Raises:
            JobFailed: it has failed.
            JobCancelled: it was cancelled.
            UnknownJob: there is no such job, or it is there no more.
        """
        call, whole = _job_call("GET", job_id), Deadline(timeout_s)
        while left_s := whole.left_s():
            # Each question has a limit of its own: a connection may stall for ever.
            attempts = self.policy.attempts(min(left_s, self.policy.timeout_s))
            job = yield from exchange(call, attempts, _job)
            if on_transcribed is not None:
                on_transcribed(job.done_seconds, job.duration_seconds)
            if job.ended:
                return _result(job)
            yield Pause(min(_POLL_S, whole.left_s()))
        raise late(call, whole)

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


def _fields(options: TranscriptionOptions) -> dict[str, str]:
    """The form.

    Raises:
        TypeError: there is no such option.
    """
    unknown = options.keys() - TranscriptionOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"There is no option {min(unknown)!r}; see TranscriptionOptions.")
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in options.items()
        if value not in (None, "")
    }


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
