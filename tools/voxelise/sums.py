"""Sparse sums per voxel: integers only, so that any order of adding gives the same result."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import SRGB_OF_LINEAR

I64 = NDArray[np.int64]

MAX_KEY = 1 << 62


@dataclass(frozen=True, slots=True)
class Sums:
    """What M voxels received, each voxel once.

    voxels [M, 3] int32 world voxels; n [M] int64 contributions; weight [M] int64 their weights, added up;
    colour [M, 3] int64 weight times linear light (`lod.LINEAR_OF_SRGB`), added up. What else n and colour
    are for Gaussians, whose weight is not that of their colour, `gaussians.sum_words` says.
    """

    voxels: NDArray[np.int32]
    n: I64
    weight: I64
    colour: I64


def empty() -> Sums:
    """No voxels."""
    one = np.empty(0, np.int64)
    return Sums(np.empty((0, 3), np.int32), one, one, np.empty((0, 3), np.int64))


def keys(voxels: NDArray[np.integer], lowest: I64, size: I64) -> I64:
    """One int64 per voxel [M, 3] of a box, in (z, y, x) order. The box must hold fewer than MAX_KEY cells."""
    x, y, z = (voxels[:, axis].astype(np.int64) - lowest[axis] for axis in range(3))
    key: I64 = (z * size[1] + y) * size[0] + x
    return key


def voxels_of(key: I64, lowest: I64, size: I64) -> NDArray[np.int32]:
    """Inverse of `keys`. [M] int64 -> [M, 3] int32."""
    out = np.empty((key.size, 3), np.int32)
    row, x = np.divmod(key, size[0])
    z, y = np.divmod(row, size[1])
    for axis, value in enumerate((x, y, z)):
        out[:, axis] = value + lowest[axis]
    return out


def n_cells(size: I64) -> int:
    """Cells of a box of size [3], as a Python integer, which cannot overflow."""
    return int(size[0]) * int(size[1]) * int(size[2])


def grouped(voxels: NDArray[np.integer]) -> tuple[I64, I64]:
    """Voxels [M, 3] -> (permutation [M] into (z, y, x) order, where in that order each new voxel starts)."""
    if not len(voxels):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    columns = [voxels[:, axis] for axis in range(3)]
    lowest = np.array([int(c.min()) for c in columns])
    size = np.array([int(c.max()) for c in columns]) - lowest + 1
    if n_cells(size) < MAX_KEY:
        key = keys(voxels, lowest, size)
        order = np.argsort(key)
        changes = np.diff(key.take(order)) != 0
    else:
        order = np.lexsort(columns)
        changes = (np.diff(voxels.take(order, axis=0), axis=0) != 0).any(1)
    return order, np.append(0, np.flatnonzero(changes) + 1)


def collapse(raw: Sums) -> Sums:
    """Add up what falls into the same voxel. -> each voxel once, in (z, y, x) order."""
    return _added([raw])


def merge(parts: Sequence[Sums]) -> Sums:
    """Add up collapsed sums: the same result whatever the order and the number of the parts."""
    if len(parts) < 2:
        return parts[0] if parts else empty()
    return _added(parts)


def _added(parts: Sequence[Sums]) -> Sums:
    voxels = np.concatenate([p.voxels for p in parts])
    order, starts = grouped(voxels)
    if not order.size:
        return empty()

    def added(name: str) -> I64:  # one column at a time: the others do not wait in memory
        return np.add.reduceat(np.concatenate([getattr(p, name) for p in parts]).take(order, axis=0), starts)

    return Sums(voxels.take(order[starts], axis=0), added("n"), added("weight"), added("colour"))


def mean_srgb(summed: Sums) -> NDArray[np.uint8]:
    """Weighted mean colours of sums whose weights are at least 1. -> [M, 3] uint8 sRGB, rounded half up."""
    weight = summed.weight[:, None]
    colour: NDArray[np.uint8] = SRGB_OF_LINEAR[(2 * summed.colour + weight) // (2 * weight)]
    return colour
