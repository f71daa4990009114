"""Cells of a voxel file to voxels of the world: cells as large as a voxel are copied exactly.

A larger cell fills the voxels whose centres it holds, so neighbours share none and leave no gap. A smaller
one goes to the voxel that holds its centre: colours and coverages are averaged. A cell that is not turned by
quarter turns fills the voxels whose centres it holds, too: nearest-neighbour sampling.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...atlas.lod import LINEAR_OF_SRGB
from ..sources.source import Voxels
from . import runs, sums
from .placement import Placement, check_addressable, to_source, to_voxels
from .sums import Sums

I64 = NDArray[np.int64]

SNAP = 1 << 20  # per voxel: edges are rounded to this, so that 0.3 / 0.1 is three voxels
PENDING = 1 << 22  # voxels filled at a time


def spans(batch: Voxels, placement: Placement) -> tuple[I64, I64]:
    """Voxels that each cell fills: lowest [N, 3], highest exclusive [N, 3], at least one voxel each."""
    steps = ((0, 0, 0), (1, 1, 1)) if placement.swaps_axes else tuple(np.ndindex(2, 2, 2))
    corners = np.stack([to_voxels((batch.voxels + step).astype(np.float64), placement) for step in steps])
    low, high = (np.rint(f * SNAP) / SNAP for f in (corners.min(0), corners.max(0)))
    if placement.bounds_m is None and len(low):
        check_addressable(low.min(0), high.max(0) - 0.5, placement.voxel_size_m)
    reach = float(1 << 40)  # beyond any crop; keeps the integers below from overflowing
    if placement.scale >= placement.voxel_size_m * (1 - 1e-9):
        first, last = np.ceil(low - 0.5), np.ceil(high - 0.5)
    else:
        first = np.floor((low + high) / 2)
        last = first + 1
    return np.clip(first, -reach, reach).astype(np.int64), np.clip(last, -reach, reach).astype(np.int64)


def voxelise(batch: Voxels, placement: Placement) -> tuple[Iterator[Sums], int]:
    """Cells -> (sums weighted by coverage, to be merged; how many cells lay outside the crop)."""
    first, last = spans(batch, placement)
    lowest, highest = placement.crop()
    first, last = np.maximum(first, lowest), np.minimum(last, highest)
    inside = (first < last).all(1)
    first, size, rgba = first[inside], (last - first)[inside], batch.rgba[inside]
    large = placement.scale >= placement.voxel_size_m * (1 - 1e-9)
    slanted = (batch.voxels[inside], placement) if large and not placement.swaps_axes else None
    return _filled(first, size, rgba, slanted), int((~inside).sum())


def _filled(
    first: I64, size: I64, rgba: NDArray[np.uint8], slanted: tuple[I64, Placement] | None
) -> Iterator[Sums]:
    """Cells as boxes of voxels [N, 3] -> their voxels, about PENDING at a time.

    slanted: (the cells [N, 3], their placement) where the boxes are only around them.
    """
    for cell, local in runs.slices(size.prod(1), PENDING):
        extent = size.take(cell, axis=0)
        rest, x = np.divmod(local, extent[:, 0])
        z, y = np.divmod(rest, extent[:, 1])
        voxels = (first[cell] + np.stack([x, y, z], axis=-1)).astype(np.int32)
        if slanted:
            cells, placement = slanted
            own = (np.floor(to_source(voxels + 0.5, placement)) == cells[cell]).all(1)
            cell, voxels = cell[own], voxels[own]
        coverage = rgba[cell, 3].astype(np.int64)
        light = LINEAR_OF_SRGB[rgba[cell, :3]].astype(np.int64) * coverage[:, None]
        yield sums.collapse(Sums(voxels, np.ones(len(cell), np.int64), coverage, light))


def resolve(summed: Sums) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Every voxel that holds a cell is solid: ([M] True, [M] mean coverage of its cells)."""
    coverage = (2 * summed.weight + summed.n) // (2 * summed.n)
    return np.ones(len(summed.n), bool), coverage.clip(1, 255).astype(np.uint8)
