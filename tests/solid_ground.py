"""A small solid world for walkers: boxes of voxels, and who answers what is occupied."""

import numpy as np
from voxtide.app.moving.walk import Ground
from voxtide.atlas import lod

N_LEVELS = 6
SIZE_M = 0.05


def box(lo, hi):
    """Every voxel of [lo, hi)."""
    axes = [np.arange(a, b) for a, b in zip(lo, hi, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def ids_of(level_voxels):
    """One sortable number for each voxel. [N, 3] -> [N]"""
    x, y, z = (np.asarray(level_voxels, np.int64) + (1 << 20)).T
    return x | y << 21 | z << 42


def levels_of(voxels):
    """Sorted numbers of the occupied voxels, per level."""
    voxels = np.unique(voxels, axis=0)
    rgba = np.full((len(voxels), 4), 255, np.uint8)
    out = [voxels]
    for _ in range(N_LEVELS - 1):
        voxels, rgba = lod.reduce_sparse(voxels, rgba)
        out.append(voxels)
    return [np.sort(ids_of(level)) for level in out]


def ground_of(*boxes, known=lambda level, voxels: np.ones(len(voxels), bool), size_m=SIZE_M):
    """A Ground of boxes of voxels. known: (level, voxels [N, 3]) -> [N] bool"""
    levels = levels_of(np.concatenate(boxes))

    def holds(level, voxels):
        ids = ids_of(voxels)
        at = np.searchsorted(levels[level], ids).clip(max=len(levels[level]) - 1)
        return levels[level][at] == ids

    def ask(level, voxels):
        here = known(level, voxels)
        # As Occupancy: what is empty further up is known to be empty.
        for k in range(level + 1, N_LEVELS):
            up = voxels >> (k - level)
            here = here | (known(k, up) & ~holds(k, up))
        return holds(level, voxels) & here, here

    return Ground(ask, N_LEVELS, size_m)
