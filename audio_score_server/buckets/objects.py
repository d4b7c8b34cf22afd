"""Objects of a bucket, as a store tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore import ObjectMeta


@dataclass(frozen=True, slots=True)
class ObjectStamp:
    """An object, as a listing tells of it.

    Attributes:
        key: below the prefix.
        size: bytes.
        etag: of its content.
        modified: when it was put there, by the clock of the store, in ISO 8601.
    """

    key: str
    size: int
    etag: str
    modified: str

    @classmethod
    def of(cls, meta: ObjectMeta) -> ObjectStamp:
        """From what the store tells."""
        modified = meta["last_modified"].isoformat()
        # A store without ETags has times and sizes.
        etag = meta["e_tag"] or f'"{meta["size"]}-{modified}"'
        return cls(meta["path"], meta["size"], etag, modified)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """What a conditional change of an object depends on; Google counts generations."""

    etag: str
    generation: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's content, and in which version."""

    content: bytes
    version: ObjectVersion
