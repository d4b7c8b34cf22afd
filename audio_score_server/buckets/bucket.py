"""Objects below one prefix of a bucket, with bounded patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotModifiedError,
    PreconditionError,
)
from obstore.store import from_url

from audio_score_server.buckets.errors import AnswerBroken, ObjectChanged, ObjectMissing
from audio_score_server.buckets.explaining import unavailable
from audio_score_server.buckets.objects import ObjectStamp, ObjectVersion, StoredObject
from audio_score_server.buckets.opening import Patience, endpoints, options

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult
    from obstore.store import ObjectStore

_READ_TRIES: Final = 3
_Read = TypeVar("_Read")
_PARTS_AT_ONCE: Final = 4


class Bucket:
    """Objects below a prefix; safe to use from several threads.

    Every call ends within ``Patience``: lost connections, slow answers and answers 5xx are tried
    again, after growing pauses.
    """

    def __init__(
        self,
        store: ObjectStore,
        url: str,
        contents: ObjectStore | None = None,
        uploads: ObjectStore | None = None,
    ) -> None:
        """Use an open store.

        Args:
            store: what is asked.
            url: what messages call it.
            contents: the same with more patience, for reading large objects.
            uploads: the same with more patience, for putting them.
        """
        self.url = url
        self.identity = "\0".join((url, *endpoints()))
        """Tells it from a bucket of the same name elsewhere."""
        self._store = store
        self._contents = contents or store
        self._uploads = uploads or store

    @classmethod
    def open(cls, url: str, patience: Patience | None = None) -> Bucket:
        """The bucket at ``s3://``, ``gs://`` or ``az://``; nothing is asked of it yet.

        Raises:
            BucketUnavailable: the URL or the environment is not one to reach a bucket with.
        """
        wait = patience or Patience()
        times = (
            {"read_timeout": wait.silent_s, "timeout": wait.request_s},
            {"read_timeout": wait.silent_s, "timeout": wait.content_s},
            # Nothing comes while something is sent.
            {"timeout": wait.request_s},
        )
        try:
            store, contents, uploads = (from_url(url, **options(wait, each)) for each in times)
        except (BaseError, ValueError) as error:
            raise unavailable(url, error) from error
        return cls(store, url, contents, uploads)

    def listed(self) -> list[ObjectStamp]:
        """All objects right below the prefix, however many; what lies deeper is left out.

        Raises:
            BucketUnavailable: as every other method.
        """
        found = self._tried(lambda: obstore.list_with_delimiter(self._store))
        return [ObjectStamp.of(meta) for meta in found["objects"]]

    def beginning(self, start: str) -> list[ObjectStamp]:
        """Objects right below the prefix whose keys begin with ``start``, and go on."""

        def found() -> list[ObjectMeta]:
            chunks = obstore.list(self._store, offset=start)
            keys = (meta for chunk in chunks for meta in chunk)
            return list(takewhile(lambda meta: meta["path"].startswith(start), keys))

        return [ObjectStamp.of(meta) for meta in self._tried(found) if "/" not in meta["path"]]

    def below(self, folder: str) -> Iterator[ObjectStamp]:
        """All objects below a folder, at any depth."""
        with self._translated():
            for chunk in obstore.list(self._store, folder):
                yield from map(ObjectStamp.of, chunk)

    def get(self, key: str, etag: str | None = None, largest: int | None = None) -> StoredObject:
        """An object's content.

        Args:
            key: below the prefix.
            etag: that it must have; None for any.
            largest: bytes that it may have; None for any number.

        Raises:
            ObjectMissing: there is none, or it is too large.
            ObjectChanged: it has another ETag.
        """
        condition: Any = {"if_match": etag} if etag else None

        def stored() -> StoredObject:
            result = obstore.get(self._contents, key, options=condition)
            stamp = ObjectStamp.of(result.meta)
            # Not every store that speaks S3 heeds conditions.
            if etag is not None and stamp.etag != etag:
                raise ObjectChanged(key)
            if largest is not None and stamp.size > largest:
                raise ObjectMissing(f"{key} is too large")
            content = bytes(result.bytes())
            return StoredObject(content, ObjectVersion(stamp.etag, result.meta["version"]))

        return self._tried(stored)

    def put(self, key: str, content: bytes) -> ObjectVersion:
        """Put an object, whole or not at all, whatever is there; large ones in parts."""
        with self._translated(writing=True):
            put = obstore.put(
                self._uploads, key, content, mode="overwrite", max_concurrency=_PARTS_AT_ONCE
            )
            return self._version(key, put)

    def put_if(self, key: str, content: bytes, expected: ObjectVersion | None) -> ObjectVersion:
        """Put an object if it is as it was.

        Args:
            key: below the prefix.
            content: of the object.
            expected: the version that it must have; None where there must be none.

        Raises:
            ObjectChanged: it is not so; or it was, and a try whose answer was lost has put this
                content there.
        """
        mode: Any = "create"
        if expected is not None:
            mode = {"e_tag": expected.etag}
            mode |= {"version": expected.generation} if expected.generation else {}
        try:
            with self._translated(writing=expected is None):
                put = obstore.put(self._store, key, content, mode=mode, use_multipart=False)
                return self._version(key, put)
        except ObjectMissing as error:
            raise ObjectChanged(key) from error

    def delete(self, key: str) -> None:
        """Take an object away, if it is there."""
        try:
            with self._translated():
                obstore.delete(self._store, key)
        except ObjectMissing:
            return

    def _tried(self, read: Callable[[], _Read]) -> _Read:
        """What was read; once more, where an answer broke off: the library gives up there."""
        for _ in range(_READ_TRIES - 1):
            with suppress(AnswerBroken), self._translated():
                return read()
        with self._translated():
            return read()

    def _version(self, key: str, put: PutResult) -> ObjectVersion:
        """Of what was put; a store that does not tell is asked."""
        etag = put["e_tag"] or ObjectStamp.of(obstore.head(self._store, key)).etag
        return ObjectVersion(etag, put["version"])

    @contextmanager
    def _translated(self, writing: bool = False) -> Iterator[None]:
        """The store's errors as this module's; a bucket that is not there tells writers so."""
        try:
            yield
        except FileNotFoundError as error:
            if writing:
                raise unavailable(self.url, error) from error
            raise ObjectMissing(str(error).split(":", 1)[0]) from error
        except (AlreadyExistsError, PreconditionError, NotModifiedError) as error:
            raise ObjectChanged(str(error).split(":", 1)[0]) from error
        except (BaseError, OSError) as error:
            raise unavailable(self.url, error) from error
