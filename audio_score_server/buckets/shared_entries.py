"""What hosts share through a bucket, each part computed by one of them."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.errors import BucketUnavailable, ObjectChanged, ObjectMissing
from audio_score_server.buckets.objects import ObjectVersion

_LOG = logging.getLogger(__name__)
ENTRY: Final = ".zip"
CLAIM: Final = ".claim"
_LEASE_S: Final = 30.0
_LARGEST: Final = 256 * 2**20
_AWAY_S: Final = 30.0
"""After the bucket could not be reached nothing is asked of it for so long."""


@dataclass(slots=True)
class BucketClaim:
    """A claim that this host holds.

    Attributes:
        key: of its object.
        holder: tells it from every other.
        version: of the object, as this host has put it there last.
        renewals: how often it was renewed.
        lost: whether somebody has taken it over.
    """

    key: str
    holder: str
    version: ObjectVersion
    renewals: int = 0
    lost: bool = False

    def content(self, lease_s: float) -> bytes:
        """Of its object: another one with each renewal."""
        told = {"holder": self.holder, "renewals": self.renewals, "lease_s": lease_s}
        return json.dumps(told).encode()


class BucketEntries:
    """See ``SharedEntries``; a claim is an object that its holder renews.

    Clocks of hosts differ, so nobody reads a time: a claim that one has watched for as long as it
    is good, and that was not renewed, is taken over, if nobody else is faster.
    """

    def __init__(self, bucket: Bucket, lease_s: float = _LEASE_S) -> None:
        """Share through ``bucket``; a claim is good for ``lease_s`` after each renewal."""
        self._bucket = bucket
        self._lease_s = lease_s
        self._watched: dict[str, tuple[str, float]] = {}
        self._away_until = 0.0
        self._told = False

    def get(self, key: str) -> bytes | None:
        """See ``SharedEntries.get``."""
        if self._is_away():
            return None
        try:
            content = self._bucket.get(f"{key}{ENTRY}", largest=_LARGEST).content
        except (ObjectMissing, ObjectChanged):
            content = None
        except BucketUnavailable as error:
            self._tell(error)
            return None
        self._told = False
        return content

    def put(self, key: str, content: bytes) -> None:
        """See ``SharedEntries.put``."""
        if self._is_away():
            return
        try:
            self._bucket.put(f"{key}{ENTRY}", content)
        except ObjectChanged as error:
            _LOG.debug("%s is put by another host: %s", key, error)
        except BucketUnavailable as error:
            self._tell(error)

    def claim(self, key: str) -> AbstractContextManager[None] | None:
        """See ``SharedEntries.claim``."""
        if self._is_away():
            return nullcontext()
        claim = BucketClaim(f"{key}{CLAIM}", uuid4().hex, ObjectVersion(""))
        try:
            mine = self._take(claim, None) or self._take_over(claim)
        except BucketUnavailable as error:
            self._tell(error)
            return nullcontext()
        return self._held(claim) if mine else None

    def _take(self, claim: BucketClaim, expected: ObjectVersion | None) -> bool:
        content = claim.content(self._lease_s)
        try:
            claim.version = self._bucket.put_if(claim.key, content, expected)
        except ObjectChanged:
            return False
        self._watched.pop(claim.key, None)
        return True

    def _take_over(self, claim: BucketClaim) -> bool:
        """Take a claim whose holder does not renew it; or one that is this host's own already."""
        try:
            stored = self._bucket.get(claim.key)
        except (ObjectMissing, ObjectChanged):
            # Given back in this moment: the result is there.
            return False
        if stored.content == claim.content(self._lease_s):
            # The answer to the put was lost.
            claim.version = stored.version
            return True
        etag, since = self._watched.get(claim.key, ("", 0.0))
        if etag != stored.version.etag:
            self._watched[claim.key] = stored.version.etag, time.monotonic()
            return False
        if time.monotonic() - since <= _lease_of(stored.content, self._lease_s):
            return False
        return self._take(claim, stored.version)

    @contextmanager
    def _held(self, claim: BucketClaim) -> Iterator[None]:
        done = threading.Event()
        renewing = threading.Thread(
            target=self._renew, args=(claim, done), name="claim", daemon=True
        )
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()
            if not claim.lost:
                with suppress(BucketUnavailable):
                    self._bucket.delete(claim.key)

    def _renew(self, claim: BucketClaim, done: threading.Event) -> None:
        while not done.wait(self._lease_s / 3) and not claim.lost:
            claim.renewals += 1
            try:
                claim.version = self._bucket.put_if(
                    claim.key, claim.content(self._lease_s), claim.version
                )
            except ObjectChanged:
                claim.lost = not self._is_own(claim)
            except BucketUnavailable as error:
                _LOG.debug("%s is not renewed: %s", claim.key, error)

    def _is_own(self, claim: BucketClaim) -> bool:
        """Whether a renewal whose answer was lost has come through."""
        try:
            stored = self._bucket.get(claim.key)
        except (ObjectMissing, ObjectChanged, BucketUnavailable):
            return False
        claim.version = stored.version
        return claim.holder in stored.content.decode("utf-8", "replace")

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _tell(self, error: BucketUnavailable) -> None:
        """Once, until it can be reached again."""
        self._away_until = time.monotonic() + _AWAY_S
        if not self._told:
            self._told = True
            _LOG.warning("%s Until then this host computes for itself.", error)


def _lease_of(content: bytes, usual_s: float) -> float:
    """For how long a claim is good after a renewal, in seconds, as its holder says; within reason.

    Whoever writes nonsense there must not keep others waiting for ever.
    """
    try:
        told = float(json.loads(content)["lease_s"])
    except (ValueError, KeyError, TypeError):
        return usual_s
    return min(max(told, 0.0), 10 * usual_s) if told == told else usual_s
