"""Either client, asked in one way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Literal

from audio_score_client import AsyncAudioScoreClient, AudioScoreClient

Kind = Literal["blocking", "awaiting"]
KINDS: Final[tuple[Kind, ...]] = ("blocking", "awaiting")


def ask(kind: Kind, url: str, method: str, *arguments: Any, **named: Any) -> Any:
    """What a method of a client of its own returns; of one that iterates, the list of its items.

    Args:
        kind: of the client.
        url: of the server.
        method: name of the client's method.
        arguments: of the method.
        named: of the method; those of ``client`` are of the client.
    """
    options = named.pop("client", {})
    if kind == "blocking":
        with AudioScoreClient(url, **options) as client:
            result = getattr(client, method)(*arguments, **named)
            return list(result) if isinstance(result, Iterator) else result
    return asyncio.run(_awaited(url, options, method, arguments, named))


async def _awaited(url: str, options: Any, method: str, arguments: Any, named: Any) -> Any:
    async with AsyncAudioScoreClient(url, **options) as client:
        result = getattr(client, method)(*arguments, **named)
        if isinstance(result, AsyncIterator):
            return [item async for item in result]
        return await result
