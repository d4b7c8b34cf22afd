"""What a store's errors mean, in one line with the remedy."""

from __future__ import annotations

import re
from typing import Final

from obstore.exceptions import InvalidPathError, PermissionDeniedError, UnauthenticatedError

from audio_score_server.buckets.errors import AnswerBroken, BucketFull, BucketUnavailable

_FULL: Final = re.compile(r"\b507 |StorageFull|QuotaExceeded")
_BROKEN: Final = re.compile(r"\bbody error|error decoding")
_TRY: Final = re.compile(
    r"Error performing (?:\w+ \S+ in [^\s,]+(?:, after [\w ,:.]+)?|[a-z ]+)(?: - |: )"
)
"""How a request is described, signature and all."""
_SHOWN: Final = 200


def unavailable(url: str, error: Exception) -> BucketUnavailable:
    """A store's error as one that tells cause and remedy."""
    told = _TRY.sub("", str(error).split("\n", 1)[0])
    cause = re.sub(r"\s+", " ", told)[:_SHOWN].rstrip(" .")
    text = f"{url} cannot be used ({cause}). {_remedy(error, str(error))}"
    return _kind(str(error))(text)


def _kind(told: str) -> type[BucketUnavailable]:
    if _FULL.search(told):
        return BucketFull
    return AnswerBroken if _BROKEN.search(told) else BucketUnavailable


def _remedy(error: Exception, told: str) -> str:
    if _FULL.search(told):
        return "Free some space there."
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403" in told:
        return "Check the credentials in the environment, and what they allow."
    if isinstance(error, InvalidPathError):
        return "Take the object with that key out of the bucket."
    if isinstance(error, FileNotFoundError) or "404" in told or "NoSuchBucket" in told:
        return "Check the bucket's name."
    if "169.254.169.254" in told:
        return "Set the credentials in the environment, such as AWS_ACCESS_KEY_ID."
    return "Check the URL, AWS_ENDPOINT_URL or its like, and the network."
