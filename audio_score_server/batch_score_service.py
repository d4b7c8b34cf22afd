"""Scores of several recordings, or of one for several clips, free of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audio_score_server.domain import Score, Waveform
from audio_score_server.errors import AudioError
from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.model_registry import SCORE_MANY
from audio_score_server.pipelines.batch_protocol import BatchScorer
from audio_score_server.pipelines.protocol import Upload
from audio_score_server.pipelines.threads import all_of
from audio_score_server.service import ScoreService
from audio_score_server.telemetry.stages import Stages


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What is asked, besides the recordings.

    Attributes:
        model: key of a loaded model; None for the first.
        stages: told which model it was, and how long each stage took.
        allowed_s: how long the client waits, from the request's arrival; None for as long as the
            server allows.
    """

    model: str | None
    stages: Stages
    allowed_s: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """One recording, compared with one clip.

    Attributes:
        clip_id: the clip.
        recording: index of the recording.
        score: how close it came.
    """

    clip_id: ClipId
    recording: int
    score: Score


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Which line a recording says.

    Attributes:
        pairs: the likeliest clips, the best first.
        searched: among how many clips they were found.
    """

    pairs: list[ScoredPair]
    searched: int


class BatchScoreService:
    """Compares several recordings, or one with several clips, or with all of the library."""

    def __init__(self, service: ScoreService, request_s: float) -> None:
        """``service``: has the models and the clips; ``request_s``: longest time for a request."""
        self._service = service
        self._request_s = request_s

    async def score(
        self, ids: Sequence[ClipId], uploads: Sequence[Upload], request: BatchRequest
    ) -> list[ScoredPair]:
        """Every recording against every clip, the best first.

        Args:
            ids: of the clips, at least one.
            uploads: read the recordings' files.
            request: how.

        Raises:
            RequestError: the request cannot be served as it stands.
            RequestTimeout: it was not done in time.
            NotReady: the server is starting or stopping.
            AudioScoreError: see ``Scorer.score``.
        """
        service, stages = self._service, request.stages
        with service.lease(request.model, SCORE_MANY, stages) as scorer:
            stages.allow(self._request_s, request.allowed_s)
            async with stages.within_deadline():
                # Named first: who names a clip that is not there need not wait for recordings.
                clips = await self._resolved(ids)
                waveforms = await _decoded(scorer, uploads, stages)
                while True:
                    try:
                        scores = await scorer.score_many(clips, waveforms, stages)
                    except ClipChanged:
                        clips = await self._resolved(ids)
                        continue
                    return _ranked(
                        ScoredPair(clip.id, recording, score)
                        for recording, of_recording in enumerate(scores)
                        for clip, score in zip(clips, of_recording, strict=True)
                    )

    async def search(
        self, upload: Upload, uid: str | None, limit: int, request: BatchRequest
    ) -> SearchResult:
        """The clips of the library that a recording says most likely.

        Args:
            upload: reads the recording's file.
            uid: of the video whose clips alone are looked at; None for all.
            limit: most clips that are wanted.
            request: how.

        Raises:
            CapabilityUnsupported: the model cannot search so many clips.
            AudioScoreError: as ``score``.
        """
        service, stages = self._service, request.stages
        with service.lease(request.model, SCORE_MANY, stages) as scorer:
            stages.allow(self._request_s, request.allowed_s)
            async with stages.within_deadline():
                library = service.library.current
                of_video = [clip for clip in library.clips() if uid in (None, clip.id.uid)]
                if uid is not None and not of_video:
                    raise library.unknown(ClipId(uid, ""))
                (waveform,) = await _decoded(scorer, [upload], stages)
                found = await scorer.search(waveform, library, uid, limit, stages)
                pairs = _ranked(ScoredPair(clip.id, 0, score) for clip, score in found)
                return SearchResult(pairs[:limit], scorer.searchable(len(of_video)))

    async def _resolved(self, ids: Sequence[ClipId]) -> list[Clip]:
        return await all_of(self._service.library.resolve(each) for each in ids)


async def _decoded(
    scorer: BatchScorer, uploads: Sequence[Upload], stages: Stages
) -> list[Waveform]:
    """The sound of every recording; of several, an error says which one it is about."""
    waveforms = []
    with stages.measure("decode"):
        for place, upload in enumerate(uploads):
            try:
                waveforms.append(await scorer.decode(upload))
            except AudioError as error:
                if len(uploads) == 1:
                    raise
                told = f"Recording {place + 1} of {len(uploads)} (index {place}): {error}"
                raise type(error)(told) from error
    stages.audio_s = sum(waveform.seconds for waveform in waveforms)
    return waveforms


def _ranked(pairs: Iterable[ScoredPair]) -> list[ScoredPair]:
    return sorted(pairs, key=lambda pair: (-pair.score.total, pair.recording, pair.clip_id))
