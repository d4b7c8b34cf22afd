"""What can go wrong with a bucket."""

from __future__ import annotations


class BucketUnavailable(Exception):
    """A bucket cannot be reached, or refuses; the text tells the cause and the remedy."""


class BucketFull(BucketUnavailable):
    """A bucket takes no more."""


class AnswerBroken(BucketUnavailable):
    """An answer has begun to come, and broke off."""


class ObjectMissing(Exception):
    """There is no such object."""


class ObjectChanged(Exception):
    """An object is not, or no longer, as a condition wants it."""
