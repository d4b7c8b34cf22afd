"""Files to transcripts, with a progress bar: what ``audio-score transcribe`` does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from audio_score_server.assembly import transcriber
from audio_score_server.errors import AudioScoreError
from audio_score_server.pipelines.collecting import TranscriptCollector
from audio_score_server.pipelines.protocol import TranscriptionModel, TranscriptionOptions
from audio_score_server.settings import Settings
from audio_score_server.transcription.subtitles import cues, srt, vtt
from audio_score_server.transcription.words import TimedTranscript
from audio_score_server.web.transcripts import transcription_response


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What the command line asks for; see ``cli.transcribe``."""

    files: list[Path]
    format: str
    words: bool
    language: str | None
    model: str | None
    beam_size: int
    prompt: str
    output: Path | None


def transcribe_files(settings: Settings, request: FileRequest) -> int:
    """Transcribe every file; how many could not be.

    Raises:
        NoModelError: there is no model that can.
        OSError: the output cannot be written.
    """
    return asyncio.run(_transcribe_all(settings, request))


async def _transcribe_all(settings: Settings, request: FileRequest) -> int:
    failures = 0
    async with transcriber(settings, request.model) as model:
        for file in request.files:
            try:
                transcript = await _transcribed(model, file, request)
            except (AudioScoreError, OSError) as error:
                failures += 1
                tqdm.write(f"{file}: {error}", file=sys.stderr)
                continue
            with _output(file, request) as output:
                output.writelines(_pieces(transcript, request))
    return failures


async def _transcribed(
    model: TranscriptionModel, file: Path, request: FileRequest
) -> TimedTranscript:
    options = TranscriptionOptions(request.language, request.prompt, request.beam_size)
    collector = TranscriptCollector()
    bar = tqdm(desc=file.name, unit="s", disable=None, bar_format=_BAR)
    with file.open("rb") as opened, bar:
        async with aclosing(model.transcribe(opened, options)) as parts:
            async for part in parts:
                collector.add(part)
                bar.total = None if part.total_s is None else round(part.total_s)
                bar.update(round(part.done_s) - bar.n)
    return collector.transcript()


_BAR = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} s, {remaining} left"


def _output(file: Path, request: FileRequest) -> TextIO | nullcontext[TextIO]:
    if request.output is None:
        return nullcontext(sys.stdout)
    request.output.mkdir(parents=True, exist_ok=True)
    return (request.output / f"{file.stem}.{request.format}").open("w", encoding="utf-8")


def _pieces(transcript: TimedTranscript, request: FileRequest) -> Iterator[str]:
    match request.format:
        case "srt":
            yield from srt(cues(transcript.segments))
        case "vtt":
            yield from vtt(cues(transcript.segments), word_times=request.words)
        case "json":
            answer = transcription_response(transcript, request.words)
            content = answer.model_dump(exclude_unset=True)
            yield json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        case _:
            yield "".join(f"{segment.text}\n" for segment in transcript.segments)
