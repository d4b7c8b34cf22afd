"""Work for the shared CPU pool, awaited from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


async def run_in(
    pool: ThreadPoolExecutor, function: Callable[[*Arguments], Result], *arguments: *Arguments
) -> Result:
    """The result of a function called on one of the pool's threads; what it raises is raised."""
    return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


def retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended that may be waited for no more."""
    if not task.cancelled():
        task.exception()
