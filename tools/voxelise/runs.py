"""Runs of different lengths laid end to end, looked at a bounded slice at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


def slices(n: I64, most: int) -> Iterator[tuple[I64, I64]]:
    """Runs of n [K] >= 0 items -> slices of at most `most` items: (which run [S], place in the run [S]).

    A run may be longer than a slice; empty runs do not appear.
    """
    end = np.cumsum(n)
    begin = end - n
    total = int(end[-1]) if end.size else 0
    for at in range(0, total, most):
        stop = min(at + most, total)
        first = int(np.searchsorted(end, at, side="right"))
        last = int(np.searchsorted(end, stop - 1, side="right")) + 1
        counts = np.minimum(end[first:last], stop) - np.maximum(begin[first:last], at)
        run = np.repeat(np.arange(first, last), counts)
        yield run, np.arange(at, stop) - begin.take(run)
