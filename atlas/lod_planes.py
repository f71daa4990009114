"""One level up for attributes: the most frequent entity of eight voxels, the newest of their stamps.

A voxel without a value (0) is not in the set and does not vote, so a parent has a value if any of its
children has: like occupancy, nothing vanishes from the pyramid. Integers and sorting: any order of the input
gives the same result. Each level is made of the one below it: a vote of votes.
"""

import numpy as np
from numpy.typing import NDArray

from . import stamp
from .lod import sibling_order
from .plane import Values

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]


def reduce_plane(plane: str, voxels: I64, values: Values, now: int = 0) -> tuple[I64, Values]:
    """A plane's values one level up, by the plane's rule. now: of `updated`, the latest stamp."""
    if plane == "semantic":
        return reduce_semantic(voxels, values.astype(np.uint32, copy=False))
    return reduce_updated(voxels, values.astype(np.uint8, copy=False), now)


def reduce_semantic(voxels: I64, ids: U32) -> tuple[I64, U32]:
    """The most frequent id among a parent's children; of equally frequent ones the lowest.

    voxels [N, 3] int64 (x, y, z), any order, each at most once; ids [N] uint32, none 0
    ->     (parents [M, 3] int64 sorted by z, then y, then x; ids [M] uint32)
    ValueError: shapes differ, a voxel occurs twice, an id is 0.
    """
    order, parents, first = _siblings(voxels, ids)
    if not order.size:
        return parents, ids
    family = np.repeat(np.arange(first.size), np.diff(np.append(first, order.size)))
    # (family, id) sorted, then runs of equal ones: a run's length is its vote.
    key = family << 32 | ids[order].astype(np.int64)
    key.sort()
    run = np.append(0, np.flatnonzero(np.diff(key)) + 1)
    votes = np.diff(np.append(run, key.size))
    # The first of the best by (family, most votes, lowest id); a family has at most 8.
    best = np.lexsort((key[run], -votes, key[run] >> 32))
    winner = best[np.flatnonzero(np.diff(key[run][best] >> 32, prepend=-1))]
    return parents, (key[run][winner] & 0xFFFFFFFF).astype(np.uint32)


def reduce_updated(voxels: I64, stamps: U8, now: int) -> tuple[I64, U8]:
    """The newest stamp among a parent's children, seen from `now`, the stamp of the latest observation.

    voxels [N, 3] int64, any order, each at most once; stamps [N] uint8, none 0
    ->     (parents [M, 3] int64 sorted by z, then y, then x; stamps [M] uint8)
    ValueError: as above; now is no stamp.
    """
    order, parents, first = _siblings(voxels, stamps)
    if not order.size:
        return parents, stamps
    youngest = np.minimum.reduceat(stamp.age(stamps[order], now), first)
    return parents, stamp.stamp_of_age(youngest, now)


def _siblings(voxels: I64, values: Values) -> tuple[I64, I64, I64]:
    """(order [N] that brings siblings together, parents [M, 3], where in that order each family starts)."""
    if voxels.ndim != 2 or voxels.shape[1] != 3 or values.shape != voxels.shape[:1]:
        raise ValueError(f"need voxels [N, 3] and values [N], not {voxels.shape} and {values.shape}")
    if not values.all():
        raise ValueError("a value of 0 is no value and has no place in a sparse set")
    if not len(voxels):
        return np.empty(0, np.int64), np.empty((0, 3), np.int64), np.empty(0, np.int64)
    order = sibling_order(voxels)
    parents = voxels[order].astype(np.int64) >> 1
    first = np.flatnonzero(np.append(True, (parents[1:] != parents[:-1]).any(axis=1)))
    return order, parents[first], first
