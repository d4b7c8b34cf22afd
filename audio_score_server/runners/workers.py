"""Several passes at once on a processor, each on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Workers:
    """Threads that each compute alone.

    PyTorch divides every operation among all threads and waits for the last of them. On a server
    whose cores decode uploads meanwhile, one thread that is interrupted holds up all others,
    thousands of times in each pass. Recordings are independent: each is left to one thread.
    """

    def __init__(self) -> None:
        """As many as PyTorch's operations have threads now."""
        self.count = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="worker")
        started = Barrier(self.count)

        def start(_: int) -> None:
            started.wait()
            torch.set_num_threads(1)

        list(self._pool.map(start, range(self.count)))
        # The setting is a thread's own, but those that do not exist yet would inherit the last.
        torch.set_num_threads(self.count)

    def map(self, function: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
        """The results for all items, in order; a single item gets all threads."""
        if len(items) == 1:
            return [function(items[0])]

        def run(item: ItemT) -> ResultT:
            with torch.inference_mode():
                return function(item)

        return list(self._pool.map(run, items))

    def share(self, items: Sequence[ItemT]) -> list[Sequence[ItemT]]:
        """Items in at most as many groups as there are workers, alike in size, in order."""
        groups = min(self.count, len(items))
        bounds = [len(items) * number // groups for number in range(groups + 1)]
        return [items[first:last] for first, last in pairwise(bounds)]
