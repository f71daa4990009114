"""Where wanted chunks lie in a region file, and how few reads bring them."""

import numpy as np
from numpy.typing import NDArray

from .region_file import RegionIndex

I64 = NDArray[np.int64]

MERGE_GAP_BYTES = 16 << 10  # chunks nearer than this come in one read: a second system call costs more


def find(index: RegionIndex, morton: I64) -> tuple[I64, I64]:
    """Which of some chunks a region has. morton [M] -> (positions in morton [P], places in the index [P])."""
    place = np.minimum(np.searchsorted(index.morton, morton), index.morton.size - 1)
    present = np.flatnonzero(index.morton[place] == morton)
    return present, place[present]


def merge(offsets: I64, n_bytes: I64) -> tuple[list[tuple[int, int]], I64]:
    """Bring spans that lie near each other into one range.

    offsets, n_bytes [M] int64, M >= 1, any order: any two are apart, or the same -> (ranges (offset, length),
    ascending; [M] int64: where each span begins in those ranges' bytes laid end to end)
    """
    if (offsets[1:] < offsets[:-1]).any():  # only where chunks repeat
        order = np.argsort(offsets, kind="stable")
        ranges, places = merge(offsets[order], n_bytes[order])
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return ranges, places[back]
    ends = offsets + n_bytes
    first = np.append(True, offsets[1:] - ends[:-1] > MERGE_GAP_BYTES)
    starts = offsets[first]
    lengths = ends[np.append(np.flatnonzero(first)[1:], offsets.size) - 1] - starts
    range_of = np.cumsum(first) - 1
    moved = np.cumsum(lengths) - lengths - starts
    return list(zip(starts.tolist(), lengths.tolist(), strict=True)), offsets + moved[range_of]


def distinct(offsets: I64) -> tuple[I64, I64]:
    """Chunks that lie in one place are one. offsets [C] -> (a chunk of each place [D]; which of those [C])"""
    _, chunk, which = np.unique(offsets, return_index=True, return_inverse=True)
    return chunk, which.ravel()
