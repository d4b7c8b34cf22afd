"""What models offer that compare several recordings, or one with several clips, at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from audio_score_server.domain import Score, Waveform
from audio_score_server.library.clip import Clip, Library
from audio_score_server.pipelines.protocol import Model, Upload
from audio_score_server.telemetry.stages import Stages


@runtime_checkable
class BatchScorer(Model, Protocol):
    """A model that compares several recordings, or one with several clips, at once."""

    @property
    def indexed(self) -> int:
        """How many clips ``search`` can find, where there are more than a few."""
        ...

    def searchable(self, count: int) -> int:
        """How many of so many clips ``search`` looks at."""
        ...

    async def decode(self, upload: Upload) -> Waveform:
        """The sound of an uploaded recording.

        Raises:
            AudioError: the recording cannot be used.
        """
        ...

    async def search(
        self, waveform: Waveform, library: Library, uid: str | None, count: int, stages: Stages
    ) -> list[tuple[Clip, Score]]:
        """The clips that a recording says most likely, with their scores, in no order.

        Clips that nothing can be compared with, and those not indexed yet, are none of them.

        Args:
            waveform: the recording.
            library: whose clips are looked at.
            uid: of the video whose clips alone are looked at; None for all.
            count: how many are wanted at least, where there are as many.
            stages: told how long it took.

        Raises:
            CapabilityUnsupported: the model cannot tell without being asked of each clip.
            AudioScoreError: as ``Scorer.score``.
        """
        ...

    async def score_many(
        self, clips: Sequence[Clip], waveforms: Sequence[Waveform], stages: Stages
    ) -> list[list[Score]]:
        """Compare every recording with every clip, as ``Scorer.score`` would.

        Args:
            clips: of the library, at least one.
            waveforms: the recordings; each is encoded once.
            stages: told how long each took.

        Returns:
            For each recording, in order, its score for each clip.

        Raises:
            ClipChanged: a clip has another version by now.
            AudioScoreError: for all of them, what ``Scorer.score`` would raise for any.
        """
        ...
