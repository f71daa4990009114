"""Who does the units of work: threads of this process, a pool of processes, or Ray. The bytes are the same.

    submit(function, arguments) -> results, as they come in

At most a few units wait at a time, so that arguments and results do not pile up.
"""

import contextlib
import ctypes
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any

from ..errors import UserError

Submit = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]


class StoppedError(UserError):
    """The bake stopped for a reason that is not its input's: what is done stays done."""


N_THREADS = 2  # one packs while the other compresses, or waits for the disk


MMAP_BYTES = 2 << 20
_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def give_freed_memory_back() -> None:
    """Have freed arrays go back to the system at once, where the C library is glibc.

    Its own threshold grows with what is freed, up to 32 MiB; what is smaller then stays in heaps, one per
    thread, and the process grows with the number of spans (by a quarter from 1 to 10 million Gaussians).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)


@contextmanager
def workers(n_jobs: int, ray_address: str | None = None) -> Iterator[Submit]:
    """Units run on `n_jobs` processes, on Ray if an address is given, else (1) on threads of this one."""
    give_freed_memory_back()
    if ray_address is not None:
        from .on_ray import ray_workers

        with ray_workers(ray_address, n_jobs) as submit:
            yield submit
        return
    pool: Executor
    if n_jobs == 1:
        pool, most = ThreadPoolExecutor(N_THREADS), 2 * N_THREADS
    else:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        pool, most = ProcessPoolExecutor(n_jobs, spawn, _end_with_parent), n_jobs + 1
    try:
        yield lambda function, arguments: _as_done(pool, function, arguments, most)
    except BrokenProcessPool:
        raise StoppedError(
            "a worker process was killed, perhaps for want of memory: repeat the command, with fewer --jobs"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _as_done(
    pool: Executor, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], most: int
) -> Iterator[Any]:
    waiting: set[Future[Any]] = set()
    for one in arguments:
        if len(waiting) >= most:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
        waiting.add(pool.submit(function, *one))
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever, and hold memory: it ends at once."""
    give_freed_memory_back()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
