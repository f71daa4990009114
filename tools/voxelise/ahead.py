"""Work on what is there, on one more thread, while the next is made ready."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Part = TypeVar("Part")
Done = TypeVar("Done")


def mapped(work: Callable[[Part], Done], parts: Iterable[Part]) -> Iterator[Done]:
    """work(part) of each part, in order. One is worked on at a time, and the next one is made meanwhile."""
    behind: Future[Done] | None = None
    for part in parts:
        if behind is not None:
            yield behind.result()
        behind = _thread().submit(work, part)
    if behind is not None:
        yield behind.result()


@cache
def _thread() -> ThreadPoolExecutor:
    """One for all that this process does so: each new thread would get a heap of its own."""
    return ThreadPoolExecutor(1, "voxtide-ahead")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_thread.cache_clear)  # a fork has the executor, but not its thread
