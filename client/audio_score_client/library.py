"""Clips: listed, looked at, fetched, changed."""

from __future__ import annotations

import io
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx

from audio_score_client.answers import Clip, ClipInfo, PutClip
from audio_score_client.calls import Call, clip_path
from audio_score_client.errors import UnexpectedAnswer, UnknownClip
from audio_score_client.exchange import download, exchange
from audio_score_client.parsing import parsed, parsed_list
from audio_score_client.retrying import Attempts, Policy
from audio_score_client.steps import Do, Emit, Flow, Items
from audio_score_client.uploads import Audio, OnProgress, Upload

_PAGE: Final = 1000


class LibraryOperations:
    """Clips."""

    policy: Policy

    def clips(
        self,
        uid: str | None = None,
        query: str | None = None,
        *,
        page_size: int = _PAGE,
        timeout_s: float | None = None,
    ) -> Items[Clip]:
        """Every clip, in order of id; further pages are asked for when they are needed.

        Args:
            uid: of this video alone.
            query: words, each of which the id or the text must hold, in capitals or not.
            page_size: how many are asked for at once, from 1 to 1000.
            timeout_s: longest time for each page, in seconds; see ``Operations``.
        """
        params = {"limit": str(page_size)}
        params |= {k: v for k, v in (("uid", uid), ("q", query)) if v is not None}
        while params:
            call = Call("GET", "/clips", params=params)
            page, params = yield from exchange(call, self.policy.attempts(timeout_s), _page)
            for clip in page:
                yield Emit(clip)

    def clip(self, uid: str, cid: str, *, timeout_s: float | None = None) -> Flow[ClipInfo]:
        """All that is known of a clip.

        Args:
            uid: video id.
            cid: clip id.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownClip: there is no such clip.
        """
        call = Call("GET", clip_path(uid, cid))
        return exchange(call, self.policy.attempts(timeout_s), _clip)

    def clip_media(
        self, uid: str, cid: str, *, sound_only: bool = False, timeout_s: float | None = None
    ) -> Flow[bytes]:
        """A clip's file; what was fetched before the connection broke is not fetched again.

        Args:
            uid: video id.
            cid: clip id.
            sound_only: the sound alone, as WAV.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownClip: there is no such clip.
        """
        content = io.BytesIO()
        call = _media_call(uid, cid, sound_only)
        yield from download(call, self.policy.attempts(timeout_s), content)
        return content.getvalue()

    def save_clip_media(
        self,
        uid: str,
        cid: str,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        sound_only: bool = False,
        timeout_s: float | None = None,
    ) -> Flow[None]:
        """Fetch a clip's file into a file; as ``clip_media``, for files of any size.

        Args:
            uid: video id.
            cid: clip id.
            to: a path, under which the file appears when it is complete; or a file opened for
                writing bytes, which can seek and is written from its beginning.
            sound_only: the sound alone, as WAV.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownClip: there is no such clip.
            OSError: the file cannot be written.
        """
        call, attempts = _media_call(uid, cid, sound_only), self.policy.attempts(timeout_s)
        if isinstance(to, str | os.PathLike):
            return _saved(call, attempts, Path(to))
        return download(call, attempts, to)

    def put_clip(
        self,
        uid: str,
        cid: str,
        media: Audio,
        text: str | None = None,
        *,
        name: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Flow[PutClip]:
        """Add a clip, or replace one, text and all. Needs an admin key.

        The same once more changes nothing and is no failure, whatever it depends on. Where an
        answer was lost on the way, ``created`` is that of the second try.

        Args:
            uid: video id: ASCII letters, digits, ``-``, ``.``, ``_``.
            cid: clip id: ASCII letters, digits, ``-``, ``.``.
            media: the file: a path, its bytes, or a file opened for reading bytes.
            text: what is said in it, word for word; None for a clip without a text.
            name: a file name whose ending tells what the file is (``line.mov``); the file's own
                where left out.
            if_match: ``etag`` of the clip that is to be replaced, ``*`` for any.
            if_none_match: ``*`` so that nothing is replaced.
            timeout_s: longest time, in seconds; see ``Operations``.
            on_progress: called with bytes sent and bytes in all.

        Raises:
            InvalidClip: the ids or the file are none for a clip.
            PreconditionFailed: the clip has changed meanwhile, or is there already.
            LibraryReadOnly: the server lets nobody change clips.
            QuotaExceeded: the library is full.
            ValueError: the file has no name that tells what it is.
        """
        upload = Upload.of("media", media, name)
        if not os.path.splitext(upload.name)[1]:
            raise ValueError("The file's name has no ending; give one as name, such as 'line.mov'.")
        call = Call(
            "PUT",
            clip_path(uid, cid),
            headers=_conditions(if_match, if_none_match),
            fields={} if text is None else {"text": text},
            uploads=(upload,),
            on_progress=on_progress,
        )
        return exchange(call, self.policy.attempts(timeout_s), _put)

    def set_clip_text(
        self,
        uid: str,
        cid: str,
        text: str | None,
        *,
        if_match: str | None = None,
        timeout_s: float | None = None,
    ) -> Flow[ClipInfo]:
        """Change what a clip is said to say. Needs an admin key.

        Args:
            uid: video id.
            cid: clip id.
            text: word for word; None to have none.
            if_match: ``etag`` of the clip that is to be changed.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownClip: there is no such clip.
            PreconditionFailed: the clip has changed meanwhile.
        """
        call = Call(
            "PATCH",
            clip_path(uid, cid),
            headers=_conditions(if_match),
            json={"text": text},
            repeatable=if_match is None,
        )
        return exchange(call, self.policy.attempts(timeout_s), _clip)

    def delete_clip(
        self, uid: str, cid: str, *, if_match: str | None = None, timeout_s: float | None = None
    ) -> Flow[None]:
        """Take a clip out of the library. Needs an admin key.

        Args:
            uid: video id.
            cid: clip id.
            if_match: ``etag`` of the clip that is to go.
            timeout_s: longest time, in seconds; see ``Operations``.

        Raises:
            UnknownClip: there is no such clip.
            PreconditionFailed: the clip has changed meanwhile.
        """
        headers = _conditions(if_match)
        call = Call("DELETE", clip_path(uid, cid), headers=headers, repeatable=if_match is None)
        attempts = self.policy.attempts(timeout_s)
        try:
            yield from exchange(call, attempts, lambda response, told: None)
        except UnknownClip:
            # It may have been this very client, whose answer was lost on the way.
            if not attempts.unsure:
                raise


def _page(response: httpx.Response, told: Any) -> tuple[tuple[Clip, ...], dict[str, str]]:
    """The clips of a page, and what to ask for the next one; nothing after the last."""
    clips = parsed_list(Clip, told)
    link = response.links.get("next", {}).get("url")
    if link is None:
        return clips, {}
    # Its host is not taken from it: the API key goes nowhere else.
    params = dict(httpx.URL(link).params)
    if not clips or not params.get("after"):
        raise UnexpectedAnswer(f"The server's link to the next page leads nowhere: {link!r}.")
    return clips, params


def _clip(_: httpx.Response, told: Any) -> ClipInfo:
    return parsed(ClipInfo, told)


def _put(response: httpx.Response, told: Any) -> PutClip:
    return PutClip(parsed(ClipInfo, told), created=response.status_code == 201)


def _conditions(if_match: str | None, if_none_match: str | None = None) -> dict[str, str]:
    given = (("If-Match", if_match), ("If-None-Match", if_none_match))
    for name, etag in given:
        if etag is not None and not (etag.isascii() and etag.isprintable() and etag):
            raise ValueError(f"{etag!r} is no ETag for {name}.")
    return {name: etag for name, etag in given if etag is not None}


def _media_call(uid: str, cid: str, sound_only: bool) -> Call:
    return Call("GET", clip_path(uid, cid, "/media"), params={"audio": "1"} if sound_only else {})


def _saved(call: Call, attempts: Attempts, path: Path) -> Flow[None]:
    """Fetch a file beside a path, and let it appear there when it is complete."""
    part: BinaryIO = yield Do(lambda: _new_beside(path))
    try:
        with part:
            yield from download(call, attempts, part)
        yield Do(lambda: os.replace(part.name, path))
    except BaseException:
        Path(part.name).unlink(missing_ok=True)
        raise


def _new_beside(path: Path) -> BinaryIO:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part").open("xb")
