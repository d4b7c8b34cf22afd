"""Computing a clip's reference once for all hosts that share their entries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from audio_score_server.domain import Reference
from audio_score_server.library.clip import Clip, ClipChanged, VersionKey
from audio_score_server.references.entry import EntryInvalid
from audio_score_server.references.shared import SharedEntries, packed, shared_key, unpacked

_LOG = logging.getLogger(__name__)
LONGEST_WAIT_S: Final = 120.0
"""For another host's result; then this one computes it, too."""
_SOON_S: Final = 3.0


class SharedReferences:
    """One model's references, as far as other hosts have them."""

    def __init__(
        self,
        entries: SharedEntries,
        made_by: tuple[str, str],
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        """Share entries made by the runner and settings with these fingerprints."""
        self._entries = entries
        self._made_by = made_by
        self._longest_wait_s = longest_wait_s
        self._waiting: dict[VersionKey, float] = {}
        self._offers: set[asyncio.Task[None]] = set()

    async def made(
        self, clip: Clip, encode: Callable[[Clip], Awaitable[Reference]]
    ) -> Reference | None:
        """The reference, computed by one of the hosts; None while another than this is at it.

        Raises:
            Exception: what ``encode`` raises.
        """
        found = await self.found(clip)
        if found is not None:
            return found
        async with self._claimed(clip) as mine:
            if not mine:
                return None
            # Whoever had the claim before has left it.
            found = await self.found(clip)
            if found is not None:
                return found
            reference = await encode(clip)
            await asyncio.to_thread(self._offer, clip, reference)
            return reference

    async def found(self, clip: Clip) -> Reference | None:
        """The reference that some host has computed; None without a good one."""
        return await asyncio.to_thread(self._found, clip)

    async def found_soon(self, clip: Clip) -> Reference | None:
        """As ``found``, for somebody who waits: computing it must not begin late."""
        try:
            return await asyncio.wait_for(self.found(clip), _SOON_S)
        except TimeoutError:
            return None

    def offer_later(self, clip: Clip, reference: Reference) -> None:
        """Let other hosts have a reference, while nobody waits for that."""
        offer = asyncio.create_task(asyncio.to_thread(self._offer, clip, reference))
        self._offers.add(offer)
        offer.add_done_callback(self._offers.discard)

    def _found(self, clip: Clip) -> Reference | None:
        try:
            content = self._entries.get(shared_key(clip, self._made_by))
            return None if content is None else unpacked(clip, self._made_by, content)
        except EntryInvalid as reason:
            _LOG.warning("The shared entry of clip %s is not used: %s.", clip.id, reason)
        except (ClipChanged, OSError) as error:
            _LOG.debug("The shared entry of clip %s is not looked for: %r", clip.id, error)
        return None

    @asynccontextmanager
    async def _claimed(self, clip: Clip) -> AsyncIterator[bool]:
        """Whether this host is to compute the clip's reference; else another one is at it.

        One that takes too long is not waited for any more.
        """
        try:
            key = await asyncio.to_thread(shared_key, clip, self._made_by)
            claim = await asyncio.to_thread(self._entries.claim, key)
        except (ClipChanged, OSError):
            # Whoever reads the clip next tells what is wrong with it.
            yield True
            return
        if claim is None:
            since = self._waiting.setdefault(clip.version_key, time.monotonic())
            yield time.monotonic() - since > self._longest_wait_s
            return
        self._waiting.pop(clip.version_key, None)
        await asyncio.to_thread(claim.__enter__)
        try:
            yield True
        finally:
            await asyncio.to_thread(claim.__exit__, None, None, None)

    def _offer(self, clip: Clip, reference: Reference) -> None:
        try:
            key = shared_key(clip, self._made_by)
            self._entries.put(key, packed(clip, self._made_by, reference))
        except (ClipChanged, OSError) as error:
            _LOG.debug("The reference of clip %s is not shared: %r", clip.id, error)
