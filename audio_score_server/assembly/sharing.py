"""Whether and how hosts share what they encode."""

from __future__ import annotations

from audio_score_server.errors import SettingsError
from audio_score_server.references.shared import SharedEntries
from audio_score_server.settings import Settings


def shared_entries(settings: Settings) -> SharedEntries | None:
    """Through which hosts share references; None where each makes its own.

    Raises:
        SettingsError: the URL or the environment is not one to reach a bucket with.
    """
    if settings.shared_cache_url is None:
        return None
    # What speaks with object stores takes a while to import.
    from audio_score_server.buckets.bucket import Bucket
    from audio_score_server.buckets.errors import BucketUnavailable
    from audio_score_server.buckets.shared_entries import BucketEntries

    try:
        return BucketEntries(Bucket.open(settings.shared_cache_url))
    except BucketUnavailable as error:
        raise SettingsError(f"shared_cache_url: {error}") from error
