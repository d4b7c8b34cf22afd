"""Scores: of one recording, or of several recordings or clips."""

from __future__ import annotations

from collections.abc import Sequence

from audio_score_client.answers import Health, LoadedModel, Score, Scores
from audio_score_client.calls import Call
from audio_score_client.exchange import exchange
from audio_score_client.parsing import parsed, parsed_list
from audio_score_client.retrying import Policy
from audio_score_client.steps import Flow
from audio_score_client.uploads import Audio, OnProgress, Upload


class ScoringOperations:
    """Scores, and what gives them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def score(
        self,
        audio: Audio,
        uid: str,
        cid: str,
        model: str | None = None,
        detail: bool = False,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[Score]:
        """Score a recording: how close it came to the clip that it performs.

        Args:
            audio: the recording: a path, its bytes, or a file opened for reading bytes.
            uid: video id.
            cid: clip id.
            model: key of a loaded model; the server's first where left out.
            detail: whether to tell why, word by word.
            timeout_s: longest time, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.

        Raises:
            AudioRejected: the recording cannot be used.
            UnknownClip: there is no such clip.
            UnknownModel: the model is not loaded.
        """
        fields = {"uid": uid, "cid": cid, **_given(model=model)}
        if detail:
            fields["detail"] = "full"
        uploads = (Upload.of("audio", audio),)
        call = Call("POST", "/score", fields=fields, uploads=uploads, on_progress=on_progress)
        return exchange(call, self.policy.attempts(timeout_s), lambda _, told: parsed(Score, told))

    def scores(
        self,
        audio: Audio | Sequence[Audio],
        clips: Sequence[tuple[str, str]] = (),
        uid: str | None = None,
        model: str | None = None,
        limit: int | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[Scores]:
        """Score one recording against several clips, or several recordings against one.

        Which line was it? One recording and no clips: it is looked for in the library. Which of
        these? One recording and several clips. Which take is best? Several recordings, one clip.

        Args:
            audio: a recording, or a sequence of recordings.
            clips: video and clip ids; the whole library where empty.
            uid: the video to which the search is restricted.
            model: key of a loaded model; the server's first where left out.
            limit: most scores to be told; the server's default where left out.
            timeout_s: longest time, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all, of all recordings.

        Raises:
            AudioRejected: a recording cannot be used.
            UnknownClip: there is no such clip.
            ValueError: several recordings, and not one clip; or none at all.
        """
        recordings = _recordings(audio)
        if not recordings or (len(recordings) > 1 and len(clips) != 1):
            raise ValueError(
                f"{len(recordings)} recordings and {len(clips)} clips: give one recording, or "
                "several and the one clip that they perform."
            )
        told: dict[str, str | list[str]] = {**_given(uid=uid, model=model)}
        if limit is not None:
            told["limit"] = str(limit)
        if clips:
            told["clip"] = [f"{video}/{clip}" for video, clip in clips]
        uploads = tuple(Upload.of("audio", each) for each in recordings)
        call = Call("POST", "/scores", fields=told, uploads=uploads, on_progress=on_progress)
        return exchange(call, self.policy.attempts(timeout_s), lambda _, told: parsed(Scores, told))

    def models(self, *, timeout_s: float | None = None) -> Flow[tuple[LoadedModel, ...]]:
        """The models that the server has loaded, the default first."""
        attempts = self.policy.attempts(timeout_s)
        return exchange(
            Call("GET", "/models"), attempts, lambda _, told: parsed_list(LoadedModel, told)
        )

    def health(self, *, timeout_s: float | None = None) -> Flow[Health]:
        """How the server is, whatever its state; needs no API key."""
        attempts = self.policy.attempts(timeout_s)
        return exchange(Call("GET", "/health"), attempts, lambda _, told: parsed(Health, told))


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _recordings(audio: Audio | Sequence[Audio]) -> Sequence[Audio]:
    if isinstance(audio, list | tuple):
        return audio
    return (audio,)  # type: ignore[return-value]
