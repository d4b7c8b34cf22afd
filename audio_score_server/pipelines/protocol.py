"""What the service asks of every model, wherever it is."""

from __future__ import annotations

from typing import Protocol

from audio_score_server.domain import Placement, Score
from audio_score_server.references.library import Clip, Library


class Pipeline(Protocol):
    """One model's path from an uploaded recording to a score.

    Attributes:
        key: the model's name in requests.
        placement: where the model is.
    """

    key: str
    placement: Placement

    async def start(self, library: Library, concurrency: int) -> None:
        """Make ready to score against every clip; ``concurrency`` of them at once."""
        ...

    async def close(self) -> None:
        """Refuse what still waits and let go of the model."""
        ...

    def failed(self, clip: Clip) -> bool:
        """Whether nothing can be compared with the clip."""
        ...

    async def score(self, clip: Clip, data: bytes) -> Score:
        """Compare an uploaded recording with a clip.

        Raises:
            AudioError: the recording cannot be used.
            ReferenceMissing: the clip cannot be used.
            BatchError: the model failed on this recording.
            DeviceMemoryError: the recording does not fit into the device's memory.
            RemoteError: a remote model refused, failed or answered nonsense.
            RemoteTimeout: a remote model did not answer in time.
            NotReady: the model is being closed.
        """
        ...
