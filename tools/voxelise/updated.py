"""When a voxel was last observed: the highest number of an observation that saw it.

Rows (voxel, n) are partial results like `Sums`, merged in any order and any number of parts; the number
becomes a stamp (`atlas.stamp`), which wraps, only at the end, so nothing is compared on a circle here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas.stamp import stamp_of
from . import sums

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """M voxels, each once, and the latest observation of each.

    voxels [M, 3] int32 world voxels, in (z, y, x) order if merged; n [M] int64, from 1.
    """

    voxels: NDArray[np.int32]
    n: I64


def seen(voxels: NDArray[np.int32], n: int) -> Seen:
    """What the n-th observation saw; n from 1. voxels [M, 3], each once."""
    assert n >= 1, n
    return Seen(voxels, np.full(len(voxels), n, np.int64))


def merge(parts: Sequence[Seen]) -> Seen:
    """The latest of each voxel: the same result whatever the order and the number of the parts."""
    voxels = np.concatenate([np.empty((0, 3), np.int32), *(p.voxels for p in parts)])
    order, starts = sums.grouped(voxels)
    if not order.size:
        return Seen(voxels, np.empty(0, np.int64))
    n = np.concatenate([p.n for p in parts])[order]
    return Seen(voxels[order[starts]], np.maximum.reduceat(n, starts))


def resolve(merged: Seen) -> tuple[I64, NDArray[np.uint8]]:
    """-> (voxels [V, 3] int64 in (z, y, x) order, stamps [V] uint8, none 0)."""
    return merged.voxels.astype(np.int64), stamp_of(merged.n)
