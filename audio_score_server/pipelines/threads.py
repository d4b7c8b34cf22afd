"""Work for the shared CPU pool, or for many tasks, awaited from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
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


async def all_of(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all, which run at once, in order; the first that fails ends the others."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(retrieve_exception)
