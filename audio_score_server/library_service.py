"""The library for requests: its clips, how ready each is, and changes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from audio_score_server.audio.contours import contours
from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.wav import wav
from audio_score_server.errors import AudioError, ReferenceMissing, SilentAudio
from audio_score_server.library.clip import Clip, ClipChanged, ClipId
from audio_score_server.library.errors import InvalidClipMedia, LibraryReadOnly, LibraryUnavailable
from audio_score_server.library.writing import Media, Precondition, WritableSource, check_name
from audio_score_server.live_library import ResultT
from audio_score_server.model_registry import SCORE
from audio_score_server.pipelines.protocol import ReferenceStatus
from audio_score_server.references.build import complaint, is_silent
from audio_score_server.scoring.words import ClipWord
from audio_score_server.service import ScoreService

_PATIENCE_S: Final = 15.0
_AUDIO_RATE: Final = 48_000
"""For people, who hear more than models do."""


class LibraryService:
    """Lists, shows and changes the clips of a service."""

    def __init__(self, service: ScoreService, limits: DecodeLimits) -> None:
        """``limits``: of clips' sound, as models decode it."""
        self._service = service
        self._limits = limits

    async def search(self, uid: str | None, query: str) -> list[Clip]:
        """Those that there are at this moment and that some model can compare with, or may.

        Arguments are those of ``Library.search``.

        Raises:
            NotReady: the server is starting.
        """
        library = await self._service.library.list_clips()
        return self._service.usable(await asyncio.to_thread(library.search, uid, query))

    async def using(self, clip_id: ClipId, use: Callable[[Clip], Awaitable[ResultT]]) -> ResultT:
        """See ``LiveLibrary.using``.

        Raises:
            NotReady: the server is starting.
        """
        return await self._service.library.using(clip_id, use)

    async def statuses(self, clip: Clip) -> Mapping[str, ReferenceStatus]:
        """By key of each model that scores, the default first: how ready it is for a clip."""
        scorers = self._service.able(SCORE)
        return {scorer.key: await scorer.reference_status(clip) for scorer in scorers}

    async def words(self, clip: Clip) -> Sequence[ClipWord]:
        """Words of a clip's text with their times, by the first model that can tell.

        Raises:
            ClipChanged: the clip has another version by now.
            ReferenceMissing: it is broken.
        """
        for scorer in self._service.able(SCORE):
            if words := await scorer.clip_words(clip):
                return words
        return ()

    async def sound(self, clip: Clip) -> bytes:
        """A clip's sound alone, as a WAV file.

        Raises:
            ClipChanged: the clip has another version by now.
            ReferenceMissing: it is broken.
            LibraryUnavailable: it cannot be had now.
        """
        try:
            return await asyncio.to_thread(self._wav, clip)
        except LibraryUnavailable:
            raise
        except (AudioError, OSError) as error:
            raise ReferenceMissing(
                f"Clip {clip.id} is broken on the server: {complaint(error)[0]}."
            ) from error

    async def put(
        self,
        clip_id: ClipId,
        media: Media,
        text: str | None,
        precondition: Precondition,
    ) -> tuple[Clip, bool]:
        """Add a clip or replace it; see ``WritableSource.put``.

        Afterwards every worker serves it. It is encoded before this returns, if there is time.

        Raises:
            InvalidClipMedia: no recording could be compared with it.
            LibraryReadOnly: the source cannot be changed.
            AudioScoreError: as ``WritableSource.put``.
        """
        source = self._writable()
        check_name(clip_id)
        await asyncio.to_thread(check_media, media, self._limits)
        clip, is_new = await asyncio.to_thread(source.put, clip_id, media, text, precondition)
        await self._follow_up(clip)
        return clip, is_new

    async def set_text(self, clip_id: ClipId, text: str | None, precondition: Precondition) -> Clip:
        """Change a clip's text.

        Raises:
            UnknownClip: there is no such clip.
            LibraryReadOnly: the source cannot be changed.
            AudioScoreError: as ``WritableSource.put``.
        """
        source = self._writable()
        clip = await asyncio.to_thread(source.set_text, clip_id, text, precondition)
        if clip is None:
            raise self._service.library.current.unknown(clip_id)
        await self._follow_up(clip)
        return clip

    async def delete(self, clip_id: ClipId, precondition: Precondition) -> None:
        """Take a clip out. Errors as of ``set_text``."""
        source = self._writable()
        if not await asyncio.to_thread(source.delete, clip_id, precondition):
            raise self._service.library.current.unknown(clip_id)

    def _writable(self) -> WritableSource:
        source = self._service.library.source
        if not isinstance(source, WritableSource):
            raise LibraryReadOnly("The library cannot be changed where it is kept.")
        return source

    def _wav(self, clip: Clip) -> bytes:
        return wav(decode(clip.read(), replace(self._limits, sampling_rate=_AUDIO_RATE)))

    async def _follow_up(self, clip: Clip) -> None:
        """Encode a changed clip while the client waits, but not for long; ``statuses`` tells."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                for scorer in self._service.able(SCORE):
                    with suppress(ReferenceMissing, ClipChanged):
                        await scorer.prepare(clip)


def check_media(media: Media, limits: DecodeLimits) -> None:
    """See whether recordings could be compared with a clip.

    Raises:
        InvalidClipMedia: they could not.
    """
    try:
        waveform = decode(media.stream.read(), limits)
        if is_silent(contours(waveform)):
            raise SilentAudio("The clip is silent.")
    except AudioError as error:
        what, remedy = complaint(error)
        raise InvalidClipMedia(f"The file cannot be a clip: {what}. {remedy}") from error
