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


def levels_of(voxels):
    """Sets of (x, y, z) per level."""
    voxels = np.unique(voxels, axis=0)
    rgba = np.full((len(voxels), 4), 255, np.uint8)
    out = [voxels]
    for _ in range(N_LEVELS - 1):
        voxels, rgba = lod.reduce_sparse(voxels, rgba)
        out.append(voxels)
    return [set(map(tuple, level.tolist())) for level in out]


def ground_of(*boxes, known=lambda level, voxels: np.ones(len(voxels), bool), size_m=SIZE_M):
    """A Ground of boxes of voxels. known: (level, voxels [N, 3]) -> [N] bool"""
    levels = levels_of(np.concatenate(boxes))

    def ask(level, voxels):
        occupied = np.array([tuple(v) in levels[level] for v in voxels.tolist()], bool)
        here = known(level, voxels)
        # As Occupancy: what is empty further up is known to be empty.
        for k in range(level + 1, N_LEVELS):
            up = voxels >> (k - level)
            here = here | (known(k, up) & ~np.array([tuple(v) in levels[k] for v in up.tolist()], bool))
        return occupied & here, here

    return Ground(ask, N_LEVELS, size_m)
