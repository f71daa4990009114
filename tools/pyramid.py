"""Voxels of one level -> regions as they are stored; and how many levels a world needs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..atlas import address, chunk, plane
from ..atlas.layout import CHUNK, CHUNK_BITS, MAX_LEVEL, MIN_PINNED_LEVEL, REGION

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Corner = tuple[int, int, int]
Levels = dict[str, tuple[I64, plane.Values]]  # of one level, by plane: voxels [N, 3], values [N], none 0
Region = tuple[Corner, I64, list[bytes]]  # region, Morton codes of its chunks, packed chunks

MAX_TOP_CHUNKS = 4  # per axis of the coarsest level
REGION_BITS = 24  # chunk's Morton code << 12 | mask index


def bounds_of(voxels: I64) -> tuple[Corner, Corner]:
    """Tight box of voxels [N, 3], N >= 1: lowest, highest exclusive."""
    low, high = voxels.min(0), voxels.max(0)
    return tuple(int(v) for v in low), tuple(int(v) + 1 for v in high)  # type: ignore[return-value]


def min_levels(bounds: tuple[Corner, Corner]) -> int:
    """The fewest levels for a world: up to where it spans 4 chunks per axis, and at least to level 5."""
    for level in range(MIN_PINNED_LEVEL, MAX_LEVEL):
        shift = level + CHUNK_BITS
        n_chunks = [((high - 1) >> shift) - (low >> shift) + 1 for low, high in zip(*bounds, strict=True)]
        if max(n_chunks) <= MAX_TOP_CHUNKS:
            return level + 1
    return MAX_LEVEL + 1


def _places_along(axis: int) -> I64:
    """What each coordinate along an axis adds to a voxel's place in its region. [256] int64"""
    voxels = np.zeros((REGION, 3), np.int64)
    voxels[:, axis] = np.arange(REGION)
    return address.morton_of_chunk(address.chunk_of(voxels)) << 12 | address.mask_index(voxels & (CHUNK - 1))


_PLACES = [_places_along(axis) for axis in range(3)]  # no bit of a place depends on more than one axis


def place_in_region(voxels: I64) -> I64:
    """Morton code of a voxel's chunk << 12 | its mask index. [N, 3] -> [N] int64"""
    x, y, z = (_PLACES[axis].take(voxels[:, axis] & (REGION - 1)) for axis in range(3))
    return x | y | z


def storage_order(voxels: I64) -> tuple[I64, I64, I64]:
    """How a level is stored: by region (z, y, x), then chunk in Morton order, then mask index.

    voxels [N, 3] -> (permutation [N], place in the region [N] int64 in that order: Morton << 12 | mask
    index, first of each region [R])
    """
    region = address.region_of(voxels)
    local = place_in_region(voxels)
    low = region.min(0)
    bits = [int(n).bit_length() for n in region.max(0) - low]
    if sum(bits) + REGION_BITS <= 63:
        x, y, z = (region - low).T
        key = ((z << bits[1] | y) << bits[0] | x) << REGION_BITS | local
        order = np.argsort(key)
        changes = np.diff(key[order] >> REGION_BITS) != 0
    else:
        order = np.lexsort((local, *region.T))
        changes = (np.diff(region[order], axis=0) != 0).any(1)
    return order, local[order], np.append(0, np.flatnonzero(changes) + 1)


def regions_of(voxels: I64, rgba: U8) -> Iterator[Region]:
    """Pack one level. voxels [N, 3], each once, N >= 1; rgba [N, 4] uint8 with A >= 1."""
    order, local, firsts = storage_order(voxels)
    corners = address.region_of(voxels[order[firsts]])
    colours = rgba.take(order, axis=0)
    for corner, first, last in zip(corners, firsts, np.append(firsts[1:], len(order)), strict=True):
        morton, packed = chunk.pack_sorted(local[first:last], colours[first:last])
        yield (int(corner[0]), int(corner[1]), int(corner[2])), morton, packed


def plane_regions_of(planes: Levels) -> dict[Corner, dict[str, tuple[I64, list[bytes]]]]:
    """Pack one level's attributes: region -> plane -> (Morton codes of its chunks, packed chunks)."""
    out: dict[Corner, dict[str, tuple[I64, list[bytes]]]] = {}
    for name, (voxels, values) in planes.items():
        if not len(voxels):
            continue
        order, local, firsts = storage_order(voxels)
        for first, last in zip(firsts, np.append(firsts[1:], len(order)), strict=True):
            x, y, z = address.region_of(voxels[order[first]]).tolist()
            rows = order[first:last]
            out.setdefault((x, y, z), {})[name] = plane.pack_sorted(name, local[first:last], values[rows])
    return out
